"""A client of whisper_realtime_server's WebSocket, as its own in the terminal speaks to it, against a real server.

It knows the wire alone: nothing of it is ours.
"""

import asyncio
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from native_client import connect as connect_native
from native_client import play

pytestmark = pytest.mark.conformance

RECORDINGS = Path(__file__).parents[1] / "recordings"
FORMAT = {"encoding": "pcm_s16le", "sample_rate_hz": 16000, "channels": 1}
LIMIT_S = 30
STRICT = ("--api-key", "sesame", "--max-sessions", "2", "--idle-timeout-s", "1", "--idle-flush-s", "0.3",
          "--max-chunk-duration-seconds", "2")  # fmt: skip


class Failed(Exception):
    """As its client ends: ``Websocket server error``."""


class Client:
    """Speaks in chunks of one length, listens at the same time, and stops at ``completed``."""

    def __init__(self, socket, chunk_s, encoding):
        self.socket = socket
        self.chunk = round(chunk_s * 16_000)
        self.encoding = encoding
        self.confirmed = []
        self.interims = []
        self.is_completed = False

    @property
    def text(self):
        return "".join(each["text"] for each in self.confirmed)

    async def start(self):
        await self.socket.send(
            json.dumps(
                {
                    "type": "start",
                    "chunk_duration_millis": self.chunk // 16,
                    "audio_format": FORMAT | {"encoding": self.encoding},
                }
            )
        )

    async def speak(self, audio, speed=0.0):
        """``speed``: 0 as fast as it is taken."""
        for start in range(0, len(audio), self.chunk):
            chunk = audio[start : start + self.chunk]
            await self.socket.send(
                chunk.tobytes() if self.encoding == "pcm_s16le" else (chunk / 32768).astype("<f4").tobytes()
            )
            await asyncio.sleep(speed and len(chunk) / 16_000 / speed)

    async def finish(self):
        await self.socket.send(json.dumps({"type": "finish"}))

    async def next(self):
        """The next message, looked at as its client does."""
        message = json.loads(await asyncio.wait_for(self.socket.recv(), LIMIT_S))
        match message["type"]:
            case "transcript":
                assert message.keys() <= {"type", "confirmed", "interim"} and len(message) > 1
                if (confirmed := message.get("confirmed")) is not None:
                    self.confirmed.append(span(confirmed))
                if (interim := message.get("interim")) is not None:
                    self.interims.append((len(self.confirmed), span(interim)))
            case "completed":
                assert message == {"type": "completed"}
                self.is_completed = True
            case "error":
                raise Failed(message["code"], message["message"])
            case other:
                raise AssertionError(other)

    async def listen(self):
        while not self.is_completed:
            await self.next()
        return self

    async def closed(self):
        """Code and reason, once everything else has been read."""
        with pytest.raises(websockets.ConnectionClosed) as gone:
            await asyncio.wait_for(self.socket.recv(), LIMIT_S)
        return (gone.value.rcvd.code, gone.value.rcvd.reason) if gone.value.rcvd else (1006, "")


class connect:
    def __init__(self, server, *, chunk_s=0.5, encoding="pcm_s16le", **options):
        url = server.url.replace("http", "ws", 1) + "/v1/transcribe"
        self._connecting = websockets.connect(url, compression=None, **options)
        self._how = chunk_s, encoding

    async def __aenter__(self):
        return Client(await self._connecting.__aenter__(), *self._how)

    async def __aexit__(self, *exc):
        await self._connecting.__aexit__(*exc)


def span(transcript):
    assert transcript.keys() == {"start_time_millis", "end_time_millis", "text"}
    assert type(transcript["start_time_millis"]) is type(transcript["end_time_millis"]) is int
    assert transcript["text"].strip()
    return transcript


async def transcribe(server, audio, *, speed=0.0, **how):
    async with connect(server, **how) as client:
        await client.start()

        async def speak():
            await client.speak(audio, speed)
            await client.finish()

        await asyncio.gather(speak(), client.listen())
        assert await client.closed() == (1000, "completed")
        return client


@pytest.fixture(scope="module")
def server(start):
    return start("--backend", "fake").ready()


@pytest.fixture(scope="module")
def strict(start):
    return start("--backend", "fake", *STRICT).ready()


@pytest.fixture(scope="module")
def speech():
    """int16, 16 kHz: all recordings of one voice, with a pause after each."""
    files = sorted(RECORDINGS.glob("flite-*.flac"))
    parts = [np.append(soundfile.read(path, dtype="int16")[0], np.zeros(16_000, np.int16)) for path in files]
    return np.concatenate(parts)


@pytest.fixture(scope="module")
def native(server, speech):
    """What the native protocol makes of it."""

    async def scenario():
        async with connect_native(server.ws) as client:
            await client.stream(speech)
            await client.say("finish")
            await client.rest()
            return client.text

    return play(scenario())


@pytest.mark.parametrize("encoding", ["pcm_s16le", "pcm_f32le"])
@pytest.mark.parametrize("chunk_s", [0.1, 0.5, 1.0])
def test_what_is_confirmed_is_what_every_other_protocol_says(server, speech, native, chunk_s, encoding):
    client = play(transcribe(server, speech, chunk_s=chunk_s, encoding=encoding))
    assert client.text == native
    assert len(native.split()) > 10


