"""uvicorn's WebSocket with two more bounds: what waits for a client that does not read, and how long it may take to go.

An application can set neither through ASGI. Used where reswhis is its own server; elsewhere such clients cost more.
"""

from __future__ import annotations

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LINGER_S = 5.0
"""For a client to take the last words and to hang up, before its connection is cut."""


class BoundedWebSocket(WebSocketsSansIOProtocol):
    _pong = b""
    """For a client that asks and does not read; only the newest is owed (RFC 6455, 5.5.3)."""

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
