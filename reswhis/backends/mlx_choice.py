"""Which Whisper model mlx-whisper runs here, on the GPU of Apple silicon or on a CPU, and with which numbers.

Decodes nothing but what it takes to time a model. Called by :mod:`.selection` through the registry.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from reswhis.core.errors import ConfigurationError

from . import memory, models, whisper_choice
from .base import BackendConfig, Choice
from .decoding import Decoding
from .mlx_backend import MakeMlxWhisper
from .model_formats import MLX
from .nearest import no_such
from .registry import Report

logger = logging.getLogger(__name__)

COMPUTE_TYPES = ("float16", "float32")
ELSEWHERE = "or choose --backend faster-whisper"

_LARGE_FROM_BYTES = 15 * 10**9
"""A Mac of 16 GB: the turbo takes 1.6 of them, and its speed is seldom found in a smaller one."""


def check(config: BackendConfig) -> None:
    """Imports no MLX, which takes a while."""
    _check_device(config)
    _check_compute_type(config)
    _check_search(config)
    if config.model != "auto":
        models.check(config, models.find(config.model, MLX))


def suits(config: BackendConfig) -> bool:
    """Whether it can do all that is asked, on a GPU: on a CPU faster-whisper is quicker."""
    try:
        check(config)
        return _device(config) == "gpu"
    except ConfigurationError:
        return False


def choose(config: BackendConfig, report: Report) -> Choice:
    check(config)
    device = _device(config)
    compute_type = config.compute_type.strip().casefold()
    if compute_type == "auto":
        compute_type = "float16" if device == "gpu" else "float32"
    if config.cpu_threads:
        logger.warning("MLX decides itself how many threads it uses: cpu_threads has no effect")

    def maker(path: Path) -> MakeMlxWhisper:
        return MakeMlxWhisper(path, device, compute_type, config.decoding)

    def keeps_up(path: Path, name: str) -> bool:
        return whisper_choice.keeps_up(maker(path), name, report)

    if config.model == "auto":
        names = wanted(device, config.task, memory.total_bytes())
        model = whisper_choice.best(config, names, MLX, report, keeps_up)
    else:
        model = whisper_choice.fetch(config, models.find(config.model, MLX), report)
    info = model.info(config, "mlx-whisper", device, compute_type)
    make = replace(maker(model.path), knows_short_context=model.knows_short_context)
    return Choice(info, make, workers=config.workers or 1, weights_bytes=memory.weights_bytes(model.path))


def wanted(device: str, task: str, memory_bytes: int) -> tuple[str, ...]:
    """What ``auto`` takes, best first, of which it takes the first that keeps up; the turbo does not translate."""
    if device == "cpu":
        return "base", "tiny"
    if memory_bytes < _LARGE_FROM_BYTES:
        return "small", "base", "tiny"
    return ("large-v3-turbo" if task == "transcribe" else "medium"), "small", "base", "tiny"


def _check_device(config: BackendConfig) -> None:
    match config.device.strip().casefold():
        case "auto" | "cpu":
            pass
        case "cuda":
            raise ConfigurationError(f"mlx-whisper does not use CUDA: leave --device away, {ELSEWHERE}.")
        case _:
            raise ConfigurationError(no_such("device", config.device, ("auto", "cpu")))
    if any(config.device_indices):
        raise ConfigurationError("mlx-whisper has one GPU at most: leave --device-index away.")


def _check_compute_type(config: BackendConfig) -> None:
    asked = config.compute_type.strip().casefold()
    if asked != "auto" and asked not in COMPUTE_TYPES:
        raise ConfigurationError(
            f"The compute type {asked!r} is not possible with mlx-whisper: choose auto, float16 or float32, or a model "
            f"that is itself quantised, {ELSEWHERE}."
        )


def _check_search(config: BackendConfig) -> None:
    if config.beam_size > 1:
        raise ConfigurationError(f"mlx-whisper has no beam search: set --beam-size 1, {ELSEWHERE}.")
    usual = Decoding()
    for name in ("best_of", "patience", "length_penalty"):
        if getattr(config.decoding, name) != getattr(usual, name):
            flag = name.replace("_", "-")
            raise ConfigurationError(f"mlx-whisper has no {flag}: leave --{flag} away, {ELSEWHERE}.")


def _device(config: BackendConfig) -> str:
    """Raises ConfigurationError."""
    try:
        import mlx.core as mx
    except ImportError as error:
        raise ConfigurationError("MLX cannot be loaded here: run `uv sync --extra mlx-whisper`.") from error
    gpu: bool = mx.default_device().type == mx.gpu
    return "gpu" if gpu and config.device.strip().casefold() == "auto" else "cpu"
