"""Ten minutes of silence and of noise, sent at full speed to a real server: what it says, and what it keeps.

    uv run python benchmarks/silence.py [--backend faster-whisper]

Prints the words said, the audio that a session keeps (the same audio through a session in this process), and the
server's resident memory after each minute.
"""

from __future__ import annotations

import argparse
import asyncio

import numpy as np
import psutil

# The tests' folder is on the path from here on.
# isort: split
from reswhis.audio.vad import SileroVAD
from reswhis.core.online import OnlineASRProcessor
from reswhis.core.types import SAMPLE_RATE, Samples

from common import micro

# The tests' folder is on the path now that common is imported.
from native_client import connect
from server_process import Process

MINUTES = 10


def sounds() -> dict[str, Samples]:
    random = np.random.default_rng(0)
    length = 60 * SAMPLE_RATE
    hum = 1500 * np.sin(2 * np.pi * 50 * np.arange(length) / SAMPLE_RATE)
    pink = np.cumsum(random.normal(0, 200, length))
    pink -= np.convolve(pink, np.ones(400) / 400, "same")
    loud = {"silence": np.zeros(length), "white": random.normal(0, 1000, length), "hum": hum, "brown": pink}
    return {name: sound.clip(-32768, 32767).astype(np.int16) for name, sound in loud.items()}


def held(minute: Samples) -> tuple[float, int]:
    """The most audio a session ever keeps of it, in seconds, and how many windows it asks for."""
    session, ear = OnlineASRProcessor(), SileroVAD().stream()
    most, windows = 0.0, 0
    for start in range(0, MINUTES * len(minute), SAMPLE_RATE // 10):
        piece = minute[start % len(minute) :][: SAMPLE_RATE // 10]
        session.receive_audio(piece)
        session.receive_speech(ear.score(piece))
        most = max(most, session.held_s)
        windows += session.next_window() is not None
    return most, windows


async def send(server: Process, minute: Samples) -> tuple[str, list[float]]:
    memory = []
    process = psutil.Process(server.process.pid)
    async with connect(server.ws) as client:
        await client.say("start")
        for _ in range(MINUTES):
            await client.stream(minute, frame=SAMPLE_RATE)
            await client.say("ping")
            await client.until("pong")
            memory.append(process.memory_info().rss / 1e6)
        await client.say("finish")
        await client.rest()
        return client.text, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", default="faster-whisper")
    args = parser.parse_args()
    model = str(micro()) if args.backend == "faster-whisper" else "auto"
    server = Process("--backend", args.backend, "--model", model, "--language", "en").ready()
    try:
        for name, minute in sounds().items():
            text, memory = asyncio.run(send(server, minute))
            most, windows = held(minute)
            grown = memory[-1] - memory[0]
            print(
                f"{name:8} text {text!r}, most audio kept {most:.2f} s, windows {windows}, "
                f"resident after 1 and {MINUTES} minutes {memory[0]:.0f} and {memory[-1]:.0f} MB ({grown:+.1f})"
            )
    finally:
        server.stop()


if __name__ == "__main__":
    main()
