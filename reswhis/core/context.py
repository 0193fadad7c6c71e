"""What a session has said for good: found again in what is heard next, and shown to the recogniser as its prompt.

Knows nothing of utterances, windows or events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from .alignment import JITTER_S, following, key, monotone
from .types import Word, join

SENTENCE_ENDS = ".?!…。？！｡।؟۔"

_UNFINISHED = ("...", "…")

MIN_HEARD_S = 0.1
"""Less of a word than this is not heard again, so a trimmed window begins this long before its end at least."""
OVERLAP_WORDS = 3
"""So many committed words a trimmed window hears again: of a single one, the first in a window and half cut off by
jitter, a recogniser often makes another word, and then the next new one is taken for it."""
OVERLAP_S = 3 * JITTER_S
"""They are longer together than the times of the first can be off, or the window begins with another word."""
OVERLAP_CHANGES = 2
"""So often a word differs from the one before it, since "no no no" does not say which of them is the last."""
LONGEST_OVERLAP = 24


def ends_sentence(word: Word) -> bool:
    """Whether a sentence may be over after this word. What trails off is not."""
    text = word.text.rstrip(" \"')]}”’»」』")
    return text.endswith(tuple(SENTENCE_ENDS)) and not text.endswith(_UNFINISHED)


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

    def trim_start(self, earliest: float) -> float:
        """Where a window may begin that is to hear the last committed words again; 0 while they are too few for that.

        At the beginning of a sentence if one begins since ``earliest``, or else of a word: with few words before it a
        recogniser makes less of what follows.
        """
        said = list(self._said)
        first = self._overlap(said)
        if first is None:
            return 0.0
        for i in range(first, 0, -1):
            if said[i].start < earliest:
                break
            if said[i - 1].text.rstrip().endswith(tuple(SENTENCE_ENDS)):
                first = i
                break
        return min(min(word.start, word.end - MIN_HEARD_S) for word in said[first:])

    def _overlap(self, said: Sequence[Word]) -> int | None:
        """The first of the last words that together say which they are."""
        changes = 0
        for i in range(len(said) - 1, -1, -1):
            count = len(said) - i
            changes += count > 1 and key(said[i]) != key(said[i + 1])
            is_long = count >= OVERLAP_WORDS and said[-1].end - said[i].start >= OVERLAP_S
            if (is_long and changes >= OVERLAP_CHANGES) or count == LONGEST_OVERLAP:
                return i
        return None

    def prompt(self, since: float, before: float, limit: int) -> str:
        """The last sentences said in this time, or the last words if they are too long."""
        text = join(word for word in self._said if since <= word.middle < before)
        if len(text) <= limit:
            return text
        text = text[len(text) - limit :]
        ends = [i for c in SENTENCE_ENDS if (i := text.find(c)) >= 0]
        cut = min(ends) if ends else text.find(" ")
        return (text[cut + 1 :] or text).lstrip()
