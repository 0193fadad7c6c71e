"""The codec of OpenAI's Realtime protocol: exact sequences, and what holds whatever is said and whenever it is sent."""

import base64
import json
from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reswhis.audio.pcm import AudioFormat
from reswhis.backends.base import BackendInfo
from reswhis.backends.fake import heard
from reswhis.core.endpointing import FRAME
from reswhis.core.errors import ClientError
from reswhis.core.events import (
    Closed,
    Committed,
    DecodeFailed,
    Flushed,
    Reason,
    SpeechStarted,
    SpeechStopped,
    Tentative,
    UtteranceEnded,
)
from reswhis.core.online import OnlineASRProcessor, SessionConfig, StreamOptions
from reswhis.core.types import DecodeOptions, Word
from reswhis.server.limits import Limits
from reswhis.transports.access import key_of, subprotocol_of
from reswhis.transports.codec import AfterAudio, Audio, Configure, Defaults, Flush, Notify, Open, UseModel
from reswhis.transports.openai_realtime import Opening, RealtimeCodec

from streams import FAINT, QUIET, VOICE

ANY = BackendInfo("fake", "large-v3", "cpu", "none")
ENGLISH = BackendInfo("fake", "tiny.en", "cpu", "none", frozenset({"en"}))
SECOND = bytes(48_000)
MANUAL = {"audio": {"input": {"turn_detection": None}}}
EMPTY = "input_audio_buffer_commit_empty"


class Client:
    """A client and its codec, with the shell's part between them: notices are sent at once."""

    def __init__(self, query=None, *, says_beta=False, info=ANY, further=(), limits=None, **options):
        options = StreamOptions(decode=DecodeOptions(language=options.pop("language", None)), **options)
        defaults = Defaults(SessionConfig(), options, info, limits or Limits(), tuple(further))
        self.codec = RealtimeCodec(Opening("sess_1", 1_800_000_000, query or {}, says_beta), defaults)
        self.told = []
        self.commands = []
        self.wire = []
        self.obey(self.codec.greet())

    def obey(self, commands):
        for command in commands:
            if isinstance(command, Notify):
                self.hear(command.notice)
            elif isinstance(command, AfterAudio):
                self.obey(command.then())
            else:
                self.commands.append(command)
        return self

    def hear(self, *events):
        for event in events:
            self.wire += self.codec.encode(event, 0)
        self.told = [json.loads(message) for message in self.wire]
        return self

    def say(self, type_, **fields):
        return self.obey(self.codec.decode(json.dumps({"type": type_, **fields})))

    def update(self, session, type_="session.update"):
        return self.say(type_, session=session)

    def append(self, data=SECOND):
        return self.say("input_audio_buffer.append", audio=base64.b64encode(data).decode())

    def commit(self, **fields):
        return self.say("input_audio_buffer.commit", **fields)

    @property
    def types(self):
        return [message["type"].removeprefix("conversation.item.") for message in self.told]

    @property
    def options(self):
        return [c.options for c in self.commands if isinstance(c, Open | Configure)][-1]

    def of(self, ending):
        return [message for message in self.told if message["type"].endswith(ending)]


def words(text, utterance=1):
    return Committed(utterance, tuple(Word(0.0, 0.5, f" {word}") for word in text.split()), Reason.ATTENTION)


def ended(utterance=1, text="", start=0.2, end=1.5):
    return UtteranceEnded(utterance, text, start, end, "en", Reason.ENDPOINT)


def asked(**input_):
    return {"type": "transcription", "audio": {"input": input_}}


# What is told.


def test_a_turn_is_told_in_the_order_that_clients_know_though_the_next_begins_before_its_last_words():
    client = Client().update(asked()).append()
    client.hear(SpeechStarted(1, 0.32), Tentative(1, (Word(0.4, 0.6, " how"),)), words("How are"))
    client.append().hear(SpeechStopped(1, 1.5), SpeechStarted(2, 1.7), words("you?"), ended(end=1.5))
    client.hear(words("Fine.", 2), SpeechStopped(2, 2.5), ended(2, start=1.7, end=2.5))
    assert client.types == [
        "session.created", "session.updated",
        "input_audio_buffer.speech_started", "input_audio_transcription.delta",
        "input_audio_buffer.speech_stopped", "input_audio_buffer.committed", "added", "done",
        "input_audio_buffer.speech_started", "input_audio_transcription.delta", "input_audio_transcription.completed",
        "input_audio_transcription.delta",
        "input_audio_buffer.speech_stopped", "input_audio_buffer.committed", "added", "done",
        "input_audio_transcription.completed",
    ]  # fmt: skip


