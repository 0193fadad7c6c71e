"""uvicorn's WebSocket with more bounds: what waits for a client that does not read, how long it may take to go, and
what TLS reads ahead. An application can set none of them through ASGI. What a client does wrong is no error in the log.

Used where reswhis is its own server; elsewhere such clients cost more.
"""

from __future__ import annotations

from asyncio import BaseTransport
from collections.abc import Sequence
from typing import Protocol, cast

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
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

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            # Too many header fields, or a body: uvicorn does not look for it, and its client would wait for ever.
            self.handshake_complete = self.close_sent = True
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not (self.close_sent or _is_text(self.frames)):
            self.conn.send_close(1007)
            self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        """Reads on until the client hangs up: uvicorn cuts it off at once, and of a socket that is closed with a part
        unread neither the last words nor the close arrive.
        """
        if self.close_sent:
            return
        close = self.conn.close_sent
        assert close is not None
        self.queue.put_nowait({"type": "websocket.disconnect", "code": close.code, "reason": close.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.conn.parser_exc is not None and self.transport.can_write_eof():
            self.transport.write_eof()  # its answer would not be understood
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(LINGER_S, self.transport.close)

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
        if self.transport.is_closing() and not self.handshake_complete:
            raise ClientDisconnected  # uvicorn would take its application's next word for a second handshake
        if self.close_sent and self.conn.close_sent is not None:
            raise ClientDisconnected  # by its own mistake, before its application knew
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True  # by a refusal, which uvicorn takes for none and logs as an error

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self.loop.call_later(LINGER_S, self.transport.abort)


def _is_text(parts: Sequence[bytes]) -> bool:
    try:
        b"".join(parts).decode()
    except UnicodeDecodeError:
        return False
    return True
