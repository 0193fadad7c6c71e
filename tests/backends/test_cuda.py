"""CUDA libraries are found where they are installed; without a GPU, and with other libraries in their place."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reswhis.backends import cuda

linux = pytest.mark.skipif(sys.platform != "linux", reason="the names are Linux's")
REAL = importlib.util.find_spec("_ctypes").origin
"""A shared library that any process can load."""


def wheel(site, name, content=None):
    path = site / "nvidia" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(Path(REAL).read_bytes() if content is None else content)
    return path


def printed(code, site, **variables):
    """By a process that has this folder as its packages."""
    environment = {**os.environ, "PYTHONPATH": str(site), "LD_LIBRARY_PATH": "", **variables}
    script = f"from reswhis.backends import cuda\n{code}"
    return subprocess.run(
        [sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


@linux
def test_libraries_of_the_wheels_are_loaded_and_those_of_another_cuda_are_not(tmp_path):
    wheel(tmp_path, "cu13/lib/libcublas.so.13")
    wheel(tmp_path, "cublas/lib/libcublasLt.so.12")
    expected = wheel(tmp_path, "cublas/lib/libcublas.so.12")
    said = printed("print(cuda.preload(), cuda.load(cuda.CUBLAS).place)", tmp_path)
    assert said == f"True {expected}"
    mapped = printed("cuda.preload(); print(open('/proc/self/maps').read())", tmp_path)
    assert "libcublasLt.so.12" in mapped and ".so.13" not in mapped


@linux
def test_a_file_that_is_no_library_is_told_and_no_disaster(tmp_path):
    wheel(tmp_path, "cublas/lib/libcublas.so.12", b"not a library")
    said = printed("found = cuda.load(cuda.CUBLAS); print(cuda.preload(), found.place, found.failure)", tmp_path)
    if said.startswith("True"):
        pytest.skip("this system has a cuBLAS 12 of its own")
    assert said.startswith("False None") and "libcublas.so.12" in said


@linux
def test_a_toolkit_that_a_variable_names_is_searched_after_the_wheels(tmp_path):
    toolkit = tmp_path / "cuda-12" / "lib64" / "libcublas.so.12"
    toolkit.parent.mkdir(parents=True)
    toolkit.write_bytes(b"")
    installed = wheel(tmp_path / "site", "cublas/lib/libcublas.so.12", b"")
    said = printed("print(*cuda.paths(cuda.CUBLAS))", tmp_path / "site", CUDA_PATH=str(tmp_path / "cuda-12"))
    assert said == f"{installed} {toolkit}"


@linux
def test_ctranslate2_asks_for_the_libraries_that_are_looked_for_and_for_no_others():
    folder = Path(importlib.util.find_spec("ctranslate2").origin).parents[1] / "ctranslate2.libs"
    [engine] = folder.glob("libctranslate2*")
    # NCCL is asked for by models on several GPUs at once, which no Whisper is.
    asked = set(re.findall(rb"lib(?:cublas|cudnn|cufft|curand|cusolver|cusparse)\w*\.so\.\d+", engine.read_bytes()))
    assert asked in ({cuda.CUBLAS.linux.encode()}, set())  # none on machines for which there is no CUDA
