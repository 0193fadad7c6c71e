"""Deepgram's door on a real server: how it opens and closes, and what no client should send."""

import asyncio
import io
import json

import av
import httpx
import numpy as np
import pytest
import websockets

from native_client import play

RAW = "model=nova-3&encoding=linear16&sample_rate=16000"
LIMIT_S = 30


@pytest.fixture(scope="module")
def server(start):
    return start(
        "--backend",
        "fake",
        "--api-key",
        "sesame",
        "--idle-timeout-s",
        "1",
        "--idle-flush-s",
        "0.5",
        "--max-sessions",
        "4",
    ).ready()


def connect(server, query=RAW, **options):
    options.setdefault("additional_headers", {"Authorization": "Token sesame"})
    return websockets.connect(f"{server.url.replace('http', 'ws')}/v1/listen?{query}", max_queue=None, **options)


async def rest(socket):
    """All messages to the end, and the close."""
    messages = []
    try:
        while True:
            messages.append(json.loads(await asyncio.wait_for(socket.recv(), LIMIT_S)))
    except websockets.ConnectionClosed as closed:
        return messages, (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else None


def text_of(messages):
    finals = [message for message in messages if message["type"] == "Results" and message["is_final"]]
    return " ".join(message["channel"]["alternatives"][0]["transcript"] for message in finals).split()


async def transcribed(server, audio, query=RAW, *, frame=6400):
    async with connect(server, query) as socket:
        for start in range(0, len(audio), frame):
            await socket.send(audio[start : start + frame])
        await socket.send('{"type":"CloseStream"}')
        return await rest(socket)


def words_of(audio):
    return [f"w{n}" for n in range(-(-len(audio) // 32_000))]


def test_a_stream_ends_with_its_metadata_and_1000(server, speech):
    audio = speech[: 5 * 16_000].tobytes()
    messages, close = play(transcribed(server, audio))
    assert text_of(messages) == words_of(audio)
    assert (messages[-1]["type"], messages[-1]["duration"], close) == ("Metadata", 5.0, (1000, ""))


@pytest.mark.parametrize("kind", ["webm", "wav"])
def test_a_recorder_s_container_gives_the_same_words(server, speech, kind):
    file = io.BytesIO()
    with av.open(file, "w", format=kind) as container:
        stream = container.add_stream({"webm": "libopus", "wav": "pcm_s16le"}[kind], rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(speech[None, : 5 * 16_000], "s16", "mono")
        frame.sample_rate = 16_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    messages, close = play(transcribed(server, file.getvalue(), "model=nova-3", frame=1000))
    assert text_of(messages)[:5] == ["w0", "w1", "w2", "w3", "w4"]
    assert (messages[-1]["duration"], close[0]) == (pytest.approx(5, abs=0.1), 1000)


def test_the_handshake_has_the_number_of_the_request(server):
    async def scenario():
        async with connect(server) as socket:
            return socket.response.headers

    assert len(play(scenario())["dg-request-id"]) == 36


@pytest.mark.parametrize(
    ("query", "key", "status", "code"),
    [
        (RAW, "Token wrong", 401, "INVALID_AUTH"),
        ("encoding=g729", "Token sesame", 400, "INVALID_QUERY_PARAMETER"),
        ("encoding=linear16", "Token sesame", 400, "INVALID_QUERY_PARAMETER"),
    ],
)
def test_a_refusal_is_an_answer_in_its_own_words(server, query, key, status, code):
    async def scenario():
        with pytest.raises(websockets.InvalidStatus) as refused:
            await connect(server, query, additional_headers={"Authorization": key})
        return refused.value.response

    response = play(scenario())
    body = json.loads(response.body)
    assert (response.status_code, body["err_code"]) == (status, code)
    assert body["request_id"] == response.headers["dg-request-id"] and response.headers["dg-error"] == body["err_msg"]


def test_a_client_that_says_nothing_is_let_go_and_one_that_says_so_is_kept(server):
    async def scenario():
        async with connect(server) as silent, connect(server) as alive:
            ending = asyncio.create_task(rest(silent))
            while not ending.done():
                await alive.send('{"type":"KeepAlive"}')
                await asyncio.sleep(0.2)
            for _ in range(3):
                await alive.send('{"type":"KeepAlive"}')
                await asyncio.sleep(0.2)
            await alive.send('{"type":"CloseStream"}')
            return await ending, await rest(alive)

    (messages, close), (_, alive_close) = play(scenario())
    assert ([message["type"] for message in messages], close) == (["Error"], (1011, "NET-0001"))
    assert alive_close == (1000, "")


def test_what_is_no_audio_is_refused_by_its_name(server):
    messages, close = play(transcribed(server, b"no audio at all " * 10_000, "model=nova-3"))
    assert ([message["type"] for message in messages], close) == (["Error"], (1008, "DATA-0000"))


def silence(seconds):
    """As FLAC: an hour is some hundred thousand bytes."""
    file = io.BytesIO()
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=8_000, layout="mono", options={"frame_size": "65535"})
        frame = av.AudioFrame.from_ndarray(np.zeros((1, seconds * 8_000), np.int16), "s16", "mono")
        frame.sample_rate = 8_000
        for packet in stream.encode(frame):
            container.mux(packet)
    return file.getvalue()


def test_an_hour_in_one_message_holds_up_nobody_and_ends_with_its_client(server, speech):
    async def scenario():
        async with connect(server, "model=nova-3") as socket:
            await socket.send(silence(3500))
            messages, close = await transcribed(server, speech[:32_000].tobytes())
            socket.transport.abort()
        async with httpx.AsyncClient() as http:
            while (await http.get(f"{server.url}/info")).json()["sessions"]:
                await asyncio.sleep(0.02)
        return text_of(messages), close[0]

    assert play(scenario(), 10) == (["w0", "w1"], 1000)


def test_none_of_this_is_an_error_of_the_servers(server):
    assert "Traceback" not in server.text and " ERROR " not in server.text
