"""Decodes, resamples and scores one stream's audio in a thread pool, so that the event loop never does."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor

from reswhis.audio.input import AudioInput
from reswhis.audio.pcm import AudioFormat
from reswhis.audio.vad import SileroVAD
from reswhis.core.types import Samples

from .host import Heard


class ThreadedEar:
    """One per session; its host calls it one call at a time. See :class:`.host.Ear`."""

    def __init__(self, audio_format: AudioFormat, vad: SileroVAD, threads: Executor) -> None:
        self._input = AudioInput(audio_format)
        self._vad = vad.stream()
        self._threads = threads

    async def hear(self, data: bytes) -> Heard:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._hear, data)

    async def drain(self) -> Heard:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._drain)

    def _hear(self, data: bytes) -> Heard:
        return self._score(self._input.push(data))

    def _drain(self) -> Heard:
        return self._score(self._input.drain())

    def _score(self, samples: Samples) -> Heard:
        return Heard(samples, self._vad.score(samples))
