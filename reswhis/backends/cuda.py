"""Finds the CUDA libraries that the extra ``cuda`` installs, so that nobody copies DLLs or sets a library path.

Called once by a backend that is about to use a GPU, before it loads its own library. Does nothing where the wheels
are not installed: the system's libraries are then used.
"""

from __future__ import annotations

import ctypes
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

_WHEELS = ("nvidia.cublas", "nvidia.cudnn")
_LIBRARIES = {
    "linux": ("libcublasLt.so.*", "libcublas.so.*", "libcudnn.so.*"),  # the others are found beside these
    "win32": ("cublasLt64_*.dll", "cublas64_*.dll", "cudnn64_*.dll"),
}


def preload() -> list[Path]:
    """Load the wheels' libraries into this process; returns those that were loaded."""
    loaded: list[Path] = []
    for path in libraries():
        try:
            ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
        except OSError:
            logger.warning("the CUDA library %s cannot be loaded", path, exc_info=True)
        else:
            loaded.append(path)
    return loaded


def libraries() -> Iterator[Path]:
    """Libraries of the installed wheels, each after those it needs."""
    folders = [folder for wheel in _WHEELS for folder in _folders(wheel)]
    if sys.platform == "win32":
        for folder in folders:
            os.add_dll_directory(str(folder))
    for pattern in _LIBRARIES.get(sys.platform, ()):
        for folder in folders:
            yield from sorted(folder.glob(pattern))


def _folders(wheel: str) -> list[Path]:
    try:
        spec = importlib.util.find_spec(wheel)
    except ModuleNotFoundError:  # not even the name before the dot is there
        return []
    places = list(spec.submodule_search_locations or ()) if spec else []
    return [folder for place in places for name in ("lib", "bin") if (folder := Path(place) / name).is_dir()]
