"""From the arguments of ``reswhis listen --protocol grpc`` to its parts."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from reswhis.core.errors import ConfigurationError
from reswhis.core.types import samples
from reswhis.transports.grpc_door.opening import require

if TYPE_CHECKING:
    from reswhis.client.display import Display
    from reswhis.client.grpc_connection import GrpcListener
    from reswhis.client.grpc_target import GrpcTarget
    from reswhis.client.source import Source

PORT, FORMER_PORT = 50051, 8000
"""The second is that of the other protocols, and stands for this one's where nobody has asked for another."""


def grpc_listener(
    arguments: argparse.Namespace,
    key: str,
    chunk_s: float,
    make_source: Callable[[Callable[[str], None]], tuple[Source, str]],
    display: Display,
) -> GrpcListener:
    """Raises ConfigurationError, before the source is made if it can."""
    require()
    from reswhis.client.grpc_connection import GrpcListener
    from reswhis.client.grpc_session import GrpcSession
    from reswhis.client.resampled import ResampledSource

    target = grpc_target(arguments, key)
    source, greeting = make_source(display.notice)
    millis = max(1, round(chunk_s * 1000))
    session = GrpcSession(arguments.audio_encoding, millis)
    resampled = ResampledSource(source, piece=samples(millis / 1000))
    return GrpcListener(target, session, resampled, display, greeting=greeting)


def grpc_target(arguments: argparse.Namespace, key: str) -> GrpcTarget:
    """Raises ConfigurationError."""
    from reswhis.client.grpc_target import target_of

    trust = None
    if arguments.ca_file is not None:
        try:
            trust = arguments.ca_file.read_bytes()
        except OSError as error:
            raise ConfigurationError(f"--ca-file: {arguments.ca_file} cannot be read ({error.strerror}).") from None
    if arguments.url is not None:
        return target_of(arguments.url, key, trust)
    if not 1 <= arguments.port <= 65535:
        raise ConfigurationError("--port must be from 1 to 65535.")
    name = arguments.host.removeprefix("[").removesuffix("]")
    port = PORT if arguments.port == FORMER_PORT else arguments.port
    return target_of(f"grpc://{f'[{name}]' if ':' in name else name}:{port}", key, trust)
