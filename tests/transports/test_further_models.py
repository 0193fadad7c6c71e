"""A start that asks for a further model: what that one can do is known only when it is there."""

import json

import pytest

from reswhis.backends.base import BackendInfo
from reswhis.core.errors import ClientError
from reswhis.core.online import SessionConfig, StreamOptions
from reswhis.core.types import DecodeOptions
from reswhis.server.limits import Limits
from reswhis.transports.codec import Audio, Defaults, Notify, Open, Ready, UseModel
from reswhis.transports.native import NativeCodec

ENGLISH = BackendInfo("faster-whisper", "tiny.en", "cpu", "int8", frozenset({"en"}), translates=False)
ANY = BackendInfo("faster-whisper", "base", "cpu", "int8")


def codec(own=ANY, further="tiny.en", *, language=None, **query):
    options = StreamOptions(decode=DecodeOptions(language=language))
    made = NativeCodec("id", query, Defaults(SessionConfig(), options, own, Limits(), (further,)))
    made.greet()
    return made


def start(made, **fields):
    [wanted] = made.decode(json.dumps({"type": "start", **fields}))
    assert isinstance(wanted, UseModel)
    return wanted


def test_the_session_begins_and_is_ready_once_the_model_is_there():
    wanted = start(codec(), model="tiny.en", language="en", audio={"sample_rate": 8000})
    assert (wanted.name, wanted.audio.sample_rate) == ("tiny.en", 8000)
    opened, ready = wanted.then(ENGLISH)
    assert isinstance(opened, Open) and opened.options.decode.language == "en"
    assert isinstance(ready, Notify) and isinstance(ready.notice, Ready)


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"language": "de"}, "unsupported_language"), ({"task": "translate", "language": "en"}, "unsupported")],
)
def test_what_the_further_model_cannot_do_is_refused_then(fields, code):
    wanted = start(codec(), model="tiny.en", **fields)
    with pytest.raises(ClientError) as refused:
        wanted.then(ENGLISH)
    assert refused.value.code == code


def test_so_is_a_language_that_only_the_server_is_set_to():
    with pytest.raises(ClientError, match="English"):
        start(codec(language="de"), model="tiny.en").then(ENGLISH)


def test_what_only_the_servers_own_model_cannot_do_is_no_reason_to_refuse():
    made = codec(own=ENGLISH, further="base")
    assert start(made, model="base", language="de", task="translate").then(ANY)
    [_, answer] = made.decode('{"type": "configure", "language": "fr"}')
    assert answer.notice.options.decode.language == "fr"


def test_a_query_loads_nothing_before_there_is_audio_and_a_start_may_ask_for_another_model():
    plain = codec(model="tiny.en")
    wanted, audio = plain.decode(b"\0\0")
    assert (wanted.name, audio) == ("tiny.en", Audio(b"\0\0"))
    assert [type(command) for command in wanted.then(ENGLISH)] == [Open]
    commands = codec(model="tiny.en").decode('{"type": "start", "model": "base"}')
    assert [type(command) for command in commands] == [Open, Notify]