def test_space_is_told_with_the_next_word_so_that_the_deltas_are_the_transcript():
    spaced = Committed(1, (Word(0.0, 0.5, "  How "), Word(0.5, 1.0, " ")), Reason.ATTENTION)
    client = Client().append().hear(SpeechStarted(1, 0.0), spaced, words("are"), SpeechStopped(1, 1.0), ended())
    assert [message["delta"] for message in client.of("delta")] == ["How", "   are"]
    assert client.of("completed")[0]["transcript"] == "How   are"


# What is asked for.


@pytest.mark.parametrize(
    ("session", "audio"),
    [
        (asked(), AudioFormat("pcm_s16le", 24_000)),
        (asked(format={"type": "audio/pcm"}), AudioFormat("pcm_s16le", 24_000)),
        (asked(format={"type": "audio/pcm", "rate": 16000}), AudioFormat("pcm_s16le", 16_000)),
        (asked(format={"type": "audio/pcmu"}), AudioFormat("mulaw", 8_000)),
        (asked(format={"type": "audio/pcma"}), AudioFormat("alaw", 8_000)),
        ({"input_audio_format": "pcm16"}, AudioFormat("pcm_s16le", 24_000)),
        ({"input_audio_format": "g711_ulaw"}, AudioFormat("mulaw", 8_000)),
        ({"input_audio_format": "g711_alaw"}, AudioFormat("alaw", 8_000)),
    ],
)
def test_audio_is_what_either_dialect_says(session, audio):
    client = Client().update(session).append()
    assert [client.commands[0].audio, client.commands[1]] == [audio, Audio(SECOND)]


def test_what_is_asked_for_reaches_the_session_and_the_rest_stays_as_it_was():
    detection = {"type": "server_vad", "threshold": 0.7, "prefix_padding_ms": 800, "silence_duration_ms": 900}
    transcription = {"model": "gpt-4o-transcribe", "language": "de-AT", "prompt": "p", "keywords": ["Ada", "Bob"]}
    client = Client().update(asked(transcription=transcription, turn_detection=detection)).append()
    opened = client.commands[0]
    assert (opened.options.decode.language, opened.options.decode.hotwords) == ("de", "Ada, Bob")
    assert (opened.options.prompt, opened.config.preroll_s) == ("p", 0.8)
    assert (opened.options.endpointing.threshold, opened.options.endpointing.min_silence_s) == (0.7, 0.9)
    client.update(asked(transcription={"prompt": None}))
    assert (client.options.decode.language, client.options.prompt, client.options.vad) == ("de", "", True)
    client.update(asked(turn_detection={"type": "semantic_vad", "eagerness": "low"}))
    assert client.options.endpointing.min_silence_s == 1.0


def test_what_is_in_force_is_told():
    (told,) = Client().update(asked(turn_detection={"type": "semantic_vad", "eagerness": "high"})).of("updated")
    heard = told["session"]["audio"]["input"]
    assert heard["turn_detection"]["type"] == "server_vad" and heard["turn_detection"]["silence_duration_ms"] == 250
    assert heard["transcription"] == {"model": "large-v3", "language": None, "prompt": ""}


@pytest.mark.parametrize(
    ("transcription", "language"),
    [
        ({"languages": ["en"]}, "en"),
        ({"languages": ["en", "de"]}, None),
        ({"language": "English"}, "en"),
        ({"language": None}, "fr"),
        ({"language": "auto"}, None),
        ({"model": "whisper-1"}, "fr"),
    ],
)
def test_of_several_languages_one_is_detected_and_null_is_the_servers_own(transcription, language):
    assert Client(language="fr").update(asked(transcription=transcription)).append().options.decode.language == language


@pytest.mark.parametrize("model", ["gpt-realtime-whisper", "gpt-live-transcribe"])
def test_who_names_a_model_that_finds_no_turns_commits_unless_it_says_otherwise(model):
    silent, said = asked(transcription={"model": model}), asked(transcription={"model": model})
    said["audio"]["input"]["turn_detection"] = {"type": "server_vad"}
    assert not Client().update(silent).append().options.vad
    assert Client().update(said).append().options.vad


