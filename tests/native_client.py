"""A client of the native protocol for tests: the stock `websockets` client, its messages as dicts."""

import asyncio
import json

import websockets

LIMIT_S = 30


class Client:
    def __init__(self, socket):
        self.socket = socket
        self.messages = []

    async def say(self, type_, **fields):
        await self.socket.send(json.dumps({"type": type_, **fields}))

    async def send(self, audio):
        """Samples or bytes."""
        await self.socket.send(audio if isinstance(audio, bytes | str) else audio.tobytes())

    async def stream(self, audio, *, frame=3200, pause_s=0.0):
        for start in range(0, len(audio), frame):
            await self.send(audio[start : start + frame])
            await asyncio.sleep(pause_s)

    async def receive(self):
        message = json.loads(await asyncio.wait_for(self.socket.recv(), LIMIT_S))
        assert message["seq"] == len(self.messages) + 1  # whatever a test is about
        self.messages.append(message)
        return message

    async def until(self, type_, **fields):
        """The next message of this type with these fields."""
        while True:
            message = await self.receive()
            if message["type"] == type_ and fields.items() <= message.items():
                return message

    async def rest(self):
        """All messages to the end, and the code and reason of the close."""
        try:
            while True:
                await self.receive()
        except websockets.ConnectionClosed as closed:
            return self.messages, (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else None

    @property
    def text(self):
        return "".join(m.get("text", m.get("content", "")) for m in self.messages if m["type"] == "final")

    def of(self, type_):
        return [m for m in self.messages if m["type"] == type_]


class connect:
    """``async with connect(server.ws, query) as client``."""

    def __init__(self, url, query="", **options):
        self._connecting = websockets.connect(f"{url}?{query}" if query else url, max_queue=None, **options)

    async def __aenter__(self):
        return Client(await self._connecting.__aenter__())

    async def __aexit__(self, *exc):
        await self._connecting.__aexit__(*exc)


def play(scenario, limit_s=60):
    async def main():
        async with asyncio.timeout(limit_s):
            return await scenario

    return asyncio.run(main())
