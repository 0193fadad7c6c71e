"""What a stream costs the server outside the recogniser: CPU with and without the voice detector, and memory.

    uv run python benchmarks/overhead.py [--folder DIR] [--streams 100 200 300 400] [--seconds 30] [--json FILE]

The recogniser is `fake`, which needs no time worth mentioning. N clients in a process of their own stream recordings
at the pace of the sound, in frames of 40 to 100 ms, and read everything. The server's CPU is that of its process,
after all have begun; that of its event loop's thread stands beside it. What the voice detector took of it is the
server's own count (``reswhis_detector_cpu_seconds_total``); what it takes alone, on the same streams cut into the same
frames, stands beside it: on a busy machine it takes more. "Machine" is the share of all cores that was busy, with
everything that runs on them; without the clients it is to stay below 80 %.

Memory: resident memory that the process grew by, for each stream. At its mean, in the runs above. At its worst: a
recogniser that never answers, clients that send a minute as fast as it is taken in the longest frames, until their
backlogs are full, and read nothing. And what an hour of talk adds to one session, whose events are kept until it ends.

Takes a minute for each number of streams, and another two.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import numpy as np
import psutil

from reswhis.audio.vad import SileroVAD
from reswhis.core.types import SAMPLE_RATE, Samples

from common import RECORDINGS, markdown, parser

# The tests' folder is on the path now that common is imported.
# isort: split
from capacity_clients import Job, play
from capacity_meter import cpu_s, resident
from capacity_runs import client_process
from capacity_streams import SPREAD_S, Sound, sounds
from native_client import connect
from quality_material import recordings
from quality_report import machine
from server_process import Process

MIB = 2**20
BUSY = 0.8
DETECTOR = "reswhis_detector_cpu_seconds_total "
FULL_STREAMS = 50
LONGEST_FRAME = 1_000_000
"""Bytes: just under what the server takes."""
FILLED_S = 20.0
SETTLES_S = 3.0
HOUR_S = 3600
CHUNK_S = 10.0


@dataclass(frozen=True, slots=True)
class Row:
    streams: int
    server: float
    """CPU seconds of each stream's second, as are the next two: 0.01 is one per cent of a core."""
    loop: float
    """Of that, in the event loop's thread."""
    detector: float
    detector_alone: float
    machine: float
    clients: float
    """Cores."""
    client_lag_s: float
    commit_p95_s: float
    memory_mib: float
    """Of each stream."""
    failures: int

    @property
    def without_detector(self) -> float:
        return self.server - self.detector

    @property
    def machine_without_clients(self) -> float:
        return self.machine - self.clients / (psutil.cpu_count() or 1)


def fake(model: str = "auto") -> Process:
    options = ("--backend", "fake", "--model", model, "--language", "en")
    return Process(*options, "--max-sessions", "10000", "--drain-timeout-s", "0").ready()


def detector_cpu_s(material: Sequence[Sound]) -> float:
    """For each second of audio, in the frames that it comes in."""
    detector = SileroVAD()
    for _ in range(2):  # the first is a warm-up
        begun = time.thread_time()
        for sound in material:
            stream = detector.stream()
            for _, frame in sound.frames():
                stream.score(frame)
        took_s = time.thread_time() - begun
    return took_s / sum(sound.duration_s for sound in material)


def counted_s(server: Process) -> float:
    """CPU time that the server's voice detector has taken."""
    page = httpx.get(f"{server.url}/metrics").text
    return next(float(line.split()[1]) for line in page.splitlines() if line.startswith(DETECTOR))


def measure(clients: ProcessPoolExecutor, material: Sequence[Sound], detector_alone: float) -> Row:
    server = fake()
    try:
        process = psutil.Process(server.process.pid)
        clients.submit(play, Job("native", server.url, tuple(material[:1]), 1)).result()  # what is set up on first use
        before = resident(process)
        client = psutil.Process(clients.submit(os.getpid).result())
        playing = clients.submit(play, Job("native", server.url, tuple(material)))
        time.sleep(SPREAD_S + SETTLES_S)
        psutil.cpu_percent()
        busy_s, loop_s, begun = cpu_s(process), _loop_s(process), time.monotonic()
        detector_s = counted_s(server)
        clients_s, most = cpu_s(client), before
        ends = begun + min(sound.duration_s for sound in material) - SPREAD_S - SETTLES_S
        while time.monotonic() < ends:
            most = max(most, resident(process))
            time.sleep(1)
        took_s = time.monotonic() - begun
        machine_share = psutil.cpu_percent() / 100
        per_second = took_s * len(material)
        server_s, loop = (cpu_s(process) - busy_s) / per_second, (_loop_s(process) - loop_s) / per_second
        detector = (counted_s(server) - detector_s) / per_second
        clients_cores = (cpu_s(client) - clients_s) / took_s
        heard, _ = playing.result()
    finally:
        server.stop()
    late = [word.at_s - int(word.text.removeprefix("w")) - 0.8 for one in heard for word in one.words]
    return Row(
        streams=len(material),
        server=server_s,
        loop=loop,
        detector=detector,
        detector_alone=detector_alone,
        machine=machine_share,
        clients=clients_cores,
        client_lag_s=max(one.lag_s for one in heard),
        commit_p95_s=float(np.percentile(late, 95)) if late else float("inf"),
        memory_mib=(most - before) / MIB / len(material),
        failures=sum(1 for one in heard if one.failure),
    )