def test_an_address_may_say_what_is_else_said_in_an_update():
    query = {"model": "tiny.en", "turn_detection": "none", "input_audio_format": "pcm_s16le_16000", "other": "thing"}
    client = Client(query, says_beta=True, further=["tiny.en"]).append(bytes(2))
    (wanted, audio) = client.commands
    assert (wanted.name, wanted.audio, audio) == ("tiny.en", AudioFormat(), Audio(bytes(2)))
    (opened,) = wanted.then(ENGLISH)
    assert not opened.options.vad
    assert isinstance(Client({"model": "m"}).append().commands[0], Open)


def test_a_further_model_is_loaded_with_the_first_audio_and_may_not_know_the_language():
    client = Client(further=["tiny.en"]).update(asked(transcription={"model": "tiny.en", "language": "de"}))
    assert client.told[-1]["session"]["audio"]["input"]["transcription"]["model"] == "tiny.en"
    assert client.commands == []
    wanted = client.append().commands[0]
    assert isinstance(wanted, UseModel)
    with pytest.raises(ClientError, match="English"):
        wanted.then(ENGLISH)


# The dialect.


def test_the_first_update_tells_the_dialect_and_a_header_only_until_then():
    client = Client({"intent": "transcription"}, says_beta=True)
    client.update(asked()).update({"turn_detection": None})
    assert client.types == ["transcription_session.created", "session.updated", "session.updated"]
    assert all("audio" in message["session"] for message in client.told[1:])
    jigasi = Client({"model": "gpt-4o-realtime-preview"}).update({"turn_detection": None})
    assert "input_audio_format" in jigasi.told[-1]["session"]
    assert Client({}, says_beta=True).types == ["session.created"]


def test_audio_before_the_first_update_waits_for_it():
    early = Client(further=["tiny.en"]).append(bytes(4800))
    assert early.commands == []
    early.update({"input_audio_transcription": {"model": "tiny.en"}, "turn_detection": None})
    assert [type(command) for command in early.commands] == [UseModel, Audio]
    silent = Client().append(bytes(23_998)).append(bytes(4))
    assert [type(command) for command in silent.commands] == [Open, Audio]
    assert silent.commands[1].data == bytes(24_002)
    brief = Client().append(bytes(4800)).commit()
    assert [type(command) for command in brief.commands] == [Open, Audio, Flush]


# Errors, and what is none.


@pytest.mark.parametrize(
    ("message", "code", "param"),
    [
        ("{", "invalid_json", None),
        ("[" * 5000, "invalid_json", None),
        ('{"type":"input_audio_buffer.append","audio":"\\ud800"}', "invalid_json", None),
        ("[]", "missing_required_parameter", "type"),
        ('{"type":7}', "missing_required_parameter", "type"),
        ('{"type":"input_audio_buffer.append"}', "missing_required_parameter", "audio"),
        ('{"type":"input_audio_buffer.append","audio":"é"}', "invalid_value", "audio"),
        ('{"type":"input_audio_buffer.append","audio":"A"}', "invalid_value", "audio"),
        ('{"type":"session.update"}', "missing_required_parameter", "session"),
        ('{"type":"x","y":[' + "0," * 40_000 + "0]}", "message_too_long", None),
    ],
)
def test_what_cannot_be_understood_is_an_error_and_no_end(message, code, param):
    client = Client()
    client.obey(client.codec.decode(message))
    error = client.told[-1]["error"]
    assert (error["code"], error["param"], error["type"]) == (code, param, "invalid_request_error")
    assert client.append().commit().commands


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        (asked(transcription={"language": "klingon"}), "unsupported_language", "audio.input.transcription.language"),
        (
            {"input_audio_transcription": {"language": "xx"}},
            "unsupported_language",
            "input_audio_transcription.language",
        ),
        (asked(transcription={"model": "huge"}), "model_not_found", "audio.input.transcription.model"),
        (asked(format={"type": "audio/pcm", "rate": 1}), "unsupported_audio", "audio.input.format"),
        (asked(format={"type": "audio/mp3"}), "invalid_value", "audio.input.format.type"),
        (asked(turn_detection={"threshold": 7}), "invalid_value", "audio.input.turn_detection.threshold"),
        ({"turn_detection": "none"}, "invalid_value", "turn_detection"),
    ],
)
def test_an_update_that_cannot_be_had_changes_nothing(session, code, param):
    client = Client().say("session.update", session=session, event_id="mine")
    error = client.told[-1]["error"]
    assert (error["code"], error["param"], error["event_id"]) == (code, f"session.{param}", "mine")
    assert client.append().options == StreamOptions() and client.types == ["session.created", "error"]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "conversation.item.retrieve", "item_id": "item_1"},
        {"type": "response.create"},
        {"type": "output_audio_buffer.clear"},
        {"type": "of.tomorrow", "session": 7, "audio": 7},
        {"type": "input_audio_buffer.append", "audio": ""},
        {"type": "input_audio_buffer.commit"},  # the server finds the turns, and has just found one
    ],
)
def test_what_does_no_harm_is_no_error(message):
    client = Client().say(message.pop("type"), **message)
    assert client.types == ["session.created"] and client.commands == []


