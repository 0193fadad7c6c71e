"""What a session keeps of an utterance while it is decoded. Values only; :mod:`.online` alone changes them."""

from __future__ import annotations

from dataclasses import dataclass, field

from .commit import CommitPolicy
from .endpointing import FRAME
from .events import Event, Reason
from .types import Word, samples

TRAILING = round(samples(0.5) / FRAME) * FRAME
"""Samples of silence after speech that are decoded with it: recognisers end a sentence better where it is quiet."""

CUT_MARGIN_S = 0.2
"""So near to the end of a committed word an utterance is cut: its last decode then has little left to say."""


@dataclass(slots=True)
class Utterance:
    """What is said between one SpeechStarted and its UtteranceEnded."""

    number: int
    start: int
    context_from: int
    """What was said before this is not shown to the recogniser: there was a pause since."""
    language: str | None = None
    """As last heard."""
    locked: str | None = None
    """As detected for this utterance alone."""
    end: int = 0
    reason: Reason = Reason.FORCED
    """Where and why it ended; without meaning until then."""
    committed: list[Word] = field(default_factory=list)


@dataclass(slots=True)
class Stretch:
    """Speech that is decoded by itself: a whole utterance, or part of one that outlasts its pauses."""

    utterance: Utterance
    voiced_from: int
    voiced_until: int
    policy: CommitPolicy
    kept: int
    """Where its next window begins: audio before it is committed for good."""
    decoded: int
    """Up to here there is nothing new to decode."""
    unheard: int = 0
    """Samples of speech that have not been in a window."""
    tried: int = 0
    """The ``voiced_until`` for which it was last asked whether a sentence ends there."""
    end: int | None = None
    """None while the speaker is still talking."""
    ended_at: int = 0
    """Up to where the audio had to be heard to know that; the silence that ended it is longer than what is decoded."""
    reason: Reason = Reason.FORCED
    """Why it ended; without meaning until then."""
    is_last: bool = False
    """Whether its utterance ends with it."""
    is_asked: bool = False
    """Whether its final window has been asked for, so that its audio is no longer needed."""
    tentative: tuple[Word, ...] = ()
    afterwards: list[Event] = field(default_factory=list)
    """What is said when all of it has been."""

    def content_end(self, at: int) -> int:
        """Where it ends if it ends at ``at``, without needless silence."""
        return min(at, self.voiced_until + TRAILING)

    def decodable_end(self, scored: int) -> int:
        return self.content_end(scored) if self.end is None else self.end

    def cut_between(self, longest: int) -> tuple[int, int]:
        """Where its utterance, longer than that, may be cut: at the end of the last committed word if that is late."""
        lowest = max(self.utterance.start + longest // 2, self.voiced_from, self.kept)
        highest = self.utterance.start + longest
        if self.utterance.committed and samples(self.utterance.committed[-1].end) > lowest:
            last = self.utterance.committed[-1]
            lowest = max(self.kept, samples(max(last.start, last.end - CUT_MARGIN_S)))
            highest = min(highest, samples(last.end + CUT_MARGIN_S))
        return min(lowest, highest), highest

    def waits_from(self, scored: int) -> int | None:
        """The first sample that waits for a window; None if there is none.

        What has ended waits for its final window, even if all of it has been in others.
        """
        end = self.decodable_end(scored)
        waits = self.decoded < end if self.end is None else not self.is_asked
        return min(self.decoded, end) if waits else None
