"""One session's captions as bytes, for however many read them: each event is encoded once.

Wakes its readers a few at a time, so that the loop serves whoever speaks in between. Knows no HTTP; used by
:mod:`.viewers`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from sse_starlette import ServerSentEvent

from reswhis.core.events import Closed
from reswhis.server.journal import Entry, Journal

from .caption_events import caption_event

LINE = "\n"
AT_ONCE = 4
"""Readers woken in one turn of the loop: so many writes are what the speaker may have to wait for."""
PAUSE_S = 0.0001
LONGEST_PAUSE_S = 0.05
"""For each reader, before they are woken: what is said in one breath they get as one, and after the speaker."""
LONGEST = 64
"""Entries in one part, some 10 KB: one who comes late to a long talk is told it in several turns."""


class CaptionFeed:
    """A reader has no queue but its place: one that is slow gets what lasts, and of the tentative only the newest."""

    def __init__(self, journal: Journal) -> None:
        """Of the journal as it is now the readers themselves take note; :meth:`run` tells them what comes."""
        self._journal = journal
        self._began = len(journal)
        self._lasting: dict[int, bytes] = {}
        self._tentative: tuple[Entry | None, bytes] = (None, b"")
        self._waiting: set[asyncio.Future[None]] = set()

    async def run(self) -> None:
        """Wake the readers whenever there is something for them. Until cancelled."""
        looked = self._began
        tentative: Entry | None = None
        while True:
            changed = self._journal.changed
            entries = self._journal.since(looked)
            looked += len(entries)
            if any([self._encode(entry) for entry in entries]) or self._journal.tentative is not tentative:
                tentative = self._journal.tentative
                await self._wake()
            await changed.wait()

    async def follow(self, after: int = 0) -> AsyncIterator[bytes]:
        """What is numbered above ``after``, as it comes and several events at once, up to and with the last."""
        shown: Entry | None = None
        while True:
            entries = self._journal.since(after, LONGEST)
            after += len(entries)
            data = [self._encode(entry) for entry in entries]
            tentative = self._journal.tentative
            if tentative is not None and tentative is not shown and after == len(self._journal):
                shown = tentative
                data.append(self._encode_tentative(tentative))
            if part := b"".join(data):
                yield part
            if entries and isinstance(entries[-1].event, Closed):
                return
            await (asyncio.sleep(0) if data else self._news())

    async def _news(self) -> None:
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)

    async def _wake(self) -> None:
        if not self._journal.closed:  # nothing more comes, and the server may be about to stop
            await asyncio.sleep(min(PAUSE_S * len(self._waiting), LONGEST_PAUSE_S))
        waiting = list(self._waiting)
        for place in range(0, len(waiting), AT_ONCE):
            for reader in waiting[place : place + AT_ONCE]:
                if not reader.done():  # it has gone meanwhile
                    reader.set_result(None)
            await asyncio.sleep(0)

    def _encode(self, entry: Entry) -> bytes:
        """Empty: readers are not told."""
        data = self._lasting.get(entry.number)
        if data is None:
            data = self._lasting[entry.number] = _encoded(entry)
        return data

    def _encode_tentative(self, entry: Entry) -> bytes:
        if self._tentative[0] is not entry:
            self._tentative = (entry, _encoded(entry))
        return self._tentative[1]


class CaptionFeeds:
    """Of the sessions that are being read: a feed begins with its first reader and ends with its last."""

    def __init__(self) -> None:
        self._running: dict[Journal, tuple[CaptionFeed, asyncio.Task[None]]] = {}
        self._readers: dict[Journal, int] = {}

    def __len__(self) -> int:
        return len(self._running)

    @contextmanager
    def reading(self, journal: Journal) -> Iterator[CaptionFeed]:
        if journal not in self._running:
            feed = CaptionFeed(journal)
            self._running[journal] = feed, asyncio.create_task(feed.run())
        self._readers[journal] = self._readers.get(journal, 0) + 1
        try:
            yield self._running[journal][0]
        finally:
            self._readers[journal] -= 1
            if not self._readers[journal]:
                del self._readers[journal]
                self._running.pop(journal)[1].cancel()


def _encoded(entry: Entry) -> bytes:
    told = caption_event(entry.number, entry.event)
    if told is None:
        return b""
    number = None if told.number is None else str(told.number)
    return ServerSentEvent(told.data, event=told.name, id=number, sep=LINE).encode()
