"""OpenAI's API for files: what is asked for, what is answered, and a real server that keeps its limits."""

import io
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reswhis.backends.base import BackendInfo
from reswhis.core.config import StreamOptions
from reswhis.core.errors import ClientError
from reswhis.core.transcript import FinalUtterance, Transcript
from reswhis.core.types import SAMPLE_RATE, DecodeOptions, Word
from reswhis.transports.openai_rest_answers import Deltas, answer, lost_header
from reswhis.transports.openai_rest_errors import error_body, error_headers, status_of
from reswhis.transports.openai_rest_request import fields_of, parse, require_able

RECORDING = Path(__file__).parents[1] / "recordings" / "flite-013.flac"
WORDS = ["w0", "w1", "w2"]
KEY = {"Authorization": "Bearer sesame"}
SLOW = "0.5"
"""The fake backend's model that needs half a second for each second."""
PATH = "/v1/audio/transcriptions"
MODELS = ("/v1/models", "/v1/models/whisper-1")
NOTHING_ELSE = StreamOptions()
LIMIT_S = 20


def asked(task="transcribe", defaults=NOTHING_ELSE, **fields):
    pairs = [(name, text) for name, texts in ({"model": "whisper-1"} | fields).items() for text in _list(texts)]
    return parse(fields_of(pairs), task, defaults, "own", ("further/one",))


def _list(value):
    return value if isinstance(value, list) else [value]


def refused(**fields):
    with pytest.raises(ClientError) as refusal:
        asked(**fields)
    return refusal.value.code, refusal.value.param


# What is asked for.


def test_what_is_not_said_is_as_the_server_has_it():
    own = StreamOptions(
        DecodeOptions(language="de", hotwords="Ærøskøbing", task="translate"), prompt="Before.", vad=False
    )
    request = asked(defaults=own)
    assert (request.form, request.granularities, request.streams) == ("json", {"segment"}, False)
    assert request.options == StreamOptions(DecodeOptions(language="de", hotwords="Ærøskøbing"), prompt="Before.")
    assert asked("translate").task == "translate"


def test_all_that_openais_clients_send_is_understood():
    request = asked(
        model="further/one",
        language="en-US",
        prompt="x" * 2000 + "end",
        response_format="verbose_json",
        temperature="0.4",
        stream="true",
        hotwords="Ada",
        **{
            "timestamp_granularities[]": ["word", "segment"],
            "include[]": "logprobs",
            "keywords[]": ["Lovelace"],
            "chunking_strategy[type]": "server_vad",
            "chunking_strategy[silence_duration_ms]": "800",
            "chunking_strategy[threshold]": "0.7",
            "unknown": "is let be",
        },
    )
    assert (request.model, request.form, request.streams, request.logprobs) == (
        "further/one",
        "verbose_json",
        True,
        True,
    )
    assert request.granularities == {"word", "segment"}
    decode, endpointing = request.options.decode, request.options.endpointing
    assert (decode.language, decode.temperature, decode.hotwords) == ("en", 0.4, "Ada, Lovelace")
    assert len(request.options.prompt) == 1000 and request.options.prompt.endswith("end")
    assert (endpointing.min_silence_s, endpointing.threshold) == (0.8, 0.7)


@pytest.mark.parametrize("name", ["own", "whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"])
def test_the_servers_own_model_has_openais_names_too(name):
    assert asked(model=name).model == ""


