"""What bad neighbours cost the others: 50 streams of which one sends too fast, five never read and five vanish.

    uv run python benchmarks/unfair.py [--folder DIR] [--pairs 5] [--seconds 20] [--batch-s 0.05] [--json FILE]

The recogniser is `fake`, which takes 50 ms for a batch whatever is in it, so that all that differs is who asks. Every
pair has a run with 39 well-behaved clients alone and one with eleven others beside them, in turn first and second, each
on a server of its own:

* one sends at 20 times real time,
* five send at the pace of the sound and never read a word,
* five are cut off without a close, every 2 to 6 s, and come again.

All from another process. What counts are the commits of the 39: `fake` says word n from second n to n + 0.8 where
somebody speaks, so how late each is, is known exactly. The median change of their 95th percentile is to be
no more than 10 % or 100 ms, whichever is more. Takes a minute for each pair.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import time
from collections.abc import Coroutine
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from reswhis.core.types import SAMPLE_RATE

from common import RECORDINGS, markdown, parser

# The tests' folder is on the path now that common is imported.
# isort: split
from psutil import Process as Measured

from bad_clients import masked, raw_upgrade
from capacity_clients import Heard, Job, play_all
from capacity_meter import cpu_s
from capacity_runs import client_process
from capacity_streams import Sound, sounds
from native_client import connect
from quality_material import recordings
from quality_report import machine
from server_process import Process

STREAMS, FAST, STALLED, VANISHING = 50, 1, 5, 5
TIMES = 20
"""Real time, of the fast one."""
VANISHES_S = (2.0, 6.0)
SMALL_BUFFER = 4096
SAID_S = 0.8
"""After the second that a word of `fake` is numbered by, it ends."""
ALLOWED_S, ALLOWED_SHARE = 0.1, 0.1


@dataclass(frozen=True, slots=True)
class Address:
    """What the tests' bad clients know of a server."""

    url: str


@dataclass(frozen=True, slots=True)
class Crowd:
    good: Job
    bad: tuple[Sound, ...]
    """None of them: the others are alone."""


async def fast(address: Address, sound: Sound) -> None:
    """Reads as it should, or it would be one that stalls."""
    async with connect(f"{address.url.replace('http', 'ws', 1)}/ws/transcribe") as client:
        await client.say("start")
        reading = asyncio.create_task(client.rest())
        begun, sent = time.monotonic(), 0
        while True:
            for _, frame in sound.frames():
                sent += len(frame)
                await asyncio.sleep(max(0.0, sent / SAMPLE_RATE / TIMES - (time.monotonic() - begun)))
                await client.send(frame)
                if reading.done():
                    return


async def stalled(address: Address, sound: Sound) -> None:
    _, writer = await raw_upgrade(address, receive_buffer=SMALL_BUFFER)
    try:
        await _send(writer, sound, sound.duration_s)
    finally:
        writer.transport.abort()


async def vanishing(address: Address, sound: Sound, seed: int) -> None:
    chance = random.Random(seed)
    while True:
        _, writer = await raw_upgrade(address)
        try:
            await _send(writer, sound, chance.uniform(*VANISHES_S))
        finally:
            writer.transport.abort()


async def _send(writer: asyncio.StreamWriter, sound: Sound, until_s: float) -> None:
    begun = time.monotonic()
    for due_s, frame in sound.frames():
        if due_s > until_s:
            return
        await asyncio.sleep(max(0.0, due_s - (time.monotonic() - begun)))
        writer.write(masked(2, frame.tobytes()))
        await writer.drain()


def neighbours(address: Address, bad: tuple[Sound, ...]) -> list[Coroutine[None, None, None]]:
    if not bad:
        return []
    first, rest = FAST, FAST + STALLED
    return [
        *(fast(address, sound) for sound in bad[:first]),
        *(stalled(address, sound) for sound in bad[first:rest]),
        *(vanishing(address, sound, seed) for seed, sound in enumerate(bad[rest:])),
    ]


async def _together(crowd: Crowd) -> tuple[list[Heard], list[str]]:
    address = Address(crowd.good.url)
    bad = [asyncio.create_task(each) for each in neighbours(address, crowd.bad)]
    try:
        heard = await play_all(crowd.good)
    finally:
        for task in bad:
            task.cancel()
        ended = await asyncio.gather(*bad, return_exceptions=True)
    return heard, [repr(error) for error in ended if isinstance(error, Exception)]