def test_a_commit_of_nothing_is_an_error_and_one_of_a_moment_is_none():
    client = Client().update(MANUAL).commit(event_id="early")
    assert client.told[-1]["error"]["code"] == EMPTY and client.told[-1]["error"]["event_id"] == "early"
    assert "0.00ms" in client.told[-1]["error"]["message"]
    client.append(bytes(2)).commit().hear(Flushed("commit"))
    assert client.of("completed")[0]["transcript"] == ""
    assert client.commit().told[-1]["error"]["code"] == EMPTY


@pytest.mark.parametrize(
    ("message", "code", "close"),
    [
        (b"\0\0", "binary_frame", 1003),
        (json.dumps({"type": "input_audio_buffer.append", "audio": "AAAA" * 300}), "frame_too_large", 1009),
        ("x" * 100_000, "frame_too_large", 1009),
        ('{"type":"session.update","session":{"input_audio_format":"g711_ulaw"}}', "audio_format_fixed", 1008),
    ],
)
def test_who_would_lose_words_unawares_is_told_and_let_go(message, code, close):
    codec = Client(limits=Limits(max_frame_bytes=800)).append(bytes(800)).codec
    with pytest.raises(ClientError) as refused:
        codec.decode(message)
    assert refused.value.code == code
    assert codec.close(code).code == close
    (last,) = codec.fail(code, str(refused.value), None, 0)
    assert json.loads(last)["error"]["type"] == "invalid_request_error"


def test_the_model_stays_once_there_is_audio():
    client = Client(further=["tiny.en"]).update(asked()).append().update(asked(transcription={"model": "tiny.en"}))
    assert client.told[-1]["error"]["param"] == "session.audio.input.transcription.model"
    assert client.update(asked(transcription={"model": "whisper-1"})).types[-1] == "session.updated"


@pytest.mark.parametrize(
    ("code", "told", "kind", "close"),
    [
        ("idle_timeout", "idle_timeout", "invalid_request_error", 1008),
        ("session_limit", "session_expired", "invalid_request_error", 1008),
        ("overloaded", "overloaded", "server_error", 1013),
        ("server_restart", "server_restart", "server_error", 1012),
        ("internal_error", "internal_error", "server_error", 1011),
    ],
)
def test_the_end_is_told_with_whose_fault_it_is(code, told, kind, close):
    codec = Client().codec
    (last,) = codec.fail(code, "why", None, 0)
    assert (json.loads(last)["error"]["code"], json.loads(last)["error"]["type"]) == (told, kind)
    assert codec.close(code).code == close and codec.close(None).code == 1000


def test_what_could_not_be_decoded_is_failed_unless_there_are_words():
    client = Client().append().hear(SpeechStarted(1, 0.0), SpeechStopped(1, 1.0), DecodeFailed(1, 0.0, 1.0, True))
    assert client.hear(ended()).types[-1] == "input_audio_transcription.failed"
    client.hear(SpeechStarted(2, 2.0), words("Fine.", 2), SpeechStopped(2, 3.0), DecodeFailed(2, 2.0, 3.0, True))
    assert client.hear(ended(2)).told[-1]["transcript"] == "Fine."


# Commit, clear, and changing who finds the turns.


def test_a_commit_while_the_server_finds_turns_ends_the_turn():
    client = Client().append().hear(SpeechStarted(1, 0.0)).commit()
    assert client.commands[-1] == Flush("commit between turns")
    client.hear(SpeechStopped(1, 1.0), words("Hi"), ended(), Flushed("commit between turns"))
    assert len(client.of("committed")) == 1 and [m["transcript"] for m in client.of("completed")] == ["Hi"]


