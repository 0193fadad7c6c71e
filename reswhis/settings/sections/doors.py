"""Doors that are open only when asked for: Home Assistant's, and gRPC."""

from __future__ import annotations

from typing import Literal

from .field import Group, Port, Section, setting


class Doors(Section):
    wyoming: bool = setting(
        Group.SERVER,
        False,
        "Serve Home Assistant, too, which speaks Wyoming over TCP. There is no place for a key in it: with "
        "api_key only to this machine itself.",
    )
    wyoming_port: Port = setting(Group.SERVER, 10300, "Port for that, at the same address; 0 takes a free one.")
    grpc: bool = setting(
        Group.SERVER, False, "Serve whisper_realtime_server's gRPC clients, too; needs the extra grpc."
    )
    ports: tuple[Port, ...] = setting(
        Group.SERVER,
        (50051,),
        "Ports for that, at the same address; 0 takes a free one. Several: --ports 50051 50052, or with commas.",
        min_length=1,
        spaced=True,
    )
    grpc_dialect: Literal["0.3", "0.2"] = setting(
        Group.SERVER,
        "0.3",
        "Version of whisper_realtime_server whose answers a gRPC client gets that names no encoding: "
        "nothing else tells the two apart.",
    )
    max_workers: int = setting(
        Group.LIMITS,
        0,
        "gRPC streams at once; one more is refused with RESOURCE_EXHAUSTED. 0: as many as max_sessions.",
        ge=0,
        le=100_000,
    )
