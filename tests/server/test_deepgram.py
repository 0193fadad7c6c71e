"""Deepgram's door on a real server: how it opens and closes, and what no client should send."""

import asyncio
import io
import json

import av
import httpx
import numpy as np
import pytest
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from native_client import play

RAW = "model=nova-3&encoding=linear16&sample_rate=16000"
LIMIT_S = 30
REFUSAL = "ASGI callable returned without completing handshake"
"""uvicorn's word for a handshake that is answered with a status."""


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


@pytest.mark.parametrize(
    ("options", "echoed"),
    [
        ({}, None),
        ({"additional_headers": {"Authorization": "bearer sesame"}}, None),
        ({"additional_headers": {}, "subprotocols": ["token", "sesame"]}, "token"),
        ({"additional_headers": {}, "subprotocols": ["bearer", "sesame"]}, "bearer"),
    ],
)
def test_the_key_comes_in_a_header_or_as_a_subprotocol(server, options, echoed):
    async def scenario():
        async with connect(server, **options) as socket:
            return socket.subprotocol, socket.response.headers

    subprotocol, headers = play(scenario())
    assert subprotocol == echoed and len(headers["dg-request-id"]) == 36


@pytest.mark.parametrize(
    ("query", "key", "status", "code"),
    [
        (RAW, "Token wrong", 401, "INVALID_AUTH"),
        (RAW, "", 401, "INVALID_AUTH"),
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


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from(["KeepAlive", "Finalize", "Configure", "Start", "CloseStream"])
MESSAGES = st.lists(
    st.one_of(
        st.binary(max_size=300),
        st.text(max_size=50).filter(lambda text: text.isprintable()),
        JSON.map(json.dumps),
        st.builds(lambda kind, more: json.dumps({**more, "type": kind}), KINDS,
                  st.dictionaries(st.sampled_from(["keyterms", "channel", "features", "x"]), JSON, max_size=3)),
        st.sampled_from([b"RIFF\xff\xff\xff\xffWAVEfmt ", b"\x1aE\xdf\xa3\x9fB\x86\x81\x01", b"OggS\x00\x02", b"fLaC"]),
    ),
    max_size=8,
)  # fmt: skip
QUERIES = st.one_of(
    st.just(RAW),
    st.just("model=nova-3"),
    st.lists(
        st.tuples(
            st.sampled_from(["encoding", "sample_rate", "channels", "language", "endpointing", "utterance_end_ms",
                             "interim_results", "model", "keyterm", "x"]),
            st.sampled_from(["linear16", "16000", "mulaw", "8000", "2", "en-US", "multi", "false", "true", "-1", "1e9",
                             "%00", "%ff", "", "opus"]),
        ),
        max_size=6,
    ).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)),
)  # fmt: skip


def finalizes(messages):
    """How many are to be answered: none behind the end."""
    kinds = [*map(kind_of, messages), "CloseStream"]
    return kinds[: kinds.index("CloseStream")].count("Finalize")


def kind_of(message):
    try:
        parsed = json.loads(message) if isinstance(message, str) else None
    except ValueError:
        return None
    return parsed.get("type") if isinstance(parsed, dict) else None


def test_whatever_is_sent_there_is_a_clear_end_and_the_next_client_is_served(server, speech):
    async def exchange(query, messages):
        try:
            async with connect(server, query) as socket:
                try:
                    for message in messages:
                        await socket.send(message)
                    await socket.send('{"type":"CloseStream"}')
                except websockets.ConnectionClosed:
                    pass
                return await rest(socket)
        except websockets.InvalidStatus as refused:
            return [json.loads(refused.response.body)], (refused.response.status_code, "")

    with asyncio.Runner() as runner:

        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
        @given(QUERIES, MESSAGES)
        def try_(query, messages):
            told, close = runner.run(exchange(query, messages))
            assert close is not None and close[0] in (1000, 1008, 400), (told, close)
            if close[0] == 1000:
                assert told[-1]["type"] == "Metadata"
                assert sum(message.get("from_finalize", False) for message in told) == finalizes(messages)

        try_()
        messages, _ = runner.run(transcribed(server, speech[:32_000].tobytes()))
    assert text_of(messages) == ["w0", "w1"]
    errors = [line for line in server.log if " ERROR " in line and REFUSAL not in line]
    assert "Traceback" not in server.text and errors == []
    assert httpx.get(f"{server.url}/health/ready").status_code == 200
