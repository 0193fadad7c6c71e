"""Wyoming: its frames and its codec, which are pure, and its port on a real server, spoken to in bytes."""

import asyncio
import json
import os
import re
import socket
import struct
from dataclasses import replace

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reswhis.app import DOORS
from reswhis.audio.pcm import AudioFormat
from reswhis.backends.base import BackendInfo
from reswhis.core.errors import ClientError, ConfigurationError
from reswhis.core.events import (
    Closed,
    Committed,
    DecodeFailed,
    LanguageDetected,
    Reason,
    SpeechStarted,
    SpeechStopped,
    Tentative,
    UtteranceEnded,
)
from reswhis.core.online import SessionConfig, StreamOptions
from reswhis.core.types import DecodeOptions, Word
from reswhis.server.limits import Limits
from reswhis.transports.codec import Audio, Defaults, End, Notify, Open, Rejected, UseModel
from reswhis.transports.wyoming import WyomingCodec, answer
from reswhis.transports.wyoming_events import BROKEN, MAX_HEADER, Frame, Frames, parse, written
from reswhis.transports.wyoming_server import listen

from native_client import play

MAX_PAYLOAD = 65_536
INFO = BackendInfo("fake", "fake", "cpu", "none")
ENGLISH = replace(INFO, languages=frozenset({"en"}), translates=False)
PCM = {"rate": 16_000, "width": 2, "channels": 1}


def event(type_, payload=b"", *, inline=False, **data):
    """As the protocol's own library writes it, or with the data in the first line, as others do."""
    header = {"type": type_, "version": "1.10.2"}
    content = json.dumps(data).encode() if data and not inline else b""
    header |= {"data": data} if inline else {}
    header |= {"data_length": len(content)} if content else {}
    header |= {"payload_length": len(payload)} if payload else {}
    return json.dumps(header).encode() + b"\n" + content + payload


def frames(pieces):
    """All that these bytes are."""
    found, reader = [], Frames(MAX_PAYLOAD)
    for piece in pieces:
        reader.feed(piece)
        while (frame := reader.next()) is not None:
            found.append(frame)
    return found


# Frames.

TURN = [
    event("describe"),
    event("transcribe", language="en"),
    event("audio-start", **PCM, timestamp=None),
    event("audio-chunk", b"\n\x00{" * 100, **PCM),
    event("audio-chunk", b"\x01\x02", inline=True, **PCM),
    event("audio-stop", timestamp=None),
]


@given(st.lists(st.integers(0, sum(map(len, TURN))), max_size=20))
def test_frames_are_the_same_however_the_bytes_are_split(cuts):
    whole = b"".join(TURN)
    places = [0, *sorted(cuts), len(whole)]
    found = frames(whole[start:end] for start, end in zip(places, places[1:], strict=False))
    assert [frame.content for frame in found] == TURN
    assert [frame.type for frame in found] == [json.loads(one.partition(b"\n")[0])["type"] for one in TURN]


def test_data_is_that_of_the_first_line_and_what_follows_it_together():
    header = b'{"type":"t","data":{"a":1,"b":1},"data_length":7,"payload_length":2}\n'
    parsed = parse(header + b'{"b":2}' + b"\xff\n", MAX_PAYLOAD)
    assert (parsed.type, parsed.data, parsed.payload) == ("t", {"a": 1, "b": 2}, b"\xff\n")
    assert parse(b'{"type":"t","data":null,"data_length":null}\r\n', MAX_PAYLOAD).data == {}


BROKEN_LINES = [
    (b"POST / HTTP/1.1\r\n", "invalid_event"),
    (b"\n", "invalid_event"),
    (b"[]\n", "invalid_event"),
    (b'{"type":7}\n', "invalid_event"),
    (b'{"type":""}\n', "invalid_event"),
    (b'{"type":"t","data":[1]}\n', "invalid_event"),
    (b'{"type":"t","payload_length":-1}\n', "invalid_event"),
    (b'{"type":"t","payload_length":true}\n', "invalid_event"),
    (b'{"type":"t","data_length":1e3}\n', "invalid_event"),
    (b'{"type":"t","payload_length":65537}\n', "frame_too_large"),
    (b'{"type":"t","data_length":999999999999}\n', "frame_too_large"),
    (b"\xff\xfe\n", "invalid_event"),
    (b"[" * 50_000 + b"\n", "invalid_event"),
    (b'{"type":' + b"1" * 5000 + b"}\n", "invalid_event"),
    (b"x" * (MAX_HEADER + 1), "frame_too_large"),
]


