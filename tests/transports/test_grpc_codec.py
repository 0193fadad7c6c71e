"""The codec of the gRPC door: three versions of one protocol, told apart by their bytes, and what each is told."""

import struct

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from reswhis.audio.pcm import AudioFormat
from reswhis.backends.base import BackendInfo
from reswhis.core.errors import ClientError
from reswhis.core.events import Closed, Committed, Flushed, Lagging, Reason, SpeechStarted, Tentative, UtteranceEnded
from reswhis.core.online import SessionConfig, StreamOptions
from reswhis.core.types import Word
from reswhis.server.limits import Limits
from reswhis.transports.codec import Audio, Close, Defaults, End, Open
from reswhis.transports.grpc_door.codec import HALF_CLOSED, SpeechCodec, Status
from reswhis.transports.grpc_door.dialects import PATHS
from reswhis.transports.grpc_door.stubs.earlier_pb2 import Words, WordsWithHypothesis
from reswhis.transports.grpc_door.stubs.speech_pb2 import (
    AudioChunk,
    StreamingConfig,
    StreamingRecognizeRequest,
    StreamingRecognizeResponse,
    Transcript,
)

PLAIN, WITH_HYPOTHESIS, FIRST = PATHS
HOW = Committed(1, (Word(2.0, 2.3, " how", 0.9), Word(2.3, 3.031, " are", 0.9)), Reason.AGREEMENT)
YOU = Tentative(1, (Word(3.1, 3.4, " you", 0.9),))
ENDED = UtteranceEnded(1, "how are", 2.0, 3.4, "en", Reason.ENDPOINT)
SPEECH = struct.pack("<800f", *(n / 800 - 0.5 for n in range(800)))
F32, S16 = AudioFormat("pcm_f32le"), AudioFormat("pcm_s16le")


def codec(path=PLAIN, limits=Limits(), **options):  # noqa: B008
    info = BackendInfo("fake", "fake", "cpu", "none")
    return SpeechCodec(Defaults(SessionConfig(step_s=0.7), StreamOptions(), info, limits), path, **options)


def config(**fields):
    return StreamingRecognizeRequest(config=StreamingConfig(**fields)).SerializeToString()


def chunk(data):
    return StreamingRecognizeRequest(audio_chunk=AudioChunk(audio_bytes=data)).SerializeToString()


def first_form(data):
    return AudioChunk(audio_bytes=data).SerializeToString()


def told(codec, kind, *events):
    return [kind.FromString(message) for event in events for message in codec.encode(event, 0)]


# Bytes.


def test_the_messages_of_v03_are_these_bytes():
    speaking = codec()
    (opened,) = speaking.decode(bytes.fromhex("0a05 08f403 1002"))
    assert (opened.audio, opened.config.step_s) == (S16, 0.5)
    assert speaking.decode(bytes.fromhex("1206 0a04 01000200")) == [Audio(b"\1\0\2\0")]
    assert speaking.decode(HALF_CLOSED) == [End()]
    assert speaking.encode(HOW, 0) == [bytes.fromhex("0a10 08d00f 10d717 1a08") + b" how are"]
    assert speaking.encode(YOU, 0) == [bytes.fromhex("120c 089c18 10c81a 1a04") + b" you"]
    assert speaking.close(None) == Close(0, "")


def test_the_messages_of_v01_are_these_bytes():
    speaking = codec()
    opened, audio = speaking.decode(b"\x0a\x80\x19" + SPEECH)
    assert (opened.audio, opened.config.step_s, audio) == (F32, 0.7, Audio(SPEECH))
    assert speaking.encode(HOW, 0) == [bytes.fromhex("08d00f 10d717 1a08") + b" how are"]
    assert speaking.encode(YOU, 0) == []


# Which form it is.


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.service}/{path.method}")
def test_a_first_message_of_audio_is_of_v01_on_every_path(path):
    opened, audio = codec(path).decode(first_form(SPEECH))
    assert (opened.audio, audio.data) == (F32, SPEECH)


def test_a_chunk_of_floats_of_the_very_first_form_is_the_same():
    assert codec().decode(b"\x0a\x80\x19" + SPEECH)[1:] == [Audio(SPEECH)]


def test_a_config_without_an_encoding_is_of_v03_unless_the_server_prefers_v02():
    speaking, former = codec(), codec(prefer="0.2")
    for each in (speaking, former):
        (opened,) = each.decode(config(chunk_duration_millis=500))
        assert opened.audio == F32
        assert each.decode(chunk(SPEECH)) == [Audio(SPEECH)]
    assert told(speaking, StreamingRecognizeResponse, HOW)[0].confirmed.text == " how are"
    assert told(former, Words, HOW)[0].text == " how are"


def test_a_config_with_an_encoding_is_of_v03_whatever_the_server_prefers():
    speaking = codec(prefer="0.2")
    speaking.decode(config(chunk_duration_millis=500, encoding=2))
    assert told(speaking, StreamingRecognizeResponse, YOU)[0].interim.text == " you"


@pytest.mark.parametrize("first", [config(chunk_duration_millis=500), first_form(SPEECH)], ids=["v0.2", "v0.1"])
@pytest.mark.parametrize("path", [WITH_HYPOTHESIS, FIRST], ids=["later", "first"])
def test_with_hypothesis_both_are_always_there_and_what_no_longer_holds_is_taken_back(path, first):
    speaking = codec(path)
    speaking.decode(first)
    said = told(speaking, WordsWithHypothesis, YOU, HOW, YOU, ENDED, ENDED)
    assert [(m.confirmed.text, m.hypothesis.text) for m in said] == [
        ("", " you"), (" how are", ""), ("", " you"), ("", ""),
    ]  # fmt: skip
    assert all(m.HasField("confirmed") and m.HasField("hypothesis") for m in said)


