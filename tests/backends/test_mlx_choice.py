"""What mlx-whisper refuses and takes: nothing of MLX is imported, so this runs without it."""

import pytest

from reswhis.backends.base import BackendConfig
from reswhis.backends.decoding import Decoding
from reswhis.backends.mlx_choice import check, wanted
from reswhis.backends.model_formats import MLX
from reswhis.backends.models import english_only, find, translates
from reswhis.backends.selection import automatic
from reswhis.core.errors import ConfigurationError


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (BackendConfig(device="cuda"), "does not use CUDA"),
        (BackendConfig(device="gpu"), "cpu"),
        (BackendConfig(device_indices=(1,)), "--device-index"),
        (BackendConfig(compute_type="int8"), "float16 or float32"),
        (BackendConfig(beam_size=5), "no beam search"),
        (BackendConfig(decoding=Decoding(best_of=5)), "--best-of"),
        (BackendConfig(decoding=Decoding(patience=2.0)), "--patience"),
        (BackendConfig(model="base.en", language="de"), "English only, not German"),
        (BackendConfig(model="turbo", task="translate"), "does not translate"),
        (BackendConfig(model="larg"), "large-v3"),
    ],
)
def test_what_it_cannot_do_is_refused_in_one_sentence(config, said):
    with pytest.raises(ConfigurationError, match=said) as error:
        check(config)
    assert "\n" not in str(error.value) and str(error.value).endswith(".")


def test_what_it_can_do_passes(micro_mlx):
    for model in ("auto", "large-v3", "mlx-community/whisper-tiny-mlx-4bit", str(micro_mlx)):
        check(BackendConfig(model=model, compute_type="float16", decoding=Decoding(temperatures=(0.0,))))


def test_a_directory_of_another_format_is_refused_with_what_it_lacks(micro):
    with pytest.raises(ConfigurationError, match=r"weights\.\* missing"):
        check(BackendConfig(model=str(micro)))


def test_a_directory_tells_how_many_tokens_it_knows(micro_mlx, micro_mlx_v3):
    assert (MLX.tokens(micro_mlx), MLX.tokens(micro_mlx_v3)) == (51_865, 51_866)
    assert not english_only(find(str(micro_mlx), MLX)) and translates(find(str(micro_mlx), MLX))


def test_auto_takes_the_turbo_where_there_is_memory_and_never_to_translate():
    for device, task, gigabytes in (("gpu", "transcribe", 16), ("gpu", "translate", 64), ("gpu", "transcribe", 8)):
        names = wanted(device, task, gigabytes << 30)
        assert ("large-v3-turbo" in names) == (task == "transcribe" and gigabytes >= 16)
        assert names[-1] == "tiny" and all(task == "transcribe" or translates(find(name, MLX)) for name in names)
    assert wanted("cpu", "transcribe", 64 << 30) == ("base", "tiny")


def test_auto_means_mlx_whisper_on_apple_silicon_alone_and_if_it_suits():
    def never():
        raise AssertionError

    assert automatic("darwin", "arm64", lambda: True) == "mlx-whisper"
    assert automatic("darwin", "arm64", lambda: False) == "faster-whisper"
    for system, machine in (("darwin", "x86_64"), ("linux", "aarch64"), ("linux", "x86_64"), ("win32", "AMD64")):
        assert automatic(system, machine, never) == "faster-whisper"
