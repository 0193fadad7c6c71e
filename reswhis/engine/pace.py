"""How much less often than they would all sessions decode while the recogniser is behind. Pure: time is given.

A session whose windows wait decodes more rarely by itself, since it has one window outstanding; but then every
window, the final ones too, has waited in a queue as long as there are sessions. Longer steps keep the queue short
instead: each decode hears more, and there are fewer of them.
"""

from __future__ import annotations

import math

PERIOD_S = 0.5
"""Between two decisions."""
TARGET_S = 0.25
"""A longer queue helps nobody, a shorter one leaves the recogniser idle (``benchmarks/simulate.py``)."""
MOST = 8.0
WIDEN, NARROW = 1.4, 0.8
"""By this much at most in one period."""
FORGOTTEN_S = 5.0
"""After so long without windows nobody knows how a new one would fare."""


class Pace:
    """Told how long windows waited for a worker; says by what to multiply every session's step."""

    def __init__(self, target_s: float = TARGET_S, most: float = MOST) -> None:
        """``target_s``: the mean wait to keep to while there is more to decode than can be."""
        self.factor = 1.0
        """1 while nobody waits long."""
        self.wait_s = 0.0
        """Mean of the last period that had windows."""
        self._target_s = target_s
        self._most = most
        self._waits: list[float] = []
        self._since = 0.0

    def is_exhausted(self, at: float) -> bool:
        """Whether, until just now, windows waited too long although steps were as wide as they may be."""
        return self.factor >= self._most and self.wait_s > self._target_s and at - self._since < FORGOTTEN_S

    def waited(self, wait_s: float, at: float) -> None:
        """A worker takes a window after ``wait_s`` in the queue, at this moment of any steady clock."""
        if self._waits and at - self._since >= PERIOD_S:
            self.wait_s = sum(self._waits) / len(self._waits)
            self._waits, self._since = [], at
            change = math.sqrt(self.wait_s / self._target_s)
            self.factor = min(self._most, max(1.0, self.factor * min(WIDEN, max(NARROW, change))))
        self._waits.append(wait_s)
