"""The backend for OpenAI's API, over a real socket to a stub of it."""

import socket
import time
from importlib.util import find_spec

import numpy as np
import pytest

from reswhis.backends.base import BackendConfig
from reswhis.backends.fake import heard
from reswhis.backends.guessed_times import guessed
from reswhis.backends.openai_answers import hypothesis
from reswhis.backends.selection import check, choose
from reswhis.core.errors import BackendError, ConfigurationError
from reswhis.core.types import DecodeOptions, Hypothesis, Segment, Window, Word, join, samples
from reswhis.settings import from_sources
from reswhis.settings.layers import backend_config

from native_client import connect, play
from openai_stub import Reply, openai_stub, refusal

# Importing it takes most of a second, which a process that runs other tests need not spend.
pytestmark = pytest.mark.skipif(find_spec("openai") is None, reason="needs `uv sync --extra openai-whisper`")

KEY = "sk-very-secret"
ENGLISH = DecodeOptions(language="en")


@pytest.fixture(scope="module")
def stub():
    with openai_stub(key=KEY) as stub:
        yield stub


@pytest.fixture
def connected(stub):
    """A backend on the stub, whose record is empty."""
    stub.requests.clear()
    stub.replies.clear()
    backend = make(stub)
    yield backend
    backend.close()


def make(stub, *, deadline_s=5.0, url=None, **config):
    from reswhis.backends.openai_whisper import MakeOpenaiWhisper

    asked = BackendConfig("openai-whisper", openai_api_key=KEY, openai_base_url=url or stub.url, **config)
    made = choose(asked, lambda message, progress: None).make
    return MakeOpenaiWhisper(made.model, made.base_url, made.key, deadline_s)(0)


def window(duration_s=3.0, options=ENGLISH, **more):
    audio = np.random.default_rng(1).normal(0, 1000, samples(duration_s)).astype(np.int16)
    return Window(0, 0, audio, options, **more)


def one(backend, window):
    (result,) = backend.transcribe([window])
    return result


def said(result):
    assert isinstance(result, BackendError)
    return str(result)


# What is sent.


def test_a_window_is_one_request_with_its_audio_as_it_is_and_all_that_the_window_says(stub, connected):
    options = DecodeOptions(language="de", hotwords="Ærøskøbing")
    asked = window(options=options, prompt="Before. " * 100)
    assert one(connected, asked).language == "de"
    (request,) = stub.requests
    assert request.path == "/v1/audio/transcriptions" and request.key == f"Bearer {KEY}"
    assert np.array_equal(request.audio, asked.audio) and request.kind == "audio/flac"
    prompt = request.fields.pop("prompt")
    assert prompt.startswith("Ærøskøbing ") and prompt.endswith("Before.") and len(prompt) < 450
    assert request.fields == {
        "model": "whisper-1",
        "language": "de",
        "response_format": "verbose_json",
        "temperature": "0",
        "timestamp_granularities[]": ["word", "segment"],
    }


def test_hardly_any_audio_is_made_long_enough_and_none_is_not_sent(stub, connected):
    assert one(connected, window(0)) == Hypothesis() and stub.requests == []
    assert isinstance(one(connected, window(1 / 16_000)), Hypothesis)
    assert stub.requests[0].duration_s >= 0.1


def test_a_translation_has_a_path_of_its_own(stub, connected):
    result = one(connected, window(options=DecodeOptions(language="de", task="translate"), is_final=True))
    assert stub.requests[0].path == "/v1/audio/translations" and "language" not in stub.requests[0].fields
    assert join(result.words) == "w0 w1 w2" and result.language == "de"


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("auto", "whisper-1"),
        ("tiny", "whisper-1"),
        ("large-v3-turbo", "whisper-1"),
        ("org/some-model", "org/some-model"),
    ],
)
def test_sizes_mean_the_one_whisper_of_the_api_and_other_names_what_they_say(asked, sent):
    config = BackendConfig("openai-whisper", model=asked, openai_base_url="http://localhost:1/v1")
    info = choose(config, lambda message, progress: None).info
    assert (info.backend, info.model, info.device) == ("openai-whisper", sent, "remote")


# What comes back.


