"""What others can read of a session whose client lets them: live captions, and the transcript so far.

``GET /v1/sessions/{id}/events`` and ``/transcript.{format}``, for whoever has the session's viewer token. Both read the
session's journal, which knows nothing of them: a viewer that is slow or stalled costs the speaker nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.types import Receive, Scope, Send

from reswhis.core.errors import Overloaded
from reswhis.core.types import seconds
from reswhis.server.collector import Collector
from reswhis.server.journal import Entry, Journal
from reswhis.server.service import Service
from reswhis.server.shared_sessions import Shared, SharedSessions

from .access import key_of
from .caption_feed import LINE, CaptionFeeds
from .subtitles import FORMATS

logger = logging.getLogger(__name__)

RETRY_AFTER_S = 5
RETRY_MS = 2000
"""After which a browser whose connection has broken comes again."""
PING_S = 15
"""So that proxies keep a silent stream open."""
MEDIA_TYPES = {
    "txt": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "json": "application/json",
    "tsv": "text/tab-separated-values; charset=utf-8",
}
PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
NOT_FOUND: dict[int | str, dict[str, Any]] = {404: {"description": "no such session, or not this token"}}


def router(service: Service) -> APIRouter:
    viewers = APIRouter(prefix="/v1/sessions/{session_id}")
    feeds = CaptionFeeds()
    writing = asyncio.Semaphore(1)
    """One transcript is written at a time: a long one takes a thread for a good part of a second."""

    @viewers.get("/events", responses=NOT_FOUND, response_class=EventSourceResponse)
    async def events(session_id: str, request: Request) -> Response:
        """Live captions as server-sent events, resumable by ``Last-Event-ID`` or ``?after=``."""
        shared = _shared(service.shared, session_id, request)
        if shared is None:
            return _not_found()
        try:
            after = _after(request, shared.journal)
        except ValueError:
            message = "Last-Event-ID, after and recent are whole numbers, and not negative"
            return _problem(400, "invalid_request", message)
        if shared.journal.closed and after == len(shared.journal):
            return Response(status_code=204, headers=PRIVATE)  # by which a browser knows that it need not come again
        return Captions(service.shared, shared, feeds, after, write_timeout_s=service.limits.write_timeout_s)

    @viewers.get("/transcript.{format}", responses=NOT_FOUND, response_class=Response)
    @viewers.head("/transcript.{format}", include_in_schema=False)
    async def transcript(session_id: str, format: str, request: Request) -> Response:
        """What is final so far, as txt, srt, vtt, json or tsv."""
        shared = _shared(service.shared, session_id, request)
        if shared is None or format not in FORMATS:
            return _not_found()
        async with writing:
            text = await asyncio.to_thread(_transcript, shared.journal.said(), format)
        return Response(text, headers=PRIVATE, media_type=MEDIA_TYPES[format])

    return viewers


class Captions(EventSourceResponse):
    """The stream of one viewer, which counts while it is sent."""

    def __init__(
        self, sessions: SharedSessions, shared: Shared, feeds: CaptionFeeds, after: int, *, write_timeout_s: float
    ) -> None:
        events = _events(feeds, shared.journal, after)
        super().__init__(events, headers=PRIVATE, ping=PING_S, sep=LINE, send_timeout=write_timeout_s)
        self._sessions = sessions
        self._shared = shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with self._sessions.viewing(self._shared):
                await super().__call__(scope, receive, send)
        except Overloaded as exc:
            await _problem(503, "overloaded", str(exc))(scope, receive, send)
        except SendTimeoutError:
            logger.info("a viewer took nothing for %g s", self.send_timeout)


async def _events(feeds: CaptionFeeds, journal: Journal, after: int) -> AsyncIterator[bytes]:
    yield ServerSentEvent(retry=RETRY_MS, sep=LINE).encode()
    with feeds.reading(journal) as feed:
        async for part in feed.follow(after):
            yield part


def _shared(sessions: SharedSessions, session_id: str, request: Request) -> Shared | None:
    token = request.query_params.get("viewer_token") or key_of(request.headers, {}, ())
    return sessions.find(session_id, token or "")


def _after(request: Request, journal: Journal) -> int:
    """Raises ValueError. A browser that comes again says where it was, whatever its address says."""
    query = request.query_params
    if (seen := request.headers.get("last-event-id") or query.get("after")) is not None:
        return min(_whole(seen), len(journal))
    return journal.before_last(_whole(query["recent"])) if "recent" in query else 0


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ValueError
    return int(text)


def _transcript(entries: list[Entry], format: str) -> str:
    collector = Collector()
    collector.take(entry.event for entry in entries)
    return FORMATS[format](collector.transcript(seconds(entries[-1].audio) if entries else 0.0))


def _not_found() -> JSONResponse:
    """The same for what was never there, what is no more, and what this token does not open."""
    message = "no such session, or not its viewer_token; a transcript is .txt, .srt, .vtt, .json or .tsv"
    return _problem(404, "unknown_session", message)


def _problem(status: int, code: str, message: str) -> JSONResponse:
    headers = {503: {"Retry-After": str(RETRY_AFTER_S)}}.get(status, {})
    return JSONResponse(
        {"type": "error", "code": code, "message": message, "fatal": True}, status, {**PRIVATE, **headers}
    )
