"""One stream's sample rate changed as it comes, as if it had been changed whole. :mod:`.input` calls it."""

from __future__ import annotations

import math

import numpy as np

from reswhis.core.types import SAMPLE_RATE

from .pcm import FloatSamples

RECENT_S = 0.25
"""Input kept for a drain: all that soxr holds (at most 0.12 s), and before it more than its filter reaches."""


class Resampler:
    """``soxr.resample`` of the whole, for any split. For one thread at a time.

    soxr works in blocks and looks ahead, so it holds the last of what it was given: from one push to
    the next between 10 and 116 ms at 8 kHz, 6 and 37 ms at 24 and 48 kHz, 6 and 40 ms at 44.1 kHz.
    That comes with later pushes or at the end, or at once by :meth:`drain`. No output is ever given twice.
    """

    def __init__(self, from_rate: int, to_rate: int = SAMPLE_RATE) -> None:
        self._from_rate, self._to_rate = from_rate, to_rate
        self._stream = None
        if from_rate != to_rate:
            import soxr

            self._stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32")
        common = math.gcd(from_rate, to_rate)
        # Only after a whole number of periods do an input and an output sample fall together.
        self._period, self._period_out = from_rate // common, to_rate // common
        self._recent: FloatSamples = np.empty(0, np.float32)
        self._given = 0  # output samples since the first of the recent input
        self._ahead = 0  # of them drained, and still to come out of the stream

    def push(self, samples: FloatSamples) -> FloatSamples:
        if self._stream is None:
            return samples
        self._recent = np.concatenate((self._recent, samples))
        given = self._not_drained(self._stream.resample_chunk(samples))
        self._given += len(given)
        periods = max(0, len(self._recent) - round(RECENT_S * self._from_rate)) // self._period
        self._recent = self._recent[periods * self._period :].copy()  # a view would hold all of a long push
        self._given -= periods * self._period_out
        return given

    def drain(self) -> FloatSamples:
        """What is held, now; the stream goes on afterwards.

        The filter looks ahead: the last 8 ms (at 8 kHz; 4 ms at 16 kHz and above) are as they would be if
        silence followed. All else, before and after, and the number of samples are as without it.
        """
        if self._stream is None:
            return np.empty(0, np.float32)
        import soxr

        held: FloatSamples = soxr.resample(self._recent, self._from_rate, self._to_rate)[self._given :]
        self._given += len(held)
        self._ahead += len(held)
        return held

    def finish(self) -> FloatSamples:
        """What is held, as the last; nothing may follow."""
        if self._stream is None:
            return np.empty(0, np.float32)
        return self._not_drained(self._stream.resample_chunk(np.empty(0, np.float32), last=True))

    def _not_drained(self, samples: FloatSamples) -> FloatSamples:
        again = min(self._ahead, len(samples))
        self._ahead -= again
        return samples[again:]
