"""The protocol's schema and its page are those of the models, and a real server and real clients keep to them."""

import json
import re
import shutil
import subprocess
import sys
import wave
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reswhis.backends.base import BackendInfo
from reswhis.core import events as ev
from reswhis.core.errors import ClientError
from reswhis.core.online import SessionConfig, StreamOptions
from reswhis.core.types import Word
from reswhis.server.limits import Limits
from reswhis.transports import codec
from reswhis.transports.native import NativeCodec
from reswhis.transports.native_endings import CLOSE_CODES
from reswhis.transports.native_reference import reference, with_reference
from reswhis.transports.native_schema import text
from reswhis.transports.native_server_messages import ERRORS, NEVER_FATAL, REASONS

from native_client import connect, play
from server_process import Process

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "protocol.md").read_text("utf-8")
SCHEMA = json.loads((DOCS / "protocol.schema.json").read_text("utf-8"))
MESSAGES = {name: SCHEMA["$defs"][name] for name in SCHEMA["$defs"] if "properties" in SCHEMA["$defs"][name]}
BY_SERVER = {node["$ref"].rpartition("/")[2] for node in SCHEMA["$defs"]["ServerMessage"]["oneOf"]}
TOLD_TYPES = {MESSAGES[name]["properties"]["type"]["const"] for name in BY_SERVER}
SECOND = 16_000


def checker(union):
    """Whether a message is one of this union, by the file."""
    rule = {"$schema": SCHEMA["$schema"], "$ref": f"#/$defs/{union}", "$defs": SCHEMA["$defs"]}
    return jsonschema.Draft202012Validator(rule).is_valid


is_told = checker("ServerMessage")
is_said = checker("ClientMessage")


# The files.


def test_the_schema_is_that_of_this_version():
    """If not: uv run python docs/make_protocol.py."""
    assert text() == (DOCS / "protocol.schema.json").read_text("utf-8")


def test_the_tables_of_the_page_are_those_of_this_version():
    """If not: uv run python docs/make_protocol.py."""
    assert with_reference(PAGE) == PAGE and reference() in PAGE


def test_the_schema_is_one_by_its_own_rules():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_message_and_every_field_is_described_in_the_schema_and_named_on_the_page():
    for name, message in MESSAGES.items():
        assert message["description"], name
        for field, rule in message["properties"].items():
            assert field == "type" or rule["description"], (name, field)
            assert re.search(rf"`(\w+(\[\])?\.)?{field}`", PAGE), (name, field)


def test_the_page_names_every_error_every_reason_and_every_close_code():
    for name in [*ERRORS, *REASONS, *(str(code) for code in CLOSE_CODES.values())]:
        assert name in PAGE
    assert list(REASONS) == [reason.value for reason in ev.Reason]
    assert set(CLOSE_CODES) - {"slow_reader"} <= set(ERRORS)  # who reads nothing is told nothing


def test_the_messages_that_the_page_shows_are_messages():
    shown = [line for block in re.findall(r"```json\n(.*?)```", PAGE, re.S) for line in block.splitlines()]
    whole = [json.loads(line) for line in shown if "…" not in line]
    assert len(whole) >= 6
    assert all(is_told(message) or is_said(message) for message in whole)


# What the codec says, whatever it is.

WORDS = (Word(0.1, 0.5, " no", 0.9), Word(0.5, 0.9, " no", 1.0))
DEFAULTS = codec.Defaults(SessionConfig(), StreamOptions(), BackendInfo("fake", "fake", "cpu", "none"), Limits())
EVENTS = (
    codec.Ready("id", codec.AudioFormat(), DEFAULTS.options),
    codec.Configured(DEFAULTS.options),
    codec.Pong(None),
    codec.Pong("a"),
    codec.Rejected("bad_json", "no"),
    codec.Rejected("invalid_request", "no", "audio"),
    ev.SpeechStarted(1, 0.1),
    ev.Tentative(1, WORDS),
    ev.Tentative(1, ()),
    *(ev.Committed(1, WORDS, reason) for reason in ev.Reason),
    ev.Flushed('"a"'),
    ev.Flushed("null"),
    ev.LanguageDetected("en", 0.98765),
    ev.Suppressed(WORDS, "loop"),
    ev.DecodeFailed(1, 0.1, 0.9, False),
    ev.DecodeFailed(1, 0.1, 0.9, True),
    ev.Lagging(2.5),
    ev.SpeechStopped(1, 0.9),
    ev.UtteranceEnded(1, "no no", 0.1, 0.9, None, ev.Reason.ENDPOINT),
    ev.UtteranceEnded(2, "no no", 1.1, 1.9, "en", ev.Reason.ENDPOINT),
    *(ev.Closed(error) for error in (None, *CLOSE_CODES)),
)


def spoken_to(*said):
    made = NativeCodec("id", {}, DEFAULTS)
    made.greet()
    for message in said:
        made.decode(message if isinstance(message, bytes) else json.dumps(message))
    return made


