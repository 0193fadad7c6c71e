"""What a session has said for good: found again in what is heard next, and shown to the recogniser as its prompt.

Knows nothing of utterances, windows or events.
"""

from __future__ import annotations

from collections import deque

from .alignment import following, key, monotone
from .types import Word, join

SENTENCE_ENDS = ".?!…。？！｡।؟۔"

MIN_HEARD_S = 0.1
"""Less of a word than this is not heard again, so a trimmed window begins this long before its end at least."""
OVERLAP_WORDS = 3
"""So many committed words a trimmed window hears again: of a single one, the first in a window and half cut off by
jitter, a recogniser often makes another word, and then the next new one is taken for it."""
OVERLAP_CHANGES = 2
"""So often a word differs from the one before it, since "no no no" does not say which of them is the last."""
LONGEST_OVERLAP = 24


class Context:
    def __init__(self) -> None:
        self.end = 0.0
        """Where the committed words end, as the client was told."""
        self._said: deque[Word] = deque(maxlen=256)
        """The last committed words with their times as heard, which is how they will be heard again."""

    def say(self, words: tuple[Word, ...]) -> tuple[Word, ...]:
        """Commit words; returns them as the client is to see them, after all before."""
        self._said += words
        shown = self.show(words)
        if shown:
            self.end = shown[-1].end
        return shown

    def show(self, words: tuple[Word, ...]) -> tuple[Word, ...]:
        return monotone(words, self.end)

    def following(self, heard: tuple[Word, ...], since: float) -> tuple[Word, ...]:
        """What of ``heard``, in a window that begins at ``since``, has not been said yet."""
        return following(self._said, heard, since)

    @property
    def overlap_start(self) -> float:
        """Where the last few committed words begin, to be heard again; 0 while they are too few to find the place."""
        overlap: list[Word] = []
        changes = 0
        for word in reversed(self._said):
            changes += bool(overlap) and key(word) != key(overlap[-1])
            overlap.append(word)
            if (len(overlap) >= OVERLAP_WORDS and changes >= OVERLAP_CHANGES) or len(overlap) == LONGEST_OVERLAP:
                return min(min(word.start, word.end - MIN_HEARD_S) for word in overlap)
        return 0.0

    def prompt(self, since: float, before: float, limit: int) -> str:
        """The last sentences said in this time, or the last words if they are too long."""
        text = join(word for word in self._said if since <= word.middle < before)
        if len(text) <= limit:
            return text
        text = text[len(text) - limit :]
        ends = [i for c in SENTENCE_ENDS if (i := text.find(c)) >= 0]
        cut = min(ends) if ends else text.find(" ")
        return (text[cut + 1 :] or text).lstrip()