@pytest.mark.parametrize(("line", "code"), BROKEN_LINES, ids=range(len(BROKEN_LINES)))
def test_where_no_event_begins_the_frames_end_and_the_codec_says_why(line, code):
    good = event("ping")
    found = frames([good + line + good, good])
    assert [frame.type for frame in found] == ["ping", BROKEN]
    with pytest.raises(ClientError) as refused:
        connection().decode(found[1].content)
    assert refused.value.code == code


# The codec.


def connection(info=INFO, *, further=(), **decode):
    options = StreamOptions(DecodeOptions(**decode))
    return WyomingCodec(Defaults(SessionConfig(), options, info, Limits(max_frame_bytes=MAX_PAYLOAD), further))


def say(codec, *events):
    return [command for one in events for command in codec.decode(one)]


def opened(codec, *events):
    """What the session is begun with."""
    (opening,) = [c for c in say(codec, *events, event("audio-stop")) if isinstance(c, Open)]
    return opening


def told(codec, *events):
    """What is sent, as (type, data)."""
    sent = [parse(message, 0) for one in events for message in codec.encode(one, 0)]
    return [(one.type, one.data) for one in sent]


def words(*texts):
    return tuple(Word(1.0, 2.0, text, 0.9) for text in texts)


def test_a_turn_is_open_audio_end_and_each_event_is_on_the_wire_as_documented():
    codec = connection()
    commands = say(codec, *TURN[1:])
    assert [type(command) for command in commands] == [Open, Audio, Audio, End]
    assert commands[0].options.decode.language == "en"
    assert [c.data for c in commands[1:3]] == [b"\n\x00{" * 100, b"\x01\x02"]
    sent = [
        message
        for one in (
            SpeechStarted(1, 0.0),
            Tentative(1, words(" how")),
            Committed(1, words(" how", " are"), Reason.AGREEMENT),
            SpeechStopped(1, 2.0),
            Committed(1, words(" you?"), Reason.FINISH),
            UtteranceEnded(1, "how are you?", 0.0, 2.0, "en", Reason.FINISH),
            Closed(),
        )
        for message in codec.encode(one, 0)
    ]
    assert b"".join(sent).decode() == (
        '{"type": "transcript-start", "version": "1.10.2", "data_length": 18}\n{"language": "en"}'
        '{"type": "transcript-chunk", "version": "1.10.2", "data_length": 19}\n{"text": "how are"}'
        '{"type": "transcript-chunk", "version": "1.10.2", "data_length": 17}\n{"text": " you?"}'
        '{"type": "transcript", "version": "1.10.2", "data_length": 42}\n{"text": "how are you?", "language": "en"}'
        '{"type": "transcript-stop", "version": "1.10.2"}\n'
    )
    assert codec.close(None).code == 1000


def test_a_turn_without_a_word_has_an_empty_transcript():
    codec = connection()
    assert [type(command) for command in say(codec, event("audio-stop"))] == [Open, End]
    assert told(codec, Closed()) == [("transcript-start", {}), ("transcript", {"text": ""}), ("transcript-stop", {})]


texts = st.lists(st.sampled_from([" a", "b", " ", "", "。", "é "]), min_size=1, max_size=3)


@given(st.lists(texts, max_size=6))
def test_the_chunks_together_are_the_transcript_and_it_begins_with_no_space(commits):
    codec = connection()
    sent = told(codec, *[Committed(1, words(*commit), Reason.ENDPOINT) for commit in commits], Closed())
    whole = dict(sent)["transcript"]["text"]
    assert "".join(data["text"] for type_, data in sent if type_ == "transcript-chunk") == whole
    assert whole == "".join(text for commit in commits for text in commit).lstrip()
    types = [type_ for type_, _ in sent]
    assert (types[0], types[-2:], types.count("transcript-start")) == (
        "transcript-start",
        ["transcript", "transcript-stop"],
        1,
    )