@pytest.mark.parametrize(
    ("said", "types"),
    [
        ([{"type": "start", "diagnostics": True}], TOLD_TYPES),
        ([{"type": "start", "words": False}], TOLD_TYPES - {"suppressed"}),
        ([{"type": "ping"}, b"\0\0"], {"ready", "configured", "pong", "final", "flushed", "error", "finished"}),
        ([b"\0\0"], {"final", "flushed", "error"}),
    ],
)
def test_whatever_can_be_told_is_in_the_schema_and_begins_with_its_type_and_numbers(said, types):
    made = spoken_to(*said)
    written = [message for event in EVENTS for message in made.encode(event, SECOND)]
    told = [json.loads(message) for message in written]
    assert {message["type"] for message in told} == types
    assert [message for message in told if not is_told(message)] == []
    assert all(list(message)[:3] == ["type", "seq", "audio_ms"] for message in told)
    assert [message["seq"] for message in told] == list(range(1, len(told) + 1))


@pytest.mark.parametrize("said", [{"type": "start"}, b"\0\0"])
def test_words_say_how_far_their_decode_is_behind_the_audio(said):
    made = spoken_to(said)
    words = (ev.Committed(1, WORDS, ev.Reason.ATTENTION, 0.75), ev.Tentative(1, WORDS, 0.5))
    written = [json.loads(message) for event in words for message in made.encode(event, SECOND)]
    assert [message["lag_ms"] for message in written] == [250, 500][: len(written)]


def test_the_schema_refuses_what_is_never_told():
    pong = {"type": "pong", "seq": 1, "audio_ms": 0, "id": 1}
    assert is_told(pong)
    for wrong in ({"seq": 0}, {"audio_ms": -1}, {"id": 1.5}, {"id": [1]}, {"more": 1}, {"type": "ping"}, {"seq": "1"}):
        assert not is_told(pong | wrong), wrong
    assert not is_told({"type": "pong", "seq": 1, "audio_ms": 0})


# What a client may say.

VALID = (
    {"type": "start"},
    {
        "type": "start",
        "version": 1,
        "audio": {"encoding": "mulaw", "sample_rate": 8000, "channels": 2},
        "model": "fake",
    },
    {"type": "start", "language": None, "policy": "endpoint", "words": False, "multilingual": True, "vad": False},
    {"type": "configure", "language": "German", "task": "transcribe", "vad_threshold": 0.3, "endpoint_ms": 700.0},
    {"type": "configure", "prompt": "Kiel", "hotwords": "", "partials": None},
    {"type": "flush", "id": "a1"},
    {"type": "finish"},
    {"type": "ping", "id": 7},
)
NAMES = sorted(
    {field for name in ("Start", "Configure", "Flush", "AudioFields") for field in MESSAGES[name]["properties"]}
)
VALUES = st.sampled_from(
    [
        None,
        True,
        0,
        1,
        -1,
        1.0,
        0.5,
        50,
        49,
        10_001,
        8000,
        48_001,
        "",
        "1",
        "true",
        "alaw",
        "opus",
        "x" * 201,
        "x" * 1001,
    ]
    + [
        "start",
        "ping",
        "sing",
        [],
        [1],
        {},
        {"encoding": "alaw"},
        {"encoding": "opus"},
        {"channels": "2"},
        {"channels": 3},
    ]
    + [{"sample_rate": 7999}, {"sample_rate": 8000.0}, {"bits": 16}]
)
CHANGES = st.dictionaries(st.sampled_from([*NAMES, "colour"]), VALUES, max_size=3)


def answer(message):
    """Why the server refuses a message; None if it does not."""
    try:
        commands = spoken_to().decode(json.dumps(message))
    except ClientError as exc:
        return exc.code
    refused = [
        command.notice.code for command in commands if isinstance(getattr(command, "notice", None), codec.Rejected)
    ]
    return refused[0] if refused else None


@pytest.mark.parametrize("message", VALID, ids=json.dumps)
def test_what_a_client_may_say_is_in_the_schema_and_the_server_takes_it(message):
    assert is_said(message) and answer(message) is None


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(VALID), CHANGES, st.sets(st.sampled_from(["type", "audio"])))
def test_what_the_schema_refuses_the_server_refuses_and_what_it_takes_is_refused_only_for_its_meaning(
    message, new, left
):
    message = {name: value for name, value in (message | new).items() if name not in left}
    code = answer(message)
    assert code is None or code in ERRORS
    if is_said(message):
        assert code in {None, "unknown_model", "unsupported_language", "unsupported"}
    else:
        assert code in {"unknown_type", "invalid_request", "unsupported_audio"}


@pytest.mark.parametrize(("field", "written"), [("words", "false"), ("vad_threshold", "0.4"), ("version", "1")])
def test_a_number_or_a_truth_value_in_quotes_is_one_in_the_query_alone(field, written):
    assert answer({"type": "start", field: written}) == "invalid_request"
    assert answer({"type": "start", field: json.loads(written)}) is None
    NativeCodec("id", {field: written}, DEFAULTS).greet()


# Real sessions.


@pytest.fixture(scope="module")
def server():
    """Slow enough to fall behind; the sixteenth window of a session fails, which a short one does not reach."""
    process = Process("--backend", "fake", "--model", "0.05,fail:16")
    yield process.ready()
    process.stop()


