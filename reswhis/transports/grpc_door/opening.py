"""From the application to the gRPC server, without a word of gRPC: its library may be missing, and takes its time."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from reswhis.core.errors import ConfigurationError
from reswhis.core.online import SessionConfig, StreamOptions
from reswhis.server.service import Service

from ..access import Access
from ..credentials import Credentials

PACKAGES = ("grpc", "grpc_health", "grpc_reflection")
INSTALL = "uv sync --extra grpc"
VERBOSITY = "GRPC_VERBOSITY"
"""Its core, which is not Python, would write lines of its own between ours."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for this door alone."""

    host: str
    ports: Sequence[int]
    """0: any that is free."""
    max_streams: int = 0
    """At once; 0: as many as there may be sessions."""
    max_chunk_s: float = 1.0
    dialect: str = "0.3"
    """See :func:`.dialects.dialect_of`."""
    credentials: Credentials | None = None
    """None: no TLS."""


def grpc_server(
    service: Service, access: Access, config: SessionConfig, options: StreamOptions, terms: Terms
) -> AbstractAsyncContextManager[object]:
    """Serves within ``async with``. Raises ConfigurationError if gRPC is not installed, or a port is taken."""
    require()
    from .door import GrpcDoor
    from .server import GrpcServer

    return GrpcServer(GrpcDoor(service, access, config, options, terms), terms)


def require(packages: Sequence[str] = PACKAGES) -> None:
    """Before it is imported. Raises ConfigurationError if gRPC is not installed."""
    os.environ.setdefault(VERBOSITY, "NONE")
    if any(importlib.util.find_spec(name) is None for name in packages):
        raise ConfigurationError(f"gRPC is not installed: run `{INSTALL}`.")
