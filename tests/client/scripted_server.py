"""A small WebSocket server that speaks the native protocol as a test's script says, and remembers its clients."""

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.datastructures import Headers

BYTES = {"pcm_s16le": 2, "pcm_f32le": 4}


class Visitor:
    """One client as the server sees it."""

    def __init__(self, socket: ServerConnection) -> None:
        self.socket = socket
        self.start = {}
        self.audio = bytearray()
        self.finished = False
        self._seq = 0
        self._finals = 0

    async def greet(self) -> None:
        """Take the start, say ready."""
        self.start = json.loads(await self.socket.recv())
        await self.send("ready", session_id="s", version=1, model="scripted", language="en")

    async def hear(self, seconds: float) -> None:
        """Read until so much audio has come."""
        while self.audio_ms < seconds * 1000:
            await self.read()

    async def hear_all(self) -> None:
        while not self.finished:
            await self.read()

    async def read(self) -> None:
        message = await self.socket.recv()
        if isinstance(message, bytes):
            self.audio += message
        else:
            self.finished = json.loads(message) == {"type": "finish"}

    async def say(self, start_ms: int, end_ms: int, text: str) -> None:
        self._finals += 1
        await self.send("final", start_ms=start_ms, end_ms=end_ms, text=text, utterance=1, reason="agreement")

    async def send(self, type: str, **fields: object) -> None:
        self._seq += 1
        numbered = {"type": type, "seq": self._seq, "audio_ms": self.audio_ms}
        await self.socket.send(json.dumps(numbered | fields))

    async def finish(self) -> None:
        await self.send("finished", finals=self._finals)
        await self.socket.close(1000, "finished")

    @property
    def audio_ms(self) -> int:
        if not self.start:
            return 0
        audio = self.start["audio"]
        frame = BYTES[audio["encoding"]] * audio["channels"]
        return len(self.audio) // frame * 1000 // audio["sample_rate"]


Script = Callable[[Visitor], Awaitable[None]]
Refuse = Callable[[int], Response | None]


@asynccontextmanager
async def scripted_server(
    script: Script, refuse: Refuse = lambda n: None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, list[Visitor]]]:
    """The server's URL and its visitors. ``refuse`` answers the n-th handshake, from 1, instead."""
    visitors: list[Visitor] = []
    handshakes = 0

    def receive(_: ServerConnection, request: Request) -> Response | None:
        nonlocal handshakes
        handshakes += 1
        return refuse(handshakes)

    async def serve_one(socket: ServerConnection) -> None:
        visitors.append(Visitor(socket))
        await script(visitors[-1])

    async with serve(serve_one, "127.0.0.1", 0, process_request=receive, close_timeout=0.2, ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"{'wss' if tls else 'ws'}://127.0.0.1:{port}/ws/transcribe", visitors


def problem(status: HTTPStatus, message: str, **headers: str) -> Response:
    """A refusal as reswhis words it."""
    body = json.dumps({"type": "error", "code": "overloaded", "message": message, "fatal": True}).encode()
    fields = {"Content-Length": str(len(body)), "Content-Type": "application/json", "Connection": "close"}
    return Response(status.value, status.phrase, Headers(fields | headers), body)


async def transcribe(visitor: Visitor) -> None:
    """The usual client's visit: two texts while it sends, the last when it finishes."""
    await visitor.greet()
    await visitor.hear(0.3)
    await visitor.send("speech_start", at_ms=0)
    await visitor.send("partial", start_ms=0, end_ms=300, text=" how do")
    await visitor.say(0, 120, " how")
    await visitor.send("partial", start_ms=120, end_ms=300, text=" are")
    await visitor.say(120, 250, " are")
    await visitor.hear_all()
    await visitor.say(250, 1400, " you?")
    await visitor.send("utterance", utterance=1, start_ms=0, end_ms=1400, text="how are you?", language="en")
    await visitor.finish()
