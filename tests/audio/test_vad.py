"""Silero VAD from the installed package, frame by frame: real model, recordings, silence and noise."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from reswhis.audio.vad import FRAMES_AT_ONCE, SileroVAD
from reswhis.core.endpointing import FRAME

RECORDINGS = Path(__file__).parents[1] / "recordings"
REFERENCES = [json.loads(line) for line in (RECORDINGS / "references.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def vad():
    return SileroVAD()


@pytest.fixture(scope="module")
def talk():
    """Three recordings one after the other: longer than what the model is given at once."""
    audio = np.concatenate([recording(reference) for reference in REFERENCES[:3]])
    assert len(audio) > 2 * FRAMES_AT_ONCE * FRAME
    return audio


def white_noise(loudness):
    """``loudness``: its RMS, of 32768."""
    noise = np.random.default_rng(loudness).standard_normal(16000 * 8) * loudness
    return noise.clip(-32768, 32767).astype(np.int16)


def recording(reference):
    audio, rate = soundfile.read(RECORDINGS / reference["file"], dtype="int16")
    assert rate == 16000
    return audio


@settings(max_examples=25, deadline=None)
@given(places=st.lists(st.floats(0, 1), max_size=40))
def test_any_split_gives_the_same_probabilities(vad, talk, places):
    stream = vad.stream()

    split = [
        score for part in np.split(talk, sorted(round(p * len(talk)) for p in places)) for score in stream.score(part)
    ]

    assert split == pytest.approx(vad.stream().score(talk), abs=1e-4)


def test_a_frame_is_scored_as_soon_as_it_is_complete(vad, talk):
    stream = vad.stream()

    counts = [len(stream.score(talk[begin:end])) for begin, end in [(0, 511), (511, 512), (512, 512), (512, 2048)]]

    assert counts == [0, 1, 0, 3]


def test_the_probabilities_are_those_of_faster_whisper_on_the_whole(vad, talk):
    from faster_whisper.vad import get_vad_model

    whole = talk[: len(talk) // FRAME * FRAME]
    # It silences the end of the last frame that it is given, in place.
    padded = np.concatenate((whole, np.zeros(FRAME, np.int16))).astype(np.float32) / 32768

    assert vad.stream().score(talk) == pytest.approx(get_vad_model()(padded).ravel()[:-1], abs=1e-4)


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda reference: reference["file"])
def test_most_frames_within_words_are_speech(vad, reference):
    probabilities = vad.stream().score(recording(reference))

    voiced = [
        probability
        for frame, probability in enumerate(probabilities)
        if any(word["start"] <= frame * FRAME / 16000 < word["end"] - FRAME / 16000 for word in reference["words"])
    ]

    assert len(voiced) > 50
    assert np.mean(np.array(voiced) > 0.5) > 0.8


@pytest.mark.parametrize("loudness", [0, 1, 10, 100, 1000, 3000])
def test_silence_and_white_noise_are_not_speech(vad, loudness):
    assert max(vad.stream().score(white_noise(loudness))) < 0.5


@pytest.mark.parametrize("loudness", [10000, 32768])
def test_deafening_noise_is_taken_for_speech_at_most_for_single_frames(vad, loudness):
    speech = np.array(vad.stream().score(white_noise(loudness))) >= 0.5

    assert speech.mean() < 0.01
    assert not (speech[1:] & speech[:-1]).any()


def test_silence_after_speech_is_soon_not_speech(vad, talk):
    stream = vad.stream()
    stream.score(talk)

    assert max(stream.score(np.zeros(16000, np.int16))[8:]) < 0.35


def test_streams_in_many_threads_do_not_disturb_each_other(vad):
    recordings = [recording(reference) for reference in REFERENCES[:6]]

    def in_pieces(audio):
        stream = vad.stream()
        return [score for part in np.array_split(audio, 20) for score in stream.score(part)]

    with ThreadPoolExecutor(len(recordings)) as threads:
        together = list(threads.map(in_pieces, recordings))

    for scores, audio in zip(together, recordings, strict=True):
        assert scores == pytest.approx(vad.stream().score(audio), abs=1e-4)
