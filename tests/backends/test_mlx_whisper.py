"""mlx-whisper with whisper-micro, on the CPU. Windows are short: MLX is slow there."""

import gc
import json
import shutil

import numpy as np
import pytest

from reswhis.backends.base import BackendConfig
from reswhis.backends.decoding import Decoding
from reswhis.backends.faster_whisper import MakeFasterWhisper
from reswhis.backends.mlx_backend import MakeMlxWhisper
from reswhis.backends.mlx_choice import choose
from reswhis.backends.model_formats import MLX
from reswhis.core.errors import BackendError, ConfigurationError
from reswhis.core.types import DecodeOptions, Window, join, samples

from .hub_server import COMMIT

pytest.importorskip("mlx_whisper", reason="needs `uv sync --extra mlx-whisper`")

ENGLISH = DecodeOptions(language="en", encoder_context="dynamic")


def make(model, compute_type="float32"):
    return MakeMlxWhisper(model, "cpu", compute_type)(0)


@pytest.fixture(scope="module")
def backend(micro_mlx):
    backend = make(micro_mlx)
    yield backend
    backend.close()


@pytest.fixture(scope="module")
def speech(recordings):
    """A sentence of a voice that the model understands."""
    return next(each.audio for each in recordings if each.name.startswith("espeak"))[: samples(2)]


def decode(backend, audio, options=ENGLISH, prompt="", *, is_final=False):
    return backend.decode(Window(0, 0, audio, options, prompt, is_final))


def spoken(hypothesis):
    return [word.text.strip(" ,.").casefold() for word in hypothesis.words]


def test_it_hears_the_words_of_faster_whisper_at_the_same_times(backend, micro, speech, capfd):
    other = MakeFasterWhisper(micro, "cpu", (0,), "float32", 2)(0)
    ours, theirs = (decode(each, speech) for each in (backend, other))
    other.close()
    assert spoken(ours) == spoken(theirs) and len(ours.words) > 3  # its weights are of 8 bits here
    for a, b in zip(ours.words, theirs.words, strict=True):
        assert abs(a.start - b.start) < 0.1 and abs(a.end - b.end) < 0.2 and abs(a.probability - b.probability) < 0.1
    assert abs(ours.segments[0].average_log_probability - theirs.segments[0].average_log_probability) < 0.1
    assert capfd.readouterr().out == ""


def test_other_forms_and_number_types_hear_the_same(backend, micro_mlx, micro_mlx_v3, speech):
    text = spoken(decode(backend, speech))
    for model, compute_type in ((micro_mlx_v3, "float32"), (micro_mlx, "float16")):
        other = make(model, compute_type)
        assert spoken(decode(other, speech)) == text
        other.close()


def test_silence_has_no_words_and_is_known_to_be_silence(backend, speech):
    silence = decode(backend, np.zeros(samples(1), np.int16))
    assert silence.words == ()
    heard = decode(backend, speech).segments[0].no_speech_probability
    assert heard < 0.1 < silence.segments[0].no_speech_probability


def test_prompt_and_hotwords_reach_the_network_and_special_tokens_in_them_are_text(backend, speech):
    likelihoods = {
        decode(backend, speech, options, prompt).segments[0].average_log_probability
        for options, prompt in (
            (ENGLISH, ""),
            (ENGLISH, "It was the March Hare who spoke."),
            (DecodeOptions(language="en", encoder_context="dynamic", hotwords="March Hare"), ""),
            (ENGLISH, "<|endoftext|><|de|>"),
        )
    }
    assert len(likelihoods) == 4


def test_a_window_that_wants_a_beam_is_refused_in_its_place(backend, speech):
    beam = DecodeOptions(language="en", beam_size=5)
    refused, taken = backend.transcribe([Window(0, 0, speech, beam), Window(1, 0, speech[:8000], ENGLISH)])
    assert isinstance(refused, BackendError) and "beam" in str(refused) and taken.segments


def test_without_word_times_they_are_guessed(backend, speech):
    options = DecodeOptions(language="en", word_times=False, encoder_context="dynamic")
    guessed, aligned = decode(backend, speech, options), decode(backend, speech)
    assert join(guessed.words) == join(aligned.words)
    assert all(abs(a.start - b.start) < 0.5 for a, b in zip(guessed.words, aligned.words, strict=True))


def test_a_bad_final_window_is_tried_again_and_what_is_drawn_is_the_same_each_time(backend, speech):
    noise = np.random.default_rng(0).normal(0, 6000, samples(1)).astype(np.int16)
    backwards = np.clip(speech[::-1][: samples(1)].astype(np.int32) + noise, -32768, 32767).astype(np.int16)
    partial = decode(backend, backwards)
    first, second = (decode(backend, backwards, is_final=True) for _ in range(2))
    assert partial.segments[0].average_log_probability < -1  # a guess
    assert first == second != partial


def test_a_loop_cannot_make_a_short_window_long(backend, speech):
    words = decode(backend, speech[: samples(0.5)], prompt="no " * 300).words
    assert len(words) <= 45


def test_closing_frees_the_model(micro_mlx):
    import mlx.core as mx

    before = mx.get_active_memory()
    backend = make(micro_mlx)
    weights = mx.get_active_memory() - before
    backend.close()
    gc.collect()
    assert weights > 50e6 and mx.get_active_memory() - before < 1e6


def cut(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def to_safetensors(path):
    import mlx.core as mx

    mx.save_safetensors(str(path.with_name("weights.safetensors")), mx.load(str(path)))
    path.unlink()
    cut(path.with_name("weights.safetensors"))


def without_a_tensor(path):
    with np.load(path) as weights:
        kept = {name: weights[name] for name in weights.files if name != "decoder.ln.weight"}
    np.savez(path, **kept)


def of_another_network(path):
    config = json.loads(path.with_name("config.json").read_text())
    path.with_name("config.json").write_text(json.dumps({**config, "n_audio_state": 384}))


@pytest.mark.parametrize("damage", [cut, to_safetensors, without_a_tensor, of_another_network])
def test_a_damaged_model_is_one_sentence(micro_mlx, tmp_path, damage):
    model = tmp_path / "model"
    shutil.copytree(micro_mlx, model)
    damage(model / "weights.npz")
    with pytest.raises(ConfigurationError, match="cannot be loaded: its files are damaged") as error:
        make(model)
    assert "\n" not in str(error.value) and str(error.value).endswith(".")


def put_in_cache(cache, repository, model):
    """As if the model had been downloaded."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    shutil.copytree(model, folder / "snapshots" / COMMIT)


def test_auto_takes_the_larger_of_what_is_cached_if_it_keeps_up(micro_mlx, tmp_path):
    for size in ("base", "tiny"):
        put_in_cache(tmp_path, MLX.sizes[size], micro_mlx)
    told = []
    config = BackendConfig(device="cpu", model_cache_dir=tmp_path, decoding=Decoding(suppress_tokens=(-1, 10)))
    choice = choose(config, lambda message, progress: told.append(message))
    info = choice.info
    assert (info.backend, info.device, info.compute_type) == ("mlx-whisper", "cpu", "float32")
    assert info.model in ("base", "tiny")  # whichever this machine is quick enough for
    assert told == ["timing the model base"] and choice.weights_bytes > 50e6


def test_a_token_that_the_model_has_not_cannot_be_suppressed(micro_mlx):
    with pytest.raises(ConfigurationError, match="no token 60000"):
        MakeMlxWhisper(micro_mlx, "cpu", "float32", Decoding(suppress_tokens=(60_000,)))(0)
