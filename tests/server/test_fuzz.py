"""What no client should send, at every door of one server: a clear error or a clean close, and the next is served.

gRPC and Wyoming have ports of their own, and their own tests of this: ``tests/transports/test_grpc_door.py`` and
``test_wyoming.py``.
"""

import asyncio
import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import httpx
import pytest
import websockets
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bad_clients import masked, raw_upgrade
from native_client import connect

LIMIT_S = 20
MAX_FRAME = 60_000
QUICKLY = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
RAW = "model=nova-3&encoding=linear16&sample_rate=16000"
FORMAT = {"encoding": "pcm_s16le", "sample_rate_hz": 16000, "channels": 1}


@pytest.fixture(scope="module")
def server(start):
    return start("--backend", "fake", "--max-frame-bytes", str(MAX_FRAME)).ready()


# What is sent.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
BREAKERS = [
    "[" * 5000,
    '{"type":' * 5000,
    '{"type":"\\ud800","id":"\\ud800"}',
    '{"type":"ping","id":1' + "0" * 4500 + "}",
    '{"type":null}',
    "null",
    "",
    " " * 70_000,
]


@dataclass(frozen=True)
class Broken:
    """A text that is none."""

    data: bytes


@st.composite
def spoilt(draw, messages):
    """A message with one value exchanged, at any depth, or one that is not there before, or without it."""
    message = json.loads(json.dumps(draw(st.sampled_from(messages))))
    place = message
    while True:
        name = draw(st.sampled_from([*place, "more"]))
        if not (isinstance(place.get(name), dict) and place[name] and draw(st.booleans())):
            break
        place = place[name]
    if name in place and draw(st.booleans()):
        del place[name]
    else:
        place[name] = draw(JSON)
    return json.dumps(message)


def messages(door):
    kinds = [
        st.binary(max_size=300),
        st.sampled_from([bytes(4000), bytes(MAX_FRAME + 1), *door.pieces]),
        st.text(max_size=20),
        st.sampled_from(BREAKERS),
        JSON.map(json.dumps),
        st.binary(max_size=4).map(lambda data: Broken(b"\xff" + data)),
    ]
    if door.valid:
        kinds += [st.sampled_from(door.valid).map(json.dumps), spoilt(door.valid)] * 3
    rubbish = st.lists(st.one_of(kinds), max_size=7)
    return rubbish | rubbish.map(lambda said: [*door.begin, *said])


def queries(door):
    values = st.sampled_from(
        [
            "linear16",
            "16000",
            "mulaw",
            "8000",
            "2",
            "en-US",
            "multi",
            "false",
            "true",
            "-1",
            "1e9",
            "%00",
            "%ff",
            "",
            "opus",
        ]
    )
    pair = st.tuples(st.sampled_from([*door.names, "x"]), values)
    asked = st.lists(pair, max_size=4).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))
    return st.sampled_from(door.queries) | asked


# The doors.


def json_text(**fields):
    return json.dumps(fields)


def append(data):
    return json_text(type="input_audio_buffer.append", audio=base64.b64encode(data).decode())


@dataclass(frozen=True)
class Door:
    path: str
    finish: Sequence[str | bytes]
    """After which the server closes, whatever came before."""
    begin: Sequence[str]
    """As a client that does everything right."""
    text: Callable[[list], str]
    """Of what that one is told."""
    valid: Sequence[dict] = ()
    names: Sequence[str] = ()
    """Of what the address may ask for."""
    queries: Sequence[str] = ("",)
    pieces: Sequence[bytes] = ()
    audio: Callable[[bytes], str | bytes] = bytes
    explains: str | None = "error"
    """The type of the message that says why the server closes, if it ends by an error."""


