"""What a session has said, in order: numbered events that any reader can follow from any place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from reswhis.core.events import Closed, Committed, Event, Tentative, UtteranceEnded


@dataclass(frozen=True, slots=True)
class Entry:
    """An event, its number from 1, and how many samples had been received when it was said.

    A Tentative has the number of the lasting event before it.
    """

    number: int
    audio: int
    event: Event


class Journal:
    """Append-only, but for one place: of the Tentatives only the newest that still holds is kept.

    So a reader's outbox is no queue but a position here, and it cannot grow beyond what was
    said for good (a few bytes per word, bounded by the length of the session).
    """

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._tentative: Entry | None = None
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """Lasting entries."""
        return len(self._entries)

    @property
    def closed(self) -> bool:
        """Nothing more will be said."""
        return bool(self._entries) and isinstance(self._entries[-1].event, Closed)

    @property
    def tentative(self) -> Entry | None:
        """The newest, if it still holds."""
        return self._tentative

    @property
    def changed(self) -> asyncio.Event:
        """Set at the next entry: take it before looking, then wait for it."""
        return self._changed

    def said(self) -> list[Entry]:
        """The lasting entries so far."""
        return self._entries.copy()

    def since(self, after: int, limit: int | None = None) -> list[Entry]:
        """The lasting entries numbered above ``after``; so many of them at most."""
        return self._entries[after : None if limit is None else after + limit]

    def before_last(self, utterances: int) -> int:
        """The number after which the last so many utterances are told, and one that has not ended."""
        for entry in reversed(self._entries):
            if isinstance(entry.event, UtteranceEnded):
                if not utterances:
                    return entry.number
                utterances -= 1
        return 0

    def append(self, event: Event, audio: int) -> None:
        if isinstance(event, Tentative):
            self._tentative = Entry(len(self._entries), audio, event)
        else:
            self._entries.append(Entry(len(self._entries) + 1, audio, event))
            if isinstance(event, Committed | UtteranceEnded):
                self._tentative = None
        self._changed.set()
        self._changed = asyncio.Event()

    async def follow(self, after: int = 0) -> AsyncIterator[Entry]:
        """All entries numbered above ``after``, as they come and in their order, up to and with Closed."""
        shown: Entry | None = None
        while True:
            changed = self._changed
            tentative = self._tentative
            if tentative is not None and tentative is not shown and tentative.number <= after:
                shown = tentative
                yield tentative
            elif after < len(self._entries):
                entry = self._entries[after]
                after += 1
                yield entry
                if isinstance(entry.event, Closed):
                    return
            else:
                await changed.wait()
