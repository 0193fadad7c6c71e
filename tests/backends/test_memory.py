"""What is known of memory before a model is loaded, and after one could not be."""

import pytest

from reswhis.backends import memory, selection
from reswhis.backends.base import BackendConfig
from reswhis.core.errors import ConfigurationError


def test_what_is_more_than_there_is_leaves_memory_short():
    assert memory.is_short(10**15) and not memory.is_short(-(10**15))


def test_a_choice_says_what_its_weights_take(micro):
    config = BackendConfig("faster-whisper", str(micro), device="cpu", workers=1)
    choice = selection.choose(config, lambda message, progress: None)
    assert choice.weights_bytes > (micro / "model.bin").stat().st_size


@pytest.mark.parametrize(
    ("cause", "is_memory"),
    [
        (RuntimeError("CUDA failed with error out of memory"), True),
        (RuntimeError("std::bad_alloc"), True),
        (MemoryError(), True),
        (RuntimeError("File model.bin is incomplete"), False),
        (None, False),
    ],
)
def test_a_lack_of_memory_is_known_by_whatever_caused_an_error(cause, is_memory):
    error = ConfigurationError("The model cannot be loaded.")
    error.__cause__ = cause
    assert memory.is_out_of_memory(error) is is_memory
