"""A client's bytes to the samples the core takes. Keeps one stream's state; a session's host calls it."""

from __future__ import annotations

import numpy as np

from reswhis.core.types import Samples

from .pcm import AudioFormat, FloatSamples, PcmDecoder
from .resample import Resampler


class AudioInput:
    """Any :class:`AudioFormat` in, 16 kHz mono int16 out; how the bytes are split does not matter.

    s16le at 16 kHz, mono, passes bit by bit and at once. At other rates the resampler holds the last
    tens of milliseconds (see :class:`.resample.Resampler`), so :meth:`drain` before a flush that must
    not cut the last sound, and :meth:`finish` at the end. For one thread at a time.
    """

    def __init__(self, format: AudioFormat) -> None:
        self.format = format
        self._is_plain = format == AudioFormat()
        self._decoder = PcmDecoder(format)
        self._resampler = Resampler(format.sample_rate)

    @property
    def pending(self) -> int:
        """Bytes that wait for the rest of their frame; at the end they are no sound."""
        return self._decoder.pending

    def push(self, data: bytes) -> Samples:
        if self._is_plain:
            return np.frombuffer(self._decoder.whole(data), "<i2").astype(np.int16, copy=False)
        return to_int16(self._resampler.push(self._decoder.decode(data)))

    def drain(self) -> Samples:
        """What the resampler holds, now; the stream goes on afterwards and gives nothing twice."""
        return to_int16(self._resampler.drain())

    def finish(self) -> Samples:
        """What the resampler holds, as the last; nothing may follow."""
        return to_int16(self._resampler.finish())


def to_int16(samples: FloatSamples) -> Samples:
    """Clipped to full scale."""
    # Resampling overshoots: full scale may come out beyond it.
    scaled: FloatSamples = np.rint(samples * np.float32(32768)).clip(-32768, 32767)
    return scaled.astype(np.int16)
