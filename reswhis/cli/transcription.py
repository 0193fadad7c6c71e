"""The work of ``reswhis transcribe``: reads files, has them decoded, and says what comes of each.

Decides nothing that a flag decides, and is imported when there is something to do.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from reswhis.audio.files import AudioFileError
from reswhis.audio.vad import SileroVAD
from reswhis.backends.base import BackendConfig
from reswhis.backends.selection import choose
from reswhis.core.errors import ConfigurationError, EngineDead
from reswhis.core.transcript import FinalUtterance, Transcript
from reswhis.core.types import seconds
from reswhis.engine.engine import LocalEngine
from reswhis.server import offline
from reswhis.settings import Settings
from reswhis.settings.layers import backend_config, session_config, stream_options
from reswhis.transports import subtitles

from .audio_file import load_samples
from .outputs import Printer, write
from .progress import Bar, Screen, clock

NOT_ALL_DONE = 1
CLOSE_S = 1.0
"""How long a decode is waited for when nobody wants its words any more."""


@dataclass(frozen=True, slots=True)
class Job:
    """One file, and where its text goes."""

    file: Path
    format: str
    """On stdout, if there are no ``outputs``."""
    outputs: Mapping[str, Path]
    label: str
    """What its bar is called."""


class _Recogniser:
    """Made when the first file has been read: no model is fetched for files that are none."""

    def __init__(self, settings: Settings, threads: Executor, stack: AsyncExitStack, screen: Screen) -> None:
        self._settings = settings
        self.threads = threads
        self._stack = stack
        self._screen = screen
        self._made: tuple[LocalEngine, SileroVAD] | None = None
        self._making = asyncio.Lock()

    async def get(self) -> tuple[LocalEngine, SileroVAD]:
        """Raises ConfigurationError."""
        async with self._making:
            if self._made is None:
                self._made = await self._make()
            return self._made

    async def _make(self) -> tuple[LocalEngine, SileroVAD]:
        in_thread = asyncio.get_running_loop().run_in_executor
        choice = await in_thread(self.threads, choose, _config(self._settings), self._screen.report)
        if choice.fallback_reason is not None:
            self._screen.remark(choice.fallback_reason)
        vad = await in_thread(self.threads, SileroVAD)
        engine = LocalEngine(choice.make, workers=choice.workers, close_s=CLOSE_S)
        await self._stack.enter_async_context(engine)
        try:
            await engine.started()
        except EngineDead:
            raise ConfigurationError("The model could not be loaded; the log says why.") from None
        self._screen.loaded()
        return engine, vad


def _config(settings: Settings) -> BackendConfig:
    """Of each file one window is decoded at a time: with all cores, unless told otherwise."""
    config = backend_config(settings)
    return replace(config, workers=config.workers or 1)


class Transcription:
    """All files, as many at a time as there are workers."""

    def __init__(self, jobs: list[Job], settings: Settings, screen: Screen, *, as_live: bool, overwrite: bool) -> None:
        self._jobs = jobs
        self._settings = settings
        self._screen = screen
        self._as_live = as_live
        self._overwrite = overwrite
        self._printer = Printer([job.file for job in jobs], _show)

    async def run(self) -> int:
        """Return the exit code. Raises ConfigurationError, and BrokenPipeError when nobody reads stdout."""
        workers = _config(self._settings).workers
        async with AsyncExitStack() as stack:
            threads = ThreadPoolExecutor(workers + 1, thread_name_prefix="file")
            stack.callback(threads.shutdown, wait=False, cancel_futures=True)
            recogniser = _Recogniser(self._settings, threads, stack, self._screen)
            turns = asyncio.Semaphore(workers)

            async def in_turn(job: Job) -> bool:
                async with turns:
                    try:
                        return await self._transcribe(job, recogniser)
                    finally:
                        self._printer.end(job.file)

            tasks = [asyncio.create_task(in_turn(job)) for job in self._jobs]
            try:
                done = await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
        return 0 if all(done) else NOT_ALL_DONE

    async def _transcribe(self, job: Job, recogniser: _Recogniser) -> bool:
        """Whether all of it could be done; if not, why has been said."""
        wanted = self._wanted(job)
        if job.outputs and not wanted:
            return True
        try:
            with self._screen.bar(f"{job.label}: reading") as bar:
                transcript, took = await self._decode(job, recogniser, bar)
        except AudioFileError as error:
            self._screen.remark(f"reswhis: {error}")
            return False
        except EngineDead:
            self._screen.remark(f"reswhis: {job.file} is left, for the recogniser has failed for good; see the log.")
            return False
        if not job.outputs:
            if job.format != "txt":  # which has been printed as it came
                self._printer.say(job.file, _rendered(transcript, job.format))
            return not transcript.lost
        written = all([self._write(path, _rendered(transcript, name)) for name, path in wanted.items()])
        if written:
            self._screen.remark(_summary(job.file, list(wanted.values()), transcript.duration, took))
        return written and not transcript.lost

    def _wanted(self, job: Job) -> dict[str, Path]:
        """The outputs that are not there already."""
        wanted = dict(job.outputs)
        for name, path in job.outputs.items():
            if not self._overwrite and os.path.lexists(path):
                self._screen.remark(f"{path} is there already and is left as it is; --overwrite writes it anew.")
                del wanted[name]
        return wanted

    async def _decode(self, job: Job, recogniser: _Recogniser, bar: Bar) -> tuple[Transcript, float]:
        """And how many seconds it took, the model being there.

        Raises AudioFileError, EngineDead, ConfigurationError.
        """
        audio = await asyncio.get_running_loop().run_in_executor(recogniser.threads, load_samples, job.file)
        engine, vad = await recogniser.get()
        bar.start(job.label, seconds(len(audio)))
        if not job.outputs:
            self._printer.begin(job.file)
        began = time.monotonic()
        transcript = await offline.transcribe(
            [audio],
            engine,
            vad.stream(),
            recogniser.threads,
            session_config(self._settings),
            stream_options(self._settings),
            _Listener(job, self._printer, self._screen, bar),
            as_live=self._as_live,
        )
        return transcript, time.monotonic() - began

    def _write(self, path: Path, text: str) -> bool:
        try:
            write(path, text)
        except OSError as error:
            self._screen.remark(f"reswhis: {path} cannot be written ({error.strerror}).")
            return False
        return True


class _Listener:
    """Tells the person who waits how far one file is; plain text on stdout is printed as it comes."""

    def __init__(self, job: Job, printer: Printer, screen: Screen, bar: Bar) -> None:
        self._job = job
        self._printer = printer
        self._screen = screen
        self._bar = bar

    def said(self, utterance: FinalUtterance) -> None:
        if not self._job.outputs and self._job.format == "txt" and (line := subtitles.text_line(utterance)):
            self._printer.say(self._job.file, line + "\n")

    def lost(self, start: float, end: float) -> None:
        self._screen.remark(
            f"reswhis: {self._job.file}: from {start:.1f} s to {end:.1f} s nothing could be decoded; the log says why."
        )

    def reached(self, second: float) -> None:
        self._bar.reached(second)


def _summary(file: Path, written: list[Path], duration: float, took: float) -> str:
    first, *others = written
    names = ", ".join([str(first), *(path.suffix for path in others)])
    pace = duration / max(took, 0.001)
    return f"{file}: {names} ({clock(duration)} of sound in {clock(took)}, {pace:.1f} times real time)"


def _rendered(transcript: Transcript, name: str) -> str:
    return subtitles.FORMATS[name](transcript)


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