def test_an_empty_first_message_says_nothing_and_the_next_is_the_first():
    speaking = codec()
    assert speaking.decode(b"") == []
    assert isinstance(speaking.decode(config(chunk_duration_millis=500))[0], Open)


def test_a_client_that_says_nothing_at_all_is_let_go_in_peace():
    speaking = codec()
    assert [type(command) for command in speaking.decode(HALF_CLOSED)] == [Open, End]
    assert speaking.encode(Closed(), 0) == [] and speaking.close(None).code == Status.OK


# What is refused.


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([chunk(SPEECH)], "The first streaming message must be a config"),
        ([b"\x1a\x03abc"], "The first streaming message must be a config"),
        ([config()], "chunk_duration_millis must be > 0 and <= 1000"),
        ([config(chunk_duration_millis=-1)], "chunk_duration_millis must be > 0 and <= 1000"),
        ([config(chunk_duration_millis=1001)], "chunk_duration_millis must be > 0 and <= 1000"),
        ([config(chunk_duration_millis=500, encoding=7)], "encoding must be AUDIO_ENCODING_PCM_F32LE or"),
        ([config(chunk_duration_millis=9)] * 2, "Only audio_chunk messages are allowed after the initial config"),
        ([config(chunk_duration_millis=9), b""], "Only audio_chunk messages are allowed after the initial config"),
        (
            [config(chunk_duration_millis=100, encoding=2), chunk(bytes(3202))],
            "Audio chunk exceeds the configured chunk_duration_ms",
        ),
        ([b"\x0a\xff"], "This is not a message of speech.proto"),
        ([first_form(SPEECH), b"\x0a\xff"], "This is not a message of speech.proto"),
    ],
)
def test_who_breaks_the_protocol_is_told_how_in_the_status(messages, said):
    speaking = codec()
    with pytest.raises(ClientError) as refused:
        for message in messages:
            speaking.decode(message)
    assert speaking.fail(refused.value.code, str(refused.value), None, 0) == []
    close = speaking.close(refused.value.code)
    assert close.code == Status.INVALID_ARGUMENT and close.reason.startswith(said)


def test_a_chunk_as_long_as_it_was_announced_is_taken():
    speaking = codec()
    speaking.decode(config(chunk_duration_millis=100, encoding=2))
    assert speaking.decode(chunk(bytes(3200))) == [Audio(bytes(3200))]


def test_a_message_above_the_limit_has_a_code_of_its_own():
    speaking = codec(limits=Limits(max_frame_bytes=1024))
    with pytest.raises(ClientError) as refused:
        speaking.decode(first_form(SPEECH))
    assert speaking.close(refused.value.code).code == Status.RESOURCE_EXHAUSTED


def test_the_longest_chunk_is_the_servers_to_set_and_the_step_stays_within_bounds():
    (opened,) = codec(max_chunk_s=3).decode(config(chunk_duration_millis=3000))
    assert opened.config.step_s == 3
    (opened,) = codec(max_chunk_s=3, limits=Limits(max_backlog_s=2)).decode(config(chunk_duration_millis=3000))
    assert opened.config.step_s == 1
    (opened,) = codec().decode(config(chunk_duration_millis=1))
    assert opened.config.step_s == 0.1


def test_the_end_of_a_session_has_words_where_its_client_has_not_heard_any():
    assert codec().close("server_restart") == Close(Status.UNAVAILABLE, "the server stops")
    assert codec().close("idle_timeout").code == Status.DEADLINE_EXCEEDED
    assert codec().close("internal_error").reason == "an error inside the server; its log says more"


# Always.

EVENTS = st.sampled_from(
    [HOW, YOU, ENDED, Tentative(1, ()), SpeechStarted(1, 0.0), Lagging(3.0), Flushed(None), Closed()]
)
FIRSTS = st.sampled_from(
    [config(chunk_duration_millis=500, encoding=2), config(chunk_duration_millis=9), first_form(SPEECH)]
)


@given(st.sampled_from(PATHS), FIRSTS, st.sampled_from(["0.2", "0.3"]), st.lists(EVENTS, max_size=12))
def test_in_every_form_the_confirmed_texts_are_all_that_was_committed(path, first, prefer, events):
    speaking = codec(path, prefer=prefer)
    speaking.decode(first)
    said = [message for event in events for message in speaking.encode(event, 0)]
    count = sum(event is HOW for event in events)
    texts = [text for message in said for text in confirmed_texts(message) if text]
    assert texts == [" how are"] * count


def confirmed_texts(message):
    """Of any form: of the one with times at the top, or else of field 1."""
    plain = Words.FromString(message)
    return [plain.text] if plain.text else [StreamingRecognizeResponse.FromString(message).confirmed.text]


@given(st.sampled_from(PATHS), st.lists(st.binary(max_size=40), max_size=6))
def test_whatever_bytes_come_they_are_commands_or_a_clear_refusal(path, messages):
    speaking = codec(path)
    try:
        for message in messages:
            speaking.decode(message)
    except ClientError as refused:
        assert str(refused)
    except DecodeError as leaked:
        raise AssertionError(messages) from leaked


def test_our_name_for_the_older_words_is_the_same_message():
    assert (
        Words(start_time_millis=1, end_time_millis=2, text="a").SerializeToString()
        == Transcript(start_time_millis=1, end_time_millis=2, text="a").SerializeToString()
    )
