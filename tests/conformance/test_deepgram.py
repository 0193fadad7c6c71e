"""Deepgram's own client and pipecat's service for it, pointed at a real server."""

import asyncio
import re
import subprocess
import sys
import threading

import httpx
import numpy as np
import pytest
import soundfile
from docs.snippets import snippets
from docs.test_clients import chromium, visit

from native_client import play

pytest.importorskip("deepgram", reason="deepgram-sdk is not here: uv sync --group conformance")

from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core import ApiError
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v1.types import (
    ListenV1ConfigureSuccess,
    ListenV1Metadata,
    ListenV1Results,
    ListenV1SpeechStarted,
    ListenV1UtteranceEnd,
)
from deepgram.listen.v1.types.listen_v1configure import ListenV1Configure

pytestmark = pytest.mark.conformance

LIMIT_S = 30
RAW = {"model": "nova-3", "encoding": "linear16", "sample_rate": 16_000}
PIECE = 3200


@pytest.fixture(scope="module")
def server(start, micro):
    return start("--model", micro, "--api-key", "sesame").ready()


@pytest.fixture(scope="module")
def speech(recordings):
    """Something said, a pause, and the same again."""
    audio = next(each for each in recordings if each.name == "flite-013.flac").audio
    return np.concatenate([np.zeros(8000, np.int16), audio, np.zeros(32_000, np.int16), audio]).tobytes()


@pytest.fixture(scope="module")
def words(recordings):
    text = next(each for each in recordings if each.name == "flite-013.flac").text
    return _plain(text)


def _plain(text):
    return [word.strip(".,;!?").lower() for word in text.split()]


def client(kind, server, key="sesame", **access):
    http, ws = server.url, server.url.replace("http", "ws")
    environment = DeepgramClientEnvironment(base=http, production=ws, agent=ws, agent_rest=http)
    return kind(**(access or {"api_key": key}), environment=environment)


def text_of(messages):
    finals = [m for m in messages if isinstance(m, ListenV1Results) and m.is_final]
    return " ".join(filter(None, (m.channel.alternatives[0].transcript for m in finals)))


def require_a_good_stream(messages, words):
    assert isinstance(messages[-1], ListenV1Metadata)
    results = [message for message in messages if isinstance(message, ListenV1Results)]
    heard = [word for message in results if message.is_final for word in message.channel.alternatives[0].words]
    times = [time for word in heard for time in (word.start, word.end)]
    assert times == sorted(times)
    assert all(0 <= word.confidence <= 1 for word in heard)
    said = _plain(text_of(messages))
    assert len(said) == pytest.approx(2 * len(words), abs=2)
    assert len(set(said) & set(words)) >= 0.7 * len(set(words))
    ends, starts = [m.start + m.duration for m in results if m.is_final], [m.start for m in results if m.is_final]
    assert starts == pytest.approx([0.0, *ends][:-1], abs=0.002)


def test_the_asynchronous_client_hears_all_kinds_of_messages(server, speech, words):
    async def scenario():
        messages, over, events = [], asyncio.Event(), []
        finalized = asyncio.Event()

        def heard(message):
            messages.append(message)
            if isinstance(message, ListenV1Results) and message.from_finalize:
                finalized.set()

        asked = RAW | {
            "interim_results": "true", "vad_events": "true", "utterance_end_ms": "1000", "endpointing": 300,
            "language": "en-US", "smart_format": "true", "punctuate": True, "diarize": False, "keyterm": ["reswhis"],
        }  # fmt: skip
        async with client(AsyncDeepgramClient, server).listen.v1.connect(**asked) as connection:
            connection.on(EventType.MESSAGE, heard)
            connection.on(EventType.CLOSE, lambda _: over.set())
            connection.on(EventType.ERROR, events.append)
            listening = asyncio.create_task(connection.start_listening())
            await connection.send_keep_alive()
            for start in range(0, len(speech), PIECE):
                await connection.send_media(speech[start : start + PIECE])
                await asyncio.sleep(0.02)
            await connection.send_finalize()
            await asyncio.wait_for(finalized.wait(), LIMIT_S)
            await connection.send_configure(ListenV1Configure(keyterms=["Zaphod"]))
            await connection.send_close_stream()
            await asyncio.wait_for(over.wait(), LIMIT_S)
            await listening
            return messages, events, connection._websocket.close_code

    messages, errors, code = play(scenario())
    assert (errors, code) == ([], 1000)
    require_a_good_stream(messages, words)
    kinds = [type(message) for message in messages]
    assert kinds.count(ListenV1SpeechStarted) == 2
    assert ListenV1UtteranceEnd in kinds and ListenV1ConfigureSuccess in kinds
    results = [message for message in messages if isinstance(message, ListenV1Results)]
    assert any(not message.is_final for message in results)
    assert sum(message.speech_final for message in results) == 2
    (finalized,) = [message for message in results if message.from_finalize]
    assert finalized.channel.alternatives[0].transcript and finalized.speech_final
    assert messages[-1].duration == pytest.approx(len(speech) / 32_000, abs=0.001)


def test_the_synchronous_client_writes_everything_before_it_reads(server, speech, words):
    messages = []
    with client(DeepgramClient, server).listen.v1.connect(**RAW) as connection:
        connection.on(EventType.MESSAGE, messages.append)
        listening = threading.Thread(target=connection.start_listening)
        for start in range(0, len(speech), PIECE):
            connection.send_media(speech[start : start + PIECE])
        connection.send_close_stream()
        listening.start()
        listening.join(LIMIT_S)
        assert connection._websocket.protocol.close_code == 1000
    require_a_good_stream(messages, words)
    assert all(message.is_final for message in messages[:-1])


