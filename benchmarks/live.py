"""Streamed live through a real server against decoded whole: word errors of both, in one run.

    uv run python benchmarks/live.py [--folder DIR] [--backend faster-whisper|pocketsphinx] [--at-once N]

Each recording is streamed at the pace of its sound, 0.1 s at a time, with half a second of silence around it,
then decoded whole by the same recogniser with the same options. ``--folder`` has a references.jsonl, as
tests/recordings has.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path

import numpy as np

# The tests' folder is on the path from here on.
# isort: split
from reswhis.core.types import SAMPLE_RATE, DecodeOptions

from common import RECORDINGS, Errors, Recording, decode_whole, errors, make_backend, micro, recordings, silence

# The tests' folder is on the path now that common is imported.
from native_client import connect
from server_process import Process

FRAME = SAMPLE_RATE // 10


async def stream(server: Process, recording: Recording) -> str:
    audio = np.concatenate((silence(0.5), recording.audio, silence(0.5)))
    async with connect(server.ws) as client:
        await client.say("start")
        begun = time.monotonic()
        for i, start in enumerate(range(0, len(audio), FRAME)):
            await client.send(audio[start : start + FRAME])
            await asyncio.sleep(max(0.0, begun + (i + 1) * 0.1 - time.monotonic()))
        await client.say("finish")
        await client.rest()
        return client.text


async def stream_all(server: Process, rows: list[Recording], at_once: int) -> list[str]:
    free = asyncio.Semaphore(at_once)

    async def one(row: Recording) -> str:
        async with free:
            return await stream(server, row)

    return list(await asyncio.gather(*(one(row) for row in rows)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=RECORDINGS)
    parser.add_argument("--prefix", default="", help="only files whose names begin so")
    parser.add_argument("--backend", default="faster-whisper")
    parser.add_argument("--generation", default="v2", help="of whisper-micro: v2 or v3")
    parser.add_argument("--at-once", type=int, default=1)
    args = parser.parse_args()
    model = str(micro(generation=args.generation)) if args.backend == "faster-whisper" else "auto"
    rows = recordings(args.folder, args.prefix)
    references = [row.text for row in rows]

    server = Process("--backend", args.backend, "--model", model, "--language", "en", "--max-sessions", "1000").ready()
    try:
        live = asyncio.run(stream_all(server, rows, args.at_once))
    finally:
        server.stop()
    backend = make_backend(args.backend, model)
    whole = ["".join(w.text for w in decode_whole(backend, row.audio, DecodeOptions(language="en"))) for row in rows]
    backend.close()

    report("live", errors(references, live))
    report("whole", errors(references, whole))
    for row, a, b in zip(rows, live, whole, strict=True):
        if a.strip() != b.strip():
            print(f"  {row.name}\n    live  {a.strip()}\n    whole {b.strip()}")


def report(name: str, counted: Errors) -> None:
    print(f"{name:6} {counted}")


if __name__ == "__main__":
    main()
