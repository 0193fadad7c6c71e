"""One client for every door, each from the outside: the same audio in, and out what became final, with its times.

They are as small as their protocols allow, and send as fast as the server reads. What clients nobody here wrote make of
the doors is in tests/conformance.
"""

import asyncio
import base64
import io
import json
import re
from contextlib import suppress
from itertools import zip_longest
from typing import NamedTuple

import httpx
import numpy as np
import soundfile
import websockets

from reswhis.transports.grpc_door.stubs.earlier_pb2 import Words, WordsWithHypothesis
from reswhis.transports.grpc_door.stubs.speech_pb2 import (
    AudioChunk,
    StreamingConfig,
    StreamingRecognizeRequest,
    StreamingRecognizeResponse,
)

from native_client import connect

LIMIT_S = 60
CHUNK_S = 0.5
"""Of swim's doors; the others decode by the server's own step, which is as long unless it is configured."""
PIECE = 6400
"""Bytes of what has no chunks of its own."""


class Final(NamedTuple):
    """Words that never change, and where they are said to be, in seconds; None where a protocol has no times."""

    text: str
    start: float | None = None
    end: float | None = None


def text_of(finals, between=""):
    return between.join(final.text for final in finals).strip()


def pieces(data, size=PIECE):
    return [data[start : start + size] for start in range(0, len(data), size)]


def floats(data):
    return (np.frombuffer(data, "<i2") / 32768).astype("<f4").tobytes()


def wav(data):
    file = io.BytesIO()
    soundfile.write(file, np.frombuffer(data, "<i2"), 16_000, format="WAV")
    return file.getvalue()


async def _each(socket):
    """Messages up to the close."""
    with suppress(websockets.ConnectionClosed):
        while True:
            yield json.loads(await asyncio.wait_for(socket.recv(), LIMIT_S))


def _address(server, path):
    return f"{server.url.replace('http', 'ws', 1)}{path}"


# Our own.


async def native(server, data, *, encoding="pcm_s16le", sample_rate=16_000):
    """In full mode; a final for every word."""
    async with connect(server.ws) as client:
        await client.say("start", audio={"encoding": encoding, "sample_rate": sample_rate})
        for piece in pieces(data):
            await client.send(piece)
        await client.say("finish")
        await client.rest()
        assert client.messages[-1]["type"] == "finished"
        assert client.text == "".join(word["word"] for final in client.of("final") for word in final["words"])
        words = [word for final in client.of("final") for word in final["words"]]
        return [Final(word["word"], word["start_ms"] / 1000, word["end_ms"] / 1000) for word in words]


async def captions(server, data):
    """What whoever reads a speaker's session along is given after it."""
    async with connect(server.ws) as client:
        await client.say("start", captions=True)
        ready = await client.until("ready")
        for piece in pieces(data):
            await client.send(piece)
        await client.say("finish")
        await client.rest()
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {ready['viewer_token']}"}) as http:
        answer = await http.get(f"{server.url}/v1/sessions/{ready['session_id']}/transcript.json")
    words = [word for segment in answer.raise_for_status().json()["segments"] for word in segment["words"]]
    return [Final(word["word"], word["start"], word["end"]) for word in words]


async def native_plain(server, data):
    async with connect(server.ws) as client:
        for piece in pieces(data):
            await client.send(piece)
        await client.send(b"")
        await client.rest()
        return [Final(m["content"], m["from"] / 1000, m["to"] / 1000) for m in client.messages]


async def legacy(server, data):
    """reswhis 0.1's: an empty frame is answered, and of a second one there is only the close."""
    async with websockets.connect(_address(server, "/transcribe"), max_queue=None) as socket:
        for piece in (*pieces(data), b"", b""):
            await socket.send(piece)
        said = [message async for message in _each(socket)]
    return [Final(m["content"], m["from"] / 1000, m["to"] / 1000) for m in said if m["content"] != "-"]


# whisper_realtime_server's.


async def swim(server, data, *, encoding="pcm_s16le"):
    size = 2 if encoding == "pcm_s16le" else 4
    audio = {"encoding": encoding, "sample_rate_hz": 16_000, "channels": 1}
    start = {"type": "start", "chunk_duration_millis": round(CHUNK_S * 1000), "audio_format": audio}
    async with websockets.connect(_address(server, "/v1/transcribe"), max_queue=None) as socket:
        await socket.send(json.dumps(start))
        for piece in pieces(data, round(16_000 * CHUNK_S) * size):
            await socket.send(piece)
        await socket.send('{"type":"finish"}')
        said = [message async for message in _each(socket)]
    assert said[-1] == {"type": "completed"}
    confirmed = [message["confirmed"] for message in said[:-1] if "confirmed" in message]
    return [Final(c["text"], c["start_time_millis"] / 1000, c["end_time_millis"] / 1000) for c in confirmed]


def grpc_messages(data):
    """By version, what a client says: of each form that shares a path with another."""

    def request(**payload):
        return StreamingRecognizeRequest(**payload).SerializeToString()

    millis = round(CHUNK_S * 1000)
    integers = [AudioChunk(audio_bytes=piece) for piece in pieces(data, round(32_000 * CHUNK_S))]
    numbers = [AudioChunk(audio_bytes=piece) for piece in pieces(floats(data), round(64_000 * CHUNK_S))]
    return {
        "v0.1": [chunk.SerializeToString() for chunk in numbers],
        "v0.2": [
            request(config=StreamingConfig(chunk_duration_millis=millis)),
            *[request(audio_chunk=chunk) for chunk in numbers],
        ],
        "v0.3": [
            request(config=StreamingConfig(chunk_duration_millis=millis, encoding=2)),
            *[request(audio_chunk=chunk) for chunk in integers],
        ],
    }