def together(crowd: Crowd) -> tuple[list[Heard], list[str]]:
    """In the clients' process; also why bad neighbours ended sooner than they were told to."""
    return asyncio.run(_together(crowd))


# What came of it.


@dataclass(frozen=True, slots=True)
class Outcome:
    p95_s: float
    p50_s: float
    words: int
    failures: int
    client_lag_s: float
    cpu_s: float
    """Of the server."""
    ended: list[str]
    """Why bad neighbours gave up, who should not."""


def lateness(heard: list[Heard]) -> list[float]:
    """Of each word of `fake`: the number in it is the second at which it begins."""
    return [word.at_s - int(word.text.removeprefix("w")) - SAID_S for one in heard for word in one.words]


def run(clients: ProcessPoolExecutor, material: list[Sound], batch_s: float, *, alone: bool) -> Outcome:
    bad = FAST + STALLED + VANISHING
    model = ("--backend", "fake", "--model", f"batch:{batch_s:g}", "--language", "en", "--max-sessions", "1000")
    server = Process(*model).ready()
    try:
        process = Measured(server.process.pid)
        before = cpu_s(process)
        crowd = Crowd(Job("native", server.url, tuple(material[bad:])), () if alone else tuple(material[:bad]))
        heard, ended = clients.submit(together, crowd).result()
        used = cpu_s(process) - before
    finally:
        server.stop()
    late = lateness(heard)
    p50, p95 = (float(np.percentile(late, part)) for part in (50, 95))
    failures = sum(1 for one in heard if one.failure)
    return Outcome(p95, p50, len(late), failures, max(one.lag_s for one in heard), used, ended)


@dataclass(frozen=True, slots=True)
class Pair:
    alone: Outcome
    crowded: Outcome

    @property
    def change_s(self) -> float:
        return self.crowded.p95_s - self.alone.p95_s


def verdict(pairs: list[Pair]) -> str:
    change = statistics.median(pair.change_s for pair in pairs)
    p95 = statistics.median(pair.alone.p95_s for pair in pairs)
    allowed = max(ALLOWED_S, ALLOWED_SHARE * p95)
    word = "within" if change <= allowed else "MORE THAN"
    ended = [why for pair in pairs for why in pair.crowded.ended]
    gone = f"; {len(ended)} bad neighbours GAVE UP: {ended[0]}" if ended else ""
    return (
        f"median of {len(pairs)} pairs: p95 {1000 * p95:.0f} ms alone, {1000 * change:+.0f} ms "
        f"({100 * change / p95:+.1f} %) with bad neighbours, {word} the {1000 * allowed:.0f} ms allowed{gone}"
    )


def table(pairs: list[Pair]) -> str:
    head = ("pair", "alone, p50 / p95 s", "with them", "change, ms", "words", "failures", "client lag, s", "CPU s")
    rows = [
        [
            str(number),
            f"{pair.alone.p50_s:.3f} / {pair.alone.p95_s:.3f}",
            f"{pair.crowded.p50_s:.3f} / {pair.crowded.p95_s:.3f}",
            f"{1000 * pair.change_s:+.0f}",
            f"{pair.alone.words} / {pair.crowded.words}",
            f"{pair.alone.failures} / {pair.crowded.failures}",
            f"{pair.alone.client_lag_s:.3f} / {pair.crowded.client_lag_s:.3f}",
            f"{pair.alone.cpu_s:.1f} / {pair.crowded.cpu_s:.1f}",
        ]
        for number, pair in enumerate(pairs, 1)
    ]
    return markdown(head, rows)


def arguments() -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("--folder", type=Path, default=RECORDINGS)
    options.add_argument("--pairs", type=int, default=5)
    options.add_argument("--seconds", type=float, default=20.0, help="of each stream, at least")
    options.add_argument("--batch-s", type=float, default=0.05, help="that the recogniser takes for a batch")
    options.add_argument("--json", type=Path)
    return options.parse_args()


def main() -> None:
    args = arguments()
    material = sounds(recordings(args.folder), STREAMS, args.seconds)
    pairs = []
    with client_process() as clients:
        for number in range(args.pairs):
            order = (True, False) if number % 2 == 0 else (False, True)
            done = {alone: run(clients, material, args.batch_s, alone=alone) for alone in order}
            pairs.append(Pair(done[True], done[False]))
    print(machine(), "", table(pairs), verdict(pairs), sep="\n")
    if args.json:
        args.json.write_text(json.dumps({"machine": machine(), "pairs": [asdict(pair) for pair in pairs]}), "utf-8")


if __name__ == "__main__":
    main()