NATIVE_NAMES = ["encoding", "sample_rate", "channels", "language", "words", "vad", "policy", "captions"]
DOORS = {
    "native": Door(
        "/ws/transcribe",
        finish=['{"type":"finish"}'],
        begin=['{"type":"start"}'],
        text=lambda told: "".join(message["text"] for message in told if message["type"] == "final"),
        valid=[
            {"type": "start", "version": 1, "audio": {"encoding": "mulaw", "sample_rate": 8000, "channels": 2},
             "language": "en", "task": "transcribe", "prompt": "", "hotwords": "", "model": "", "policy": "endpoint",
             "partials": True, "words": True, "vad": False, "vad_threshold": 0.5, "endpoint_ms": 500,
             "multilingual": False, "diagnostics": True, "beam_size": 1, "captions": True},
            {"type": "start"},
            {"type": "configure", "language": "de", "prompt": "p", "hotwords": "h", "vad": True, "endpoint_ms": 700},
            {"type": "flush", "id": "a"},
            {"type": "ping", "id": 1},
            {"type": "finish"},
        ],
        names=NATIVE_NAMES,
    ),
    "plain": Door(
        "/ws/transcribe",
        finish=[b""],
        begin=[],
        text=lambda told: "".join(message["content"] for message in told),
        names=NATIVE_NAMES,
        queries=["encoding=pcm_f32le", "encoding=alaw&sample_rate=8000&channels=2", ""],
    ),
    "legacy": Door(
        "/transcribe",
        finish=[b"", b""],
        begin=[],
        text=lambda told: "".join(message["content"] for message in told if message["content"] != "-"),
        explains=None,
    ),
    "swim": Door(
        "/v1/transcribe",
        finish=['{"type":"finish"}'],
        begin=[json_text(type="start", chunk_duration_millis=1000, audio_format=FORMAT)],
        text=lambda told: "".join(message.get("confirmed", {}).get("text", "") for message in told),
        valid=[
            {"type": "start", "chunk_duration_millis": 1000, "audio_format": FORMAT},
            {"type": "start", "chunk_duration_millis": 1, "audio_format": {**FORMAT, "encoding": "pcm_f32le"}},
            {"type": "finish"},
        ],
    ),
    "realtime": Door(
        "/v1/realtime",
        finish=[b""],
        begin=['{"type":"session.update","session":{"turn_detection":null}}'],
        text=lambda told: " " + "".join(message.get("delta", "") for message in told),
        valid=[
            {"type": "session.update", "event_id": "e", "session": {"type": "transcription", "audio": {"input": {
                "format": {"type": "audio/pcm", "rate": 24000}, "noise_reduction": {"type": "near_field"},
                "transcription": {"model": "whisper-1", "language": "en", "prompt": "p", "languages": ["en"],
                                  "keywords": ["k"]},
                "turn_detection": {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300,
                                   "silence_duration_ms": 500}}}}},
            {"type": "transcription_session.update", "session": {
                "input_audio_format": "g711_ulaw", "input_audio_transcription": {"model": "whisper-1"},
                "turn_detection": None}},
            {"type": "input_audio_buffer.append", "audio": "AAAA" * 400},
            {"type": "input_audio_buffer.commit"},
            {"type": "input_audio_buffer.clear"},
            {"type": "response.create"},
        ],
        names=["intent", "model", "turn_detection", "input_audio_format"],
        queries=["", "intent=transcription", "intent=transcription&input_audio_format=pcm_s16le_16000"],
        audio=append,
    ),
    "deepgram": Door(
        "/v1/listen",
        finish=['{"type":"CloseStream"}'],
        begin=[],
        text=lambda told: " " + " ".join(
            m["channel"]["alternatives"][0]["transcript"] for m in told if m["type"] == "Results" and m["is_final"]
        ),
        valid=[
            {"type": "KeepAlive"},
            {"type": "Finalize", "channel": 0},
            {"type": "Configure", "keyterms": ["Ada"], "features": {"numerals": True}},
            {"type": "CloseStream"},
        ],
        names=["encoding", "sample_rate", "channels", "language", "endpointing", "utterance_end_ms", "interim_results",
               "model", "keyterm"],
        queries=["model=nova-3", f"{RAW}&interim_results=true&vad_events=true&utterance_end_ms=1000", RAW],
        pieces=[b"RIFF\xff\xff\xff\xffWAVEfmt ", b"\x1aE\xdf\xa3\x9fB\x86\x81\x01", b"OggS\x00\x02", b"fLaC"],
        explains="Error",
    ),
}  # fmt: skip


async def exchange(server, door, query, said):
    """What is told, and how it ends: by a close, or by the status of a refusal."""
    url = f"{server.url.replace('http', 'ws', 1)}{door.path}{query and '?'}{query}"
    try:
        socket = await websockets.connect(url, max_queue=None, compression=None)
    except websockets.InvalidStatus as refused:
        return [json.loads(refused.response.body)], refused.response.status_code
    told = []
    async with socket, asyncio.timeout(LIMIT_S):
        try:
            for message in said:
                broken = isinstance(message, Broken)
                await socket.send(message.data if broken else message, text=True if broken else None)
        except websockets.ConnectionClosed:
            pass
        try:
            while True:
                told.append(json.loads(await socket.recv()))
        except websockets.ConnectionClosed as closed:
            return told, closed.rcvd.code if closed.rcvd else 1006


def finalizes(said):
    """How many are to be answered: none behind the end."""
    kinds = [kind_of(message) for message in said]
    return kinds[: kinds.index("CloseStream")].count("Finalize")


def kind_of(message):
    try:
        parsed = json.loads(message) if isinstance(message, str) else None
    except (ValueError, RecursionError):
        return None
    return parsed.get("type") if isinstance(parsed, dict) else None


