"""What carries a connection's messages, whole and in order: a WebSocket, or what other doors have in its place.

Knows no protocol's words. Served by :class:`.connection.Connection`.
"""

from __future__ import annotations

from typing import Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from .codec import Close, Message


class Gone(Exception):
    """The client has hung up."""


class Wire(Protocol):
    """Read by one task, written to by one at a time."""

    async def receive(self) -> Message:
        """Raises Gone. Cancelling it loses nothing."""
        ...

    async def send(self, message: Message) -> None:
        """Return when more may come. Raises Gone; after a close it does nothing."""
        ...

    async def close(self, close: Close) -> None:
        """The end, behind all that was sent. A second one does nothing."""
        ...


class WebSocketWire:
    """A socket that has been accepted."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    async def receive(self) -> Message:
        message = await self._socket.receive()
        if message["type"] == "websocket.disconnect":
            raise Gone
        data: bytes | None = message.get("bytes")
        text: str = message.get("text") or ""
        return text if data is None else data

    async def send(self, message: Message) -> None:
        if not self._is_open:
            return
        try:
            if isinstance(message, str):
                await self._socket.send_text(message)
            else:
                await self._socket.send_bytes(message)
        except WebSocketDisconnect as exc:
            raise Gone from exc

    async def close(self, close: Close) -> None:
        if not self._is_open:
            return
        try:
            await self._socket.close(close.code, close.reason)
        except WebSocketDisconnect as exc:
            raise Gone from exc

    @property
    def _is_open(self) -> bool:
        return self._socket.application_state is WebSocketState.CONNECTED
