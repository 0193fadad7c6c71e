import ctranslate2
import pytest

from reswhis.backends import devices
from reswhis.core.errors import ConfigurationError

no_gpu = pytest.mark.skipif(ctranslate2.get_cuda_device_count() > 0, reason="for machines without a GPU")


@no_gpu
def test_without_a_gpu_auto_is_the_cpu_with_int8():
    assert devices.device("auto") == "cpu" and devices.compute_type("auto", "cpu") == "int8"


@no_gpu
def test_a_gpu_that_is_not_there_is_refused():
    with pytest.raises(ConfigurationError, match="cpu"):
        devices.device("cuda")


def test_a_wrong_device_is_refused_with_the_right_ones():
    with pytest.raises(ConfigurationError, match="auto, cpu, cuda"):
        devices.device("gpu")


@pytest.mark.parametrize("name", ["float17", "int4"])
def test_a_wrong_compute_type_is_refused_with_what_the_device_can_do(name):
    with pytest.raises(ConfigurationError) as error:
        devices.compute_type(name, "cpu")
    assert "auto" in str(error.value) and "int8" in str(error.value) and "float32" in str(error.value)


def test_threads_are_those_asked_for_or_what_the_machine_has():
    assert devices.threads(3) == 3 and 1 <= devices.threads(0) <= 8
