"""The sessions that others may read along: their journals, while they run and for a time after.

A client asks for it and is given a token, which opens its own session and nothing else. Of a session that has ended
only what was said is kept, in memory. Knows no wire protocol. Made by :mod:`.service`; sessions are put in by
:mod:`.sessions`, and read by :mod:`reswhis.transports.viewers`.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from reswhis.core.errors import Overloaded

from .journal import Journal
from .sharing import Sharing

MAX_KEPT = 100
"""Sessions that have ended."""
MAX_KEPT_ENTRIES = 100_000
"""In their journals together: about a day of talk, and some tens of megabytes."""


@dataclass(eq=False, slots=True)
class Shared:
    """One session as its viewers see it."""

    sharing: Sharing
    journal: Journal
    viewers: int = 0


class SharedSessions:
    """By their ids. The oldest that have ended are let go when there are too many."""

    def __init__(
        self,
        *,
        keep_s: float = 600.0,
        max_viewers: int = 1000,
        max_kept: int = MAX_KEPT,
        max_kept_entries: int = MAX_KEPT_ENTRIES,
    ) -> None:
        self._keep_s = keep_s
        self._max_viewers = max_viewers
        self._max_kept = max_kept
        self._max_kept_entries = max_kept_entries
        self._by_id: dict[str, Shared] = {}
        self._kept: dict[str, asyncio.TimerHandle] = {}
        """Those that have ended, the oldest first."""
        self._viewers = 0

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def keeps(self) -> bool:
        """Whether what is said can be read when all is over."""
        return self._keep_s > 0

    def share(self, sharing: Sharing, journal: Journal) -> Shared:
        """From now on it is found. :meth:`keep` has to follow when the session has ended."""
        assert sharing.session_id not in self._by_id
        shared = self._by_id[sharing.session_id] = Shared(sharing, journal)
        return shared

    def find(self, session_id: str, viewer_token: str) -> Shared | None:
        """None for an unknown session and a wrong token alike."""
        shared = self._by_id.get(session_id)
        known = "" if shared is None else shared.sharing.viewer_token
        right = hmac.compare_digest(viewer_token.encode(), known.encode())
        return shared if right and known else None

    @contextmanager
    def viewing(self, shared: Shared) -> Iterator[None]:
        """Raises Overloaded when there are as many viewers as may be."""
        if self._viewers >= self._max_viewers:
            raise Overloaded("as many read captions as this server lets")
        self._viewers += 1
        shared.viewers += 1
        try:
            yield
        finally:
            self._viewers -= 1
            shared.viewers -= 1

    def keep(self, shared: Shared) -> None:
        """The session has ended: let it go after the time for which it is kept. Who follows it now reads to its end."""
        session_id = shared.sharing.session_id
        if not self.keeps:
            del self._by_id[session_id]
            return
        self._kept[session_id] = asyncio.get_running_loop().call_later(self._keep_s, self._let_go, session_id)
        while self._are_too_many:
            self._let_go(next(iter(self._kept)))

    def close(self) -> None:
        """Let all go that have ended."""
        for session_id in list(self._kept):
            self._let_go(session_id)

    @property
    def _are_too_many(self) -> bool:
        entries = sum(len(self._by_id[session_id].journal) for session_id in self._kept)
        return len(self._kept) > self._max_kept or entries > self._max_kept_entries

    def _let_go(self, session_id: str) -> None:
        self._kept.pop(session_id).cancel()
        del self._by_id[session_id]
