"""OpenAI's Realtime protocol on a real server: keys, limits, what breaks parsers, and whoever comes next is served."""

import asyncio
import base64
import json

import httpx
import numpy as np
import pytest
import soxr
import websockets

from native_client import play

KEY = "sesame"
LIMIT_S = 20


@pytest.fixture(scope="module")
def server(start):
    return start(
        "--backend", "fake", "--api-key", KEY, "--idle-timeout-s", "2", "--idle-flush-s", "0.3", "--max-sessions", "3",
        "--max-frame-bytes", "100000", "--allowed-models", "fake:0.001",
    ).ready()  # fmt: skip


@pytest.fixture(scope="module")
def pcm24(speech):
    """Three seconds."""
    return soxr.resample(speech[:48_000], 16_000, 24_000).astype("<i2").tobytes()


def connect(server, *, headers=None, **options):
    headers = {"Authorization": f"Bearer {KEY}"} if headers is None else headers
    url = f"{server.url.replace('http', 'ws', 1)}/v1/realtime?intent=transcription"
    return websockets.connect(url, additional_headers=headers, max_queue=None, **options)


class Socket:
    def __init__(self, socket):
        self.socket = socket
        self.told = []

    async def say(self, type_, **fields):
        await self.socket.send(json.dumps({"type": type_, **fields}))

    async def append(self, audio, size=4800):
        for at in range(0, len(audio), size):
            part = base64.b64encode(audio[at : at + size]).decode()
            await self.say("input_audio_buffer.append", audio=part)

    async def until(self, ending):
        while True:
            message = json.loads(await asyncio.wait_for(self.socket.recv(), LIMIT_S))
            self.told.append(message)
            if message["type"].endswith(ending):
                return message

    async def rest(self):
        """To the close; what was said last, and the code."""
        try:
            while True:
                await self.until("never")
        except websockets.ConnectionClosed as closed:
            return self.told[-1], closed.rcvd.code


async def transcript(server, pcm24, **input_):
    """What a client is told that commits once."""
    async with connect(server) as socket:
        client = Socket(socket)
        session = {"type": "transcription", "audio": {"input": {"turn_detection": None, **input_}}}
        await client.say("session.update", session=session)
        await client.append(pcm24)
        await client.say("input_audio_buffer.commit")
        return (await client.until("completed"))["transcript"]


@pytest.mark.parametrize("size", [1, 333, 4800, 90_000])
def test_words_do_not_depend_on_how_the_audio_is_cut_nor_on_the_model_of_openais(server, pcm24, size):
    async def scenario():
        async with connect(server) as socket:
            client = Socket(socket)
            await client.say("session.update", session={"turn_detection": None})
            for part in (pcm24[:7], pcm24[7:]) if size == 1 else (pcm24,):
                await client.append(part, min(size + 4799, len(pcm24)) if size == 1 else size)
            await client.say("input_audio_buffer.commit")
            return (await client.until("completed"))["transcript"]

    assert play(scenario()) == "w0 w1 w2"


def test_g711_is_heard_as_it_is(server, speech):
    low = np.rint(soxr.resample(speech[:48_000] / 32768, 16_000, 8_000) * 8031).astype(int)
    magnitude = np.minimum(np.abs(low) + 33, 8191)  # ITU-T G.711: a segment, and four bits within it
    exponent = np.log2(magnitude).astype(int) - 5
    mulaw = ~((low < 0).astype(int) << 7 | exponent << 4 | (magnitude >> exponent + 1) & 15) & 255
    audio = mulaw.astype(np.uint8).tobytes()
    assert play(transcript(server, audio, format={"type": "audio/pcmu"})) == "w0 w1 w2"


def test_a_further_model_is_asked_for_by_its_name(server, pcm24):
    assert play(transcript(server, pcm24, transcription={"model": "fake:0.001"})) == "w0 w1 w2"


def test_a_turn_that_nobody_ends_is_ended_when_nothing_more_is_sent(server, pcm24):
    async def scenario():
        async with connect(server) as socket:
            client = Socket(socket)
            await client.append(pcm24)
            await client.until("completed")
            return [message["type"].rpartition(".")[2] for message in client.told if "delta" not in message]

    assert play(scenario()) == [
        "created",
        "speech_started",
        "speech_stopped",
        "committed",
        "added",
        "done",
        "completed",
    ]


# Limits, and what no client should send.


def test_a_client_that_takes_over_the_turns_leaves_what_it_said_before_to_the_servers(server, pcm24):
    async def scenario():
        async with connect(server) as socket:
            client = Socket(socket)
            await client.say("session.update", session={"type": "transcription"})
            await client.append(pcm24)
            await client.say("session.update", session={"audio": {"input": {"turn_detection": None}}})
            await client.append(bytes(48_000))
            await client.say("input_audio_buffer.commit")
            items = {}
            while len(items) < 2:
                event = await client.until("completed")
                items[event["item_id"]] = event["transcript"]
            kinds = [told["type"].rpartition(".")[2] for told in client.told]
            return items, kinds.index("speech_started") < kinds.index("completed")

    items, found = play(scenario())
    assert items["item_1"].startswith("w0 w1") and items["item_2"] == "" and found


async def last_words(server, *messages):
    async with connect(server) as socket:
        for message in messages:
            await socket.send(message)
        return await Socket(socket).rest()


@pytest.mark.parametrize(
    ("message", "code", "close"),
    [
        (json.dumps({"type": "input_audio_buffer.append", "audio": "A" * 134_000}), "frame_too_large", 1009),
        ("x" * 5_000_000, "frame_too_large", 1009),
        (b"\0\0", "binary_frame", 1003),
    ],
    ids=["audio", "text", "bytes"],
)
def test_what_cannot_be_taken_is_said_before_the_close(server, message, code, close):
    last, closed = play(last_words(server, message))
    assert (last["type"], last["error"]["code"], closed) == ("error", code, close)


def test_nothing_of_all_this_is_an_error_of_the_servers(server, pcm24):
    assert play(transcript(server, pcm24)) == "w0 w1 w2"
    assert httpx.get(f"{server.url}/health/ready").status_code == 200
    assert " ERROR " not in server.text and "Traceback" not in server.text