@pytest.mark.parametrize("name", DOORS)
def test_whatever_is_sent_ends_clearly_and_the_next_client_is_served(server, speech, name):
    door = DOORS[name]

    with asyncio.Runner() as runner:

        @settings(max_examples=30, **QUICKLY)
        @given(queries(door), messages(door))
        @example(door.queries[-1], [*door.begin, "{}", Broken(b"\xff"), *[bytes(4000)] * 9])
        def fuzz(query, said):
            said = [*said, *door.finish]
            told, close = runner.run(exchange(server, door, query, said))
            assert close in {1000, 1003, 1007, 1008, 1009, 400}, (close, told)
            if close in {1003, 1008, 1009} and door.explains:
                assert told[-1]["type"] == door.explains
            if close == 1000 and name == "deepgram":
                assert sum(message.get("from_finalize", False) for message in told) == finalizes(said)

        fuzz()
        told, close = runner.run(exchange(server, door, door.queries[-1], spoken(door, speech)))
    assert (door.text(told), close) == (" w0 w1", 1003 if name == "realtime" else 1000)


def spoken(door, speech):
    """Two seconds."""
    audio = [door.audio(speech[start : start + 16_000].tobytes()) for start in (0, 16_000)]
    return [*door.begin, *audio, *door.finish]


IDS = st.sampled_from(["SESSION", "session", "..", "%2e%2e%2f", "%00", "a/b", "é"]) | st.text(max_size=9).map(quote)
TOKENS = st.sampled_from(["TOKEN", "", "é", "x" * 5000]) | st.text(max_size=9)
PATHS = st.sampled_from(["events", "events/", "transcript.srt", "transcript.", "transcript.exe", "transcript", ""])
PLACES = st.sampled_from(["0", "1", "-1", "9" * 18, "9" * 5000, "1e3", "٣", "²", "", " 1", "+1", "0x1"]) | st.text(
    max_size=5
)


def test_whatever_viewers_ask_for_is_answered_and_the_next_is_served(server, speech):
    async def scenario():
        async with connect(server.ws) as client, httpx.AsyncClient(base_url=server.url, timeout=LIMIT_S) as http:
            await client.say("start", captions=True)
            ready = await client.until("ready")
            await client.stream(speech[:32_000])
            await client.say("flush", id=1)
            await client.until("flushed")
            yield http, ready["session_id"], ready["viewer_token"]

    async def ask(http, path, headers, **query):
        query = {name: value for name, value in query.items() if value is not None}
        async with http.stream("GET", path, params=query, headers=headers) as answered:
            return answered.status_code, answered.headers.get("content-type")

    with asyncio.Runner() as runner:
        speaking = scenario()
        http, session, token = runner.run(anext(speaking))

        @settings(max_examples=40, **QUICKLY)
        @given(IDS, PATHS, TOKENS, st.none() | PLACES, st.none() | PLACES, st.none() | PLACES)
        def fuzz(id_, path, secret, after, recent, seen):
            url = f"/v1/sessions/{session if id_ == 'SESSION' else id_}/{path}"
            headers = {} if seen is None else {"Last-Event-ID": seen.encode()}
            secret = token if secret == "TOKEN" else secret
            try:
                status, kind = runner.run(ask(http, url, headers, viewer_token=secret, after=after, recent=recent))
            except httpx.LocalProtocolError:  # no header has that
                return
            assert status in {200, 307, 400, 404}, (status, url)
            assert kind or status == 307, url

        fuzz()
        said = runner.run(http.get(f"/v1/sessions/{session}/transcript.txt", params={"viewer_token": token}))
        runner.run(speaking.aclose())
    assert said.text == "w0 w1\n"


def test_bytes_that_are_no_websocket_end_the_connection(server):
    async def exchange(data):
        reader, writer = await raw_upgrade(server)
        writer.write(data)
        writer.write_eof()
        answered = await asyncio.wait_for(reader.read(), LIMIT_S)
        writer.close()
        return answered

    with asyncio.Runner() as runner:

        @settings(max_examples=30, **QUICKLY)
        @given(st.binary(min_size=1, max_size=60))
        @example(b"GET / HTTP/1.1\r\n\r\n")
        @example(masked(1, b"text")[:-2])
        def fuzz(data):
            assert runner.run(exchange(data))[:1] in {b"", b"\x88", b"\x8a", b"{"}  # nothing, a close, a pong, or text

        fuzz()


def test_none_of_all_this_is_an_error_of_the_servers_nor_leaves_a_session_behind(server):
    while httpx.get(f"{server.url}/info").json()["sessions"]:
        pass
    assert [line for line in server.log if " ERROR " in line] == [] and "Traceback" not in server.text
    assert httpx.get(f"{server.url}/health/ready").status_code == 200
