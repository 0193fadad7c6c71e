"""uvicorn's HTTP with more bounds: how long and how large the head of a request may be, and how long a client may take
nothing of an answer that waits for it.

Used where reswhis is its own server; elsewhere such clients hold what they hold until the system gives them up.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 * 1024
"""Bytes of a request's first line and header fields, which are kept in memory."""


def bounded_http(stall_s: float, head_s: float = 60.0) -> type[HttpToolsProtocol]:
    """uvicorn takes a class, and hands it nothing of ours. ``head_s``: from the connection to the end of the head."""

    class BoundedHttp(HttpToolsProtocol):
        _stalled: asyncio.TimerHandle | None = None
        _awaited: asyncio.TimerHandle | None = None
        """A head that is not complete."""
        _head = 0
        """Bytes of it."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._await_head()

        def data_received(self, data: bytes) -> None:
            if self._awaited is not None:
                self._head += len(data)
            super().data_received(data)
            if self._awaited is not None and self._head > MAX_HEAD and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._await_head()

        def on_headers_complete(self) -> None:
            self._forget_head()
            super().on_headers_complete()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._watch()

        def resume_writing(self) -> None:
            super().resume_writing()
            self._forget()

        def connection_lost(self, exc: Exception | None) -> None:
            self._forget_head()
            self._forget()
            super().connection_lost(exc)

        def _await_head(self) -> None:
            self._head = 0
            if self._awaited is None:
                self._awaited = self.loop.call_later(head_s, self.transport.close)

        def _forget_head(self) -> None:
            if self._awaited is not None:
                self._awaited.cancel()
                self._awaited = None

        def _watch(self) -> None:
            waiting = self.transport.get_write_buffer_size()
            self._stalled = self.loop.call_later(stall_s, self._look, waiting)

        def _look(self, waited: int) -> None:
            """A slow client is waited for as long as it takes something; the answer's task then sees it go."""
            if self.transport.get_write_buffer_size() < waited:
                self._watch()
            else:
                self.transport.abort()

        def _forget(self) -> None:
            if self._stalled is not None:
                self._stalled.cancel()

    return BoundedHttp
