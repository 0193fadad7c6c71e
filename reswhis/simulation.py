"""A file as if it came live: one session, one recogniser, no server. Reads no file and prints nothing.

Called by ``reswhis simulate`` and by measurements of quality and latency.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from reswhis.backends.base import Backend
from reswhis.core.events import Event
from reswhis.core.online import OnlineASRProcessor
from reswhis.core.types import Hypothesis, Samples, Window, samples, seconds

logger = logging.getLogger(__name__)

PIECE = 640
"""Samples that arrive together: 40 ms."""


class Scorer(Protocol):
    def score(self, samples: Samples) -> Sequence[float]:
        """The speech probability of every frame of 512 samples that these complete."""
        ...


class Clock(Protocol):
    """Seconds since the first sample began to arrive."""

    def now(self) -> float: ...

    def wait_until(self, at: float) -> None: ...


class WallClock:
    """Runs from when it is made, also while the recogniser decodes."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def now(self) -> float:
        return time.monotonic() - self._began

    def wait_until(self, at: float) -> None:
        time.sleep(max(0.0, at - self.now()))


class AudioClock:
    """Runs with the audio alone, as if decoding took no time: computationally unaware."""

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        return self._now

    def wait_until(self, at: float) -> None:
        self._now = max(self._now, at)


@dataclass(frozen=True, slots=True)
class Emission:
    """What was said, and when by the clock, in seconds."""

    at: float
    event: Event


def simulate(
    audio: Samples,
    session: OnlineASRProcessor,
    vad: Scorer,
    backend: Backend,
    clock: Clock,
    *,
    piece: int = PIECE,
    at_once: bool = False,
) -> Iterator[Emission]:
    """All that ``session`` says about ``audio``, which arrives in pieces by the clock, or is there ``at_once``.

    As on a server, what arrives while the recogniser decodes waits for the next window. Of audio that is
    there at once the session is given half of what it may hold before anything is decoded.
    """
    bound_s = session.config.max_held_s / 2
    fed, ended = 0, False
    while not session.closed:
        arrived = len(audio) if at_once else min(len(audio), samples(clock.now()))
        if (part := min(arrived - fed, samples(bound_s - session.backlog_s))) > 0:
            _hear(session, vad, audio[fed : fed + part])
            fed += part
        if fed == len(audio) and not ended:
            session.receive_end()
            ended = True
        if (window := session.next_window()) is not None:
            yield from _said(session, clock)
            _decode(session, backend, window)
        elif not at_once and not ended:
            clock.wait_until(seconds(min(fed + piece, len(audio))))
        yield from _said(session, clock)


def _hear(session: OnlineASRProcessor, vad: Scorer, audio: Samples) -> None:
    session.receive_audio(audio)
    session.receive_speech(vad.score(audio))


def _said(session: OnlineASRProcessor, clock: Clock) -> list[Emission]:
    now = clock.now()
    return [Emission(now, event) for event in session.events()]


def _decode(session: OnlineASRProcessor, backend: Backend, window: Window) -> None:
    """A window that fails is tried once more, and then reported, as the engine does it."""
    for _ in range(2):
        try:
            [result] = backend.transcribe([window])
        except Exception:  # the backend's own: its stretch of audio is reported, and the rest goes on
            logger.exception("the backend failed on window %d", window.id)
            continue
        if isinstance(result, Hypothesis):
            session.receive_hypothesis(window, result)
            return
        logger.warning("the backend failed on window %d: %s", window.id, result)
    session.receive_failure(window)
