"""What a session of the native protocol may choose of the decoding: what the model can, at no more cost."""

import json
from dataclasses import replace

import pytest

from reswhis.backends.base import BackendInfo
from reswhis.core.errors import ClientError
from reswhis.core.languages import LANGUAGES
from reswhis.core.online import SessionConfig, StreamOptions
from reswhis.core.types import DecodeOptions
from reswhis.server.limits import Limits
from reswhis.transports import codec
from reswhis.transports.native import NativeCodec

MULTILINGUAL = BackendInfo("faster-whisper", "large-v3", "cpu", "int8")
WITHOUT_CANTONESE = replace(MULTILINGUAL, languages=frozenset(LANGUAGES) - {"yue"})
TURBO = replace(MULTILINGUAL, translates=False)
ENGLISH = BackendInfo("pocketsphinx", "en-us", "cpu", "int16", languages=frozenset({"en"}), translates=False)


def connection(info=MULTILINGUAL, query=None, **decode):
    options = StreamOptions(DecodeOptions(**decode))
    return NativeCodec("id", query or {}, codec.Defaults(SessionConfig(), options, info, Limits()))


def say(connection, **message):
    return connection.decode(json.dumps(message))


def opened(connection, **start):
    return next(c.options for c in say(connection, type="start", **start) if isinstance(c, codec.Open))


BEYOND = [
    (ENGLISH, {"language": "de"}, "unsupported_language", "language: this model knows only English"),
    (WITHOUT_CANTONESE, {"language": "yue"}, "unsupported_language", "language: this model knows no Cantonese"),
    (ENGLISH, {"task": "translate"}, "unsupported", "task: this model does not translate"),
    (TURBO, {"task": "translate"}, "unsupported", "task: this model does not translate"),
    (MULTILINGUAL, {"beam_size": 4}, "unsupported", "beam_size: this server has 3 at most"),
    (MULTILINGUAL, {"encoder_context": "full"}, "unsupported", "encoder_context: this server has dynamic alone"),
]


@pytest.mark.parametrize(("info", "asked", "code", "said"), BEYOND)
def test_what_is_beyond_the_model_or_the_server_ends_a_start_and_a_query_but_not_a_stream(info, asked, code, said):
    def fresh(query=None):
        return connection(info, query, beam_size=3, encoder_context="dynamic")

    def in_query():
        return fresh({name: str(value) for name, value in asked.items()}).greet()

    for fatal in (lambda: say(fresh(), type="start", **asked), in_query):
        with pytest.raises(ClientError) as refused:
            fatal()
        assert (refused.value.code, str(refused.value), refused.value.param) == (code, said, next(iter(asked)))
    running = fresh()
    before = opened(running)
    assert say(running, type="configure", **asked) == [codec.Notify(codec.Rejected(code, said, next(iter(asked))))]
    (changed, _) = say(running, type="configure", prompt="Kiel")
    assert changed.options == replace(before, prompt="Kiel")  # nothing of what was refused is left


@pytest.mark.parametrize(
    ("info", "asked", "decode"),
    [
        (ENGLISH, {"language": "English"}, {"language": "en"}),
        (ENGLISH, {"language": "auto"}, {"language": None}),
        (MULTILINGUAL, {"language": "yue", "task": "translate"}, {"language": "yue", "task": "translate"}),
        (WITHOUT_CANTONESE, {"language": "castilian"}, {"language": "es"}),
        (TURBO, {"language": "de", "task": "transcribe"}, {"language": "de"}),
        (
            MULTILINGUAL,
            {"beam_size": 2.0, "encoder_context": "dynamic"},
            {"beam_size": 2, "encoder_context": "dynamic"},
        ),
        (MULTILINGUAL, {"beam_size": None, "encoder_context": None}, {}),
    ],
)
def test_what_the_model_can_and_the_server_allows_is_taken(info, asked, decode):
    expected = replace(DecodeOptions(beam_size=3), **decode)
    assert opened(connection(info, beam_size=3), **asked).decode == expected
    running = connection(info, beam_size=3)
    opened(running)
    (changed, told) = say(running, type="configure", **asked)
    assert changed.options.decode == expected
    (written,) = running.encode(told.notice, 0)
    in_force = json.loads(written)
    assert (in_force["beam_size"], in_force["encoder_context"]) == (expected.beam_size, expected.encoder_context)


@pytest.mark.parametrize(
    "asked", [{"beam_size": 0}, {"beam_size": 21}, {"beam_size": "2"}, {"encoder_context": "half"}]
)
def test_what_is_no_value_at_all_is_an_invalid_request(asked):
    with pytest.raises(ClientError) as refused:
        say(connection(beam_size=20), type="start", **asked)
    assert refused.value.code == "invalid_request" and refused.value.param == next(iter(asked))
