"""Eight clients at once: five speak, one stalls, one sends rubbish, one vanishes. Word errors together and alone.

    uv run python benchmarks/crowd.py [--folder DIR]

Every client streams the same recordings, one session each, at the pace of their sound; alone, one client does. The
model is whisper-micro on however many cores there are.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path

from common import RECORDINGS, errors, micro, recordings

# The tests' folder is on the path from here on.
# isort: split
from bad_clients import stalls, talks_rubbish, vanishes
from live import stream
from server_process import Process

SPEAKERS = 5


async def speak(server: Process, rows: list) -> list[str]:
    return [await stream(server, row) for row in rows]


async def together(server: Process, rows: list) -> list[list[str]]:
    noise = rows[0].audio
    bad = [asyncio.create_task(w) for w in (stalls(server, noise), talks_rubbish(server), vanishes(server, noise))]
    texts = await asyncio.gather(*(speak(server, rows) for _ in range(SPEAKERS)))
    for task in bad:
        task.cancel()
    await asyncio.gather(*bad, return_exceptions=True)
    return list(texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=RECORDINGS)
    args = parser.parse_args()
    rows = recordings(args.folder)
    references = [row.text for row in rows]
    server = Process("--backend", "faster-whisper", "--model", str(micro()), "--language", "en").ready()
    try:
        begun = time.monotonic()
        alone = asyncio.run(speak(server, rows))
        middle = time.monotonic()
        crowd = asyncio.run(together(server, rows))
        ended = time.monotonic()
    finally:
        server.stop()
    print(f"alone    {errors(references, alone)}, {middle - begun:.0f} s")
    print(f"together {errors(references * SPEAKERS, [t for texts in crowd for t in texts])}, {ended - middle:.0f} s")


if __name__ == "__main__":
    main()
