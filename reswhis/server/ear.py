"""Decodes, resamples and scores the audio of all streams in a few threads, so that the event loop never does.

Many streams bring little at a time: what came meanwhile is heard at once, and what was heard is brought back together.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from reswhis.audio.input import AudioInput
from reswhis.audio.pcm import AudioFormat
from reswhis.audio.vad import SileroVAD, VadStream

from .host import Fail, Heard, Take

logger = logging.getLogger(__name__)

EVERY_S = 0.032
"""Between two rounds: within one frame of the voice detector nothing new can be heard."""
THREADS = 4
BEHIND = 200
"""Streams that wait for a thread, and call for another one. One keeps up with some 300 streams, and as long as it
does it needs less CPU than two, which wait for each other's interpreter lock."""
TOGETHER = 16
"""Streams whose audio is brought back at once: more would let the first one wait."""


@dataclass(frozen=True, slots=True, eq=False)
class _Mark:
    """A place in a stream's audio that somebody waits for."""

    reached: asyncio.Future[None]
    drains: bool


@dataclass(frozen=True, slots=True)
class _Done:
    ear: ThreadedEar
    taken: int
    """Bytes."""
    detector_s: float
    mark: _Mark | None
    heard: Heard | None
    """None: it cannot be."""


class Ears:
    """For all streams of the running event loop; closed when none is left."""

    def __init__(self, vad: SileroVAD) -> None:
        self.detector_s = 0.0
        """CPU time that the voice detector has taken."""
        self._vad = vad
        self._asking: list[ThreadedEar] = []
        self._asked: queue.SimpleQueue[ThreadedEar | None] = queue.SimpleQueue()
        self._done: deque[_Done] = deque()
        self._brings = False
        self._round: asyncio.TimerHandle | None = None
        self._begun_at = 0.0
        self._threads: list[threading.Thread] = []
        self._is_closed = False
        self._loop = asyncio.get_running_loop()

    def stream(self, audio_format: AudioFormat, take: Take, fail: Fail) -> ThreadedEar:
        return ThreadedEar(AudioInput(audio_format), self._vad.stream(), self, take, fail)

    async def aclose(self) -> None:
        """Who is heard afterwards is heard in the event loop: nobody is to wait for ever."""
        self._is_closed = True
        for _ in self._threads:
            self._asked.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def ask(self, ear: ThreadedEar, *, at_once: bool) -> None:
        self._asking.append(ear)
        wait_s = 0.0 if at_once else self._begun_at + EVERY_S - self._loop.time()
        if wait_s <= 0:
            self._begin_round()
        elif self._round is None:
            self._round = self._loop.call_later(wait_s, self._begin_round)

    def hurry(self) -> None:
        """What has been asked for is waited for."""
        if self._asking:
            self._begin_round()

    def _begin_round(self) -> None:
        if self._round is not None:
            self._round.cancel()
            self._round = None
        self._begun_at = self._loop.time()
        asking, self._asking = self._asking, []
        if self._is_closed:
            self._done.extend(ear.work() for ear in asking)
            self._loop.call_soon(self._bring)
            return
        if self._asked.qsize() >= BEHIND * len(self._threads) and len(self._threads) < THREADS:
            self._threads.append(threading.Thread(target=self._work, name="ear", daemon=True))
            self._threads[-1].start()
        for ear in asking:
            self._asked.put(ear)

    def _work(self) -> None:
        while (ear := self._asked.get()) is not None:
            self._done.append(ear.work())
            if not self._brings and (len(self._done) >= TOGETHER or self._asked.empty()):
                self._brings = True
                self._tell()
        self._tell()

    def _tell(self) -> None:
        with suppress(RuntimeError):  # the loop may have gone without waiting for this thread
            self._loop.call_soon_threadsafe(self._bring)

    def _bring(self) -> None:
        self._brings = False  # before looking: what is done from now on is brought by another call
        while self._done:
            done = self._done.popleft()
            self.detector_s += done.detector_s
            done.ear.bring(done)


class ThreadedEar:
    """One per session; see :class:`.host.Ear`."""

    def __init__(self, audio: AudioInput, vad: VadStream, ears: Ears, take: Take, fail: Fail) -> None:
        self.unheard = 0
        self._input = audio
        self._vad = vad
        self._ears = ears
        self._take = take
        self._fail = fail
        self._waiting: deque[bytes | _Mark] = deque()
        self._is_asked = False
        """Then no other thread works for this stream."""

    def hear(self, data: bytes) -> None:
        self.unheard += len(data)
        self._waiting.append(data)
        if not self._is_asked:
            self._is_asked = True
            self._ears.ask(self, at_once=False)

    async def heard(self) -> None:
        if self._is_asked:
            await self._reach(drains=False)

    async def drain(self) -> None:
        await self._reach(drains=True)

    async def _reach(self, *, drains: bool) -> None:
        mark = _Mark(asyncio.get_running_loop().create_future(), drains)
        self._waiting.append(mark)
        if self._is_asked:
            self._ears.hurry()
        else:
            self._is_asked = True
            self._ears.ask(self, at_once=True)
        await mark.reached

    def work(self) -> _Done:
        """Hear what waits, up to the next mark. In a thread."""
        parts: list[bytes] = []
        mark: _Mark | None = None
        while self._waiting and mark is None:
            match self._waiting.popleft():
                case _Mark() as mark:
                    pass
                case data:
                    parts.append(data)
        taken = sum(len(part) for part in parts)
        begun = time.thread_time()
        try:
            samples = self._input.push(b"".join(parts))
            if mark is not None and mark.drains:
                samples = np.concatenate((samples, self._input.drain()))
            begun = time.thread_time()
            heard = Heard(samples, self._vad.score(samples))
        except Exception:  # the thread works for others, too
            logger.exception("a stream cannot be heard")
            heard = None
        return _Done(self, taken, time.thread_time() - begun, mark, heard)

    def bring(self, done: _Done) -> None:
        """In the event loop's thread again."""
        self.unheard -= done.taken
        self._is_asked = bool(self._waiting)
        if self._is_asked:
            self._ears.ask(self, at_once=any(isinstance(each, _Mark) for each in self._waiting))
        if done.heard is None:
            self._fail()
        else:
            self._take(done.heard)
        if done.mark is not None and not done.mark.reached.done():
            done.mark.reached.set_result(None)