def grpc_interleaved(server, data):
    """A client of every version on one connection to one port: a message of each, then the next of each.

    v0.1 and v0.3 call the same method, v0.1 and v0.2 the one with the hypothesis.
    """
    import grpc

    from grpc_client import METHOD, WITH_HYPOTHESIS, Call, addresses

    clients = {
        "grpc, v0.1": ("v0.1", METHOD, Words.FromString),
        "grpc, v0.1 with hypothesis": ("v0.1", WITH_HYPOTHESIS, lambda m: WordsWithHypothesis.FromString(m).confirmed),
        "grpc, v0.2": ("v0.2", WITH_HYPOTHESIS, lambda m: WordsWithHypothesis.FromString(m).confirmed),
        "grpc, v0.3": ("v0.3", METHOD, lambda m: StreamingRecognizeResponse.FromString(m).confirmed),
    }
    messages = grpc_messages(data)
    with grpc.insecure_channel(addresses(server)[0]) as channel:
        calls = {name: Call(channel, method, timeout=LIMIT_S) for name, (_, method, _) in clients.items()}
        for turn in zip_longest(*(messages[version] for version, _, _ in clients.values())):
            for call, message in zip(calls.values(), turn, strict=True):
                if message is not None:
                    call.say(message)
        heard = {}
        for name, call in calls.items():
            said = [clients[name][2](message) for message in call.finish().rest()]
            assert call.status == ("OK", ""), name
            finals = [Final(w.text, w.start_time_millis / 1000, w.end_time_millis / 1000) for w in said if w.text]
            heard[name] = finals
    return heard


# Of others.


async def deepgram(server, data, query="encoding=linear16&sample_rate=16000"):
    """Without an encoding in the query ``data`` is a file."""
    async with websockets.connect(_address(server, f"/v1/listen?model=nova-3&{query}"), max_queue=None) as socket:
        for piece in pieces(data):
            await socket.send(piece)
        await socket.send('{"type":"CloseStream"}')
        said = [message async for message in _each(socket)]
    assert said[-1]["type"] == "Metadata"
    finals = [message["channel"]["alternatives"][0] for message in said[:-1] if message.get("is_final")]
    words = [word for final in finals for word in final["words"]]
    assert " ".join(final["transcript"] for final in finals if final["transcript"]).split() == [
        word["punctuated_word"] for word in words
    ]
    return [Final(f" {word['punctuated_word']}", word["start"], word["end"]) for word in words]


END = 400
"""Milliseconds of silence that a client of Realtime commits by itself, so as to learn that all is decoded."""


async def realtime(server, data, format):
    """With turns that the server finds. The protocol has no times of words, and no end: what is last is committed."""
    rate = format.get("rate", 8000)
    silence = bytes(2 * rate * END // 1000) if format["type"] == "audio/pcm" else b"\xff" * (rate * END // 1000)
    silence = b"\xd5" * len(silence) if format["type"] == "audio/pcma" else silence

    async with websockets.connect(_address(server, "/v1/realtime?intent=transcription"), max_queue=None) as socket:

        async def say(type_, **fields):
            await socket.send(json.dumps({"type": type_, **fields}))

        async def speak():
            await say("session.update", session={"type": "transcription", "audio": {"input": {"format": format}}})
            for piece in pieces(data):
                await say("input_audio_buffer.append", audio=base64.b64encode(piece).decode())
            await say("session.update", session={"audio": {"input": {"turn_detection": None}}})
            await say("input_audio_buffer.append", audio=base64.b64encode(silence).decode())
            await say("input_audio_buffer.commit", event_id="end")

        speaking, order, texts, last = asyncio.create_task(speak()), [], {}, None
        async for event in _each(socket):
            kind = event["type"].rpartition(".")[2]
            assert kind not in ("error", "failed"), event
            if kind == "committed":
                order.append(event["item_id"])
            elif kind == "completed":
                texts[event["item_id"]] = event["transcript"]
                if speaking.done() and len(texts) == len(order) and not event["transcript"]:
                    last = event["item_id"]
                    break
        await speaking
    assert order[-1] == last, (order, texts, last)
    return [Final(f" {texts[item]}") for item in order if texts[item]]


async def wyoming(server, data):
    """As Home Assistant: one transcript of all, without times."""
    port = int(re.search(r"tcp://127\.0\.0\.1:(\d+)", server.text)[1])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    pcm = {"rate": 16_000, "width": 2, "channels": 1}

    def say(type_, payload=b"", **fields):
        writer.write(json.dumps({"type": type_, "data": fields, "payload_length": len(payload)}).encode() + b"\n")
        writer.write(payload)

    async def listen():
        while line := await reader.readline():
            header = json.loads(line)
            fields = json.loads(await reader.readexactly(header.get("data_length", 0)) or b"{}")
            await reader.readexactly(header.get("payload_length", 0))
            assert header["type"] != "error", fields
            if header["type"] == "transcript":
                return fields["text"]
        raise AssertionError("no transcript")

    say("transcribe", language="en")
    say("audio-start", **pcm)
    for piece in pieces(data, 2048):
        say("audio-chunk", piece, **pcm)
        await writer.drain()
    say("audio-stop")
    text = await asyncio.wait_for(listen(), LIMIT_S)
    writer.close()
    await writer.wait_closed()
    return [Final(text)]


async def openai_file(server, data, name="a.wav"):
    form = {"model": "whisper-1", "response_format": "verbose_json", "timestamp_granularities[]": "word"}
    async with httpx.AsyncClient(timeout=LIMIT_S) as client:
        url = f"{server.url}/v1/audio/transcriptions"
        answer = await client.post(url, data=form, files={"file": (name, data)})
    answer.raise_for_status()
    return [Final(f" {word['word']}", word["start"], word["end"]) for word in answer.json()["words"]]