def test_granularities_may_come_without_brackets_and_languages_as_a_list():
    assert asked(timestamp_granularities="word").granularities == {"word"}
    assert asked(language="auto").options.decode.language is None
    assert asked(**{"languages[]": ["de"]}).options.decode.language == "de"
    several = asked(defaults=StreamOptions(DecodeOptions(language="fr")), **{"languages[]": ["de", "en"]})
    assert several.options.decode.language is None


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"model": ""}, "missing_required_parameter", "model"),
        ({"model": "nope"}, "model_not_found", "model"),
        ({"language": "klingon"}, "unsupported_language", "language"),
        ({"response_format": "diarized_json"}, "invalid_value", "response_format"),
        ({"temperature": "1.1"}, "invalid_value", "temperature"),
        ({"temperature": "nan"}, "invalid_value", "temperature"),
        ({"temperature": "warm"}, "invalid_value", "temperature"),
        ({"timestamp_granularities[]": "letter"}, "invalid_value", "timestamp_granularities"),
        ({"stream": "perhaps"}, "invalid_value", "stream"),
        ({"chunking_strategy": "mine"}, "invalid_value", "chunking_strategy"),
        ({"chunking_strategy[threshold]": "7"}, "invalid_value", "chunking_strategy[threshold]"),
    ],
)
def test_a_wrong_field_is_named(fields, code, param):
    assert refused(**fields) == (code, param)


def test_what_the_model_cannot_do_is_refused():
    english = BackendInfo("b", "m", "cpu", "none", languages=frozenset({"en"}), translates=False)
    require_able(english, DecodeOptions(language="en"))
    with pytest.raises(ClientError, match="German"):
        require_able(english, DecodeOptions(language="de"))
    with pytest.raises(ClientError, match="does not translate"):
        require_able(english, DecodeOptions(task="translate"))


def test_clients_come_back_only_where_that_is_of_use():
    assert [status_of(code) for code in ("overloaded", "decode_failed", "invalid_audio")] == [503, 500, 400]
    assert "Retry-After" in error_headers("overloaded")
    assert error_headers("decode_failed") == {"X-Should-Retry": "false"}
    assert error_body("overloaded", "x")["error"]["type"] == "server_error"
    assert error_body("invalid_audio", "x", "file") == {
        "error": {"message": "x", "type": "invalid_request_error", "param": "file", "code": "invalid_audio"}
    }


# What is answered.

SPOKEN = Transcript(
    (
        FinalUtterance((Word(0.5, 0.9, " Hello,", 0.5), Word(0.9, 1.25, " world.", 1.0)), "en"),
        FinalUtterance((Word(2.0, 2.5, " Good-bye!", 0.0),), "en"),
    ),
    3.2,
    "en",
)


def test_the_verbose_form_has_every_field_that_clients_read():
    body, content_type = answer(
        SPOKEN, asked(response_format="verbose_json", **{"timestamp_granularities[]": ["word", "segment"]})
    )
    document = json.loads(body)
    first = document["segments"][0]
    assert content_type == "application/json"
    assert list(document) == ["task", "language", "duration", "text", "segments", "words", "usage"]
    assert (document["task"], document["language"], document["duration"]) == ("transcribe", "english", 3.2)
    assert document["text"] == "Hello, world. Good-bye!" == "".join(s["text"] for s in document["segments"]).strip()
    assert document["usage"] == {"type": "duration", "seconds": 4}
    assert first == {
        "id": 0, "seek": 50, "start": 0.5, "end": 1.25, "text": " Hello, world.", "tokens": [], "temperature": 0.0,
        "avg_logprob": -0.3466, "compression_ratio": first["compression_ratio"], "no_speech_prob": 0.0,
    }  # fmt: skip
    assert [word["word"] for word in document["words"]] == ["Hello", "world", "Good-bye"]
    assert document["words"][1] == {"word": "world", "start": 0.9, "end": 1.25, "probability": 1.0}


@pytest.mark.parametrize("wanted", ["word", "segment"])
def test_only_the_granularities_that_are_asked_for_are_there(wanted):
    body, _ = answer(SPOKEN, asked(response_format="verbose_json", **{"timestamp_granularities[]": wanted}))
    assert ({"words", "segments"} & set(json.loads(body))) == {f"{wanted}s"}


def test_a_translation_is_english_whatever_was_spoken():
    german = Transcript((FinalUtterance((Word(0, 1, " Good."),), "de"),), 1.0, "de")
    document = json.loads(answer(german, asked("translate", response_format="verbose_json"))[0])
    assert (document["task"], document["language"]) == ("translate", "english")


