"""Finds the CUDA libraries that CTranslate2 asks for, so that nobody copies DLLs or sets a library path.

Knows no device. Called by :mod:`.devices` before anything is computed on a GPU, and by the command line, which says
where they are.

Not through NVIDIA's ``cuda-pathfinder``: of a library that is installed for CUDA 12 and 13 it loads 13, and cannot be
told otherwise, while CTranslate2 takes 12 alone.
"""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger(__name__)

MAJOR = 12
"""Of the CUDA that CTranslate2 is built for."""
EXTRA = "uv sync --extra cuda"
"""The command that brings all that is needed."""


@dataclass(frozen=True, slots=True)
class Library:
    name: str
    """For people."""
    linux: str
    """The name under which it is asked for, exactly."""
    windows: str
    package: str
    """That the wheel brings."""

    @property
    def file(self) -> str | None:
        """None where there is no CUDA."""
        return {"linux": self.linux, "win32": self.windows}.get(sys.platform)


NVRTC = Library("NVRTC 12", "libnvrtc.so.12", "nvrtc64_120_0.dll", "nvidia.cuda_nvrtc")
CUBLAS_LT = Library("cuBLASLt 12", "libcublasLt.so.12", "cublasLt64_12.dll", "nvidia.cublas")
CUBLAS = Library("cuBLAS 12", "libcublas.so.12", "cublas64_12.dll", "nvidia.cublas")
CUDNN = Library("cuDNN 9", "libcudnn.so.9", "cudnn64_9.dll", "nvidia.cudnn")
"""Asked for by CTranslate2 before 4.6.3."""

_IN_ORDER = (NVRTC, CUBLAS_LT, CUBLAS)
"""Each after what it asks for: cuBLASLt compiles some of its work by NVRTC, which it does not find by itself."""


@dataclass(frozen=True, slots=True)
class Search:
    """What came of looking for a library."""

    library: Library
    place: Path | None = None
    """The file that was loaded; None: there is none, or it cannot be loaded."""
    failure: str = ""
    """What the system says about a file that is there and cannot be loaded."""


def preload() -> bool:
    """Load the libraries into this process, where CTranslate2 finds them by name; whether it will."""
    found = {library: load(library) for library in _IN_ORDER}
    for search in found.values():
        if search.failure:
            logger.warning("the CUDA library %s cannot be loaded: %s", search.library.name, search.failure)
    return found[CUBLAS].place is not None


def load(library: Library) -> Search:
    """From what the process has loaded, the installed wheels, or the system, in this order."""
    file = library.file
    if file is None:
        return Search(library)
    if sys.platform != "win32" and _opened(file, os.RTLD_NOLOAD):
        return Search(library, _loaded_file(file))
    failure = ""
    for path in paths(library):
        try:
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            failure = str(error)
        else:
            return Search(library, path)
    if _opened(file, ctypes.RTLD_GLOBAL):
        return Search(library, _loaded_file(file))
    return Search(library, failure=failure)


def paths(library: Library) -> Iterator[Path]:
    """The library's files in the installed wheels and in what variables name, the better first. Loads nothing."""
    file = library.file
    for folder in (*_wheel(library.package), *_named()):
        if file is not None and (folder / file).is_file():
            yield folder / file


def _wheel(package: str) -> Iterator[Path]:
    try:
        spec = importlib.util.find_spec(package)
    except ModuleNotFoundError:  # not even the name before the dot is there
        return
    for place in spec.submodule_search_locations or () if spec else ():
        yield from (Path(place) / "lib", Path(place) / "bin")


def _named() -> Iterator[Path]:
    """A toolkit and a conda environment are told by variables, and not always known to the system's loader."""
    for variable, folders in {
        "CUDA_PATH": ("bin", "lib64"),
        "CUDA_HOME": ("bin", "lib64"),
        "CONDA_PREFIX": ("Library/bin", "lib"),
    }.items():
        if root := os.environ.get(variable):
            yield from (Path(root) / folder for folder in folders)


def _opened(file: str, mode: int) -> bool:
    """By its name alone, as CTranslate2 does it."""
    try:
        if sys.platform == "win32":
            ctypes.CDLL(file, mode=mode, winmode=0)  # which looks into PATH, too
        else:
            ctypes.CDLL(file, mode=mode)
    except OSError:
        return False
    return True


def _loaded_file(file: str) -> Path:
    import psutil  # type: ignore[import-untyped]

    mapped = (Path(each.path) for each in psutil.Process().memory_maps())
    # The system gives the file behind a link: libcublas.so.12.4.5.8 for libcublas.so.12.
    return next((path for path in mapped if path.name.casefold().startswith(file.casefold())), Path(file))
