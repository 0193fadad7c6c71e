"""One run of `capacity.py` after the other: a server of its own for each, so many clients, and what came of it.

The same streams one by one are what a run's errors are compared with. That is done once for each stream and server,
and remembered on disk for as long as neither the server's sources nor its settings nor the audio change.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

from capacity_clients import Arrival, Heard, Job, play
from capacity_meter import Cost, Meter
from capacity_scores import Result, result, wrong
from capacity_servers import Subject
from capacity_streams import Sound
from quality_scores import normal

WARM_UP_S = 4.0
"""Of the first stream, before anything is measured: what is set up on first use is no cost of a stream."""
POINTS = 2.0
"""So many more words of a hundred may be wrong than one by one."""


@dataclass(frozen=True, slots=True)
class Run:
    """So many streams together, once."""

    subject: str
    streams: int
    result: Result
    cost: Cost


@dataclass(frozen=True, slots=True)
class Point:
    """So many streams together, as often as that was tried; each figure is the median of the runs."""

    subject: str
    streams: int
    runs: tuple[Run, ...]
    alone_wer: float | None
    """Of the same streams one by one; None: not compared, since nobody needs to know."""

    @property
    def p95_s(self) -> float:
        return statistics.median(run.result.late_s(95) for run in self.runs)

    @property
    def wer(self) -> float:
        """Of the words of all runs."""
        return 100 * sum(run.result.wrong for run in self.runs) / max(1, self.words)

    @property
    def words(self) -> int:
        return sum(run.result.words for run in self.runs)

    @property
    def failed(self) -> bool:
        """Whether a client got no session, or no end, in most of the runs."""
        return 2 * sum(1 for run in self.runs if run.result.failures) > len(self.runs)

    def within(self, limit_s: float) -> bool:
        is_right = self.alone_wer is None or self.wer - self.alone_wer <= POINTS
        return not self.failed and self.p95_s <= limit_s and is_right


class Laboratory:
    def __init__(
        self, sounds: Sequence[Sound], clients: ProcessPoolExecutor, cache: Path, one_by_one: int, latest_s: float
    ) -> None:
        """``latest_s``: with a greater latency nobody asks for the errors, so streams are not run one by one."""
        self._sounds = sounds
        self._clients = clients
        self._cache = cache
        self._one_by_one = one_by_one
        self._latest_s = latest_s

    def run(self, subject: Subject, streams: int) -> Run:
        sounds = tuple(self._sounds[:streams])
        with subject.serve() as server:
            self._warm_up(subject, server.url)
            meter = Meter(server.pid, server.metrics_url)
            meter.begin()
            begun = time.monotonic()
            heard, clients_cpu_s = self._play(Job(subject.dialect, server.url, sounds))
            took_s = time.monotonic() - begun
            cost = meter.end(sum(sound.duration_s for sound in sounds), took_s, clients_cpu_s)
        done = Run(subject.name, streams, result(sounds, heard), cost)
        _say(done)
        return done

    def point(self, subject: Subject, runs: Sequence[Run]) -> Point:
        """Of the same number of streams."""
        streams = runs[0].streams
        found = Point(subject.name, streams, tuple(runs), None)
        is_one_by_one = streams == 1
        if found.failed or found.p95_s > self._latest_s or is_one_by_one or not subject.compares:
            return found
        return Point(subject.name, streams, tuple(runs), self._alone_wer(subject, streams))

    def _warm_up(self, subject: Subject, url: str) -> None:
        sound = self._sounds[0]
        beginning = sound.audio[: round(WARM_UP_S * 16_000)]
        self._play(Job(subject.dialect, url, (Sound("warm-up", beginning, "", (), sound.frame, 0.0),)))

    def _play(self, job: Job) -> tuple[Sequence[Heard], float]:
        return self._clients.submit(play, job).result()

    def _alone_wer(self, subject: Subject, streams: int) -> float:
        sounds = self._sounds[:streams]
        known = self._remembered()
        names = [_name(subject, sound) for sound in sounds]
        todo = [sound for sound, name in zip(sounds, names, strict=True) if name not in known]
        if todo:
            print(f"{subject.name}: {len(todo)} streams one by one", file=sys.stderr, flush=True)
            with subject.serve() as server:
                self._warm_up(subject, server.url)
                heard, _ = self._play(Job(subject.dialect, server.url, tuple(todo), self._one_by_one))
            if failures := [one.failure for one in heard if one.failure]:
                raise SystemExit(f"{subject.name} cannot do all streams even one by one: {failures[0]}")
            fresh = {_name(subject, sound): one for sound, one in zip(todo, heard, strict=True)}
            self._remember(fresh)
            known |= fresh
        errors = sum(wrong(sound, known[name]) for sound, name in zip(sounds, names, strict=True))
        return 100 * errors / max(1, sum(len(normal(sound.text).split()) for sound in sounds))

    def _remembered(self) -> dict[str, Heard]:
        if not self._cache.exists():
            return {}
        rows = [json.loads(line) for line in self._cache.read_text("utf-8").splitlines()]
        return {row["name"]: Heard(tuple(Arrival(**word) for word in row["words"]), row["lag_s"]) for row in rows}

    def _remember(self, fresh: dict[str, Heard]) -> None:
        with self._cache.open("a", encoding="utf-8") as file:
            for name, heard in fresh.items():
                words = [asdict(word) for word in heard.words]
                file.write(json.dumps({"name": name, "words": words, "lag_s": heard.lag_s}) + "\n")


@contextmanager
def client_process() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        yield pool


def _name(subject: Subject, sound: Sound) -> str:
    return f"{subject.fingerprint}:{hashlib.sha256(sound.audio.tobytes()).hexdigest()}:{sound.frame}"


def _say(run: Run) -> None:
    failures = f", {len(run.result.failures)} FAILED: {run.result.failures[0]}" if run.result.failures else ""
    late = "".join(f" {run.result.late_s(part):.2f}" for part in (50, 95))
    print(
        f"{run.subject}, {run.streams} streams: commits{late} s (p50 p95), WER {run.result.wer:.1f} %, "
        f"{run.cost.server_cpu_s / run.cost.audio_s:.3f} CPU s/s, machine {run.cost.machine:.0%}{failures}",
        file=sys.stderr,
        flush=True,
    )