@pytest.fixture(scope="module")
def speech(recordings):
    """Eight seconds of it, int16."""
    return np.concatenate([r.audio for r in recordings if r.name.startswith("flite")])[: 8 * SECOND]


async def full(url, speech):
    async with connect(url) as client:
        await client.send("{")
        await client.say("start", diagnostics=True)
        await client.say("ping", id=1)
        await client.send(speech[: 3 * SECOND])
        await client.until("partial")
        await client.say("configure", language="de")
        while not any(m.get("code") == "decode_failed" for m in client.messages):
            await client.send(speech[:SECOND])
            await client.say("flush", id="a")
            await client.until("flushed")
        await client.say("finish")
        return await client.rest()


async def plain(url, speech):
    async with connect(url) as client:
        await client.send(speech)
        await client.say("flush")
        await client.say("finish")
        return await client.rest()


async def refused(url):
    async with connect(url) as client:
        await client.say("start", language="klingon")
        return await client.rest()


def test_whatever_a_session_in_full_mode_is_told_is_in_the_schema(server, speech):
    messages, close = play(full(server.ws, speech))
    assert [message for message in messages if not is_told(message)] == []
    # The recogniser without a model says nothing that is not to be believed.
    assert {message["type"] for message in messages} == TOLD_TYPES - {"suppressed", "warning"}
    assert close == (1000, "finished")
    errors = [message for message in messages if message["type"] == "error"]
    assert {error["code"] for error in errors} == {"bad_json", "decode_failed"}
    assert not any(error["fatal"] for error in errors if error["code"] in NEVER_FATAL)


def test_whatever_a_session_in_plain_mode_is_told_is_in_the_schema(server, speech):
    messages, close = play(plain(server.ws, speech))
    assert [message for message in messages if not is_told(message)] == []
    assert {message["type"] for message in messages} == {"final", "flushed", "finished"}
    assert all("content" in message for message in messages if message["type"] == "final")
    assert close == (1000, "finished")


def test_a_fatal_error_is_in_the_schema_and_its_close_code_on_the_page(server):
    (error,), close = play(refused(server.ws))
    assert is_told(error) and error["fatal"] and close == (1008, error["code"])
    assert re.search(rf"\| `{error['code']}` \|.*\| 1008 \|", PAGE)


# The clients of the page.


def snippet(language):
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)
    assert len(code.splitlines()) <= 32
    return code


def spoken_words(speech):
    return [f"w{n}" for n in range(len(speech) // SECOND)]


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_pages_client_in_python_prints_the_words_of_a_file(server, speech, tmp_path):
    script, file = tmp_path / "transcribe.py", tmp_path / "speech.wav"
    script.write_text(snippet("python"), encoding="utf-8")
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, SECOND, 0, "NONE", ""))
        out.writeframes(speech.tobytes())
    printed = run(sys.executable, script, server.ws, file)
    assert set(printed.split()) <= set(spoken_words(speech)) and len(printed.split()) >= 6
    assert printed.endswith("\n")


def node():
    """With the flag that versions before 22 need to have a WebSocket."""
    found = shutil.which("node")
    said = subprocess.run([found, "-v"], capture_output=True, text=True, check=True).stdout if found else "v0"
    major = int(re.match(r"v(\d+)", said)[1])
    if major < 20:
        pytest.skip("needs Node.js 20 or later: https://nodejs.org")
    return [found] if major >= 22 else [found, "--no-warnings", "--experimental-websocket"]


PROGRAM = """
import { readFileSync } from "node:fs";
import { transcribe } from "./transcribe.mjs";

function* blocks(audio) {
  for (let at = 0; at < audio.length; at += 4096) yield audio.slice(at, at + 4096);
}
const [url, file] = process.argv.slice(2);
const bytes = readFileSync(file);
const shown = [];
const show = (committed, tentative) => shown.push([committed, tentative]);
const audio = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
const text = await transcribe(url, 16000, blocks(audio), show);
console.log(JSON.stringify({ text, shown }));
"""


def test_the_pages_client_in_javascript_shows_the_words_of_a_file(server, speech, tmp_path):
    (tmp_path / "transcribe.mjs").write_text(snippet("javascript"), encoding="utf-8")
    (tmp_path / "program.mjs").write_text(PROGRAM, encoding="utf-8")
    (tmp_path / "speech.pcm").write_bytes(speech.tobytes())
    result = json.loads(run(*node(), tmp_path / "program.mjs", server.ws, tmp_path / "speech.pcm"))
    assert set(result["text"].split()) <= set(spoken_words(speech)) and len(result["text"].split()) >= 6
    committed, tentative = result["shown"][-1]
    assert committed.split() == result["text"].split() and tentative == ""


# Last, because what is not decoded yet when its client has gone holds the others up.


async def behind(url, speech):
    async with connect(url) as client:
        await client.say("start")
        for _ in range(3):
            await client.send(speech)
        await client.until("warning")
        return client.messages


def test_a_warning_is_in_the_schema(server, speech):
    messages = play(behind(server.ws, speech))
    assert messages[-1]["type"] == "warning" and all(map(is_told, messages))
