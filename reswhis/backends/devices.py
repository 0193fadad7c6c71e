"""On what CTranslate2 computes here, with which numbers, in how many threads. Asked by who chooses a model for it."""

from __future__ import annotations

import logging
import os
import sys

from reswhis.core.errors import ConfigurationError

from . import cuda
from .nearest import no_such

logger = logging.getLogger(__name__)

_BEST = {"cuda": ("float16", "int8_float16", "float32"), "cpu": ("int8", "float32")}
_LIBRARY = "NVIDIA's cuBLAS 12, which is not installed"
MAX_THREADS = 8
"""More than this many threads gain nothing with models that a CPU can keep up with."""


def device(asked: str) -> str:
    """Raises ConfigurationError."""
    match asked.strip().casefold():
        case "auto":
            return "cuda" if gpus() and cuda.preload() else "cpu"
        case "cpu":
            return "cpu"
        case "cuda" if not gpus():
            raise ConfigurationError(
                "No CUDA device can be used: check `nvidia-smi`, or choose --device cpu."
                if sys.platform != "darwin"
                else "There is no CUDA on a Mac; choose --device cpu."
            )
        case "cuda" if not cuda.preload():
            raise ConfigurationError(f"The GPU needs {_LIBRARY}: run `{cuda.EXTRA}`, or choose --device cpu.")
        case "cuda":
            return "cuda"
        case _:
            raise ConfigurationError(no_such("device", asked, ("auto", "cpu", "cuda")))


def warn_of_idle_gpu(asked: str) -> None:
    """Say in the log why ``auto`` leaves a GPU alone, and the way out."""
    if asked.strip().casefold() == "auto" and gpus() and not cuda.preload():
        logger.warning("There is a GPU, but it is not used: it needs %s. Run `%s`.", _LIBRARY, cuda.EXTRA)


def compute_type(asked: str, device: str, device_index: int = 0) -> str:
    """Raises ConfigurationError with what the device can do."""
    import ctranslate2

    try:
        supported: set[str] = ctranslate2.get_supported_compute_types(device, device_index)
    except (RuntimeError, ValueError) as error:
        raise ConfigurationError(f"The device {device}:{device_index} cannot be used: {error}.") from error
    asked = asked.strip().casefold()
    if asked == "auto":
        return next(best for best in _BEST[device] if best in supported)
    if asked not in supported:
        raise ConfigurationError(
            f"The compute type {asked!r} is not possible on {device} here; choose auto, {', '.join(sorted(supported))}."
        )
    return asked


def threads(asked: int, workers: int = 1) -> int:
    """For one of these workers, 0 of which are one; 0: as many as there are cores for it."""
    return asked or min(max(1, cores() // max(1, workers)), MAX_THREADS)


def cores() -> int:
    """Those that this process may use, which in a container are fewer than there are."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpus() -> int:
    """How many CTranslate2 can use, as far as the driver goes."""
    import ctranslate2

    count: int = ctranslate2.get_cuda_device_count()
    return count
