"""A real, small Whisper network behind a real server, and behind a session alone."""

import numpy as np
import psutil
import pytest

from reswhis.audio.vad import SileroVAD
from reswhis.backends.base import BackendConfig
from reswhis.backends.selection import choose
from reswhis.core.alignment import key
from reswhis.core.events import Committed
from reswhis.core.online import OnlineASRProcessor, StreamOptions
from reswhis.core.types import SAMPLE_RATE, DecodeOptions, Window

from native_client import connect, play

OPTIONS = DecodeOptions(language="en", encoder_context="dynamic")  # whisper-micro is trained for it, and it is quick
STREAMS, SEED = 24, 0
NOISE = np.random.default_rng(0).normal(0, 1000, 60 * SAMPLE_RATE).astype(np.int16)


@pytest.fixture(scope="module")
def backend(micro):
    backend = choose(BackendConfig("faster-whisper", str(micro), cpu_threads=2), lambda message, progress: None).make(0)
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def server(start, micro):
    return start("--backend", "faster-whisper", "--model", str(micro), "--language", "en", "--workers", "1").ready()


def live(audio, backend, vad):
    """Through a session, 0.1 s at a time, as if decoding took no time."""
    session, ear, said = OnlineASRProcessor(options=StreamOptions(OPTIONS)), vad.stream(), []

    def decode():
        while (window := session.next_window()) is not None:
            session.receive_hypothesis(window, backend.transcribe([window])[0])
        said.extend(word for event in session.events() if isinstance(event, Committed) for word in event.words)

    for start in range(0, len(audio), 1600):
        session.receive_audio(audio[start : start + 1600])
        session.receive_speech(ear.score(audio[start : start + 1600]))
        decode()
    session.receive_end()
    decode()
    return [key(word) for word in said]


def test_a_stream_that_is_cut_off_ends_with_the_word_that_decoding_it_whole_ends_with(backend, recordings):
    random, vad = np.random.default_rng(SEED), SileroVAD()
    different = []
    for _ in range(STREAMS):
        name, audio, *_ = recordings[random.integers(len(recordings))]
        cut = audio[: random.integers(0.3 * SAMPLE_RATE, len(audio) + 1)]
        whole = [key(word) for word in backend.transcribe([Window(0, 0, cut, OPTIONS, is_final=True)])[0].words]
        if (words := live(cut, backend, vad))[-1:] != whole[-1:]:
            different.append((name, len(cut), words, whole))
    # On another processor the network may waver on one that is cut within a word.
    assert len(different) <= 1, different


def test_a_recording_comes_out_in_words_with_times_and_probabilities(server, recordings):
    name, audio, *_ = recordings[0]

    async def scenario():
        async with connect(server.ws) as client:
            await client.say("start")
            await client.stream(audio, frame=1600, pause_s=0.05)
            await client.say("finish")
            _, close = await client.rest()
            return client, close

    client, close = play(scenario())
    words = [word for final in client.of("final") for word in final["words"]]
    assert close == (1000, "finished") and len(words) >= 8
    assert all(0 <= word["prob"] <= 1 for word in words)
    assert all(0 <= word["start_ms"] <= word["end_ms"] <= len(audio) / 16 + 1 for word in words)
    assert client.of("ready")[0]["language"] == "en"


@pytest.mark.parametrize("sound", [np.zeros_like(NOISE), NOISE], ids=["silence", "noise"])
def test_ten_minutes_in_which_nothing_is_said_give_no_text_and_take_no_memory(server, sound):
    process = psutil.Process(server.process.pid)

    async def scenario():
        memory = []
        async with connect(server.ws) as client:
            await client.say("start", diagnostics=True)
            for _ in range(10):
                await client.stream(sound, frame=SAMPLE_RATE)
                await client.say("ping")
                await client.until("pong")
                memory.append(process.memory_info().rss)
            await client.say("finish")
            await client.rest()
            return client, memory

    client, memory = play(scenario())
    assert client.text == "" and not client.of("partial")
    assert client.messages[-1]["audio_ms"] == 600_000
    assert memory[-1] - memory[1] < 10_000_000
