"""The clients of `capacity.py` and `peers.py`, all in one process of their own: they send at the pace of the sound.

Each protocol is one row of ``DIALECTS``: how to talk to that server as its own client does, and which words it has
promised not to change. When a word came is read from this process's clock as the message is received.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

import websockets

from capacity_streams import Sound

AFTERWARDS_S = 60.0
"""The last words are waited for so long; what comes later did not come."""
SETTLED_S = 3.0
"""A server that does not say when it has finished has, if it has said nothing for so long."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A word that its server has promised not to change."""

    text: str
    at_s: float
    """Since the beginning of its stream."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What one client was sent."""

    words: tuple[Arrival, ...]
    lag_s: float
    """How late the client itself was with a frame, at worst: it measures nothing if that is much."""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    dialect: str
    url: str
    """Of the server: ``http://host:port``."""
    sounds: tuple[Sound, ...]
    one_by_one: int = 0
    """So many at a time, each as soon as another has ended; 0: all together, each at its time."""


@dataclass(slots=True)
class Written:
    """Words on one client's screen that are there to stay, and since when. Servers that send all of them every time
    may change their minds: a word that was there before keeps its time, what is new or changed has come now."""

    begun: float = 0.0
    words: list[Arrival] = field(default_factory=list)
    clock: Callable[[], float] = time.monotonic

    def now(self) -> float:
        return self.clock() - self.begun

    def adds(self, text: str) -> None:
        self.words += [Arrival(word, self.now()) for word in text.split()]

    def shows(self, text: str) -> None:
        words, at = text.split(), self.now()
        before = [word.text for word in self.words]
        if words == before:
            return
        shown = [Arrival(word, at) for word in words]
        for same in SequenceMatcher(None, before, words, autojunk=False).get_matching_blocks():
            shown[same.b : same.b + same.size] = self.words[same.a : same.a + same.size]
        self.words = shown


Send = Callable[[bytes], Awaitable[None]]
Dialect = Callable[[str, Sound, Written], Awaitable[float]]
"""Plays a stream to a server and writes down what it says; returns how late it was itself."""


async def paced(sound: Sound, written: Written, send: Send) -> float:
    """Begins the stream's clock."""
    written.begun = written.clock()
    worst = 0.0
    for due_s, frame in sound.frames():
        await asyncio.sleep(max(0.0, due_s - written.now()))
        worst = max(worst, written.now() - due_s)
        await send(frame.tobytes())
    return worst


async def native(url: str, sound: Sound, written: Written) -> float:
    """reswhis's own protocol."""
    async with websockets.connect(f"{_ws(url)}/ws/transcribe", max_queue=None) as socket:
        await socket.send(json.dumps({"type": "start"}))

        async def read() -> None:
            async for text in socket:
                message = json.loads(text)
                match message["type"]:
                    case "final":
                        written.adds(message["text"])
                    case "error":
                        raise RuntimeError(message["message"])

        async def play() -> float:
            worst = await paced(sound, written, socket.send)
            await socket.send('{"type":"finish"}')
            return worst

        return await _both(read(), play())


async def _both(reading: Awaitable[None], playing: Awaitable[float]) -> float:
    """Raises whatever either of them does, and TimeoutError if the server does not end."""
    reader, player = asyncio.ensure_future(reading), asyncio.ensure_future(playing)
    try:
        await asyncio.wait((reader, player), return_when=asyncio.FIRST_COMPLETED)
        if reader.done() and not player.done():
            await reader
            raise RuntimeError("the server ended the stream")
        worst = await player
        async with asyncio.timeout(AFTERWARDS_S):
            await reader
        return worst
    finally:
        reader.cancel()
        player.cancel()


def _ws(url: str) -> str:
    return url.replace("http", "ws", 1)


async def whisper_live(url: str, sound: Sound, written: Written) -> float:
    """whisper-live's: segments that are completed stay.

    It does not complete the last one, and its own client takes that as it stands: so does this, with the time at which
    it was last said.
    """
    async with websockets.connect(_ws(url), max_queue=None) as socket:
        options = {
            "uid": sound.name, "language": "en", "task": "transcribe", "model": "", "use_vad": True,
            "send_last_n_segments": 1000, "audio_format": "int16",
        }  # fmt: skip
        await socket.send(json.dumps(options))
        while (message := json.loads(await socket.recv())).get("message") != "SERVER_READY":
            if "status" in message:
                raise RuntimeError(f"{message['status']} {message.get('message')}")
        said_at, rest = time.monotonic(), ("", 0.0)

        async def read() -> None:
            nonlocal said_at, rest
            async for text in socket:
                segments = json.loads(text).get("segments", ())
                written.shows(" ".join(s["text"] for s in segments if s["completed"]))
                standing = " ".join(s["text"] for s in segments if not s["completed"])
                if standing != rest[0]:
                    rest, said_at = (standing, written.now()), time.monotonic()

        async def play() -> float:
            worst = await paced(sound, written, socket.send)
            await _settled(lambda: said_at)
            await socket.send(b"END_OF_AUDIO")
            return worst

        worst = await _both(read(), play())
        written.words += [Arrival(word, rest[1]) for word in rest[0].split()]
        return worst


async def _settled(said_at: Callable[[], float]) -> None:
    deadline = time.monotonic() + AFTERWARDS_S
    while time.monotonic() - said_at() < SETTLED_S and time.monotonic() < deadline:
        await asyncio.sleep(0.1)


async def whisper_live_kit(url: str, sound: Sound, written: Written) -> float:
    """WhisperLiveKit's: what stands in lines stays, what stands in the buffer does not."""
    async with websockets.connect(f"{_ws(url)}/asr", max_queue=None) as socket:
        await socket.recv()  # its configuration: only now can it take audio

        async def read() -> None:
            async for text in socket:
                message = json.loads(text)
                if message.get("type") == "ready_to_stop":
                    return
                if "lines" in message:
                    written.shows(" ".join(line["text"] for line in message["lines"]))

        async def play() -> float:
            worst = await paced(sound, written, socket.send)
            await socket.send(b"")
            return worst

        return await _both(read(), play())


DIALECTS: dict[str, Dialect] = {
    "native": native,
    "whisper-live": whisper_live,
    "whisperlivekit": whisper_live_kit,
}


async def _client(job: Job, sound: Sound) -> Heard:
    written = Written()
    try:
        lag_s = await DIALECTS[job.dialect](job.url, sound, written)
    except (OSError, RuntimeError, TimeoutError, websockets.WebSocketException) as error:
        return Heard(tuple(written.words), 0.0, f"{type(error).__name__}: {error}"[:200])
    return Heard(tuple(written.words), lag_s)


async def play_all(job: Job) -> list[Heard]:
    free = asyncio.Semaphore(job.one_by_one or len(job.sounds))

    async def one(sound: Sound) -> Heard:
        if not job.one_by_one:
            await asyncio.sleep(sound.begins_s)
        async with free:
            return await _client(job, sound)

    return list(await asyncio.gather(*(one(sound) for sound in job.sounds)))


def play(job: Job) -> tuple[Sequence[Heard], float]:
    """In a process that does nothing else: what each client heard, and the CPU seconds of them all."""
    begun = time.process_time()
    heard = asyncio.run(play_all(job))
    return heard, time.process_time() - begun
