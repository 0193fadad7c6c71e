import pickle

import numpy as np
import pytest

from reswhis.backends.base import BackendConfig
from reswhis.backends.fake import FakeBackend
from reswhis.backends.selection import choose
from reswhis.backends.speech_filter import Filtered, MakeFiltered, Speech
from reswhis.core.guard import is_silent
from reswhis.core.types import DecodeOptions, Window, join, samples

OPTIONS = DecodeOptions(language="en", encoder_context="dynamic")


def noise(duration_s):
    return np.random.default_rng(0).normal(0, 10, samples(duration_s)).astype(np.int16)


@pytest.fixture
def spaced(recordings):
    """Two recordings with long silences around them, and where each begins."""
    first, second = recordings[8].audio, recordings[10].audio
    audio = np.concatenate((noise(4), first, noise(5), second, noise(3)))
    return audio, (4.0, 4 + len(first) / 16_000 + 5)


def test_words_are_where_they_were_said(micro, spaced):
    audio, (first, second) = spaced
    config = BackendConfig(model=str(micro), device="cpu", workers=1, vad_filter=True)
    choice = choose(config, lambda message, progress: None)
    backend = pickle.loads(pickle.dumps(choice.make))(0)
    (heard,) = backend.transcribe([Window(0, 0, audio, OPTIONS)])
    backend.close()
    words = heard.words
    assert join(words).startswith("And till he could find")
    assert abs(words[0].start - first) < 0.3
    late = [word for word in words if word.start > first + 5]
    assert late and abs(late[0].start - second) < 0.3 and late[-1].end < second + 4
    assert (heard.segments[0].start, heard.segments[-1].end) == (words[0].start, words[-1].end)


def test_without_the_filter_there_is_none(micro):
    choice = choose(BackendConfig(model=str(micro), device="cpu", workers=1), lambda message, progress: None)
    assert not isinstance(choice.make, MakeFiltered)


def test_a_window_without_speech_does_not_reach_the_recogniser_and_is_said_to_be_silent(recordings):
    inner = FakeBackend()
    backend = Filtered(inner)
    silent, spoken, empty = backend.transcribe(
        [Window(0, 0, noise(2)), Window(1, 0, recordings[0].audio), Window(2, 0, noise(0))]
    )
    assert inner.batches == [1]
    assert is_silent(silent) and is_silent(empty) and spoken.words
    backend.close()
    assert inner.closed


def test_a_word_is_put_into_the_stretch_that_holds_its_middle():
    speech = Speech(((samples(1), samples(2)), (samples(10), samples(12))))
    assert speech.original(0.2, 0.4) == (1.2, 1.4)
    assert speech.original(0.9, 1.2) == (10, pytest.approx(10.2))
    assert speech.original(0.7, 1.1) == (pytest.approx(1.7), 2)
    assert speech.original(2.5, 3.0) == (11.5, 12)
    audio = np.arange(samples(13)).astype(np.int16)
    assert len(speech.cut(audio)) == samples(3)