def test_text_and_subtitles_are_plain():
    assert answer(SPOKEN, asked(response_format="text")) == ("Hello, world. Good-bye!\n", "text/plain; charset=utf-8")
    assert answer(SPOKEN, asked(response_format="srt"))[0].startswith("1\n00:00:00,500 --> ")
    assert answer(SPOKEN, asked(response_format="vtt"))[0].startswith("WEBVTT\n\n00:00:00.500 --> ")


def test_silence_is_an_answer_too():
    for form in ("json", "text", "srt", "verbose_json", "vtt"):
        assert "None" not in answer(Transcript(duration=1.0), asked(response_format=form))[0]
    assert json.loads(answer(Transcript(), asked())[0])["text"] == ""


def test_what_was_lost_is_told_in_every_form():
    holed = Transcript(SPOKEN.utterances, 9.0, "en", ((4.0, 8.5),))
    assert json.loads(answer(holed, asked())[0])["lost"] == [{"start": 4.0, "end": 8.5}]
    assert Deltas(asked()).done(holed)["lost"] == [{"start": 4.0, "end": 8.5}]
    assert lost_header(holed) == {"X-Reswhis-Lost": "4.000-8.500"}
    assert lost_header(SPOKEN) == {}


@settings(max_examples=30)
@given(
    st.lists(st.lists(st.sampled_from([" a", " b ", "c", "。", " ", "\n"]), min_size=1), max_size=6),
    st.sampled_from(["en", "zh"]),
)
def test_deltas_join_to_the_text_that_the_stream_ends_with(said, language):
    utterances = [FinalUtterance(tuple(Word(0, 1, text) for text in words), language) for words in said]
    deltas = Deltas(asked())
    joined = "".join(deltas.said(utterance)["delta"] for utterance in utterances)
    transcript = Transcript(tuple(utterances), 1.0, language)
    assert deltas.done(transcript)["text"] == joined
    assert joined == transcript.text


def test_probabilities_are_told_where_they_are_asked_for():
    request = asked(**{"include[]": "logprobs"})
    (first, *_), deltas = json.loads(answer(SPOKEN, request)[0])["logprobs"], Deltas(request)
    assert first == {"token": " Hello,", "bytes": list(b" Hello,"), "logprob": -0.6931}
    assert len(deltas.said(SPOKEN.utterances[0])["logprobs"]) == 2
    assert len(deltas.done(SPOKEN)["logprobs"]) == 3


# A real server.


@pytest.fixture(scope="module")
def server(start):
    limits = ("--max-upload-bytes", "400000", "--max-sessions", "3", "--idle-timeout-s", "1", "--idle-flush-s", "0.5")
    return start("--backend", "fake", "--allowed-models", SLOW, "--api-key", "sesame", *limits).ready()


@pytest.fixture
def client(server):
    with httpx.Client(base_url=server.url, headers=KEY, timeout=LIMIT_S) as client:
        yield client


def send(client, content=None, path=PATH, headers=None, **fields):
    content = RECORDING.read_bytes() if content is None else content
    form = {"model": "whisper-1"} | {name.replace("__", "[]"): text for name, text in fields.items()}
    return client.post(path, files={"file": ("talk.flac", content)}, data=form, headers=headers)


def problem(response, status):
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"} and error["message"]
    return error["code"]


def with_pauses(*starts):
    """The recording again and again, from these seconds on."""
    audio, _ = soundfile.read(RECORDING, dtype="int16")
    whole = np.zeros(starts[-1] * SAMPLE_RATE + len(audio), np.int16)
    for start in starts:
        whole[start * SAMPLE_RATE :][: len(audio)] = audio
    file = io.BytesIO()
    soundfile.write(file, whole, SAMPLE_RATE, format="FLAC")
    return file.getvalue()


def gauge(client, name):
    return float(
        next(line for line in client.get("/metrics").text.splitlines() if line.startswith(name + " ")).split()[1]
    )


