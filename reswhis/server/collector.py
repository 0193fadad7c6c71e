"""Makes a transcript of what a session says: its utterances with their words, as far as they are final.

Does not decode, and knows no form in which a transcript is written. Used for whole files by :mod:`.offline`, and for
sessions that others read along by :mod:`reswhis.transports.viewers`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from reswhis.core.events import Committed, DecodeFailed, Event, UtteranceEnded
from reswhis.core.transcript import FinalUtterance, Transcript
from reswhis.core.types import Word


class Listener(Protocol):
    def said(self, utterance: FinalUtterance, /) -> None:
        """One has ended that has words."""
        ...

    def lost(self, start: float, end: float, /) -> None:
        """From here to there the recogniser failed."""
        ...


class Collector:
    """Events to utterances. To be told the events of one session, in their order."""

    def __init__(self, listener: Listener | None = None) -> None:
        self._listener = listener
        self._words: tuple[Word, ...] = ()
        self._utterances: list[FinalUtterance] = []
        self._lost: list[tuple[float, float]] = []

    def take(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case Committed(words=words):
                    self._words += words
                case UtteranceEnded(language=language):
                    if self._words:
                        self._end(FinalUtterance(self._words, language))
                    self._words = ()
                case DecodeFailed(start=start, end=end, is_final=True):
                    self._lose(start, end)
                case _:
                    pass  # what matters only to someone who listens while it is said

    def transcript(self, duration: float, expected: str | None = None) -> Transcript:
        """So far, with what is final of an unended utterance. ``expected``: the language, if none is known."""
        words = Counter[str]()
        for utterance in self._utterances:
            if utterance.language is not None:
                words[utterance.language] += len(utterance.words)
        language = max(words, key=words.__getitem__, default=expected)
        unended = (FinalUtterance(self._words, language),) if self._words else ()
        return Transcript((*self._utterances, *unended), duration, language, tuple(self._lost))

    def _end(self, utterance: FinalUtterance) -> None:
        self._utterances.append(utterance)
        if self._listener is not None:
            self._listener.said(utterance)

    def _lose(self, start: float, end: float) -> None:
        self._lost.append((start, end))
        if self._listener is not None:
            self._listener.lost(start, end)
