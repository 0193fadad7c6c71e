"""What every backend promises the engine. A new one is a row here."""

import pickle
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import psutil
import pytest

from reswhis.backends.base import Backend, BackendConfig
from reswhis.backends.selection import choose
from reswhis.core.errors import BackendError
from reswhis.core.types import DecodeOptions, Hypothesis, Window, samples, seconds

from openai_stub import openai_stub

ENGLISH = DecodeOptions(language="en", encoder_context="dynamic")


@dataclass(frozen=True)
class Subject:
    backend: Backend
    overhang_s: float = 0.0
    """By how much a word may be longer than the window shows of it."""


def config(name, request):
    match name:
        case "fake":
            return BackendConfig(backend="fake")
        case "pocketsphinx":
            return BackendConfig(backend="pocketsphinx")
        case "openai-whisper":
            pytest.importorskip("openai", reason="needs `uv sync --extra openai-whisper`")
            return BackendConfig(backend="openai-whisper", openai_base_url=request.getfixturevalue("whisper_api").url)
        case "micro_openai":
            pytest.importorskip("whisper_timestamped", reason="needs `uv sync --extra whisper-timestamped`")
            model = request.getfixturevalue(name)
            return BackendConfig(backend="whisper-timestamped", model=str(model), device="cpu", cpu_threads=2)
        case "micro_mlx":
            pytest.importorskip("mlx_whisper", reason="needs `uv sync --extra mlx-whisper`")
            return BackendConfig(backend="mlx-whisper", model=str(request.getfixturevalue(name)), device="cpu")
        case _:
            model = request.getfixturevalue(name)
            return BackendConfig(backend="faster-whisper", model=str(model), device="cpu", cpu_threads=2)


NAMES = ["fake", "micro", "micro_v3", "pocketsphinx", "micro_openai", "micro_mlx", "openai-whisper"]


@pytest.fixture(scope="module")
def whisper_api(micro):
    """A server of OpenAI's API that hears with whisper-micro."""
    own = BackendConfig(backend="faster-whisper", model=str(micro), device="cpu", cpu_threads=2)
    backend = choose(own, lambda message, progress: None).make(0)
    with openai_stub(lambda asked: one(backend, asked)) as stub:
        yield stub
    backend.close()


@pytest.fixture(scope="module", params=NAMES)
def subject(request):
    backend = choose(config(request.param, request), lambda message, progress: None).make(0)
    yield Subject(backend, overhang_s=0.4 if request.param == "fake" else 0.0)
    backend.close()


def window(audio, start_s=0, prompt="", options=ENGLISH):
    return Window(1, samples(start_s), audio, options, prompt)


def one(backend, window):
    (result,) = backend.transcribe([window])
    return result


def snippets(recordings, count):
    """Short, since pocketsphinx takes its time."""
    return [recording.audio[: samples(1.5)] for recording in recordings[:count]]


def test_results_come_in_the_order_of_the_windows_and_do_not_touch_each_other(subject, recordings):
    windows = [window(audio, start_s=10 * n) for n, audio in enumerate(snippets(recordings, 3))]
    together = subject.backend.transcribe(windows)
    assert together == [one(subject.backend, each) for each in windows]
    assert len({result.words for result in together}) == 3


def test_the_same_window_is_heard_the_same_twice(subject, recordings):
    first, second = (window(audio) for audio in snippets(recordings, 2))
    assert one(subject.backend, first) == (one(subject.backend, second), one(subject.backend, first))[1]


@pytest.mark.parametrize("duration_s", [0, 1 / 16_000, 0.02, 0.1])
def test_hardly_any_audio_is_no_error(subject, recordings, duration_s):
    for audio in (recordings[0].audio[: samples(duration_s)], np.zeros(samples(duration_s), np.int16)):
        assert isinstance(one(subject.backend, window(audio)), Hypothesis)


def test_thirty_seconds_are_taken(subject, recordings):
    """Silent but for the last of them: pocketsphinx takes 6 s for as much noise."""
    silence = np.zeros(samples(30), np.int16)
    audio = np.concatenate((silence, recordings[5].audio, silence[: samples(2)]))[-samples(30) :]
    result = one(subject.backend, window(audio))
    assert result.words and result.words[-1].middle > 15


def test_an_error_stands_in_the_place_of_its_window(subject, recordings):
    audio = recordings[0].audio[: samples(1.5)]
    good, bad = window(audio), window(audio, options=DecodeOptions(language="xx"))
    before, error, after = subject.backend.transcribe([good, bad, good])
    assert isinstance(error, BackendError) and before == after == one(subject.backend, good)


def test_language_and_prompt_are_those_of_the_window(subject, recordings):
    audio = recordings[5].audio[: samples(1.5)]
    detected = DecodeOptions(encoder_context="dynamic")
    windows = [window(audio), window(audio, prompt="Hardly a word was said."), window(audio, options=detected)]
    plain, prompted, unknown = subject.backend.transcribe(windows)
    assert plain == one(subject.backend, windows[0])
    assert prompted == one(subject.backend, windows[1])
    assert {plain.language, prompted.language, unknown.language} == {"en"}
    assert unknown.language_probability > 0.5


def test_word_times_rise_and_lie_in_the_window(subject, recordings):
    for recording in recordings[:3]:
        words = one(subject.backend, window(recording.audio)).words
        assert words
        assert all(word.start <= word.end for word in words)
        assert all(a.start <= b.start and a.end <= b.end for a, b in pairwise(words))
        assert words[0].start >= -subject.overhang_s
        assert words[-1].end <= seconds(len(recording.audio)) + subject.overhang_s


def test_probabilities_are_from_0_to_1_and_every_word_brings_its_space(subject, recordings):
    words = [word for audio in snippets(recordings, 3) for word in one(subject.backend, window(audio)).words]
    assert words
    assert all(0 <= word.probability <= 1 for word in words)
    assert all(word.text.startswith(" ") and word.text.strip() for word in words)


def test_windows_that_may_share_a_call_have_equal_keys(subject, recordings):
    some, same = (window(recordings[n].audio[: samples(1.5)], start_s=10 * n) for n in range(2))
    keys = [subject.backend.batch_key(each) for each in (some, same)]
    assert keys[0] == keys[1] and len(set(keys)) == 1
    assert subject.backend.max_batch >= 1


@pytest.mark.parametrize("name", NAMES)
def test_a_pickled_factory_makes_it_and_closing_ends_its_processes(name, request):
    make = pickle.loads(pickle.dumps(choose(config(name, request), lambda message, progress: None).make))
    before = set(psutil.Process().children(recursive=True))
    backend = make(0)
    theirs = set(psutil.Process().children(recursive=True)) - before
    assert bool(theirs) == (name == "pocketsphinx")
    backend.close()
    gone, alive = psutil.wait_procs(theirs, timeout=5)
    assert not alive
