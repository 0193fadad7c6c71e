"""The codec of Deepgram's live protocol: what its clients are told, exactly, and when."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reswhis.audio.pcm import AudioFormat
from reswhis.backends.base import BackendInfo
from reswhis.core.errors import ClientError
from reswhis.core.events import (
    Closed,
    Committed,
    DecodeFailed,
    Flushed,
    Lagging,
    LanguageDetected,
    Reason,
    SpeechStarted,
    SpeechStopped,
    Suppressed,
    Tentative,
    UtteranceEnded,
)
from reswhis.core.online import SessionConfig, StreamOptions
from reswhis.core.types import Word
from reswhis.server.limits import Limits
from reswhis.transports.codec import Audio, Configure, Defaults, End, Flush, Nothing, Notify, Open, Packed, UseModel
from reswhis.transports.deepgram import DeepgramCodec, Request
from reswhis.transports.deepgram_pauses import Pauses

RAW = "model=nova-3&encoding=linear16&sample_rate=16000"
ALL = f"{RAW}&interim_results=true&vad_events=true&utterance_end_ms=1000"
IT, WAS, MINE = Word(0.5, 0.7, " It", 0.9), Word(0.7, 1.0, " was", 0.7), Word(1.0, 1.5, " mine.", 0.8)
MORE = Word(4.0, 4.5, " More", 1.0)


def make(query=RAW, languages=None, further=()):
    info = BackendInfo("fake", "small", "cpu", "none", languages)
    defaults = Defaults(SessionConfig(), StreamOptions(), info, Limits(max_frame_bytes=100_000), further)
    items = [tuple(pair.split("=", 1)) for pair in query.split("&") if pair]
    return DeepgramCodec(Request("r-1", "2026-01-01T00:00:00.000Z"), items, defaults)


def opened(query=RAW, **asked):
    """What the session is made with."""
    (command,) = make(query, **asked).greet()
    assert isinstance(command, Open)
    return command


def told(codec, event, at=0.0):
    return [json.loads(message) for message in codec.encode(event, round(at * 16_000))]


def brief(codec, *events, at=0.0):
    """Each message in a word or a tuple: of a result its text, range and flags."""
    return [_brief(message) for event in events for message in told(codec, event, at)]


def _brief(message):
    match message["type"]:
        case "Results":
            flags = "".join(flag[0] for flag in ("is_final", "speech_final", "from_finalize") if message[flag])
            (alternative,) = message["channel"]["alternatives"]
            return alternative["transcript"], message["start"], message["duration"], flags
        case "UtteranceEnd":
            return "UtteranceEnd", message["last_word_end"]
        case "SpeechStarted":
            return "SpeechStarted", message["timestamp"]
        case kind:
            return kind


def ended(utterance=1, end=1.8, reason=Reason.ENDPOINT, text=""):
    return UtteranceEnded(utterance, text, 0.4, end, "en", reason)


# What is said.


def test_final_results_say_whether_they_end_the_utterance_and_tile_the_stream():
    events = [
        Committed(1, (IT,), Reason.AGREEMENT),
        Tentative(1, (WAS,)),
        Committed(1, (WAS, MINE), Reason.ENDPOINT),
        ended(),
        Committed(2, (MORE,), Reason.ENDPOINT),
        ended(2, 4.8),
    ]
    assert brief(make(), *events) == [
        ("It", 0.0, 0.7, "i"),
        ("was mine.", 0.7, 1.1, "is"),
        ("More", 1.8, 3.0, "is"),
    ]


def test_interim_results_come_only_to_who_asks_and_the_last_is_taken_back():
    events = [Tentative(1, ()), Tentative(1, (IT,), 1.1), Tentative(1, ()), Tentative(1, ())]
    assert brief(make(), *events) == []
    assert brief(make(ALL), *events) == [("It", 0.0, 1.1, ""), ("", 0.0, 0.0, "")]


def test_an_utterance_whose_words_are_all_out_ends_with_an_empty_result():
    codec = make()
    assert brief(codec, Committed(1, (IT,), Reason.AGREEMENT), Tentative(1, ())) == [("It", 0.0, 0.7, "i")]
    assert brief(codec, ended()) == [("", 0.7, 1.1, "is")]


def test_finalize_is_answered_with_the_words_that_it_makes_final():
    codec = make()
    assert codec.decode('{"type":"Finalize","channel":0}') == [Flush("Finalize")]
    events = Committed(1, (IT, WAS), Reason.FLUSH), ended(reason=Reason.FLUSH), Flushed("Finalize")
    assert brief(codec, *events) == [("It was", 0.0, 1.8, "isf")]


def test_finalize_is_answered_where_there_is_nothing_to_make_final():
    codec = make()
    assert brief(codec, Flushed("Finalize"), Flushed("Finalize")) == [("", 0.0, 0.0, "if")] * 2
    events = Committed(1, (IT,), Reason.ENDPOINT), ended(), Flushed("Finalize")
    assert brief(codec, *events) == [("It", 0.0, 1.8, "is"), ("", 1.8, 0.0, "if")]


def test_finalize_is_answered_though_the_recogniser_has_stopped():
    codec = make()
    events = ended(reason=Reason.FORCED), Flushed("Finalize"), Closed("engine_stopped")
    assert brief(codec, *events) == [("", 0.0, 1.8, "is"), ("", 1.8, 0.0, "if"), "Error"]
    assert codec.close("engine_stopped").code == 1011


def test_a_flush_of_the_server_itself_is_no_answer():
    events = Committed(1, (IT,), Reason.IDLE), ended(reason=Reason.IDLE), Flushed(None)
    assert brief(make(), *events) == [("It", 0.0, 1.8, "is")]


def test_an_utterance_that_was_too_long_goes_on():
    events = Committed(1, (IT,), Reason.CUT), ended(reason=Reason.CUT), ended(2, reason=Reason.CUT), Flushed(None)
    assert brief(make(), *events) == [("It", 0.0, 1.8, "i")]


def test_without_endpointing_no_result_ends_speech():
    events = Committed(1, (IT,), Reason.ENDPOINT), ended()
    assert brief(make(f"{RAW}&endpointing=false"), *events) == [("It", 0.0, 1.8, "i")]


def test_the_beginning_of_speech_is_told_to_who_asks():
    assert brief(make(), SpeechStarted(1, 0.4)) == []
    assert brief(make(f"{RAW}&vad_events=true"), SpeechStarted(1, 0.4)) == [("SpeechStarted", 0.4)]


def test_a_stretch_that_is_lost_is_told():
    assert brief(make(), DecodeFailed(1, 0.0, 1.0, False)) == []
    (message,) = told(make(), DecodeFailed(1, 0.5, 1.0, True))
    assert (message["type"], message["variant"]) == ("Error", "decode_failed")


def test_words_are_told_bare_and_as_they_are_written():
    words = tuple(
        Word(n, n + 1, f" {text}") for n, text in enumerate(["It's", '"Quoted,"', "C++.", "¿Qué?", "…", "日本"])
    )
    (message,) = told(make(), Tentative(1, ())) + told(make(ALL), Tentative(1, words))
    told_words = message["channel"]["alternatives"][0]["words"]
    assert [word["word"] for word in told_words] == ["it's", "quoted", "c++", "qué", "…", "日本"]
    assert [word["punctuated_word"] for word in told_words] == ["It's", '"Quoted,"', "C++.", "¿Qué?", "…", "日本"]


def test_the_language_is_told_where_it_may_change():
    codec = make(f"{RAW}&language=multi&interim_results=true")
    told(codec, LanguageDetected("de", 0.9))
    (message,) = told(codec, Tentative(1, (IT,)))
    assert message["channel"]["alternatives"][0]["languages"] == ["de"]
    assert opened(f"{RAW}&language=multi").config.multilingual


# UtteranceEnd.


def test_the_end_of_an_utterance_is_told_when_enough_audio_without_words_has_come():
    codec = make(ALL)
    assert codec.decode(b"12") == [Audio(b"12")]
    told(codec, SpeechStarted(1, 0.4))
    told(codec, Committed(1, (IT,), Reason.ENDPOINT), 1.5)
    assert brief(codec, ended(), at=1.5) == [("It", 0.0, 1.8, "is")]
    assert codec.decode(b"12") == [Audio(b"12"), Notify(Nothing())]
    assert brief(codec, Nothing(), at=1.6) == []
    assert brief(codec, Nothing(), at=1.7) == [("UtteranceEnd", 0.7)]
    assert codec.decode(b"12") == [Audio(b"12")]
    assert brief(codec, Nothing(), at=9.0) == []


def test_the_end_of_an_utterance_is_told_with_its_result_where_the_recogniser_is_late():
    codec = make(ALL)
    told(codec, Committed(1, (IT,), Reason.ENDPOINT), 3.0)
    assert brief(codec, ended(), at=3.0) == [("It", 0.0, 1.8, "is"), ("UtteranceEnd", 0.7)]


def test_no_end_is_told_where_somebody_speaks_on():
    codec = make(ALL)
    told(codec, SpeechStarted(1, 0.4))
    told(codec, SpeechStopped(1, 1.0))
    told(codec, SpeechStarted(2, 1.5))
    told(codec, Committed(1, (IT,), Reason.ENDPOINT))
    assert brief(codec, ended(end=1.0), at=2.0) == [("It", 0.0, 1.0, "is")]
    assert codec.decode(b"12") == [Audio(b"12")]
    assert brief(codec, Lagging(1.0), at=5.0) == []
    told(codec, Committed(2, (MORE,), Reason.ENDPOINT))
    assert brief(codec, ended(2, 4.8), at=5.5) == [("More", 1.0, 3.8, "is"), ("UtteranceEnd", 4.5)]


def test_who_stops_sending_is_told_at_once():
    codec = make(ALL)
    told(codec, Committed(1, (IT,), Reason.IDLE))
    assert brief(codec, ended(reason=Reason.IDLE), at=0.8) == [("It", 0.0, 1.8, "is"), ("UtteranceEnd", 0.7)]


def test_noise_between_words_does_not_hide_their_pause():
    pauses = Pauses(1.0)
    pauses.begun(1, 0.0)
    pauses.said(0.9)
    pauses.ended(1)
    pauses.begun(2, 1.2)
    assert pauses.due(3.0) is None
    pauses.ended(2)
    assert pauses.due(3.0) == 0.9


# What is asked for.


@pytest.mark.parametrize(
    ("query", "audio"),
    [
        (RAW, AudioFormat()),
        ("encoding=linear32&sample_rate=44100&channels=2", AudioFormat("pcm_f32le", 44_100, 2)),
        ("encoding=mulaw&sample_rate=8000", AudioFormat("mulaw", 8_000)),
        ("encoding=alaw&sample_rate=8000", AudioFormat("alaw", 8_000)),
    ],
)
def test_raw_audio_is_taken_as_it_is_called(query, audio):
    assert opened(query).audio == audio
    assert make(query).decode(b"12") == [Audio(b"12")]


@pytest.mark.parametrize("query", ["", "model=nova-3", "encoding=ogg-opus&sample_rate=48000", "encoding=flac"])
def test_audio_that_is_not_called_raw_says_itself_what_it_is(query):
    assert opened(query).audio == AudioFormat()
    assert make(query).decode(b"12") == [Packed(b"12")]


def test_all_that_clients_send_by_habit_is_taken():
    pipecat = (
        "channels=1&detect_entities=false&diarize=false&dictation=false&encoding=linear16&interim_results=true"
        "&language=en&model=nova-3-general&multichannel=false&numerals=false&punctuate=true&sample_rate=16000"
        "&smart_format=false"
    )
    livekit = (
        "model=nova-2&interim_results=true&encoding=linear16&vad_events=true&sample_rate=16000&channels=1"
        "&endpointing=25&filler_words=true&no_delay=true&language=en-US&keywords=a:1.5&profanity_filter=false"
    )
    for query in (pipecat, livekit):
        assert opened(query, languages=frozenset({"en"})).options.decode.language == "en"


@pytest.mark.parametrize(
    ("query", "silence_s", "vad"),
    [
        ("", 0.5, True),
        ("endpointing=800", 0.8, True),
        ("endpointing=10", 0.3, True),
        ("endpointing=60000", 10.0, True),
        ("endpointing=true", 0.5, True),
        ("endpointing=false", 0.5, False),
        ("endpointing=false&utterance_end_ms=1500", 1.5, True),
        ("endpointing=400&utterance_end_ms=1500", 0.4, True),
    ],
)
def test_pauses_end_utterances_as_asked(query, silence_s, vad):
    options = opened(query).options
    assert (options.endpointing.min_silence_s, options.vad) == (silence_s, vad)


def test_key_terms_become_hotwords():
    assert (
        opened("keyterm=Zaphod Beeblebrox&keywords=Marvin:2.5").options.decode.hotwords == "Zaphod Beeblebrox, Marvin"
    )


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("encoding=g729&sample_rate=8000", "encoding"),
        ("encoding=linear16", "sample_rate"),
        ("encoding=linear16&sample_rate=96000", "audio.sample_rate"),
        ("encoding=linear16&sample_rate=1e4", "sample_rate"),
        ("encoding=linear16&sample_rate=16000&channels=6", "channels"),
        ("endpointing=soon", "endpointing"),
        ("interim_results=perhaps", "interim_results"),
        ("utterance_end_ms=-1", "utterance_end_ms"),
        ("language=klingon", "language"),
        ("language=de", "language"),
        ("keyterm=" + "x" * 1001, "keyterm"),
    ],
)
def test_what_cannot_be_had_is_refused(query, param):
    with pytest.raises(ClientError) as refused:
        make(query, languages=frozenset({"en"}))
    assert refused.value.param == param


def test_a_model_is_whatever_the_server_has_but_for_one_that_it_can_load():
    assert isinstance(make("model=nova-3", further=("large",)).greet()[0], Open)
    codec = make("model=large&language=de", further=("large",))
    (command,) = codec.greet()
    assert isinstance(command, UseModel) and command.name == "large"
    assert isinstance(command.then(BackendInfo("fake", "large", "cpu", "none"))[0], Open)
    assert told(codec, Flushed("Finalize"))[0]["metadata"]["model_info"]["name"] == "large"
    with pytest.raises(ClientError):
        command.then(BackendInfo("fake", "large", "cpu", "none", frozenset({"en"})))


# What else a client may say.


def test_nothing_follows_the_end_of_the_stream():
    codec = make()
    assert codec.decode('{"type":"CloseStream"}') == [End()]
    assert codec.decode('{"type":"Finalize"}') == codec.decode(b"12") == codec.decode("rubbish") == []
    assert brief(codec, Closed()) == ["Metadata"]
    assert codec.close(None).code == 1000


def test_a_sign_of_life_and_an_empty_frame_are_nothing():
    assert make().decode('{"type":"KeepAlive"}') == make().decode(b"") == []


@pytest.mark.parametrize(
    "text", ["rubbish", "[]", "1", "{}", '{"type":"Start"}', '{"type":"Configure","keyterms":[1]}']
)
def test_a_text_that_is_not_understood_is_answered_and_does_no_harm(text):
    codec = make()
    ((notice,),) = ([command.notice for command in codec.decode(text)],)
    (message,) = told(codec, notice)
    assert (message["type"], message["variant"], message["message"]) == ("Error", "SchemaError", text)


def test_key_terms_may_change():
    codec = make()
    change, answer = codec.decode('{"type":"Configure","keyterms":["Ford","Prefect"],"features":{"numerals":true}}')
    assert isinstance(change, Configure) and change.options.decode.hotwords == "Ford, Prefect"
    assert told(codec, answer.notice) == [
        {"type": "ConfigureSuccess", "request_id": "r-1", "keyterms": ["Ford", "Prefect"]}
    ]
    (answer,) = codec.decode('{"type":"Configure","features":{}}')
    assert told(codec, answer.notice) == [{"type": "ConfigureSuccess", "request_id": "r-1"}]
    (answer,) = codec.decode(json.dumps({"type": "Configure", "keyterms": ["x" * 1001]}))
    assert told(codec, answer.notice)[0]["type"] == "ConfigureFailure"


@pytest.mark.parametrize("message", [bytes(100_001), "x" * 65_537])
def test_what_is_too_large_is_refused(message):
    codec = make()
    with pytest.raises(ClientError) as refused:
        codec.decode(message)
    assert codec.close(refused.value.code).code == 1009


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        ("idle_timeout", 1011, "NET-0001"),
        ("undecodable_audio", 1008, "DATA-0000"),
        ("server_restart", 1012, "server_restart"),
        ("internal_error", 1011, "internal_error"),
    ],
)
def test_an_error_is_told_after_the_last_words_and_closes_by_its_name(error, code, reason):
    codec = make()
    told(codec, Committed(1, (IT,), Reason.FORCED))
    messages = [json.loads(message) for message in codec.fail(error, "in words", None, 0)]
    assert [message["type"] for message in messages] == ["Results", "Error"]
    assert messages[-1]["variant"] == reason
    assert (codec.close(error).code, codec.close(error).reason) == (code, reason)


# Whatever happens.

texts = st.sampled_from([" It", " was", " mine.", "日", "…", ""])
times = st.floats(0, 100)


@st.composite
def streams(draw):
    """Events as a session says them, but for times: what comes behind what."""
    events = []
    for utterance in range(1, draw(st.integers(1, 4))):
        events.append(SpeechStarted(utterance, draw(times)))
        for _ in range(draw(st.integers(0, 3))):
            words = draw(st.lists(texts, min_size=1, max_size=3))
            committed = tuple(Word(draw(times), draw(times), text, draw(st.floats(0, 1))) for text in words)
            events += [Committed(utterance, committed, Reason.AGREEMENT), Tentative(utterance, committed[:1])]
        events.append(SpeechStopped(utterance, draw(times)))
        reason = draw(st.sampled_from([Reason.ENDPOINT, Reason.FLUSH, Reason.CUT, Reason.IDLE, Reason.FINISH]))
        if draw(st.booleans()):
            events.append(Committed(utterance, (Word(draw(times), draw(times), draw(texts)),), reason))
        events.append(UtteranceEnded(utterance, "", 0.0, draw(times), None, reason))
        if reason is Reason.FLUSH:
            events.append(Flushed("Finalize"))
        events += draw(st.lists(st.sampled_from([Flushed("Finalize"), Flushed(None), Nothing(), Suppressed((), "x")])))
    return [*events, Closed()]


@given(streams(), st.sampled_from(["", "&endpointing=false"]))
def test_every_word_is_said_once_every_finalize_answered_and_the_end_is_last(events, endpointing):
    codec = make(ALL + endpointing)
    messages = [message for n, event in enumerate(events) for message in told(codec, event, float(n))]
    finals = [message for message in messages if message["type"] == "Results" and message["is_final"]]
    words = [word for message in finals for word in message["channel"]["alternatives"][0]["words"]]
    said = [word for event in events if isinstance(event, Committed) for word in event.words]
    assert [word["punctuated_word"] for word in words] == [word.text.strip() for word in said]
    assert sum(message["from_finalize"] for message in finals) == events.count(Flushed("Finalize"))
    ends = [message["start"] + message["duration"] for message in finals]
    assert [message["start"] for message in finals] == pytest.approx([0.0, *ends][:-1], abs=0.002)
    assert [message["type"] for message in messages].count("Metadata") == 1
    assert messages[-1]["type"] == "Metadata"
