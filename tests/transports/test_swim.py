"""The codec of whisper_realtime_server's WebSocket: what it takes, and byte for byte what it sends."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reswhis.audio.pcm import AudioFormat
from reswhis.backends.base import BackendInfo
from reswhis.core import events as ev
from reswhis.core.errors import ClientError
from reswhis.core.online import SessionConfig, StreamOptions
from reswhis.core.types import Word
from reswhis.server.limits import Limits
from reswhis.transports.codec import Audio, Close, Defaults, End, Open
from reswhis.transports.swim import SwimCodec

FORMAT = {"encoding": "pcm_s16le", "sample_rate_hz": 16000, "channels": 1}
START = {"type": "start", "chunk_duration_millis": 500, "audio_format": FORMAT}
HI, THERE = Word(0.972, 1.532, " Hi", 0.9), Word(1.532, 1.81, " thére!", 0.9)


def make_codec(*, max_chunk_s=1.0, **limits):
    info = BackendInfo("fake", "fake", "cpu", "none", frozenset({"en"}))
    defaults = Defaults(SessionConfig(step_s=0.7), StreamOptions(), info, Limits(**limits))
    return SwimCodec(defaults, max_chunk_s=max_chunk_s)


def say(codec, **fields):
    return codec.decode(json.dumps(fields))


def started(millis=500, encoding="pcm_s16le", **kwargs):
    codec = make_codec(**kwargs)
    say(codec, type="start", chunk_duration_millis=millis, audio_format=FORMAT | {"encoding": encoding})
    return codec


def refusal(codec, message):
    """What a client is told whose message cannot be followed, and how its connection is closed."""
    with pytest.raises(ClientError) as refused:
        codec.decode(message)
    [said] = codec.fail(refused.value.code, str(refused.value), refused.value.param, 0)
    return json.loads(said), codec.close(refused.value.code)


# What the client says.


def test_the_chunk_of_start_is_the_sessions_step_and_nothing_answers():
    codec = make_codec()
    assert codec.greet() == []
    [opened] = say(codec, **START, later_field=[1])
    assert opened == Open(AudioFormat("pcm_s16le"), SessionConfig(step_s=0.5), StreamOptions())
    assert codec.decode(b"\x00\x00") == [Audio(b"\x00\x00")]
    assert say(codec, type="finish") == [End()]


@pytest.mark.parametrize(
    ("millis", "step_s", "limits"),
    [
        (1000, 1.0, {}),
        (20, 0.1, {}),
        (1, 0.1, {}),
        (1000, 0.75, {"max_backlog_s": 1.5}),
        (3000, 3.0, {"max_chunk_s": 3}),
    ],
)
def test_a_step_is_never_less_than_a_tenth_of_a_second_nor_more_than_the_backlog_has_room_for(millis, step_s, limits):
    [opened] = say(make_codec(**limits), **START | {"chunk_duration_millis": millis})
    assert opened.config.step_s == step_s


@pytest.mark.parametrize(("encoding", "size"), [("pcm_s16le", 16_000), ("pcm_f32le", 32_000)])
def test_a_frame_may_be_as_long_as_the_chunk_and_no_longer(encoding, size):
    codec = started(500, encoding)
    assert codec.decode(bytes(size)) == [Audio(bytes(size))]
    assert codec.decode(bytes(3)) == [Audio(bytes(3))]  # of any other length, and an empty one is no end
    assert codec.decode(b"") == []
    said, closed = refusal(codec, bytes(size + 1))
    assert said["code"] == "invalid_argument" and "500" in said["message"]
    assert closed == Close(1008, said["message"])


def test_a_frame_above_the_servers_own_limit_is_closed_with_1009():
    said, closed = refusal(started(1000, max_frame_bytes=2000), bytes(2001))
    assert (said["code"], closed.code) == ("invalid_argument", 1009)


BAD = [
    b"\x00\x00",
    "hello",
    "[]",
    "[" * 60_000,
    "9" * 5_000,
    " " * 70_000,
    {},
    {"type": "finish"},
    *(START | {"chunk_duration_millis": value} for value in (0, -1, 1001, 10**30, 500.0, "500", True, None)),
    *(START | {"audio_format": value} for value in (None, [], "pcm_s16le", {})),
    *(START | {"audio_format": FORMAT | {"encoding": value}} for value in ("mulaw", "", 1, [], {})),
    *(START | {"audio_format": FORMAT | {"sample_rate_hz": value}} for value in (8000, 16000.0, "16000", None)),
    *(START | {"audio_format": FORMAT | {"channels": value}} for value in (2, 0, True, "1")),
]


@pytest.mark.parametrize("message", BAD, ids=lambda message: str(message)[-60:])
def test_a_first_message_that_is_not_a_start_it_takes_is_an_invalid_argument(message):
    said, closed = refusal(make_codec(), json.dumps(message) if isinstance(message, dict) else message)
    assert said.keys() == {"type", "code", "message"}
    assert (said["type"], said["code"]) == ("error", "invalid_argument")
    assert closed.code == (1009 if len(message) > 65_536 else 1008)
    assert closed.reason == said["message"]


def test_a_wrong_field_is_named_as_there():
    said, _ = refusal(make_codec(), json.dumps(START | {"audio_format": FORMAT | {"channels": 2}}))
    assert said["message"] == "audio_format.channels must be 1"


@pytest.mark.parametrize("text", [json.dumps(START), '{"type":"flush"}', "{}", "finish"])
def test_after_start_the_only_text_is_finish(text):
    assert refusal(started(), text)[0]["code"] == "invalid_argument"


def test_what_comes_after_finish_is_not_taken():
    codec = started()
    assert say(codec, type="finish") == [End()]
    assert [codec.decode(message) for message in ('{"type":"finish"}', bytes(9), "nonsense")] == [[], [], []]


# What it is told.


def test_messages_are_as_there_to_the_byte():
    codec = started()
    confirmed = codec.encode(ev.Committed(1, (HI,), ev.Reason.ATTENTION), 0)
    assert confirmed == [
        '{"type":"transcript","confirmed":{"start_time_millis":972,"end_time_millis":1532,"text":" Hi"}}'
    ]
    interim = codec.encode(ev.Tentative(1, (THERE,)), 0)
    assert interim == [
        '{"type":"transcript","interim":{"start_time_millis":1532,"end_time_millis":1810,"text":" thére!"}}'
    ]
    assert codec.encode(ev.Closed(), 0) == ['{"type":"completed"}']
    assert codec.close(None) == Close(1000, "completed")


def test_of_a_session_it_says_nothing_else():
    codec = started()
    events = [
        ev.SpeechStarted(1, 0.0),
        ev.SpeechStopped(1, 2.0),
        ev.Tentative(1, ()),
        ev.UtteranceEnded(1, "Hi", 0.0, 2.0, "en", ev.Reason.IDLE),
        ev.Flushed(None),
        ev.LanguageDetected("en", 1.0),
        ev.Suppressed((HI,), "silence"),
        ev.DecodeFailed(1, 0.0, 2.0, True),
        ev.Lagging(9.0),
    ]
    assert [codec.encode(event, 0) for event in events] == [[]] * len(events)


@pytest.mark.parametrize(
    ("error", "code", "close"),
    [
        ("idle_timeout", "deadline_exceeded", 1008),
        ("session_limit", "deadline_exceeded", 1008),
        ("engine_stopped", "internal_error", 1011),
        ("internal_error", "internal_error", 1011),
        ("server_restart", "internal_error", 1012),
    ],
)
def test_its_three_codes_stand_for_all_of_ours(error, code, close):
    codec = started()
    [said] = map(json.loads, codec.fail(error, "what is wrong " * 20, None, 0))
    assert (said["code"], codec.close(error).code) == (code, close)
    [said] = map(json.loads, codec.encode(ev.Closed(error), 0))
    assert said["code"] == code
    assert codec.close(error) == Close(close, said["message"])


def test_a_long_message_is_cut_to_what_a_close_can_carry():
    codec = started()
    codec.fail("internal_error", "é" * 100, None, 0)
    assert codec.close("internal_error").reason == "é" * 61


def test_a_server_that_is_stopped_completes_what_it_heard():
    codec = started()
    assert codec.encode(ev.Closed(), 0) == ['{"type":"completed"}']
    assert codec.close("server_restart") == Close(1012, "server_restart")


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["start", "finish"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "chunk_duration_millis", "audio_format", "encoding", "sample_rate_hz", "channels"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
texts = values.map(json.dumps) | st.text(max_size=20) | st.just(json.dumps(START)) | st.just('{"type":"finish"}')


@given(st.lists(texts | st.binary(max_size=40_000), max_size=6))
def test_whatever_comes_a_session_opens_once_and_first_and_ends_last(messages):
    codec = make_codec()
    commands = []
    for message in messages:
        try:
            commands += codec.decode(message)
        except ClientError as refused:
            assert codec.fail(refused.code, str(refused), refused.param, 0)
            break
    kinds = [type(command) for command in commands]
    assert kinds[:1] in ([], [Open])
    assert kinds.count(Open) <= 1 and set(kinds[1:-1]) <= {Audio}