def test_finalize_is_answered_every_time(server, speech):
    with client(DeepgramClient, server).listen.v1.connect(**RAW) as connection:
        answers = []
        for piece in (b"", speech[: 2 * 48_000], bytes(32_000)):
            if piece:
                connection.send_media(piece)
            connection.send_finalize()
            while not (message := connection.recv()).from_finalize:
                pass
            answers.append(message.channel.alternatives[0].transcript)
        connection.send_close_stream()
        assert isinstance(list(connection)[-1], ListenV1Metadata)
    assert not answers[0] and answers[1] and not answers[2]


def test_a_file_that_says_itself_what_it_is(server, speech, words, tmp_path):
    path = tmp_path / "speech.flac"
    soundfile.write(path, np.frombuffer(speech, np.int16), 16_000)
    data = path.read_bytes()
    with client(DeepgramClient, server).listen.v1.connect(model="nova-3") as connection:
        for start in range(0, len(data), 10_000):
            connection.send_media(data[start : start + 10_000])
        connection.send_close_stream()
        messages = list(connection)
    require_a_good_stream(messages, words)


@pytest.mark.parametrize(("key", "asked", "status"), [("wrong", RAW, 401), ("sesame", RAW | {"encoding": "g729"}, 400)])
def test_a_wrong_key_and_a_wrong_question_are_refused_with_a_status(server, key, asked, status):
    async def scenario():
        async with client(AsyncDeepgramClient, server, key).listen.v1.connect(**asked):
            pass

    with pytest.raises(ApiError) as refused:
        play(scenario())
    assert refused.value.status_code == status


def test_an_access_token_is_a_key(server):
    with client(DeepgramClient, server, access_token="sesame").listen.v1.connect(**RAW) as connection:
        connection.send_close_stream()
        assert isinstance(connection.recv(), ListenV1Metadata)


def test_pipecat_hears_an_utterance_over_one_connection(server, speech, words):
    pytest.importorskip("pipecat.services.deepgram.stt", reason="pipecat-ai is not here")
    from pipecat.frames.frames import (
        ErrorFrame,
        InputAudioRawFrame,
        InterimTranscriptionFrame,
        TranscriptionFrame,
        VADUserStartedSpeakingFrame,
        VADUserStoppedSpeakingFrame,
    )
    from pipecat.pipeline.task import PipelineParams
    from pipecat.services.deepgram.stt import DeepgramSTTService
    from pipecat.tests.utils import SleepFrame, run_test

    said = speech[-2 * 41_600 :]  # the second time, with no pause behind it
    frames = [InputAudioRawFrame(said[at : at + 640], 16_000, 1) for at in range(0, len(said) - 639, 640)]

    def sessions():
        metrics = httpx.get(f"{server.url}/metrics", headers={"Authorization": "Token sesame"}).text
        return float(re.search(r"^reswhis_sessions_begun_total (\S+)", metrics, re.MULTILINE)[1])

    async def scenario():
        service = DeepgramSTTService(api_key="sesame", base_url=server.url.replace("http", "ws"))
        sent = [SleepFrame(1), VADUserStartedSpeakingFrame(), *frames, SleepFrame(0.5), VADUserStoppedSpeakingFrame()]
        down, up = await run_test(
            service,
            frames_to_send=[*sent, SleepFrame(3)],
            pipeline_params=PipelineParams(audio_in_sample_rate=16_000),
            start_timeout=5,
        )
        return [*down, *up]

    before = sessions()
    heard = play(scenario())
    assert not [frame for frame in heard if isinstance(frame, ErrorFrame)]
    finals = [frame for frame in heard if isinstance(frame, TranscriptionFrame)]
    assert any(isinstance(frame, InterimTranscriptionFrame) for frame in heard)
    assert len(set(_plain(" ".join(frame.text for frame in finals))) & set(words)) >= 0.7 * len(set(words))
    assert finals[-1].finalized
    assert sessions() == before + 1


# The examples of docs/clients.md.


@pytest.fixture(scope="module")
def fake(start):
    return start("--backend", "fake").ready()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, speech):
    """Where they find what they name."""
    folder = tmp_path_factory.mktemp("examples")
    soundfile.write(folder / "recording.wav", np.frombuffer(speech[-2 * 41_600 :], np.int16), 16_000)
    return folder


def example(language, mark, server):
    (found,) = [each for each in snippets("docs/clients.md") if each.language == language and mark in each.text]
    return found.text.replace("localhost:8000", server.url.removeprefix("http://"))


def test_the_example_in_python_runs(fake, folder):
    (folder / "example.py").write_text(example("python", "from deepgram", fake), "utf-8")
    ran = subprocess.run(
        [sys.executable, "example.py"], cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert ran.stdout.split() == ["w0", "w1", "w2"], ran.stderr


@pytest.mark.skipif(chromium() is None, reason="chromium is not installed")
def test_the_page_sends_what_the_browser_s_recorder_gives(fake, folder):
    text, _ = visit(example("html", "MediaRecorder", fake), folder)
    words = [int(word.removeprefix("w")) for word in text.split()]
    assert len(words) > 1 and words == sorted(set(words))