def test_words_get_the_punctuation_of_the_text_and_the_probability_of_their_segment():
    words = (Word(0.1, 0.5, " Well,"), Word(0.6, 1.0, " hello"), Word(1.5, 1.9, " world!"))
    segments = (Segment(0.1, 1.0, -0.5, 0.1, 1.2), Segment(1.5, 1.9, -1.5, 0.2, 1.3))
    with openai_stub(lambda asked: Hypothesis(words, segments, "de", 1.0)) as stub:
        result = one(make(stub), window(options=DecodeOptions()))
    assert [(word.start, word.end, word.text) for word in result.words] == [(w.start, w.end, w.text) for w in words]
    assert [word.probability for word in result.words] == pytest.approx([0.6065, 0.6065, 0.2231], abs=1e-3)
    assert result.segments == segments
    assert result.language == "de" and result.language_probability > 0.9


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"text": "你好。世界", "words": ["你好", "世界"], "language": "chinese"}, ["你好。", "世界"]),
        ({"text": "你好世界"}, ["你", "好", "世", "界"]),
        ({"text": "a well-known “b”", "words": ["a", "well", "known", "b"]}, [" a", " well-", "known", " “b”"]),
        ({"text": "one two three", "words": ["one", "three"]}, [" one", " three"]),
        ({"text": " one two", "segments": [{"text": " one two"}], "words": None}, [" one", " two"]),
        ({"text": "one two", "segments": [{"text": "other", "start": "x", "end": None}, 7]}, [" one", " two"]),
        ({"text": "", "segments": []}, []),
    ],
)
def test_words_of_all_scripts_and_of_sparing_servers_have_their_spaces(answer, words):
    for number, name in enumerate(answer.get("words") or ()):
        answer["words"][number] = {"word": name, "start": 0.5 * number, "end": 9e9}
    result = hypothesis(answer, window(options=DecodeOptions(), is_final=True))
    assert [word.text for word in result.words] == words
    assert all(0 <= word.start <= word.end <= 3.0 for word in result.words)


@pytest.mark.parametrize("answer", [None, [], "text", {}, {"text": None}])
def test_what_is_not_an_answer_is_a_failed_window(answer):
    with pytest.raises(BackendError, match="text"):
        hypothesis(answer, window())


def test_a_language_detected_in_little_audio_is_not_certain_enough_to_be_kept():
    answer = {"text": "Servus.", "language": "german"}
    little, much = (hypothesis(answer, window(duration_s, DecodeOptions())) for duration_s in (1.0, 4.0))
    assert little.language == much.language == "de"
    assert 0.5 < little.language_probability < 0.7 < much.language_probability


def test_words_without_times_are_spread_over_what_is_loud_and_not_into_pauses():
    audio = np.random.default_rng(1).normal(0, 10, samples(6)).astype(np.int16)
    audio[samples(1) : samples(2)] *= 100
    audio[samples(4) : samples(5)] *= 100
    spans = guessed([" one", " two", " six", " ten"], audio, 0.0, 6.0)
    assert spans == [pytest.approx(span, abs=0.1) for span in [(1, 1.5), (1.5, 2), (4, 4.5), (4.5, 5)]]
    for count in range(1, 60):
        assert guessed([" abc"] * count, audio[: 1000 * count], 0.0, 6.0)[-1][1] <= 6.0
    assert guessed([" one", " two"], audio[:0], 0.0, 0.1) == [(0.0, pytest.approx(0.05)), (pytest.approx(0.05), 0.1)]


def test_a_model_without_times_is_asked_for_them_once_and_its_words_are_one_until_the_final_window(stub, connected):
    backend = make(stub, model="gpt-4o-transcribe")
    growing, final = backend.transcribe([window(), window(is_final=True)])
    assert [request.fields["response_format"] for request in stub.requests] == ["verbose_json", "json", "json"]
    assert [word.text for word in growing.words] == [" w0 w1 w2"] and growing.words[0].end == 3.0
    assert [word.text for word in final.words] == [" w0", " w1", " w2"]


def test_a_server_that_gives_segments_alone_is_good_enough():
    segments = (Segment(0.5, 1.5, -0.1), Segment(2.0, 3.0, -0.2))
    words = (Word(0.5, 1.0, " one"), Word(1.0, 1.5, " two"), Word(2.0, 3.0, " three"))
    with openai_stub(lambda asked: Hypothesis(words, segments, "en", 1.0), without={"words"}) as stub:
        result = one(make(stub), window(is_final=True))
    assert [(word.text, word.start, word.end) for word in result.words] == [
        (word.text, pytest.approx(word.start, abs=0.15), pytest.approx(word.end, abs=0.15)) for word in words
    ]


