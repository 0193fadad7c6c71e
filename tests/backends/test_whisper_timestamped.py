"""whisper-timestamped with whisper-micro, beyond the contract. Windows have a short context: it was trained for it."""

import json
import shutil
import weakref
from concurrent.futures import ThreadPoolExecutor

import jiwer
import numpy as np
import pytest

from reswhis.backends.base import BackendConfig
from reswhis.backends.decoding import Decoding
from reswhis.backends.log_mel import LogMel
from reswhis.backends.selection import check, choose
from reswhis.backends.timestamped_alignment import placed
from reswhis.backends.whisper_timestamped import WhisperTimestamped
from reswhis.backends.whisper_weights import load
from reswhis.core.errors import ConfigurationError
from reswhis.core.types import DecodeOptions, Window, join, samples

pytest.importorskip("whisper_timestamped", reason="needs `uv sync --extra whisper-timestamped`")

from torch import from_numpy
from whisper.tokenizer import get_tokenizer

import nonspeech

ENGLISH = DecodeOptions(language="en", encoder_context="dynamic")


def config(model, **settings):
    return BackendConfig(
        **{"backend": "whisper-timestamped", "model": str(model), "device": "cpu", "cpu_threads": 2} | settings
    )


def make(model, **settings):
    return choose(config(model, **settings), lambda message, share: None).make(0)


@pytest.fixture(scope="module")
def backend(micro_openai):
    backend = make(micro_openai)
    yield backend
    backend.close()


def hear(backend, audio, *, options=ENGLISH, prompt="", is_final=False):
    (heard,) = backend.transcribe([Window(1, 0, audio, options, prompt, is_final)])
    return heard


def transformers_name(name):
    for ours, theirs in [
        (".blocks.", ".layers."), (".cross_attn_ln.", ".encoder_attn_layer_norm."), (".cross_attn.", ".encoder_attn."),
        (".attn_ln.", ".self_attn_layer_norm."), (".attn.", ".self_attn."), (".mlp_ln.", ".final_layer_norm."),
        (".mlp.0.", ".fc1."), (".mlp.2.", ".fc2."), (".query.", ".q_proj."), (".key.", ".k_proj."),
        (".value.", ".v_proj."), (".out.", ".out_proj."), (".ln_post.", ".layer_norm."), (".ln.", ".layer_norm."),
        (".positional_embedding", ".embed_positions.weight"), (".token_embedding.", ".embed_tokens."),
    ]:  # fmt: skip
        name = name.replace(ours, theirs)
    return f"model.{name}"


@pytest.fixture(scope="module")
def micro_transformers(micro_openai, tmp_path_factory):
    """whisper-micro as the hub has most models."""
    import torch
    from safetensors.torch import save_file

    out = tmp_path_factory.mktemp("transformers")
    content = torch.load(micro_openai / "model.pt", weights_only=True)
    dims = content["dims"]
    weights = {transformers_name(name): values for name, values in content["model_state_dict"].items()}
    weights["proj_out.weight"] = weights["model.decoder.embed_tokens.weight"].clone()
    save_file(weights, out / "model.safetensors")
    described = {
        "num_mel_bins": dims["n_mels"], "max_source_positions": dims["n_audio_ctx"], "d_model": dims["n_audio_state"],
        "encoder_attention_heads": dims["n_audio_head"], "encoder_layers": dims["n_audio_layer"],
        "vocab_size": dims["n_vocab"], "max_target_positions": dims["n_text_ctx"],
        "decoder_attention_heads": dims["n_text_head"], "decoder_layers": dims["n_text_layer"],
    }  # fmt: skip
    (out / "config.json").write_text(json.dumps(described))
    return out


def test_a_model_in_transformers_form_hears_the_same_by_the_heads_that_it_names(
    backend, micro_transformers, recordings, tmp_path
):
    audio = recordings[0].audio
    expected = hear(backend, audio)
    plain = make(micro_transformers)
    assert hear(plain, audio) == expected
    named = shutil.copytree(micro_transformers, tmp_path / "named")
    times = []
    for heads in ([[1, 0]], [[7, 0]]):
        (named / "generation_config.json").write_text(json.dumps({"alignment_heads": heads}))
        times.append([word.start for word in hear(make(named), audio).words])
    own = [word.start for word in expected.words]
    assert times[0] != own and times[1] == own  # the second names a layer that there is not


def test_the_large_v3_form_hears_nearly_the_same_words(backend, micro_openai_v3, recordings):
    v3 = make(micro_openai_v3)
    said, hears = (" ".join(join(hear(each, r.audio).words) for r in recordings[::3]) for each in (backend, v3))
    assert jiwer.wer(said, hears) < 0.2


@pytest.mark.parametrize("lead_s", [0, 2])
def test_word_starts_are_near_the_truth_also_after_a_long_pause(backend, recordings, lead_s):
    off = []
    for recording in recordings:
        if not recording.words[0]["exact"]:
            continue
        pause = np.random.default_rng(2).normal(0, 10, samples(lead_s)).astype(np.int16)
        words = hear(backend, np.concatenate((pause, recording.audio))).words
        if join(words).split() == recording.text.split():
            off += [abs(w.start - lead_s - true["start"]) for w, true in zip(words, recording.words, strict=True)]
    assert len(off) > 10 and np.mean(off) < 0.05 and max(off) < 0.25