def test_a_commit_of_silence_while_the_server_finds_turns_is_answered():
    client = Client().append().commit().hear(Flushed("commit between turns"))
    assert client.types[1:] == ["input_audio_buffer.committed", "added", "done", "input_audio_transcription.completed"]


def test_what_is_cleared_is_not_told():
    client = Client().update(MANUAL).append().hear(words("never")).say("input_audio_buffer.clear")
    assert client.types[-1] == "input_audio_buffer.cleared"
    client.append().hear(words("mind", 1), ended(), Flushed("clear")).commit()
    client.hear(words("Hello.", 2), ended(2), Flushed("commit"))
    assert [m["transcript"] for m in client.of("completed")] == ["Hello."]
    assert [m["item_id"] for m in client.of("delta")] == ["item_1", "item_2"]


def test_a_turn_that_is_cleared_is_stopped_and_no_item():
    client = Client().append().hear(SpeechStarted(1, 0.0)).say("input_audio_buffer.clear")
    client.hear(SpeechStopped(1, 1.0), words("never mind"), ended(), Flushed("clear"))
    assert client.types[1:] == [
        f"input_audio_buffer.{what}" for what in ("speech_started", "cleared", "speech_stopped")
    ]


def test_a_turn_that_is_over_is_no_longer_cleared():
    client = Client().append().hear(SpeechStarted(1, 0.0), SpeechStopped(1, 1.0)).say("input_audio_buffer.clear")
    assert client.hear(words("Hi"), ended(), Flushed("clear")).of("completed")[0]["transcript"] == "Hi"


def test_who_takes_over_the_turns_ends_the_one_that_is_open():
    client = Client().append().hear(SpeechStarted(1, 0.0)).update(MANUAL)
    assert [type(command) for command in client.commands[2:]] == [Flush, Configure]
    client.hear(SpeechStopped(1, 1.0), words("Hi"), ended(), Flushed("switch")).append()
    client.hear(SpeechStarted(2, 1.5), words("there", 2)).commit().hear(ended(2), Flushed("commit"))
    assert [m["transcript"] for m in client.of("completed")] == ["Hi", "there"]
    assert len(client.of("speech_started")) == 1


def test_a_session_that_ends_by_itself_completes_what_has_been_said():
    client = Client().update(MANUAL).append().hear(words("How are you?"), ended(), Closed())
    assert client.types[-1] == "input_audio_transcription.completed"


# The key.


@pytest.mark.parametrize(
    ("offered", "key", "echoed"),
    [
        (["realtime", "openai-insecure-api-key.k"], "k", "realtime"),
        (["openai-insecure-api-key.k", "realtime", "openai-beta.realtime-v1"], "k", "realtime"),
        (["openai-insecure-api-key.k"], "k", "openai-insecure-api-key.k"),
        (["realtime"], None, "realtime"),
    ],
)
def test_a_browser_gives_its_key_in_a_subprotocol_and_another_is_echoed(offered, key, echoed):
    assert key_of({}, {}, offered) == key and subprotocol_of(offered) == echoed


# Whatever is said, and however late it is sent.


class Server:
    """The shell and the session, both real but for threads; what is sent may come as late as a test wants."""

    def __init__(self, client):
        self.client = client
        self.session = None
        self.events, self.notices = deque(), deque()
        self.committed = []

    def obey(self, commands):
        for command in commands:
            match command:
                case AfterAudio(then):
                    self.obey(then())
                case Notify(notice):
                    self.notices.append(notice)
                case Open():
                    self.session = OnlineASRProcessor(command.config, command.options)
                case Audio(data):
                    self._hear(np.frombuffer(data, "<i2"))
                case Flush(id):
                    self.session.receive_flush(id)
                case Configure(options):
                    self.session.receive_configure(options)
        self._take()

    def _hear(self, samples):
        self.session.receive_audio(samples)
        self.session.receive_speech([VOICE if frame[0] > FAINT else QUIET for frame in samples.reshape(-1, FRAME)])

    def decode(self):
        while self.session is not None and (window := self.session.next_window()) is not None:
            self.session.receive_hypothesis(window, heard(window))
            self._take()

    def _take(self):
        if self.session is not None:
            events = self.session.events()
            self.events += events
            self.committed += [word.text for event in events if isinstance(event, Committed) for word in event.words]

    def send(self, queue, count):
        for _ in range(min(count, len(queue))):
            self.client.hear(queue.popleft())

    def finish(self):
        if self.session is not None:
            self.session.receive_end()
            self._take()
        self.decode()
        self.send(self.notices, len(self.notices))
        self.send(self.events, len(self.events))