def test_the_language_that_was_detected_is_told():
    codec = connection()
    sent = told(codec, LanguageDetected("de", 0.9), Committed(1, words(" ja"), Reason.ENDPOINT), Closed())
    assert sent[0] == ("transcript-start", {"language": "de"})
    assert sent[2] == ("transcript", {"text": "ja", "language": "de"})


def test_a_session_that_ends_by_an_error_has_no_transcript():
    codec = connection()
    (type_, data), *more = told(codec, Closed("engine_stopped"))
    assert (type_, data["code"], more) == ("error", "engine_stopped", [])
    assert told(codec, DecodeFailed(1, 0.0, 1.0, True))[0][1]["code"] == "decode_failed"
    assert told(codec, DecodeFailed(1, 0.0, 1.0, False)) == []


@pytest.mark.parametrize(
    ("asked", "language"),
    [("en", "en"), ("pt-BR", "pt"), ("zh_Hant", "zh"), ("nb", "no"), ("German", "de"), ("auto", None), ("", "fr")],
)
def test_a_language_may_have_a_region(asked, language):
    assert opened(connection(language="fr"), event("transcribe", language=asked)).options.decode.language == language


@pytest.mark.parametrize(
    ("info", "asked", "code"),
    [
        (INFO, {"language": "tlh"}, "unsupported_language"),
        (ENGLISH, {"language": "de"}, "unsupported_language"),
        (INFO, {"name": "other"}, "unknown_model"),
        (INFO, {"name": 7}, "invalid_event"),
        (INFO, {"transcript_names": "Anna"}, "invalid_event"),
    ],
)
def test_what_cannot_be_had_is_refused_before_the_audio(info, asked, code):
    with pytest.raises(ClientError) as refused:
        say(connection(info), event("transcribe", **asked))
    assert refused.value.code == code


def test_names_and_terms_are_hotwords_as_far_as_there_is_room():
    names = ["Anna", "x" * 985]
    asked = event("transcribe", transcript_names=names, transcript_terms=["lamp"])
    assert opened(connection(hotwords="Bea"), asked).options.decode.hotwords == "Bea, Anna, " + "x" * 985
    assert opened(connection(), event("transcribe")).options.decode.hotwords == ""


def test_a_model_that_may_be_asked_for_is_loaded_and_must_know_the_language():
    codec = connection(further=("big",))
    use, _end = say(codec, event("transcribe", name="big", language="de"), event("audio-stop"))
    assert isinstance(use, UseModel) and use.name == "big"
    (opening,) = use.then(INFO)
    assert isinstance(opening, Open) and opening.options.decode.language == "de"
    with pytest.raises(ClientError, match="only en"):
        use.then(ENGLISH)


def test_transcribe_after_audio_is_refused_and_the_audio_goes_on():
    codec = connection()
    say(codec, event("audio-chunk", b"\0\0", **PCM))
    (notify,) = say(codec, event("transcribe", language="de"))
    assert isinstance(notify, Notify) and isinstance(notify.notice, Rejected)
    assert [type(command) for command in say(codec, event("audio-chunk", b"\0\0"))] == [Audio]


@pytest.mark.parametrize("width", [1, 2, 3, 4])
@given(values=st.lists(st.integers(-128, 127), max_size=20), cuts=st.lists(st.integers(0, 80), max_size=4))
def test_samples_of_any_width_become_16_bits_however_they_are_split(width, values, cuts):
    wide = [value << 8 * (width - 1) for value in values]
    data = b"".join(value.to_bytes(width, "little", signed=True) for value in wide)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    codec = connection()
    chunks = [
        event("audio-chunk", data[start:end], rate=44_100, width=width, channels=2)
        for start, end in zip(places, places[1:], strict=False)
    ]
    opening, *audio = say(codec, *chunks)
    assert opening.audio == AudioFormat("pcm_s16le", 44_100, 2)
    heard = np.frombuffer(b"".join(command.data for command in audio), "<i2")
    assert heard.tolist() == ([value << 8 for value in values] if width > 1 else [value * 256 for value in values])


