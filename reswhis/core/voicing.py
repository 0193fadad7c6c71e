"""Remembers how much each frame of the last minutes sounded like speech. Decides nothing: the session asks it for the
frames of a window, to tell the guard.
"""

from __future__ import annotations

from .endpointing import FRAME

STEPS = 255


class Voicing:
    def __init__(self, limit: int) -> None:
        """``limit``: samples; so much at least is remembered, and twice as much at most."""
        self._limit = -(-limit // FRAME)
        self._frames = bytearray()
        """A byte a frame: there may be hundreds of sessions."""
        self._forgotten = 0

    def append(self, probability: float) -> None:
        """Of the next frame."""
        if len(self._frames) >= 2 * self._limit:
            self._forgotten += self._limit
            del self._frames[: self._limit]
        self._frames.append(round(STEPS * min(1.0, max(0.0, probability))))  # in this order, NaN becomes 0

    def between(self, start: int, end: int) -> tuple[float, ...]:
        """The probabilities of the frames of these samples; none if the first of them is forgotten.

        The last ones may be missing: those that have not been scored.
        """
        first, last = start // FRAME - self._forgotten, -(-end // FRAME) - self._forgotten
        return tuple(frame / STEPS for frame in self._frames[first:last]) if first >= 0 else ()
