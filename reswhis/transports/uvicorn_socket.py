"""uvicorn's WebSocket with more bounds: what waits for a client that does not read, how long it may take to go, and
what TLS reads ahead. An application can set none of them through ASGI.

Used where reswhis is its own server; elsewhere such clients cost more.
"""

from __future__ import annotations

from asyncio import BaseTransport
from typing import Protocol, cast

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LINGER_S = 5.0
"""For a client to take the last words and to hang up, before its connection is cut."""

READ_AHEAD = 16 * 1024
"""Bytes that TLS may hold of a client that is not read: by default it held 14 s of speech, and a ping waits behind
them."""


class _TlsTransport(Protocol):
    """What the TLS transports of asyncio and uvloop have beside the others."""

    def set_read_buffer_limits(self, high: int) -> None: ...


class BoundedWebSocket(WebSocketsSansIOProtocol):
    _pong = b""
    """For a client that asks and does not read; only the newest is owed (RFC 6455, 5.5.3)."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        if transport.get_extra_info("ssl_object") is not None:
            cast(_TlsTransport, transport).set_read_buffer_limits(READ_AHEAD)

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            self._pong = b"".join(self.conn.data_to_send()) or self._pong

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._pong and not self.close_sent:
            self.transport.write(self._pong)
        self._pong = b""

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "websocket.close":
            self.writable.set()  # who takes nothing is told behind what waits for it
        await super().send(message)

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self.loop.call_later(LINGER_S, self.transport.abort)
