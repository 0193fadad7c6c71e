"""Whole files that clients send, each decoded as :mod:`.offline` does it, behind whatever is live.

Reads no upload and writes no answer. Made by the sessions, whose places clients with files hold as well.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from reswhis.audio.vad import SileroVAD
from reswhis.core.config import SessionConfig, StreamOptions
from reswhis.core.transcript import FinalUtterance, Transcript
from reswhis.core.types import Samples, samples
from reswhis.engine.engine import Engine
from reswhis.observability.logs import TRANSCRIPTS
from reswhis.observability.metrics import Metrics

from . import offline

FILE_THREADS = 2
"""Theirs alone: to find the sound in a film takes long, and live streams must be heard meanwhile."""


class Files:
    def __init__(self, vad: SileroVAD, metrics: Metrics, *, log_transcripts: bool) -> None:
        self.threads = ThreadPoolExecutor(FILE_THREADS, thread_name_prefix="file")
        self._vad = vad
        self._metrics = metrics
        self._log_transcripts = log_transcripts
        self._begun = 0

    async def transcribe(
        self,
        audio: Iterable[Samples],
        engine: Engine,
        config: SessionConfig,
        options: StreamOptions,
        listener: offline.Listener,
    ) -> Transcript:
        """Raises what reading ``audio`` does, in :attr:`threads`, and EngineDead."""
        self._begun += 1
        if self._log_transcripts:
            listener = _Logged(listener, self._begun)
        vad = self._vad.stream()
        transcript = await offline.transcribe(audio, engine, vad, self.threads, config, options, listener)
        self._metrics.audio_received(samples(transcript.duration))
        return transcript

    async def aclose(self) -> None:
        await asyncio.to_thread(self.threads.shutdown, cancel_futures=True)


class _Logged:
    """Tells another listener, and writes what is said into the log."""

    def __init__(self, listener: offline.Listener, number: int) -> None:
        self._listener = listener
        self._number = number
        self.lost = listener.lost
        self.reached = listener.reached

    def said(self, utterance: FinalUtterance) -> None:
        text = " ".join(utterance.text.split())
        logging.getLogger(TRANSCRIPTS).info(
            "file %d, %.1f to %.1f s: %s", self._number, utterance.start, utterance.end, text
        )
        self._listener.said(utterance)
