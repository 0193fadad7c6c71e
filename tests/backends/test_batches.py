"""Batches of whisper-micro: one call for windows of many sessions, and what each hears is what it hears alone."""

import random
from dataclasses import replace
from functools import partial

import pytest
from ctranslate2.models import Whisper
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reswhis.backends.decoding import Decoding
from reswhis.backends.faster_whisper import FasterWhisper
from reswhis.backends.whisper_tokens import WhisperTokens
from reswhis.backends.whisper_window import SHORT_CONTEXT_STEP
from reswhis.core.errors import BackendError
from reswhis.core.types import DecodeOptions, Window, join, samples

ENGLISH = DecodeOptions(language="en", encoder_context="dynamic")


class Counter:
    """A model that counts the items of its calls."""

    def __init__(self, model):
        self.model = model
        self.calls = []

    def __getattr__(self, name):
        found = getattr(self.model, name)
        if name not in ("encode", "generate", "align", "detect_language"):
            return found

        def call(features, *args, **settings):
            self.calls.append((name, features.shape[0]))
            return found(features, *args, **settings)

        return call


@pytest.fixture(scope="module")
def whisper(micro):
    """In float32: with 8 bits, the attention of a batch has one scale for all, and probabilities differ by 0.01."""
    return Counter(Whisper(str(micro), compute_type="float32", intra_threads=2))


@pytest.fixture(scope="module", params=["each by itself", "together"])
def backend(request, micro, whisper):
    tokens = WhisperTokens(micro, multilingual=True)
    return FasterWhisper(whisper, tokens, Decoding(), encodes_together=request.param == "together")


def windows(recordings, count, length_s=2.0, **options):
    return [
        Window(n, 0, recordings[n % len(recordings)].audio[: samples(length_s)], replace(ENGLISH, **options))
        for n in range(count)
    ]


def alike(backend, window, heard):
    """As alone, but for the last digits of probabilities, where attention is equal to the last digits also of times."""
    (alone,) = backend.transcribe([window])
    assert [word.text for word in heard.words] == [word.text for word in alone.words]
    for name, tolerance in (("probability", 1e-4), ("start", 0.041), ("end", 0.041)):
        values = [[getattr(word, name) for word in each.words] for each in (heard, alone)]
        assert values[0] == pytest.approx(values[1], abs=tolerance)
    assert heard.language == alone.language
    return True


def test_a_batch_is_one_decoding_and_one_alignment(backend, whisper, recordings):
    batch = windows(recordings, 4)
    whisper.calls.clear()
    heard = backend.transcribe(batch)
    assert [call for call in whisper.calls if call[0] != "encode"] == [("generate", 4), ("align", 4)]
    assert sum(count for name, count in whisper.calls if name == "encode") == 4
    assert all(each.words for each in heard)
    assert all(map(partial(alike, backend), batch, heard))


def test_what_cannot_share_a_call_is_decoded_after_it_and_keeps_its_place(backend, whisper, recordings):
    short, long = windows(recordings, 2, 1.0), windows(recordings, 2, 4.0)
    mixed = [short[0], long[0], replace(short[1], options=replace(ENGLISH, language="xx")), short[1], long[1]]
    whisper.calls.clear()
    heard = backend.transcribe(mixed)
    assert [call for call in whisper.calls if call[0] == "generate"] == [("generate", 2), ("generate", 2)]
    assert isinstance(heard.pop(2), BackendError)
    assert all(map(partial(alike, backend), (short[0], long[0], short[1], long[1]), heard))


def test_languages_and_tasks_of_a_batch_are_each_windows_own(backend, whisper, recordings):
    batch = windows(recordings, 4)
    asked = [{"language": None}, {"language": "de"}, {"task": "translate"}, {}]
    batch = [replace(w, options=replace(w.options, **ask)) for w, ask in zip(batch, asked, strict=True)]
    whisper.calls.clear()
    heard = backend.transcribe(batch)
    names = [call for call in whisper.calls if call[0] != "encode"]
    assert names[:2] == [("detect_language", 1), ("generate", 4)]
    assert [each.language for each in heard] == ["en", "de", "en", "en"]
    assert all(map(partial(alike, backend), batch, heard))


def test_prompts_of_one_length_share_a_call(backend, whisper, recordings):
    first, second, third = windows(recordings, 3)
    batch = [replace(first, prompt="one two"), replace(second, prompt="red blue"), replace(third, prompt="five")]
    whisper.calls.clear()
    heard = backend.transcribe(batch)
    assert [call for call in whisper.calls if call[0] == "generate"] == [("generate", 2), ("generate", 1)]
    assert all(map(partial(alike, backend), batch, heard))


def test_only_a_final_window_has_a_beam(backend, whisper, recordings):
    partial, final = windows(recordings, 2, beam_size=5)
    assert backend.batch_key(partial) != backend.batch_key(replace(final, is_final=True))
    assert backend.batch_key(partial) == backend.batch_key(windows(recordings, 1)[0])


def test_a_window_that_loops_is_cut_off_where_it_is_alone(backend, recordings):
    loop, other = windows(recordings, 2, 0.3)[0], windows(recordings, 1, 1.4)[0]
    loop = replace(loop, prompt="no " * 60)
    other = replace(other, prompt="no " * 60)
    assert backend.batch_key(loop) == backend.batch_key(other)
    together = backend.transcribe([loop, other])
    apart = [backend.decode(window) for window in (loop, other)]
    assert [join(each.words) for each in together] == [join(each.words) for each in apart]


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000))
def test_what_is_heard_does_not_depend_on_the_company(backend, recordings, seed):
    chance = random.Random(seed)
    batch = []
    for n in range(6):
        audio = recordings[chance.randrange(len(recordings))].audio
        start = chance.randrange(len(audio) // 2)
        audio = audio[start : start + samples(chance.choice([0.2, 1.0, 1.3, 3.0]))]
        options = replace(ENGLISH, language=chance.choice(["en", None]), word_times=chance.random() < 0.8)
        prompt = chance.choice(["", "", "he said"])
        batch.append(Window(n, start, audio, options, prompt, is_final=chance.random() < 0.3))
    together = backend.transcribe(batch)
    for window, heard in zip(batch, together, strict=True):
        if not window.is_final:  # what is drawn after a bad decode is not the same twice
            alike(backend, window, heard)


def test_contexts_are_rounded_so_that_windows_meet(backend, recordings):
    keys = {backend.batch_key(window) for s in (0.2, 0.7, 1.4) for window in windows(recordings, 1, s)}
    assert len(keys) == 1 and SHORT_CONTEXT_STEP in next(iter(keys))


def test_auto_is_a_short_context_where_the_model_knows_one(micro, whisper, recordings):
    (window,) = windows(recordings, 1, encoder_context="auto")
    tokens = WhisperTokens(micro, multilingual=True)
    known, unknown = (FasterWhisper(whisper, tokens, Decoding(), knows_short_context=knows) for knows in (True, False))
    short, full = (replace(window, options=replace(ENGLISH, encoder_context=name)) for name in ("dynamic", "full"))
    assert known.batch_key(window) == known.batch_key(short) != known.batch_key(full)
    assert unknown.batch_key(window) == unknown.batch_key(full) != unknown.batch_key(short)
