"""One file through one session, as fast as the engine goes. Reads no file and writes none.

Unlike a host it can have all its audio from the beginning, and nobody waits for words: so it hears well ahead of
what it decodes, and each utterance is decoded once, when its end is known. What comes out does not depend on how
fast anything is. Called by ``reswhis transcribe``, and by :mod:`.sessions` for files that clients send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from typing import Protocol

import numpy as np

from reswhis.core.config import MAX_WINDOW_S
from reswhis.core.errors import BackendError
from reswhis.core.online import OnlineASRProcessor, SessionConfig, StreamOptions
from reswhis.core.transcript import FinalUtterance, Transcript
from reswhis.core.types import Samples, Window, samples, seconds
from reswhis.engine.engine import Engine

from .collector import Collector

AHEAD_S = MAX_WINDOW_S + 2
"""Of more than the longest utterance that waits to be decoded, the first has ended."""
PIECE_S = 8.0
"""Heard at once: some 20 ms of work."""
HELD_S = 120.0
"""Room for what is heard ahead, and for the utterance that is being decoded meanwhile."""


class Scorer(Protocol):
    def score(self, samples: Samples) -> Sequence[float]:
        """The speech probability of every frame of 512 samples that these complete."""
        ...


class Listener(Protocol):
    """Told while the file is decoded, in the event loop's thread."""

    def said(self, utterance: FinalUtterance, /) -> None: ...

    def lost(self, start: float, end: float, /) -> None:
        """From here to there the recogniser failed."""
        ...

    def reached(self, second: float, /) -> None:
        """All before this has been decoded, or is silence."""
        ...


async def transcribe(
    audio: Iterable[Samples],
    engine: Engine,
    vad: Scorer,
    threads: Executor,
    config: SessionConfig,
    options: StreamOptions,
    listener: Listener,
    *,
    as_live: bool = False,
) -> Transcript:
    """Decode all of ``audio``. Cancelling it gives up the window that is being decoded.

    Args:
        audio: in pieces of any length, asked for in ``threads`` when they are wanted; what that raises is raised here.
        vad: of this file alone; called in ``threads``.
        config: its commit policy matters only with ``as_live``.
        as_live: decode whenever a step of new audio is there, as if it came live and decoding took no time.

    Raises:
        EngineDead: no window will ever be decoded again.
    """
    ahead_s = config.step_s if as_live else AHEAD_S
    config = replace(config, max_held_s=max(config.max_held_s, HELD_S))
    reading = _Reading(audio, OnlineASRProcessor(config, options), vad, threads, ahead_s, min(ahead_s, PIECE_S))
    collector = Collector(listener)
    session = reading.session
    while not session.closed:
        if reading.wants_more or (window := session.next_window()) is None:
            await reading.hear()
        else:
            await _decode(window, session, engine, reading)
        collector.take(session.events())
        listener.reached(seconds(session.received) - session.backlog_s)
    return collector.transcript(seconds(session.received), session.options.decode.language)


class _Reading:
    """How far the file has been heard."""

    def __init__(
        self,
        audio: Iterable[Samples],
        session: OnlineASRProcessor,
        vad: Scorer,
        threads: Executor,
        ahead_s: float,
        piece_s: float,
    ) -> None:
        self.session = session
        self._audio = iter(audio)
        self._read: Samples = np.empty(0, np.int16)
        """And not heard yet."""
        self._vad = vad
        self._threads = threads
        self._ahead_s = ahead_s
        self._piece = samples(piece_s)
        self._ended = False

    @property
    def wants_more(self) -> bool:
        return not self._ended and self.session.backlog_s < self._ahead_s

    async def hear(self) -> None:
        """Not after the end: then there is a window to decode, or the session has closed."""
        assert not self._ended
        piece, scores = await asyncio.get_running_loop().run_in_executor(self._threads, self._hear)
        self.session.receive_audio(piece)
        self.session.receive_speech(scores)
        if self._ended:
            self.session.receive_end()

    def _hear(self) -> tuple[Samples, Sequence[float]]:
        parts = [self._read]
        missing = self._piece - len(self._read)
        while missing >= 0:  # also if there is just enough, to learn whether that is all
            part = next(self._audio, None)
            if part is None:
                self._ended = True
                break
            parts.append(part)
            missing -= len(part)
        full = [part for part in parts if len(part)]
        read = full[0] if len(full) == 1 else np.concatenate(parts)  # which copies: not a file that is there as a whole
        piece, self._read = read[: self._piece], read[self._piece :]
        return piece, self._vad.score(piece) if len(piece) else ()


async def _decode(window: Window, session: OnlineASRProcessor, engine: Engine, reading: _Reading) -> None:
    """And hear on meanwhile, but no further than is heard ahead anyway."""
    decoding = asyncio.ensure_future(engine.submit(window, background=True))
    try:
        while reading.wants_more and not decoding.done():
            await reading.hear()
        session.receive_hypothesis(window, await decoding)
    except BackendError:
        session.receive_failure(window)
    finally:
        decoding.cancel()