def _loop_s(process: psutil.Process) -> float:
    """Of the main thread; NaN where the system does not tell."""
    times = [t.user_time + t.system_time for t in process.threads() if t.id == process.pid]
    return times[0] if times else float("nan")


# Memory.


async def _fills(url: str, audio: bytes) -> None:
    async with connect(url, max_size=None) as client:
        for start in range(0, len(audio), LONGEST_FRAME):
            await client.send(audio[start : start + LONGEST_FRAME])
        await asyncio.Event().wait()


async def _all_fill(url: str, streams: int, audio: bytes) -> None:
    filling = [asyncio.create_task(_fills(url, audio)) for _ in range(streams)]
    await asyncio.sleep(FILLED_S)
    for task in filling:
        task.cancel()
    await asyncio.gather(*filling, return_exceptions=True)


def fill(url: str, streams: int, audio: bytes) -> None:
    """In the clients' process."""
    asyncio.run(_all_fill(url, streams, audio))


def worst_mib(clients: ProcessPoolExecutor, speech: Samples, streams: int) -> float:
    server = fake("900")
    try:
        process = psutil.Process(server.process.pid)
        before = most = resident(process)
        filling = clients.submit(fill, server.ws, streams, np.resize(speech, 60 * SAMPLE_RATE).tobytes())
        while not filling.done():
            most = max(most, resident(process))
            time.sleep(0.2)
        filling.result()
    finally:
        server.stop()
    return (most - before) / MIB / streams


async def _talk(url: str, speech: Samples, duration_s: float) -> None:
    async with connect(url) as client:
        await client.say("start")
        reading = asyncio.create_task(client.rest())
        for _ in range(round(duration_s / CHUNK_S)):
            await client.send(np.resize(speech, round(CHUNK_S * SAMPLE_RATE)))
        await client.say("flush", id="over")
        while not client.of("flushed") and not reading.done():
            await asyncio.sleep(0.05)
        await client.socket.close()
        reading.cancel()


def hour_mib(speech: Samples) -> float:
    """By a client of this process; what the first ten minutes leave is no part of it."""
    server = fake()
    try:
        process = psutil.Process(server.process.pid)
        short, long = (
            asyncio.run(_most_while(process, _talk(server.ws, speech, duration_s)))
            for duration_s in (600, 600 + HOUR_S)
        )
        return (long - short) / MIB
    finally:
        server.stop()


async def _most_while(process: psutil.Process, work: Coroutine[None, None, None]) -> int:
    working = asyncio.create_task(work)
    most = 0
    while not working.done():
        most = max(most, resident(process))
        await asyncio.sleep(0.1)
    await working
    return most


# What is said of it.


def table(rows: Sequence[Row]) -> str:
    head = (
        "streams", "CPU of a core each", "event loop", "detector", "alone", "without it", "machine", "clients, cores",
        "machine without them", "commit p95, s", "client lag, s", "MiB each", "failures",
    )  # fmt: skip
    lines = [
        [
            str(row.streams), f"{row.server:.2%}", f"{row.loop:.2%}",
            f"{row.detector:.2%}", f"{row.detector_alone:.2%}", f"{row.without_detector:.2%}",
            f"{row.machine:.0%}", f"{row.clients:.2f}",
            f"{row.machine_without_clients:.0%}", f"{row.commit_p95_s:.2f}", f"{row.client_lag_s:.2f}",
            f"{row.memory_mib:.2f}", str(row.failures),
        ]
        for row in rows
    ]  # fmt: skip
    return markdown(head, lines)


def most_held(rows: Sequence[Row]) -> int:
    """Streams of the last row that leaves the machine some room; 0: none does."""
    return max((row.streams for row in rows if row.machine_without_clients < BUSY and not row.failures), default=0)


def arguments() -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("--folder", type=Path, default=RECORDINGS)
    options.add_argument("--streams", type=int, nargs="+", default=[100, 200, 300, 400])
    options.add_argument("--seconds", type=float, default=30.0, help="of each stream, at least")
    options.add_argument("--memory-streams", type=int, default=FULL_STREAMS, help="that are filled; 0: none")
    options.add_argument("--json", type=Path)
    return options.parse_args()


def main() -> None:
    args = arguments()
    material = sounds(recordings(args.folder), max(args.streams), args.seconds)
    detector_alone = detector_cpu_s(material[:5])
    speech = material[0].audio
    with client_process() as clients:
        rows = [measure(clients, material[:streams], detector_alone) for streams in args.streams]
        worst = worst_mib(clients, speech, args.memory_streams) if args.memory_streams else float("nan")
    hour = hour_mib(speech) if args.memory_streams else float("nan")
    print(machine(), "", table(rows), sep="\n")
    print(f"most streams that keep the machine below {BUSY:.0%} without the clients: {most_held(rows)}")
    print(f"memory at worst, backlogs full: {worst:.2f} MiB a stream; an hour of talk adds {hour:.2f} MiB")
    if args.json:
        memory = {"worst_mib": worst, "hour_mib": hour}
        told = {"machine": machine(), **memory, "rows": [asdict(row) for row in rows]}
        args.json.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