@pytest.mark.parametrize(
    "change", [{"rate": 100}, {"width": 0}, {"width": 8}, {"channels": 9}, {"rate": "16000"}, {"channels": None}]
)
def test_audio_that_cannot_be_heard_is_refused(change):
    with pytest.raises(ClientError):
        say(connection(), event("audio-start", **{**PCM, **change}))
    with pytest.raises(ClientError):  # nor may it change on the way
        say(connection(), event("audio-chunk", b"\0\0", **PCM), event("audio-chunk", b"\0\0", **{**PCM, **change}))


def test_what_comes_after_the_end_and_what_is_unknown_is_ignored():
    codec = connection()
    assert say(codec, event("select-program", name="reswhis"), event("voice-started")) == []
    say(codec, event("audio-stop"))
    assert say(codec, event("audio-chunk", b"\0\0", **PCM), event("audio-stop"), event("transcribe")) == []


def test_describe_and_ping_are_answered_without_a_session():
    def asked(one, info=INFO):
        (frame,) = frames([one])
        return parse(answer(frame, info, {"big": False}), 0)

    (program,) = asked(event("describe")).data["asr"]
    assert program["supports_transcript_streaming"] is True
    assert [(model["name"], model["installed"]) for model in program["models"]] == [("fake", True), ("big", False)]
    assert asked(event("describe"), ENGLISH).data["asr"][0]["models"][0]["languages"] == ["en"]
    assert asked(event("describe"), None).data["code"] == "overloaded"
    assert asked(event("ping", text="\ud800")).data == {"text": "\ud800"}
    assert answer(Frame("audio-stop", b""), INFO, {}) is None


# The port.


def test_a_server_with_a_key_opens_the_port_to_its_own_machine_alone():
    listen("127.0.0.1", 0, with_key=True).close()
    listen("0.0.0.0", 0, with_key=False).close()
    with pytest.raises(ConfigurationError, match="no place for a key"):
        listen("0.0.0.0", 0, with_key=True)


def test_a_port_that_is_taken_is_named():
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        pytest.raises(ConfigurationError, match=r"for Wyoming \([A-Z][\w ]*\): .*--wyoming-port"),
    ):
        listen(*other.getsockname(), with_key=False)


SPEECH = (np.sin(np.arange(32_000) / 5) * 8000).astype("<i2").tobytes()
"""Whether it is speech does not matter where a client wants only to have said something."""


@pytest.fixture(scope="module")
def server(start):
    return start(
        "--backend", "fake", "--wyoming", "--wyoming-port", "0", "--max-sessions", "2", "--max-frame-bytes", "65536",
        "--idle-timeout-s", "1", "--idle-flush-s", "0.3",
    ).ready()  # fmt: skip


def port_of(server):
    return int(re.search(r"tcp://127\.0\.0\.1:(\d+)", server.text)[1])


