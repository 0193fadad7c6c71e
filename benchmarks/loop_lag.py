"""How late the event loop runs while each recogniser decodes 30 s of audio, and how soon ``/info`` answers meanwhile.

    uv run python benchmarks/loop_lag.py [fake faster-whisper pocketsphinx]

The lag is that of a timer every 5 ms on the loop that waits for the engine; ``idle`` is the same loop before.
"""

from __future__ import annotations

import asyncio
import sys
import time

import httpx
import numpy as np

# The tests' folder is on the path from here on.
# isort: split
from reswhis.backends.base import BackendConfig
from reswhis.backends.selection import choose
from reswhis.core.types import SAMPLE_RATE, DecodeOptions, Samples, Window
from reswhis.engine.engine import LocalEngine

from common import micro, recordings

# The tests' folder is on the path now that common is imported.
from native_client import connect
from server_process import Process

TICK_S = 0.005
ROUNDS = 3


async def lag_while(work: asyncio.Future[object]) -> list[float]:
    late = []
    while not work.done():
        begun = time.perf_counter()
        await asyncio.sleep(TICK_S)
        late.append(time.perf_counter() - begun - TICK_S)
    return late


async def engine_lag(config: BackendConfig, audio: Samples) -> tuple[list[float], list[float], float]:
    choice = choose(config, lambda message, progress: None)
    async with LocalEngine(choice.make) as engine:
        await engine.started()
        idle = await lag_while(asyncio.ensure_future(asyncio.sleep(2)))
        busy, begun = [], time.perf_counter()
        for n in range(ROUNDS):
            window = Window(n, 0, audio, DecodeOptions(language="en"), is_final=True)
            busy += await lag_while(asyncio.ensure_future(engine.submit(window)))
        return idle, busy, (time.perf_counter() - begun) / ROUNDS


async def info_times(server: Process, audio: Samples) -> list[float]:
    async with connect(server.ws) as client, httpx.AsyncClient() as http:
        await client.say("start")
        await client.stream(audio, frame=SAMPLE_RATE)
        await client.say("finish")
        ending = asyncio.ensure_future(client.rest())
        times = []
        while not ending.done():
            begun = time.perf_counter()
            await http.get(f"{server.url}/info")
            times.append(time.perf_counter() - begun)
            await asyncio.sleep(0.02)
        return times


def ms(times: list[float]) -> str:
    p50, p99 = 1000 * np.percentile(times, [50, 99])
    return f"p50 {p50:5.1f}  p99 {p99:5.1f}  max {1000 * max(times):5.1f} ms ({len(times)})"


def main() -> None:
    speech = np.concatenate([row.audio for row in recordings(prefix="flite")])
    audio = np.tile(speech, 2)[: 30 * SAMPLE_RATE]
    for name in sys.argv[1:] or ["fake", "faster-whisper", "pocketsphinx"]:
        model = str(micro()) if name == "faster-whisper" else "auto"
        config = BackendConfig(backend=name, model=model, language="en")
        idle, busy, took = asyncio.run(engine_lag(config, audio))
        print(f"{name}: 30 s decoded in {took:.2f} s\n  loop idle  {ms(idle)}\n  loop busy  {ms(busy)}")
        server = Process("--backend", name, "--model", model, "--language", "en").ready()
        try:
            times = asyncio.run(info_times(server, audio))
            print(f"  /info busy {ms(times)}" if times else "  /info busy: finished at once")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