def wait_until(condition):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def test_a_file_becomes_text_in_each_form(client):
    assert send(client).json() == {"text": "w0 w1 w2", "usage": {"type": "duration", "seconds": 3}}
    assert send(client, response_format="text").text == "w0 w1 w2\n"
    assert send(client, response_format="srt").text.splitlines()[2] == "w0 w1 w2"
    assert send(client, response_format="vtt").text.startswith("WEBVTT\n\n")
    verbose = send(client, response_format="verbose_json", timestamp_granularities__=["word", "segment"]).json()
    assert [word["word"] for word in verbose["words"]] == WORDS and len(verbose["segments"]) == 1
    assert send(client, path="/v1/audio/translations").json()["text"] == "w0 w1 w2"


def test_a_stream_says_each_utterance_when_it_is_known(client):
    with client.stream(
        "POST", PATH, files={"file": ("a.flac", with_pauses(0, 7))}, data={"model": "whisper-1", "stream": "true"}
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in response.iter_lines() if line]
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    *deltas, done = events
    assert [event["type"] for event in deltas] == ["transcript.text.delta"] * 2
    assert done["type"] == "transcript.text.done"
    assert "".join(event["delta"] for event in deltas) == done["text"] == "w0 w1 w2 w7 w8 w9"


def test_models_are_listed_and_described(client):
    names = [model["id"] for model in client.get("/v1/models").json()["data"]]
    assert names == ["fake:0", "whisper-1", SLOW]
    shown = client.get("/v1/models/whisper-1").json()
    assert shown["object"] == "model" and isinstance(shown["created"], int) and shown["owned_by"]
    assert problem(client.get("/v1/models/no/such"), 404) == "model_not_found"


def test_a_foreign_page_is_refused_on_every_path(client):
    foreign = {"Origin": "https://evil.example"}
    for refused_page in (send(client, headers=foreign), *[client.get(path, headers=foreign) for path in MODELS]):
        assert problem(refused_page, 403) == "foreign_origin"


def test_a_page_of_this_machine_may_ask_before_it_sends(client):
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-stainless-os"}
    allowed = client.options(PATH, headers={"Origin": "http://localhost:3000", **asks})
    assert allowed.status_code == 200 and "POST" in allowed.headers["access-control-allow-methods"]
    assert client.options(PATH, headers={"Origin": "https://evil.example", **asks}).status_code == 400


def test_wrong_requests_are_answered_in_openais_words(client):
    assert problem(send(client, b"no audio at all\n" * 9), 400) == "invalid_audio"
    assert problem(send(client, b""), 400) == "invalid_audio"
    assert problem(send(client, b"no audio", stream="true"), 400) == "invalid_audio"
    assert problem(send(client, model="nope"), 404) == "model_not_found"
    assert problem(send(client, response_format="xml"), 400) == "invalid_value"
    assert problem(client.post(PATH, data={"model": "whisper-1"}), 400) == "invalid_content_type"
    no_file = {"model": (None, "whisper-1")}
    assert problem(client.post(PATH, files=no_file), 400) == "missing_required_parameter"
    headers = {"Content-Type": "multipart/form-data"}
    assert problem(client.post(PATH, content=b"x", headers=headers), 400) == "invalid_form"
    assert problem(client.get(PATH), 405) == "method_not_allowed"
    assert problem(client.post("/v1/audio/speech"), 404) == "not_found"


def test_a_form_has_so_many_fields_at_most(client):
    many = {f"f{number}": (None, "x") for number in range(100)}
    assert problem(client.post(PATH, files=many), 400) == "invalid_form"


def raw(server, *lines, body=b""):
    address = urlsplit(server.url)
    connection = socket.create_connection((address.hostname, address.port), LIMIT_S)
    head = ["POST /v1/audio/transcriptions HTTP/1.1", "Host: x", "Authorization: Bearer sesame", *lines, "", ""]
    connection.sendall("\r\n".join(head).encode() + body)
    return connection


