"""Any source as 16 kHz mono in pieces of one length, for servers that take nothing else. Records nothing itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import numpy as np

from reswhis.audio.pcm import FloatSamples
from reswhis.audio.resample import Resampler
from reswhis.core.types import SAMPLE_RATE, Samples

from .session import ListenError
from .source import Source


class ResampledSource:
    sample_rate = SAMPLE_RATE
    channels = 1

    def __init__(self, source: Source, *, piece: int) -> None:
        """``piece`` is the length of all but the last, in samples."""
        self._source = source
        self._piece = piece

    async def pieces(self) -> AsyncGenerator[Samples, None]:
        resampler = Resampler(self._source.sample_rate)
        waiting = np.empty(0, np.int16)
        failure: ListenError | None = None
        try:
            async with aclosing(self._source.pieces()) as given:
                async for samples in given:
                    waiting = np.concatenate((waiting, _int16(resampler.push(self._mono(samples)))))
                    while len(waiting) >= self._piece:
                        yield waiting[: self._piece]
                        waiting = waiting[self._piece :]
        except ListenError as error:  # what came before it is to be heard
            failure = error
        waiting = np.concatenate((waiting, _int16(resampler.finish())))
        for start in range(0, len(waiting), self._piece):
            yield waiting[start : start + self._piece]
        if failure is not None:
            raise failure

    def stop(self) -> None:
        self._source.stop()

    def _mono(self, samples: Samples) -> FloatSamples:
        frames = samples.reshape(-1, self._source.channels)
        mixed: FloatSamples = frames.mean(axis=1, dtype=np.float32) / np.float32(32768)
        return mixed


def _int16(samples: FloatSamples) -> Samples:
    return (samples * 32768).round().clip(-32768, 32767).astype(np.int16)
