"""The client's session of whisper_realtime_server's protocol, and the audio of one kind that it takes."""

import asyncio
import json

import numpy as np
import pytest

from reswhis.cli import listen
from reswhis.cli.parser import Parser
from reswhis.client.resampled import ResampledSource
from reswhis.client.session import Finished, Line, ListenError, Pause, Preview
from reswhis.client.swim import SwimSession
from reswhis.core.errors import ConfigurationError

SECOND = np.zeros(16_000, np.int16)


@pytest.fixture
def session():
    session = SwimSession("pcm_s16le", 500)
    session.start()
    return session


def hear(session, type, **fields):
    return session.receive(json.dumps({"type": type} | fields))


def span(start, end, text):
    return {"start_time_millis": start, "end_time_millis": end, "text": text}


def test_start_says_the_chunk_and_the_audio_and_nothing_is_waited_for():
    session = SwimSession("pcm_f32le", 250)
    assert not session.ready
    assert json.loads(session.start()) == {
        "type": "start",
        "chunk_duration_millis": 250,
        "audio_format": {"encoding": "pcm_f32le", "sample_rate_hz": 16000, "channels": 1},
    }
    assert session.ready


@pytest.mark.parametrize("encoding", ["pcm_s16le", "pcm_f32le"])
def test_samples_arrive_as_they_were(encoding):
    samples = np.array([0, 1, -1, 32767, -32768], np.int16)
    data = SwimSession(encoding, 500).audio(samples)
    back = np.frombuffer(data, "<i2") if encoding == "pcm_s16le" else np.frombuffer(data, "<f4") * 32768
    assert back.tolist() == samples.tolist()


def test_confirmed_is_a_line_and_interim_a_preview_of_the_same_update(session):
    assert hear(session, "transcript", interim=span(0, 10, " Hi")) == [Preview(0, 10, " Hi")]
    both = hear(session, "transcript", confirmed=span(0, 10, " Hi"), interim=span(10, 20, " there"))
    assert both == [Line(0, 10, " Hi"), Preview(10, 20, " there", True)]


def test_half_a_second_between_two_texts_is_a_pause(session):
    assert hear(session, "transcript", confirmed=span(900, 1000, " Hi.")) == [Line(900, 1000, " Hi.")]
    assert hear(session, "transcript", confirmed=span(1499, 1600, " A")) == [Line(1499, 1600, " A")]
    assert hear(session, "transcript", confirmed=span(2100, 2200, " B")) == [Pause(), Line(2100, 2200, " B")]


def test_completed_is_the_end_of_what_was_finished_and_of_nothing_else(session):
    session.audio(SECOND)
    with pytest.raises(ListenError, match=r"early: 1\.0 s of audio were sent"):
        hear(session, "completed")
    assert json.loads(session.finish()) == {"type": "finish"}
    assert hear(session, "completed") == [Finished()]


def test_an_error_ends_the_session_in_the_servers_words(session):
    with pytest.raises(ListenError, match="refuses the session: too long"):
        hear(session, "error", code="invalid_argument", message="too long")
    session.audio(SECOND)
    with pytest.raises(ListenError, match=r"\(gone\): 1\.0 s"):
        hear(session, "error", code="internal_error", message="gone")


@pytest.mark.parametrize("message", [b"\x00", "no", "[]", "{}", '{"type":"transcript","confirmed":{"text":" a"}}'])
def test_what_is_not_its_protocol_is_said(session, message):
    with pytest.raises(ListenError):
        session.receive(message)


# Audio.


class Recorded:
    """A microphone of two channels at 48 kHz, in blocks of 10 ms, that may fail at the end."""

    sample_rate, channels = 48_000, 2

    def __init__(self, left, right, error=None):
        self._samples = np.stack([left, right], axis=1).reshape(-1)
        self._error = error

    async def pieces(self):
        for start in range(0, len(self._samples), 960):
            yield self._samples[start : start + 960]
        if self._error is not None:
            raise self._error

    def stop(self):
        pass


async def gathered(source, pieces):
    async for piece in source.pieces():
        pieces.append(piece)


def test_any_microphone_becomes_16_khz_mono_in_pieces_of_one_length():
    tone = (np.sin(np.arange(48_500) * 2 * np.pi * 440 / 48_000) * 20_000).astype(np.int16)
    pieces = []
    asyncio.run(gathered(ResampledSource(Recorded(tone, np.zeros_like(tone)), piece=4_000), pieces))
    assert [len(piece) for piece in pieces] == [4_000] * 4 + [167]
    heard = np.concatenate(pieces).astype(float)
    assert np.abs(np.fft.rfft(heard[:16_000])).argmax() == 440
    assert heard.max() == pytest.approx(10_000, rel=0.02)


def test_what_was_recorded_before_a_failure_is_sent_before_it_is_raised():
    silence = np.zeros(4_800, np.int16)
    pieces = []
    with pytest.raises(ListenError, match="unplugged"):
        asyncio.run(gathered(ResampledSource(Recorded(silence, silence, ListenError("unplugged")), piece=900), pieces))
    assert [len(piece) for piece in pieces] == [900, 700]


# What the command is told.


def parsed(*arguments):
    parser = Parser("reswhis listen")
    listen.add_arguments(parser)
    return parser.parse(arguments)


@pytest.mark.parametrize(
    ("arguments", "protocol", "url"),
    [
        ([], "native", "ws://127.0.0.1:8000/ws/transcribe"),
        (["--path", "/v1/transcribe"], "swim", "ws://127.0.0.1:8000/v1/transcribe"),
        (["--protocol", "swim"], "swim", "ws://127.0.0.1:8000/v1/transcribe"),
        (["--protocol", "swim", "--path", "/behind/a/proxy"], "swim", "ws://127.0.0.1:8000/behind/a/proxy"),
        (["--protocol", "native", "--path", "/v1/transcribe"], "native", "ws://127.0.0.1:8000/v1/transcribe"),
        (["--url", "https://example.org/v1/transcribe/"], "swim", "wss://example.org/v1/transcribe/"),
        (["--url", "ws://example.org", "--protocol", "swim"], "swim", "ws://example.org/v1/transcribe"),
        (["--url", "ws://example.org", "--path", "/v1/transcribe"], "native", "ws://example.org/ws/transcribe"),
    ],
)
def test_the_path_tells_the_protocol_unless_it_is_named(arguments, protocol, url):
    assert listen.protocol_of(parsed(*arguments)) == protocol
    assert listen.url_of(parsed(*arguments)) == url


def test_the_chunk_is_shorter_where_it_does_not_set_the_pace():
    assert listen.chunk_s(parsed()) == 0.1
    assert listen.chunk_s(parsed("--protocol", "swim")) == 0.5
    assert listen.chunk_s(parsed("--protocol", "swim", "--chunk-duration", "0.2")) == 0.2
    with pytest.raises(ConfigurationError, match="from 0.01 to 2"):
        listen.chunk_s(parsed("--chunk-duration", "3"))