def test_who_leaves_takes_its_window_out_of_the_queue(server, client):
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(send, client, model=SLOW)
        wait_until(
            lambda: gauge(client, "reswhis_clients") == 1 and gauge(client, 'reswhis_queue_seconds_count{kind="final"}')
        )
        boundary = b"--x\r\nContent-Disposition: form-data; name="
        fields = boundary + b'"model"\r\n\r\n' + SLOW.encode() + b"\r\n"
        body = fields + boundary + b'"file"; filename="a"\r\n\r\n' + RECORDING.read_bytes() + b"\r\n--x--\r\n"
        length = f"Content-Length: {len(body)}"
        second = raw(server, "Content-Type: multipart/form-data; boundary=x", length, body=body)
        wait_until(lambda: gauge(client, "reswhis_windows_waiting") == 1)
        second.close()
        wait_until(lambda: gauge(client, "reswhis_windows_waiting") == 0)
        wait_until(lambda: gauge(client, "reswhis_clients") == 1)
        assert not first.done()
        assert first.result().json()["text"] == "w0 w1 w2"


PARTS = [
    *[b"--x", b"--", b"\r\n", b"\r\n\r\n", b'Content-Disposition: form-data; name="', b'"', b"; filename=", b"\xff"],
    *[b"file", b"model", b"whisper-1", b"stream", b"true", b"fLaC", b"RIFF\xff\xff\xff\xffWAVEfmt ", b"\x00"],
]


FORMS = [
    *[f"multipart/form-data{more}" for more in ("; boundary=x", "; boundary=", '; boundary="', "; charset=none", "")],
    *["application/json", "x", ""],
]
NAMES = st.sampled_from(
    ["model", "language", "languages[]", "prompt", "response_format", "temperature", "timestamp_granularities[]",
     "stream", "include[]", "chunking_strategy", "chunking_strategy[threshold]", "hotwords", "file", "x\r\n"]
)  # fmt: skip
VALUES = st.sampled_from(
    [
        "whisper-1",
        "en",
        "verbose_json",
        "srt",
        "true",
        "word",
        "logprobs",
        "auto",
        "0.5",
        "nan",
        "1e999",
        "\0",
        "x" * 70_000,
    ]
)
FILES = (
    st.sampled_from([b"", b"no audio", b"RIFF\xff\xff\xff\xffWAVEfmt ", RECORDING.read_bytes()[:9000]]) | st.binary()
)
RANDOMLY = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=30, **RANDOMLY)
@given(
    st.binary(max_size=2000) | st.lists(st.sampled_from(PARTS), max_size=60).map(b"".join),
    st.just(FORMS[0]) | st.sampled_from(FORMS),
)
def test_whatever_is_sent_gets_an_answer_and_no_traceback(server, client, body, form):
    problem(client.post(PATH, content=body, headers={"Content-Type": form}), 400)
    assert "Traceback" not in server.text


@settings(max_examples=30, **RANDOMLY)
@given(
    st.sampled_from([PATH, "/v1/audio/translations"]),
    st.dictionaries(NAMES, st.lists(VALUES | st.text(max_size=8), min_size=1, max_size=2), max_size=4),
    st.tuples(st.text(max_size=8), FILES, st.sampled_from(["audio/x-wav", "text/html", "x"])),
)
def test_whatever_is_asked_for_is_done_or_refused_in_openais_words(server, client, path, fields, file):
    response = client.post(path, data={"model": "whisper-1"} | fields, files={"file": file})
    if response.status_code != 200:
        assert problem(response, response.status_code) and response.status_code in {400, 404}
    assert "Traceback" not in server.text and " ERROR " not in server.text


def test_after_all_that_the_next_client_is_served(server, client):
    assert send(client).json()["text"] == "w0 w1 w2"
    assert gauge(client, "reswhis_clients") == 0
    assert "Traceback" not in server.text


def test_a_server_that_stops_before_a_file_is_done_says_so(start):
    server = start("--backend", "fake", "--model", SLOW, "--drain-timeout-s", "0.1").ready()
    with httpx.Client(base_url=server.url, timeout=LIMIT_S) as client, ThreadPoolExecutor(1) as pool:
        sent = pool.submit(send, client)
        wait_until(lambda: gauge(client, "reswhis_clients") == 1)
        server.interrupt()
        assert problem(sent.result(), 503) == "overloaded"
    assert server.wait() == 0
    assert "Traceback" not in server.text
