"""OpenAI's own client against a real server: files in five forms, streams, errors, models; and an hour of sound."""

import asyncio
import io
import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
from jiwer import wer

from reswhis.core.types import SAMPLE_RATE

from native_client import connect, play

openai = pytest.importorskip("openai", reason="needs `uv sync --group conformance`")
pytestmark = pytest.mark.conformance

RECORDING = Path(__file__).parents[1] / "recordings" / "flite-013.flac"
LIMIT_S = 60
HOUR_S = 3600


def client_of(server, key="sesame", kind=openai.OpenAI):
    return kind(base_url=f"{server.url}/v1", api_key=key, max_retries=0, timeout=LIMIT_S)


@pytest.fixture(scope="module")
def server(start):
    limits = ("--max-upload-bytes", "30000000", "--max-sessions", "4")
    return start("--backend", "fake", "--api-key", "sesame", "--allowed-models", "0.01", *limits).ready()


@pytest.fixture
def client(server):
    with client_of(server) as client:
        yield client


@pytest.fixture(scope="module")
def whisper(start, micro):
    return start("--model-dir", str(micro), "--language", "en").ready()


def transcribe(client, file=RECORDING, **asked):
    return client.audio.transcriptions.create(file=file, **({"model": "whisper-1"} | asked))


def test_the_five_forms(client):
    text = "w0 w1 w2"
    assert transcribe(client).text == text
    assert transcribe(client, response_format="json").usage.seconds == 3
    assert transcribe(client, response_format="text") == f"{text}\n"
    assert f"\n{text}\n" in transcribe(client, response_format="srt")
    assert transcribe(client, response_format="vtt").startswith("WEBVTT\n\n00:00:00.000 --> ")
    verbose = transcribe(client, response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert (verbose.text, verbose.language, verbose.duration) == (text, "english", pytest.approx(2.6, abs=0.01))
    assert [word.word for word in verbose.words] == text.split()
    assert all(before.end <= after.start for before, after in zip(verbose.words, verbose.words[1:], strict=False))
    (segment,) = verbose.segments
    assert type(segment).model_validate(segment.model_dump()).text == f" {text}"


def test_a_stream_whose_deltas_join(client):
    *deltas, done = transcribe(client, stream=True, include=["logprobs"])
    assert {event.type for event in deltas} == {"transcript.text.delta"} and deltas[0].logprobs
    assert done.type == "transcript.text.done"
    assert "".join(event.delta for event in deltas) == done.text == "w0 w1 w2"


def test_the_asynchronous_client(server):
    async def run():
        async with client_of(server, kind=openai.AsyncOpenAI) as client:
            whole, stream = await asyncio.gather(transcribe(client), transcribe(client, stream=True))
            return whole.text, [event async for event in stream][-1].text

    assert asyncio.run(run()) == ("w0 w1 w2", "w0 w1 w2")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_translations(client):
    assert client.audio.translations.create(file=RECORDING, model="whisper-1").text == "w0 w1 w2"
    verbose = client.audio.translations.create(file=RECORDING, model="whisper-1", response_format="verbose_json")
    assert verbose.language == "english" and verbose.segments


def test_models(client):
    assert {model.id for model in client.models.list()} == {"fake:0", "whisper-1", "0.01"}
    assert client.models.retrieve("whisper-1").object == "model"
    assert transcribe(client, model="0.01").text == "w0 w1 w2"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("org/no-such-model")


def test_errors_are_the_exceptions_that_programs_expect(server, client):
    with pytest.raises(openai.NotFoundError) as missing:
        transcribe(client, model="nope")
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as wrong:
        transcribe(client, language="klingon")
    assert wrong.value.param == "language" and "klingon" in wrong.value.message
    with pytest.raises(openai.BadRequestError, match="is not audio"):
        transcribe(client, file=("a.mp3", b"no sound" * 100))
    with pytest.raises(openai.BadRequestError, match="is not audio"):
        transcribe(client, file=("a.mp3", b"no sound" * 100), stream=True)
    with pytest.raises(openai.APIStatusError, match="too large") as large:
        transcribe(client, file=("a.wav", bytes(40_000_000)))
    assert large.value.status_code == 413
    with pytest.raises(openai.AuthenticationError):
        transcribe(client_of(server, key="wrong"))
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="whisper-1", messages=[{"role": "user", "content": "hello"}])


