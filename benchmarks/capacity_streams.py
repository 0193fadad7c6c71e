"""What the clients of `capacity.py` and `peers.py` send: recordings with pauses, one stream for each, by seed.

Stream number n is the same however many there are, so that what was heard of it alone need be measured once.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from reswhis.core.types import SAMPLE_RATE, Samples

from quality_material import Plan, Recording, Said, Stream, streams

FRAMES_MS = (40, 100)
"""Of audio in a frame, from shortest to longest: what browsers and telephones send."""
SPREAD_S = 3.0
"""Streams begin within so much time: people do not begin together."""


@dataclass(frozen=True, slots=True)
class Sound:
    """One client's stream."""

    name: str
    audio: Samples
    text: str
    words: tuple[Said, ...]
    frame: int
    """Samples."""
    begins_s: float
    """After the first of all."""

    @property
    def duration_s(self) -> float:
        return len(self.audio) / SAMPLE_RATE

    def frames(self) -> Iterator[tuple[float, Samples]]:
        """Each with the second at which its last sample has been spoken, when a real client can send it."""
        for start in range(0, len(self.audio), self.frame):
            frame = self.audio[start : start + self.frame]
            yield (start + len(frame)) / SAMPLE_RATE, frame


def sounds(rows: list[Recording], count: int, length_s: float) -> list[Sound]:
    """At least so long each: a recording is not cut."""
    return [_sound(n, stream) for n, stream in enumerate(streams("monologues", rows, Plan(count, count, length_s)))]


def _sound(number: int, stream: Stream) -> Sound:
    chance = random.Random(number)
    return Sound(
        name=stream.name,
        audio=stream.audio,
        text=" ".join(stream.truths),
        words=tuple(word for piece in stream.pieces for word in piece.words),
        frame=chance.randint(*FRAMES_MS) * SAMPLE_RATE // 1000,
        begins_s=chance.uniform(0, SPREAD_S),
    )