# What goes wrong.


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (refusal(401, f"Incorrect API key provided: {KEY}"), "OPENAI_API_KEY"),
        (refusal(403), "does not let"),
        (refusal(404), "no model whisper-1"),
        (refusal(400), "error 400"),
        (refusal(400, code="unsupported_language"), "language"),
        (refusal(429, code="insufficient_quota"), "no credit"),
        (refusal(429, headers={"Retry-After": "100"}), "too many requests"),
        (refusal(503, headers={"Retry-After": "inf"}), "error 503"),
        (Reply(body=b"<html>Welcome to my router</html>"), "OpenAI's API"),
    ],
)
def test_what_cannot_get_better_soon_is_said_at_once_and_in_words_of_our_own(stub, connected, reply, sentence):
    stub.replies.append(reply)
    began = time.monotonic()
    failed, after = connected.transcribe([window(), window()])
    assert time.monotonic() - began < 2
    assert sentence in said(failed) and KEY not in str(failed) and failed.__cause__ is None
    assert isinstance(after, Hypothesis) and len(stub.requests) == 2


@pytest.mark.parametrize("reply", [refusal(429, headers={"Retry-After": "0.01"}), refusal(500), refusal(503)])
def test_a_server_that_is_busy_is_asked_again(stub, connected, reply):
    stub.replies.append(reply)
    assert isinstance(one(connected, window()), Hypothesis) and len(stub.requests) == 2


def test_a_server_that_hangs_holds_the_worker_for_the_deadline_only(stub, connected):
    stub.replies.append(Reply(hangs=True))
    failed, after = make(stub, deadline_s=0.2).transcribe([window(), window()])
    assert "does not answer" in said(failed) and isinstance(after, Hypothesis)


def test_a_server_that_is_not_there_is_a_failed_window(stub):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        assert (
            said(one(make(stub, deadline_s=0.2, url=f"http://{address}/v1"), window()))
            == f"{address} cannot be reached"
        )


# What is refused at start, and what is kept secret.


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({}, "set OPENAI_API_KEY"),
        ({"openai_base_url": "https://eu.api.openai.com/v1"}, "set OPENAI_API_KEY"),
        ({"openai_api_key": "clé"}, "not a key"),
        ({"openai_base_url": "localhost:8001/v1"}, "OPENAI_BASE_URL"),
        ({"openai_base_url": "http://user:password@:99999999/v1"}, "OPENAI_BASE_URL"),
        ({"openai_api_key": KEY, "device": "cuda"}, "--device"),
        ({"openai_api_key": KEY, "compute_type": "int8"}, "--compute-type"),
        ({"openai_api_key": KEY, "model": "/models/whisper"}, "/models/whisper"),
        ({"openai_api_key": KEY, "model": "gpt-4o-transcribe", "task": "translate"}, "whisper-1"),
    ],
)
def test_what_cannot_work_is_refused_without_asking_anybody(config, sentence):
    with pytest.raises(ConfigurationError, match=sentence) as error:
        check(BackendConfig("openai-whisper", **config))
    assert KEY not in str(error.value) and "password" not in str(error.value)


def test_another_server_needs_no_key_and_may_translate_with_any_model(stub):
    check(BackendConfig("openai_whisper", openai_base_url=stub.url, model="large", task="translate", language="de"))


@pytest.mark.parametrize("prefix", ["", "RESWHIS_"])
def test_key_and_address_come_from_variables_and_the_key_is_shown_nowhere(prefix):
    environ = {f"{prefix}OPENAI_API_KEY": f" {KEY} ", f"{prefix}OPENAI_BASE_URL": "http://localhost:1/v1"}
    settings = from_sources({**environ, "BACKEND": "openai-whisper"})
    config = backend_config(settings)
    assert config.openai_api_key == KEY and config.openai_base_url == "http://localhost:1/v1"
    shown = f"{settings!r} {config!r} {choose(config, lambda message, progress: None)!r}"
    assert KEY not in shown and "openai" in shown


def test_a_server_with_this_backend_sends_what_it_hears_and_says_where(start, recordings):
    pieces = [recording.audio for recording in recordings[:2]]
    audio = np.concatenate([piece for speech in pieces for piece in (speech, np.zeros(samples(1), np.int16))])
    with openai_stub(heard, key=KEY) as stub:
        environ = {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": stub.url,
            "BACKEND": "openai-whisper",
            "MODEL_SIZE": "base",
        }
        server = start("--language", "en", env=environ).ready()

        async def scenario():
            async with connect(server.ws) as client:
                await client.stream(audio)
                await client.say("finish")
                await client.rest()
                return client

        client = play(scenario())
        server.stop()
    assert "w0 w1" in client.text and client.of("error") == []
    assert len(stub.requests) >= 2 and {request.key for request in stub.requests} == {f"Bearer {KEY}"}
    assert "openai-whisper, model whisper-1, on remote" in server.text
    assert f"what is heard is sent to {stub.url.split('/')[2]}" in server.text and KEY not in server.text