def test_a_server_whose_recogniser_fails_says_so_and_is_not_asked_again(start):
    broken = start("--backend", "fake", "--model", "fail:1").ready()
    with openai.OpenAI(base_url=f"{broken.url}/v1", api_key="x", timeout=LIMIT_S) as client:
        with pytest.raises(openai.InternalServerError, match="recogniser failed"):
            transcribe(client)
        with pytest.raises(openai.APIError, match="recogniser failed"):
            list(transcribe(client, stream=True))


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg: apt install ffmpeg")
def test_every_container_is_heard_alike(whisper, recordings, tmp_path):
    soundfile.write(tmp_path / "a.wav", recordings[0].audio, SAMPLE_RATE)
    opus = ("-c:a", "libopus")
    names = {"flac": (), "mp3": (), "m4a": (), "mp4": (), "mpeg": (), "mpga": ("-f", "mp3"), "ogg": opus, "webm": opus}
    for name, codec in names.items():
        command = ["ffmpeg", "-loglevel", "error", "-i", "a.wav", "-ar", "48000", *codec, f"a.{name}"]
        subprocess.run(command, check=True, cwd=tmp_path)
    with client_of(whisper) as client:
        texts = {path.suffix: transcribe(client, file=path).text for path in sorted(tmp_path.iterdir())}
    wrong = {name: wer(recordings[0].text.lower(), text.lower()) for name, text in texts.items()}
    assert len(wrong) == 9 and max(wrong.values()) <= wrong[".wav"] + 0.15


def test_live_words_come_as_well_from_another_server_of_this_kind(start, whisper, recordings):
    """A server whose recogniser is a server: the whole API as a client of ours uses it."""
    url = {"OPENAI_BASE_URL": f"{whisper.url}/v1"}
    chained = start("--backend", "openai-whisper", "--language", "en", env=url).ready()
    recording = recordings[0]

    async def hear(server):
        async with connect(server.ws) as client:
            await client.socket.send(recording.audio.tobytes())
            await client.socket.send(b"")
            await client.rest()
            return client.text

    behind, alone = play(hear(chained)), play(hear(whisper))
    assert wer(recording.text.lower(), behind.lower()) <= wer(recording.text.lower(), alone.lower()) + 0.15
    assert "Traceback" not in chained.text + whisper.text


def test_an_hour_takes_no_more_memory_than_a_minute(server, client, recordings):
    """Speech in each half minute, and between them what is nearly silence."""
    audio = recordings[0].audio
    minute = np.random.default_rng(0).integers(-30, 30, 60 * SAMPLE_RATE).astype(np.int16)
    for start in (0, 30 * SAMPLE_RATE):
        minute[start : start + len(audio)] = audio
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", SAMPLE_RATE, 1, format="OGG", subtype="VORBIS") as sound:
        for _ in range(HOUR_S // 60):
            sound.write(minute)
    short = io.BytesIO()
    soundfile.write(short, minute, SAMPLE_RATE, format="OGG", subtype="VORBIS")
    process = psutil.Process(server.process.pid)
    transcribe(client, file=("minute.ogg", short.getvalue()))
    before, most, over = process.memory_info().rss, 0, threading.Event()

    def watch():
        nonlocal most
        while not over.wait(0.05):
            most = max(most, process.memory_info().rss)

    watching = threading.Thread(target=watch)
    watching.start()
    verbose = transcribe(client, file=("hour.ogg", file.getvalue()), response_format="verbose_json")
    over.set()
    watching.join()
    print(f"{len(file.getvalue()) / 1e6:.1f} MB, {(most - before) / 1e6:.1f} MB more memory")
    assert verbose.duration == pytest.approx(HOUR_S, abs=1)
    assert len(verbose.segments) >= 100
    assert most - before < 30_000_000  # decoded at once it would be 115 to 230 MB
