"""Whisper's other forms, made of whisper-micro: for English alone, distilled, wrongly configured."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ctranslate2.models import Whisper

from reswhis.backends.alignment_heads import corrected
from reswhis.backends.decoding import Decoding
from reswhis.backends.faster_whisper import FasterWhisper, MakeFasterWhisper
from reswhis.backends.whisper_tokens import WhisperTokens
from reswhis.backends.whisper_window import low_noise
from reswhis.core.errors import BackendError
from reswhis.core.types import DecodeOptions, Hypothesis, Window, join

BUILD = Path(__file__).parents[1] / "models" / "whisper-micro" / "build.py"
ENGLISH = DecodeOptions(language="en", encoder_context="dynamic")


class Recorder:
    """A model that notes what it is asked for."""

    def __init__(self, model):
        self.model = model
        self.asked = {}

    def _noted(self, name):
        def call(*args, **settings):
            self.asked[name] = args
            return getattr(self.model, name)(*args, **settings)

        return call

    def __getattr__(self, name):
        return self._noted(name) if name in ("generate", "align", "detect_language") else getattr(self.model, name)


def make(model):
    return MakeFasterWhisper(model, "cpu", (0,), "int8", 2)(0)


@pytest.fixture(scope="module")
def expected(micro, recordings):
    return decode(make(micro), recordings[8].audio)


def decode(backend, audio):
    return backend.decode(Window(0, 0, audio, ENGLISH))


def changed(model, folder, **config):
    """A copy of a model with another configuration; None: without that key."""
    for file in model.iterdir():
        if file.name != "config.json":
            shutil.copy(file, folder)
    before = json.loads((model / "config.json").read_text("utf-8"))
    after = {key: value for key, value in {**before, **config}.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(after), encoding="utf-8")
    return folder


def test_a_model_for_english_alone_is_asked_without_language_and_task(micro_en, recordings):
    recorder = Recorder(Whisper(str(micro_en), compute_type="int8", intra_threads=2))
    tokens = WhisperTokens(micro_en, multilingual=recorder.model.is_multilingual)
    backend = FasterWhisper(recorder, tokens, Decoding())
    heard = backend.decode(Window(0, 0, recordings[8].audio, DecodeOptions(encoder_context="dynamic"), "It rained."))
    assert (tokens.end, tokens.start, tokens.previous, tokens.no_timestamps) == (50256, 50257, 50360, 50362)
    ((prompt,),) = recorder.asked["generate"][1:]
    assert prompt[0] == tokens.previous and prompt[-2:] == [tokens.start, tokens.no_timestamps]
    assert len(prompt) == 6  # three of "It rained."
    assert recorder.asked["align"][1] == [tokens.start] and "detect_language" not in recorder.asked
    assert (heard.language, heard.language_probability) == ("en", 1)
    assert len(set(join(heard.words).split()) & set(recordings[8].text.split())) >= 6


@pytest.mark.parametrize("options", [{"language": "de"}, {"language": "en", "task": "translate"}])
def test_a_model_for_english_alone_refuses_what_it_cannot_in_place(micro_en, options):
    wrong, right = (
        Window(0, 0, low_noise(1), DecodeOptions(encoder_context="dynamic", **each))
        for each in (options, {"language": "en"})
    )
    refused, taken = make(micro_en).transcribe([wrong, right])
    assert isinstance(refused, BackendError) and isinstance(taken, Hypothesis)


def test_a_model_for_english_alone_is_made_and_timed(micro_en):
    assert make(micro_en).seconds_per_window(tokens=5) > 0


@pytest.mark.parametrize("heads", [None, [], [[1, 0], [7, 0]], [[1, 9]]])
def test_attention_heads_that_a_model_has_not_are_replaced_by_those_of_its_later_half(
    micro, tmp_path, recordings, expected, caplog, heads
):
    """As of distilled models: two layers, and the heads of what they were made from. CTranslate2 would crash."""
    damaged = make(changed(micro, tmp_path, alignment_heads=heads))
    assert "attention heads" in caplog.text
    # Those of the later half are whisper-micro's own, so all is as if nothing were wrong.
    assert decode(damaged, recordings[8].audio) == expected


def test_heads_that_a_model_has_are_left_alone(micro, micro_v3, micro_en, tmp_path):
    (tmp_path / "odd").mkdir()
    odd = changed(micro, tmp_path / "odd", alignment_heads=[[0, 0], [2, 3]])
    assert [corrected(model) for model in (micro, micro_v3, micro_en, odd)] == [None] * 4


def test_a_model_file_in_another_format_is_left_to_the_library(micro, tmp_path):
    damaged = changed(micro, tmp_path, alignment_heads=[[9, 9]])
    content = (damaged / "model.bin").read_bytes()
    for other in (content[:1000], b"\3" + content[1:], b""):
        (damaged / "model.bin").write_bytes(other)
        assert corrected(damaged) is None


def test_a_distilled_model_has_word_times(tmp_path, recordings):
    subprocess.run([sys.executable, BUILD, tmp_path, "--shape", "distil"], check=True, stdout=subprocess.DEVNULL)
    words = decode(make(tmp_path), recordings[8].audio).words
    times = [time for word in words for time in (word.start, word.end)]
    assert len(words) > 3 and times == sorted(times) and len(set(times)) > len(words)
