"""Which Whisper model mlx-whisper runs here, on the GPU of Apple silicon or on a CPU, and with which numbers.

Decodes nothing but what it takes to time a model. Called by :mod:`.selection` through the registry.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from reswhis.core.errors import ConfigurationError
from reswhis.core.languages import LANGUAGES

from . import hub, memory, models
from .base import BackendConfig, BackendInfo, Choice
from .decoding import Decoding
from .faster_whisper_choice import KEEPS_UP_S, TIMING_S
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

    if config.model == "auto":
        name, path = _best(config, device, maker, report)
    else:
        name = config.model
        path = hub.resolve(models.find(name, MLX), config.model_cache_dir, report)
    named, fetched = models.find(name, MLX), models.LocalModel(name, path, MLX)
    models.check(config, fetched)  # of a model of the hub nothing is known before it is here
    languages = models.languages(named) & models.languages(fetched)
    info = BackendInfo(
        backend="mlx-whisper",
        model=name,
        device=device,
        compute_type=compute_type,
        languages=None if languages == LANGUAGES.keys() else languages,
        translates=languages != {"en"} and models.translates(named),
    )
    known = models.knows_short_context(named) or models.knows_short_context(fetched)
    make = replace(maker(path), knows_short_context=known)
    return Choice(info, make, workers=config.workers or 1, weights_bytes=memory.weights_bytes(path))


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


def _best(
    config: BackendConfig, device: str, maker: Callable[[Path], MakeMlxWhisper], report: Report
) -> tuple[str, Path]:
    """The name and place of the largest model that keeps up; of what can be had if the hub cannot be reached."""
    import psutil  # type: ignore[import-untyped]

    cache = config.model_cache_dir
    failure: models.ModelUnavailable | None = None
    slow: tuple[str, Path] | None = None
    names = [name for name in wanted(device, config.task, psutil.virtual_memory().total) if _can(config, name)]
    for name in names:
        model = _sized(name)
        path = hub.cached(model, cache)
        if path is None and failure is None:
            try:
                path = hub.fetch(model, cache, report)
            except models.ModelUnavailable as error:
                failure = error
        if path is None:
            continue
        if name == names[-1] or keeps_up(maker(path), name, report):
            return name, path
        slow = name, path
    for name in sorted(MLX.sizes, key=lambda name: models.english_only(_sized(name))) if slow is None else ():
        if _can(config, name) and (path := hub.cached(_sized(name), cache)) is not None:
            return name, path
    if slow is None:
        raise failure or ConfigurationError(
            "No model that auto takes here knows this language: choose one with --model, such as large-v3."
        )
    return slow


def _sized(name: str) -> models.HubModel:
    return models.HubModel(name, MLX.sizes[name], MLX)


def _can(config: BackendConfig, name: str) -> bool:
    try:
        models.check(config, _sized(name))
    except ConfigurationError:
        return False
    return True


def keeps_up(make: MakeMlxWhisper, name: str, report: Report) -> bool:
    """Whether one live stream can be followed with this model, by decoding for some two seconds."""
    report(f"timing the model {name}", None)
    backend = make(0)
    try:
        began = time.monotonic()
        best = math.inf
        while best > KEEPS_UP_S and time.monotonic() - began < TIMING_S:
            best = min(best, backend.seconds_per_window())
    finally:
        backend.close()
    return best <= KEEPS_UP_S
