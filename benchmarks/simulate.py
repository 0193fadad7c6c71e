"""Latency against load, without a recogniser: N streams, the server's own sessions, queue and pace, simulated time.

    uv run python benchmarks/simulate.py [--streams 1 2 4 8 16 ...] [--seconds 60] [--workers 1] [--max-batch 1]
        [--fixed-ms 10] [--per-window-ms 5] [--per-second-ms 4] [--per-word-ms 1] [--step 0.5] [--target-ms 250]

A batch takes --fixed-ms, and for each of its windows --per-window-ms and so much for each second of its audio and each
word in it; measure that of a real recogniser with capacity.py. Speakers talk for 1 to 10 s at a word every 0.4 s and
pause for 0.3 to 3 s, half of the time silent together. Events happen in simulated time (simpy), so that 10 000 streams
can be shown on a laptop; what a stream costs outside the recogniser is not in it.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import simpy

from reswhis.core.endpointing import FRAME
from reswhis.core.events import Committed
from reswhis.core.online import OnlineASRProcessor, SessionConfig
from reswhis.core.types import Hypothesis, Window, Word, samples, seconds
from reswhis.engine.pace import Pace
from reswhis.engine.scheduler import Scheduler

PIECE = 3 * FRAME
"""Samples that arrive together: 96 ms."""
ROOM = np.full(PIECE, 100, np.int16)
WORD_S = 0.4


@dataclass(frozen=True, slots=True)
class Costs:
    fixed_s: float
    per_window_s: float
    per_second_s: float
    per_word_s: float

    def of(self, batch: list[Job]) -> float:
        windows = (
            self.per_window_s + self.per_second_s * seconds(len(job.window.audio)) + self.per_word_s * len(job.words)
            for job in batch
        )
        return self.fixed_s + sum(windows)


@dataclass(eq=False, slots=True)
class Job:
    speaker: Speaker
    window: Window
    asked_at: float
    words: tuple[Word, ...]


@dataclass(eq=False, slots=True)
class Measured:
    commits_s: list[float] = field(default_factory=list)
    waits_s: list[float] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    busy_s: float = 0.0
    decoded_s: float = 0.0
    widened: list[float] = field(default_factory=list)


class Server:
    def __init__(self, env: simpy.Environment, costs: Costs, workers: int, max_batch: int, pace: Pace) -> None:
        self.env = env
        self.pace = pace
        self.measured = Measured()
        self._costs = costs
        self._max_batch = max_batch
        self._queue: Scheduler[Job] = Scheduler()
        self._idle: list[simpy.Event] = []
        for _ in range(workers):
            env.process(self._work())

    def submit(self, job: Job) -> None:
        self._queue.add(job, is_final=job.window.is_final, deadline=job.asked_at)
        if self._idle:
            self._idle.pop().succeed()

    def _work(self) -> Iterator[simpy.Event]:
        while True:
            batch = self._queue.take(lambda job: None, self._max_batch)
            if not batch:
                event = self.env.event()
                self._idle.append(event)
                yield event
                continue
            for job in batch:
                self.pace.waited(self.env.now - job.asked_at, self.env.now)
                self.measured.waits_s.append(self.env.now - job.asked_at)
            cost = self._costs.of(batch)
            self.measured.batches.append(len(batch))
            self.measured.busy_s += cost
            self.measured.decoded_s += sum(seconds(len(job.window.audio)) for job in batch)
            self.measured.widened.append(self.pace.factor)
            yield self.env.timeout(cost)
            for job in batch:
                job.speaker.answered(job)


class Speaker:
    def __init__(self, seed: int, server: Server, duration_s: float, config: SessionConfig) -> None:
        self._server = server
        self._words, self._speech = script(random.Random(seed), duration_s)
        self._session = OnlineASRProcessor(config)
        self._begun_at = random.Random(-seed).uniform(0, 3)
        server.env.process(self._talk())

    def _talk(self) -> Iterator[simpy.Event]:
        yield self._server.env.timeout(self._begun_at)
        for at in range(0, len(self._speech), PIECE // FRAME):
            yield self._server.env.timeout(seconds(PIECE))
            probabilities = self._speech[at : at + PIECE // FRAME]
            self._session.receive_audio(ROOM[: FRAME * len(probabilities)])
            self._session.receive_speech(probabilities)
            self._ask()
        self._session.receive_end()
        self._ask()

    def answered(self, job: Job) -> None:
        self._session.receive_hypothesis(job.window, Hypothesis(job.words, language="en", language_probability=1.0))
        self._ask()

    def _ask(self) -> None:
        now = self._server.env.now
        window = self._session.next_window(self._server.pace.factor)
        for event in self._session.events():
            if isinstance(event, Committed):
                late = (now - self._begun_at - word.end for word in event.words)
                self._server.measured.commits_s += late
        if window is not None:
            begin, end = seconds(window.start), seconds(window.end)
            words = tuple(word.shifted(-begin) for word in self._words if begin <= word.middle < end)
            self._server.submit(Job(self, window, now, words))


def script(chance: random.Random, duration_s: float) -> tuple[list[Word], list[float]]:
    """What somebody says, and the speech probability of each frame."""
    words: list[Word] = []
    speech = [0.0] * (samples(duration_s) // FRAME)
    at = chance.uniform(0, 2)
    while at < duration_s:
        begun = at
        for _ in range(round(chance.uniform(1, 10) / WORD_S)):
            if at + WORD_S < duration_s:
                words.append(Word(at, at + WORD_S, f" w{len(words)}"))
            at += WORD_S
        for frame in range(samples(begun) // FRAME, min(samples(at) // FRAME, len(speech))):
            speech[frame] = 0.9
        at += chance.uniform(0.3, 3)
    return words, speech


def run(streams: int, options: argparse.Namespace) -> str:
    env = simpy.Environment()
    costs = Costs(
        *(getattr(options, name) / 1000 for name in ("fixed_ms", "per_window_ms", "per_second_ms", "per_word_ms"))
    )
    pace = Pace(options.target_ms / 1000, options.widest)
    server = Server(env, costs, options.workers, options.max_batch, pace)
    for n in range(streams):
        Speaker(n + 1, server, options.seconds, SessionConfig(step_s=options.step))
    env.run()
    seen = server.measured
    commits = np.array(seen.commits_s)
    load = seen.busy_s / env.now / options.workers
    return (
        f"| {streams} | {np.mean(commits):.2f} / {np.percentile(commits, 95):.2f} s | {np.mean(seen.waits_s):.2f} / "
        f"{np.percentile(seen.waits_s, 95):.2f} s | {load:.0%} | {np.mean(seen.batches):.1f} | "
        f"{np.mean(seen.widened):.1f} | {seen.decoded_s / options.seconds / streams:.2f} | {len(commits)} |"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--streams", type=int, nargs="+", default=[1, 2, 4, 8, 12, 16, 24, 32])
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--workers", type=int, default=1)
    options.add_argument("--max-batch", type=int, default=1)
    options.add_argument("--fixed-ms", type=float, default=5)
    options.add_argument("--per-window-ms", type=float, default=10)
    options.add_argument("--per-second-ms", type=float, default=6)
    options.add_argument("--per-word-ms", type=float, default=2)
    options.add_argument("--step", type=float, default=0.5)
    options.add_argument("--target-ms", type=float, default=250)
    options.add_argument("--widest", type=float, default=8)
    asked = options.parse_args()
    print("| streams | commit, mean / p95 | wait, mean / p95 | busy | batch | widened | decoded s/s | words |")
    print("|---|---|---|---|---|---|---|---|")
    for streams in asked.streams:
        print(run(streams, asked), flush=True)


if __name__ == "__main__":
    main()