def test_confirmed_times_never_overlap_and_an_interim_follows_what_is_confirmed(server, speech):
    client = play(transcribe(server, speech[: 16_000 * 12], speed=8.0))
    ends = [0]
    for each in client.confirmed:
        assert ends[-1] <= each["start_time_millis"] <= each["end_time_millis"]
        ends.append(each["end_time_millis"])
    assert client.interims
    for confirmed, interim in client.interims:
        assert ends[confirmed] <= interim["start_time_millis"] <= interim["end_time_millis"]


def test_audio_that_stops_without_finish_is_confirmed_all_the_same(server, speech):
    async def scenario():
        async with connect(server) as client:
            await client.start()
            await client.speak(speech[:40_000])
            while "w2" not in client.text:
                await client.next()
            await client.finish()
            await client.listen()
            return client.text.split()

    assert play(scenario()) == ["w0", "w1", "w2"]


def test_finish_before_any_audio_completes(server):
    assert play(transcribe(server, np.empty(0, np.int16))).text == ""


def test_a_server_that_is_stopped_says_the_last_words_and_completes(start, speech):
    server = start("--backend", "fake").ready()

    async def scenario():
        async with connect(server) as client:
            await client.start()
            await client.speak(speech[:40_000])
            while "w1" not in client.text and not any("w1" in interim["text"] for _, interim in client.interims):
                await client.next()  # where the server is slow, it may be final before it is ever shown
            server.interrupt()
            await client.listen()
            return client.text.split()[:2], await client.closed()  # what had not reached it yet is another matter

    assert play(scenario()) == (["w0", "w1"], (1012, "server_restart"))
    assert server.wait() == 0


@pytest.mark.parametrize(
    ("said", "code", "close"),
    [
        ({"type": "start", "chunk_duration_millis": 1001, "audio_format": FORMAT}, "invalid_argument", 1008),
        ({"type": "finish"}, "invalid_argument", 1008),
        (bytes(3200), "invalid_argument", 1008),
        (" " * 100_000, "invalid_argument", 1009),
    ],
    ids=["chunk", "finish", "audio", "text"],
)
def test_a_start_that_is_none_is_told_so_before_the_close(server, said, code, close):
    async def scenario():
        async with connect(server) as client:
            await client.socket.send(json.dumps(said) if isinstance(said, dict) else said)
            with pytest.raises(Failed) as failed:
                await client.listen()
            assert await client.closed() == (close, failed.value.args[1])
            return failed.value.args[0]

    assert play(scenario()) == code


def test_a_frame_that_is_too_long_comes_after_the_words_before_it(server, speech):
    async def scenario():
        async with connect(server) as client:
            await client.start()
            await client.speak(speech[:24_000])
            await client.socket.send(bytes(16_002))
            with pytest.raises(Failed, match="invalid_argument"):
                await client.listen()
            assert (await client.closed())[0] == 1008
            return client.text.split()

    assert play(scenario()) == ["w0", "w1"]


# Limits, as at every door.


def authorised(server, **how):
    return connect(server, additional_headers={"Authorization": "Bearer sesame"}, **how)


@pytest.mark.parametrize("is_started", [False, True], ids=["before start", "after start"])
def test_who_says_nothing_for_long_is_told_deadline_exceeded(strict, is_started):
    async def scenario():
        async with authorised(strict) as client:
            if is_started:
                await client.start()
            with pytest.raises(Failed) as failed:
                await client.listen()
            return failed.value.args[0], (await client.closed())[0]

    assert play(scenario()) == ("deadline_exceeded", 1008)


def test_longer_chunks_may_be_allowed(strict, speech):
    async def scenario():
        async with authorised(strict, chunk_s=2.0) as client:
            await client.start()
            await client.speak(speech[:48_000])
            await client.finish()
            return (await client.listen()).text.split()

    assert play(scenario()) == ["w0", "w1", "w2"]


# Nonsense.

starts = st.fixed_dictionaries(
    {"type": st.just("start")},
    optional={
        "chunk_duration_millis": st.integers(-1, 1100) | st.text(max_size=3) | st.floats(),
        "audio_format": st.dictionaries(
            st.sampled_from(list(FORMAT)), st.sampled_from([*FORMAT.values(), "mulaw", None, -1, []]), max_size=3
        ),
    },
)
GOOD = {"type": "start", "chunk_duration_millis": 1000, "audio_format": FORMAT}
texts = st.one_of(
    (starts | st.just(GOOD) | st.just({"type": "finish"})).map(json.dumps),
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=9), st.lists, max_leaves=5).map(
        json.dumps
    ),
    st.text(max_size=50),
)
frames = st.binary(max_size=200) | st.integers(0, 40_000).map(bytes)
visits = st.lists(texts | frames, max_size=8) | st.lists(texts | frames, max_size=8).map(
    lambda rest: [json.dumps(GOOD), *rest]
)


def test_no_nonsense_makes_the_server_hang_up_without_a_word_or_fail(server, speech):
    async def visit(messages):
        async with connect(server) as client:
            try:
                for message in messages:
                    await client.socket.send(message)
                await client.finish()  # which ends whatever has begun
                while True:
                    await asyncio.wait_for(client.socket.recv(), LIMIT_S)
            except websockets.ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else 1006

    with asyncio.Runner() as runner:

        @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
        @given(visits)
        def fuzz(messages):
            assert runner.run(visit(messages)) in (1000, 1008, 1009)

        fuzz()
    assert play(transcribe(server, speech[:32_000])).text.split() == ["w0", "w1"]
    assert "Traceback" not in server.text and "ERROR" not in server.text