def pcm(seconds, voice):
    frames = round(seconds * 16_000 / FRAME)
    return np.full(frames * FRAME, 3000 if voice else FAINT, "<i2").tobytes()


def message(type_, **fields):
    return json.dumps({"type": type_, **fields})


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from([0.3, 1.3, 2.1]), st.booleans()),
        st.sampled_from([("commit",), ("clear",), ("turns",), ("no turns",), ("decode",), ("decode",)]),
        st.tuples(st.sampled_from(["events", "notices"]), st.integers(1, 9)),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_items_are_in_order_and_whole_however_late_they_are_told(steps):
    client = Client({"input_audio_format": "pcm_s16le_16000"})
    server = Server(client)
    cleared = False
    for step in steps:
        match step:
            case ("append", duration, voice):
                audio = base64.b64encode(pcm(duration, voice)).decode()
                server.obey(client.codec.decode(message("input_audio_buffer.append", audio=audio)))
            case ("commit" | "clear" as what,):
                cleared = cleared or what == "clear"
                server.obey(client.codec.decode(message(f"input_audio_buffer.{what}")))
            case ("turns" | "no turns" as what,):
                turns = {"type": "server_vad"} if what == "turns" else None
                server.obey(client.codec.decode(message("session.update", session=asked(turn_detection=turns))))
            case ("decode",):
                server.decode()
            case ("events", count):
                server.send(server.events, count)
            case ("notices", count):
                server.send(server.notices, count)
    server.finish()
    check(client)
    if not cleared:  # every word is told, once, in its order, and as part of an item
        assert "".join(f" {m['transcript']}" for m in client.of("completed") if m["transcript"]) == "".join(
            server.committed
        )
        assert {m["item_id"] for m in client.of("delta")} <= {m["item_id"] for m in client.of("completed")}


def check(client):
    told = client.told
    assert [m["event_id"] for m in told] == [f"event_{n}" for n in range(1, len(told) + 1)]
    assert {m["error"]["code"] for m in client.of("error")} <= {EMPTY}
    committed = client.of("buffer.committed")
    assert [m["previous_item_id"] for m in committed] == [None, *(m["item_id"] for m in committed)][: len(committed)]
    completed = {m["item_id"]: m for m in client.of("completed")}
    assert len(completed) == len(client.of("completed"))
    assert sorted(completed) == sorted(m["item_id"] for m in committed)
    for id, last in completed.items():
        mine = [m for m in told if id in (m.get("item_id"), m.get("item", {}).get("id"))]
        assert "".join(m["delta"] for m in mine if m["type"].endswith("delta")) == last["transcript"]
        kinds = [m["type"] for m in mine if not m["type"].endswith("delta")]
        assert kinds in ([*STARTED, *COMMITTED, kinds[-1]], [*COMMITTED, kinds[-1]])
        assert mine[-1] is last
    assert sorted(m["item_id"] for m in client.of("started")) == sorted(m["item_id"] for m in client.of("stopped"))


STARTED = ["input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"]
COMMITTED = ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"]

NAMES = st.sampled_from(
    ["audio", "input", "format", "type", "rate", "transcription", "language", "model", "turn_detection", "threshold",
     "input_audio_format", "silence_duration_ms"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)
KINDS = st.sampled_from(["session.update", "transcription_session.update", "input_audio_buffer.append", "x"])


@settings(deadline=None)
@given(st.lists(st.one_of(
    st.text(max_size=30),
    st.builds(lambda type_, session, audio: json.dumps({"type": type_, "session": session, "audio": audio}),
              KINDS, JSON, JSON | st.text("AB=+", max_size=9)),
), max_size=6))  # fmt: skip
def test_no_text_is_answered_with_anything_but_commands_and_errors(texts):
    client = Client()
    for text in texts:
        client.obey(client.codec.decode(text))
    assert set(client.types) <= {"session.created", "session.updated", "transcription_session.updated", "error"}
