"""The gRPC server: its ports, the calls that it takes, and beside them what tools expect, health and reflection.

Runs in the event loop of the other doors. Made by the application when gRPC is asked for.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from reswhis.core.errors import ConfigurationError
from reswhis.observability.health import State
from reswhis.server.service import Service

from .dialects import PATHS, SERVICE, Path
from .door import Context, GrpcDoor
from .opening import Terms

logger = logging.getLogger(__name__)

HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
HANG_UP_S = 3.0
"""For the clients to take the last words, when every session has finished."""
HEALTH_S = 1.0
ENVELOPE = 64
"""Bytes of a message beside its audio, and more."""
WINDOW = 65_535
"""Bytes that the network may hold of a stream that is not read; by default it grows to minutes of speech."""
ADVICE = "is another server running? Choose another with --ports."
PING_MS = 20_000
"""A client that has vanished says nothing, and its network neither."""


class GrpcServer:
    """Serves from ``async with`` on; at its end the calls there are have :data:`HANG_UP_S` to end."""

    def __init__(self, door: GrpcDoor, terms: Terms) -> None:
        """Raises ConfigurationError if a port is taken."""
        for port in terms.ports:
            _require_free(terms.host, port)
        self._door = door
        self._terms = terms

    async def __aenter__(self) -> GrpcServer:
        """Raises ConfigurationError if a port has been taken meanwhile."""
        limits = self._door.service.limits
        options = {
            "grpc.max_receive_message_length": limits.max_frame_bytes + ENVELOPE,
            "grpc.so_reuseport": 0,  # else a second server would share the port unnoticed
            "grpc.http2.lookahead_bytes": WINDOW,
            "grpc.http2.bdp_probe": 0,
            "grpc.http2.max_ping_strikes": 0,  # whisper_realtime_server's clients ping every second
            "grpc.server_handshake_timeout_ms": round(limits.idle_timeout_s * 1000),
            "grpc.max_connection_age_ms": round(limits.max_session_s * 1000),  # a client that reads nothing ends there
            "grpc.max_connection_age_grace_ms": round(limits.max_session_s * 1000),
            "grpc.keepalive_time_ms": PING_MS,
            "grpc.keepalive_timeout_ms": PING_MS,
        }
        self._server = grpc.aio.server(options=list(options.items()))
        self._server.add_generic_rpc_handlers(list(self._handlers()))
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((SERVICE, HEALTH, reflection.SERVICE_NAME), self._server)
        for port in self._terms.ports:
            self._listen(port)
        await self._server.start()
        self._watching = asyncio.create_task(_watch(self._door.service, self._health))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()
        await self._health.enter_graceful_shutdown()
        await self._server.stop(HANG_UP_S)

    def _handlers(self) -> Iterator[grpc.GenericRpcHandler]:
        for path in PATHS:
            # Without functions that read and write messages the bytes come as they are: whose they are shows later.
            method: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(self._handler(path))
            yield grpc.method_handlers_generic_handler(path.service, {path.method: method})

    def _handler(self, path: Path) -> Callable[[AsyncIterator[bytes], Context], Awaitable[None]]:
        async def serve(_: AsyncIterator[bytes], context: Context) -> None:
            await self._door.serve(context, path)

        return serve

    def _listen(self, port: int) -> None:
        """Raises ConfigurationError."""
        host, credentials = self._terms.host, self._terms.credentials
        name = f"[{host}]" if ":" in host else host
        address = f"{name}:{port}"
        try:
            if credentials is None:
                bound = self._server.add_insecure_port(address)
            else:
                pair = credentials.key, credentials.certificates
                bound = self._server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        except RuntimeError as exc:
            raise ConfigurationError(f"{address} cannot be listened on for gRPC: {ADVICE}") from exc
        logger.info("listening on grpc://%s:%d%s", name, bound, "" if credentials is None else " (with TLS)")


def _require_free(host: str, port: int) -> None:
    """gRPC opens its ports itself, when all else has begun, and would not say what is wrong.

    Raises ConfigurationError.
    """
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except (OSError, OverflowError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise ConfigurationError(f"{host} port {port} cannot be listened on for gRPC ({reason}): {ADVICE}") from exc


async def _watch(service: Service, servicer: health.aio.HealthServicer) -> None:
    """Nobody says when the recogniser fails and comes back; whoever watches hears of it in a second."""
    statuses = health_pb2.HealthCheckResponse
    while True:
        status = statuses.SERVING if service.health.state is State.READY else statuses.NOT_SERVING
        for name in ("", SERVICE):
            await servicer.set(name, status)
        await asyncio.sleep(HEALTH_S)