def test_a_confidence_is_that_of_the_decoding(backend, recordings):
    """And not that of a sentence that is expected to begin with a time."""
    for recording in recordings[:3]:
        heard = hear(backend, recording.audio)
        likely = np.log([word.probability for word in heard.words])
        assert np.mean(likely) == pytest.approx(heard.segments[0].average_log_probability, abs=0.4)


def test_of_half_a_character_no_times_are_had_and_of_a_whole_one_those_of_its_parts(micro_openai, recordings):
    model = load(micro_openai, "cpu", half=False)
    tokenizer = get_tokenizer(True, language="en", task="transcribe")
    encoded = model.encoder(from_numpy(LogMel(80)(recordings[0].audio)[np.newaxis])).detach()
    whole = tokenizer.encode(" yes\N{EGYPTIAN HIEROGLYPH A001}")
    placings = [placed(model, encoded, tokenizer, tokens, 100) for tokens in (whole, whole[:-1])]
    assert len(placings[0]) == len(whole) >= 3 and placings[1] is None


def test_auto_is_a_short_context_where_the_model_knows_one(backend, micro_openai, recordings):
    unknown = WhisperTimestamped(load(micro_openai, "cpu", half=False), Decoding())
    auto, short, full = (DecodeOptions(language="en", encoder_context=name) for name in ("auto", "dynamic", "full"))
    audio = recordings[0].audio
    assert hear(backend, audio, options=auto) == hear(backend, audio, options=short)
    assert hear(unknown, audio, options=auto) == hear(backend, audio, options=full) != hear(backend, audio)


def test_two_workers_at_once_hear_what_one_alone_does(backend, micro_openai, recordings):
    def alone(backend):
        return [hear(backend, recording.audio) for recording in recordings[:3]]

    other = make(micro_openai)
    expected = alone(backend)
    with ThreadPoolExecutor() as pool:
        assert list(pool.map(alone, [backend, other])) == [expected, expected]
    other.close()


def test_what_is_drawn_for_a_final_window_is_the_same_whatever_came_before(backend, micro_openai, recordings):
    drawing = make(micro_openai, decoding=Decoding(temperatures=(1.0,), best_of=2))
    some, other = nonspeech.make("ringing", 2, -20), recordings[0].audio
    first, _, again = (hear(drawing, audio, is_final=True) for audio in (some, other, some))
    searched = hear(backend, some)
    assert first == again != searched == hear(drawing, some)  # of a partial one nothing is drawn


def test_tokens_can_be_suppressed_but_not_the_end(micro_openai, recordings):
    audio = recordings[9].audio
    (the,) = get_tokenizer(True).encode(" The")
    backend = make(micro_openai, decoding=Decoding(suppress_tokens=(-1, the)))
    assert " The " not in f" {join(hear(backend, audio).words)}"
    for wrong in (50257, 51865):
        with pytest.raises(ConfigurationError, match=f"may not name {wrong}"):
            make(micro_openai, decoding=Decoding(suppress_tokens=(wrong,)))


def test_a_prompt_may_be_endless_and_look_like_special_tokens(backend, recordings):
    options = DecodeOptions(language="en", encoder_context="dynamic", hotwords="<|endoftext|>" * 99, beam_size=2)
    assert hear(backend, recordings[0].audio, options=options, prompt="Once more. " * 300, is_final=True).words


def test_a_window_of_more_than_thirty_seconds_is_refused_in_place(backend):
    assert "30 s at most" in str(hear(backend, np.zeros(samples(30) + 1, np.int16)))


def test_closing_frees_the_model_and_nothing_was_printed(micro_openai, recordings, capfd):
    backend = make(micro_openai)
    model = weakref.ref(backend._model)
    hear(backend, recordings[0].audio, is_final=True)
    backend.close()
    assert model() is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["model.pt", "model.safetensors"])
def test_a_cut_off_model_is_one_sentence(micro_openai, micro_transformers, tmp_path, name):
    source = micro_openai if name == "model.pt" else micro_transformers
    damaged = shutil.copytree(source, tmp_path / "damaged")
    (damaged / name).write_bytes((source / name).read_bytes()[:1_000_000])
    sentence = rf"^The model in {damaged} cannot be loaded: [^.\n]* damaged[^.\n]*\.$"
    with pytest.raises(ConfigurationError, match=sentence):
        make(damaged)


def test_another_kind_of_network_is_one_sentence(micro_transformers, tmp_path):
    other = shutil.copytree(micro_transformers, tmp_path / "other")
    described = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(described | {"decoder_layers": 4}))
    with pytest.raises(ConfigurationError, match="of another kind of network"):
        make(other)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"compute_type": "int8"}, r"'int8' is not possible on cpu .* choose auto, float32\."),
        ({"compute_type": "float16"}, "'float16' is not possible on cpu"),
        ({"device": "cdua"}, "did you mean 'cuda'"),
        ({"device_indices": (0, 1)}, "no GPU 1"),
        ({"decoding": Decoding(length_penalty=1.5)}, "0 to 1"),
        ({"model": "larg-v3"}, "did you mean 'large-v3'"),
        ({"model": "tiny.en", "language": "de"}, "English only"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(micro_openai, wrong, said):
    with pytest.raises(ConfigurationError, match=said):
        check(config(**{"model": micro_openai} | wrong))


def test_of_two_checkpoints_in_a_directory_none_is_guessed(micro_openai, tmp_path):
    for name in ("a.pt", "b.pt"):
        (tmp_path / name).hardlink_to(micro_openai / "model.pt")
    with pytest.raises(ConfigurationError, match=r"2 files \*\.pt"):
        check(config(tmp_path))
