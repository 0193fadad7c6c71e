"""uvicorn's HTTP with one more bound: how long a client may take nothing of an answer that waits for it.

Used where reswhis is its own server; elsewhere such clients hold what waits for them until the system gives them up.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


def bounded_http(stall_s: float) -> type[HttpToolsProtocol]:
    """uvicorn takes a class, and hands it nothing of ours."""

    class BoundedHttp(HttpToolsProtocol):
        _stalled: asyncio.TimerHandle | None = None

        def pause_writing(self) -> None:
            super().pause_writing()
            self._watch()

        def resume_writing(self) -> None:
            super().resume_writing()
            self._forget()

        def connection_lost(self, exc: Exception | None) -> None:
            self._forget()
            super().connection_lost(exc)

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
