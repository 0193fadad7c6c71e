"""How late and how wrong the words are that clients of `capacity.py` were sent. Pure: knows no server and no clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from reswhis.core.alignment import key
from reswhis.core.types import Word

from capacity_clients import Heard
from capacity_streams import Sound
from quality_scores import errors_by_block, normal

NO_SOONER_S = -0.5
"""A word cannot have been committed before it was said: such a pair is of two different words. Half a second, since a
word may be known before it is over, and some of the times are estimates."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """Of one word: seconds from its end in the audio until its commit reached the client."""

    seconds: float
    exact: bool
    """Whether that end is known exactly, not estimated."""


@dataclass(frozen=True, slots=True)
class Result:
    """Of streams that ran together, or of the same streams one by one."""

    words: int
    wrong: int
    late: tuple[Lateness, ...]
    unpaired: int
    """Spoken words without a committed one, which have no latency."""
    failures: tuple[str, ...]
    client_lag_s: float

    @property
    def wer(self) -> float:
        return 100 * self.wrong / max(1, self.words)

    @property
    def timed(self) -> list[float]:
        """Of words whose ends are known exactly, if there are any."""
        exact = [late.seconds for late in self.late if late.exact]
        return exact or [late.seconds for late in self.late]

    def late_s(self, percent: float) -> float:
        """Infinite if nothing came."""
        return float(np.percentile(self.timed, percent)) if self.timed else float("inf")

    @property
    def mean_s(self) -> float:
        return float(np.mean(self.timed)) if self.timed else float("inf")


def result(sounds: Sequence[Sound], heard: Sequence[Heard]) -> Result:
    pairs = list(zip(sounds, heard, strict=True))
    late = [row for sound, one in pairs for row in lateness(sound, one)]
    spoken = sum(1 for sound in sounds for word in sound.words if _key(word.text))
    return Result(
        words=sum(len(normal(sound.text).split()) for sound in sounds),
        wrong=sum(wrong(sound, one) for sound, one in pairs),
        late=tuple(late),
        unpaired=spoken - len(late),
        failures=tuple(one.failure for one in heard if one.failure),
        client_lag_s=max((one.lag_s for one in heard), default=0.0),
    )


def wrong(sound: Sound, heard: Heard) -> int:
    return sum(errors_by_block([sound.text], " ".join(word.text for word in heard.words)))


def lateness(sound: Sound, heard: Heard) -> Iterator[Lateness]:
    """Of each spoken word that an alignment by text pairs with a committed one, heard right or not."""
    import jiwer

    spoken = [word for word in sound.words if _key(word.text)]
    said = [word for word in heard.words if _key(word.text)]
    if not spoken or not said:
        return
    left, right = (" ".join(_key(word.text) for word in words) for words in (spoken, said))
    for chunk in jiwer.process_words(left, right).alignments[0]:
        if chunk.type not in {"equal", "substitute"}:
            continue
        ours, theirs = range(chunk.ref_start_idx, chunk.ref_end_idx), range(chunk.hyp_start_idx, chunk.hyp_end_idx)
        for i, j in zip(ours, theirs, strict=True):
            late = said[j].at_s - spoken[i].end
            if late >= NO_SOONER_S:
                yield Lateness(late, spoken[i].exact)


def _key(text: str) -> str:
    return key(Word(0, 0, text))