async def exchange(server, data, *, half_close=False):
    """Send all of it; what comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
    writer.write(data)
    if half_close:
        writer.write_eof()
    answered = await reader.read()
    writer.close()
    return understood(answered)


def understood(answered):
    """As (type, data)."""
    return [(one.type, one.data) for one in (parse(frame.content, 0) for frame in frames([answered]))]


def turn(audio=SPEECH):
    chunks = [event("audio-chunk", audio[at : at + 2048], **PCM) for at in range(0, len(audio), 2048)]
    return event("transcribe", language="en") + b"".join(chunks) + event("audio-stop")


async def empty(server):
    """Wait until it has no session."""
    async with httpx.AsyncClient() as http:
        while (await http.get(f"{server.url}/info")).json()["sessions"]:
            await asyncio.sleep(0.02)


@pytest.fixture
def none_is_left(server):
    """As whoever comes next finds it."""
    yield
    play(empty(server), 20)
    assert play(exchange(server, turn()))[-2][0] == "transcript"
    assert "Traceback" not in server.text


def test_a_turn_is_answered_and_its_connection_closed_also_to_a_client_that_has_hung_up_its_half(server, recordings):
    audio = recordings[0].audio.tobytes()
    for half_close in (False, True):
        told = play(exchange(server, event("describe") + turn(audio), half_close=half_close))
        assert [type_ for type_, _ in told[:2]] == ["info", "transcript-start"]
        assert told[-2:] == [("transcript", {"text": "w0 w1 w2 w3 w4", "language": "en"}), ("transcript-stop", {})]


def test_the_server_names_it_among_its_doors(server):
    assert httpx.get(f"{server.url}/info").json()["doors"] == [*DOORS, "wyoming"]


@pytest.mark.usefixtures("none_is_left")
def test_a_web_page_that_posts_events_gets_nothing_done(server):
    post = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10000\r\n\r\n" + turn()
    ((type_, data),) = play(exchange(server, post))
    assert (type_, data["code"]) == ("error", "invalid_event")


@pytest.mark.usefixtures("none_is_left")
def test_a_client_that_asks_for_what_cannot_be_had_is_told_and_let_go_at_once(server):
    begun = event("transcribe", language="tlh") + event("audio-start", **PCM)
    ((type_, data),) = play(exchange(server, begun), 0.9)  # less than it may be silent
    assert (type_, data["code"]) == ("error", "unsupported_language")


@pytest.mark.usefixtures("none_is_left")
def test_a_client_that_says_nothing_is_let_go_before_and_after_its_audio_has_begun(server):
    before, within = play(both(exchange(server, b""), exchange(server, turn()[: -len(event("audio-stop"))])))
    assert [data["code"] for _, data in before] == ["idle_timeout"]
    assert within[-1][0] == "error" and within[-1][1]["code"] == "idle_timeout"


async def both(*scenarios):
    return await asyncio.gather(*scenarios)


@pytest.mark.usefixtures("none_is_left")
def test_a_client_may_vanish_at_any_time(server):
    whole = turn()
    for data in (
        b"",
        event("describe") * 50,
        b"x\n" + whole,
        *[whole[:cut] for cut in range(0, len(whole), 9000)],
        whole,
    ):
        with socket.create_connection(("127.0.0.1", port_of(server))) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("hh" if os.name == "nt" else "ii", 1, 0))
            client.sendall(data)


pieces = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([one for one in TURN if b"describe" not in one]),
    st.sampled_from([line for line, _ in BROKEN_LINES]),
    st.builds(
        lambda type_, data, length, payload: (
            json.dumps({"type": type_, "data": data, "payload_length": length}).encode() + b"\n" + payload
        ),
        st.sampled_from(["transcribe", "audio-start", "audio-chunk", "audio-stop", "ping", "x"]),
        st.dictionaries(
            st.sampled_from(["rate", "width", "channels", "language", "name", "text", "transcript_names"]),
            st.one_of(st.none(), st.booleans(), st.integers(-1, 50_000), st.text(max_size=5), st.lists(st.text())),
            max_size=4,
        ),
        st.integers(0, 100),
        st.binary(max_size=100),
    ),
)


@pytest.mark.usefixtures("none_is_left")
def test_whatever_bytes_come_the_server_answers_in_events_and_closes(server):
    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(pieces, min_size=1, max_size=8))
    @example([b"\0" * 70_000])
    def fuzz(parts):
        told = play(exchange(server, b"".join(parts), half_close=True))
        assert {type_ for type_, _ in told} <= {
            "error", "pong", "transcript-start", "transcript-chunk", "transcript", "transcript-stop"
        }  # fmt: skip

    fuzz()


def test_a_server_that_stops_gives_the_transcript_of_what_it_has_heard(start, recordings):
    server = start("--backend", "fake", "--wyoming", "--wyoming-port", "0").ready()

    async def scenario():
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        silent_reader, silent_writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        audio = recordings[0].audio.tobytes()
        writer.write(event("audio-chunk", audio[:60_000], **PCM) + event("audio-chunk", audio[60_000:], **PCM))
        before = await reader.readuntil(b"w0")
        server.interrupt()
        after = await reader.read()
        writer.close()
        assert await silent_reader.read() == b""
        silent_writer.close()
        return understood(before + after)

    type_, data = play(scenario())[-2]
    assert (type_, data["text"]) == ("transcript", "w0 w1 w2 w3 w4")
    assert server.wait() == 0
    assert "Traceback" not in server.text


def test_what_is_written_is_read():
    (frame,) = frames([written("transcript", {"text": "é"})])
    assert parse(frame.content, 0).data == {"text": "é"}
