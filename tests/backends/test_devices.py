import os
import subprocess
import sys

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


@pytest.mark.skipif(sys.platform != "linux", reason="the names are Linux's")
def test_cuda_libraries_of_the_wheels_are_found_each_after_what_it_needs(tmp_path):
    for name in ("cublas/lib/libcublas.so.12", "cublas/lib/libcublasLt.so.12", "cudnn/lib/libcudnn.so.9"):
        path = tmp_path / "nvidia" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"not a library")
    code = "from reswhis.backends import cuda; print(*[p.name for p in cuda.libraries()], len(cuda.preload()))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    *names, loaded = ran.stdout.split()
    assert names.index("libcublasLt.so.12") < names.index("libcublas.so.12") < names.index("libcudnn.so.9")
    assert int(loaded) <= len(names) - 3  # what cannot be loaded is left out, and no disaster
