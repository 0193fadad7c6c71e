"""Which Whisper model faster-whisper runs here, on which device and with which numbers.

Decodes nothing but what it takes to time a model. Called by :mod:`.selection` through the registry.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from reswhis.core.errors import ConfigurationError

from . import calibration, devices, memory, models, whisper_choice
from .base import BackendConfig, Choice
from .calibration import Layout
from .faster_whisper import MakeFasterWhisper
from .model_formats import CTRANSLATE2
from .registry import Report

ON_CUDA = {"transcribe": ("large-v3-turbo", "base", "tiny"), "translate": ("large-v3", "base", "tiny")}
ON_CPU = ("base", "tiny")
"""What ``auto`` takes, best first; the turbo does not translate."""

LAYOUT_S = 0.3
"""For each layout that is tried."""


def check(config: BackendConfig) -> None:
    _compute_type(config, devices.device(config.device))
    if config.model != "auto":
        models.check(config, models.find(config.model, CTRANSLATE2))


def choose(config: BackendConfig, report: Report) -> Choice:
    check(config)
    device = devices.device(config.device)
    devices.warn_of_idle_gpu(config.device)
    compute_type = _compute_type(config, device)
    threads = devices.threads(config.cpu_threads, config.workers)

    def maker(path: Path, threads: int = threads) -> MakeFasterWhisper:
        return MakeFasterWhisper(path, device, config.device_indices, compute_type, threads, config.decoding)

    def is_quick(path: Path, name: str) -> bool:
        return device == "cuda" or whisper_choice.keeps_up(maker(path), name, report)

    if config.model == "auto":
        wanted = ON_CUDA[config.task] if device == "cuda" else ON_CPU
        model = whisper_choice.best(config, wanted, CTRANSLATE2, report, is_quick)
    else:
        model = whisper_choice.fetch(config, models.find(config.model, CTRANSLATE2), report)
    info = model.info(config, "faster-whisper", device, compute_type)
    known = model.knows_short_context
    is_short = known if config.encoder_context == "auto" else config.encoder_context == "dynamic"
    weights_bytes = memory.weights_bytes(model.path)
    layout = _layout(config, device, weights_bytes, partial(maker, model.path), report)
    make = replace(
        maker(model.path, layout.threads),
        knows_short_context=known,
        max_batch=config.max_batch or _max_batch(config, device, layout, weights_bytes, is_short=is_short),
    )
    return Choice(info, make, workers=layout.workers, weights_bytes=weights_bytes)


def _layout(
    config: BackendConfig, device: str, weights_bytes: int, maker: Callable[[int], MakeFasterWhisper], report: Report
) -> Layout:
    """As asked for; of a CPU's cores, what is left open is measured."""
    if config.workers or device == "cuda":
        workers = config.workers or len(config.device_indices)
        return Layout(workers, devices.threads(config.cpu_threads, workers))
    if config.cpu_threads:
        return Layout(max(1, min(devices.cores() // config.cpu_threads, calibration.MOST_WORKERS)), config.cpu_threads)
    if weights_bytes > calibration.SMALL_BYTES:
        return Layout(1, devices.threads(0))
    report("timing the model", None)
    layouts = calibration.layouts(devices.cores(), devices.MAX_THREADS)

    def measure(layout: Layout) -> float:
        return whisper_choice.seconds_per_window(maker(layout.threads), LAYOUT_S)

    return calibration.calibrate(layouts, measure)


def _max_batch(config: BackendConfig, device: str, layout: Layout, weights_bytes: int, *, is_short: bool) -> int:
    if device == "cpu":
        return calibration.ON_CPU if is_short else calibration.ON_CPU_FULL
    each = -(-layout.workers // len(config.device_indices))  # workers on one GPU
    free = min(calibration.free_bytes(index) for index in config.device_indices)
    return calibration.batch_on_gpu(free, weights_bytes, each)


def _compute_type(config: BackendConfig, device: str) -> str:
    """One for all GPUs. Raises ConfigurationError."""
    if device == "cpu" and any(config.device_indices):
        raise ConfigurationError(f"There is no GPU {max(config.device_indices)} to use: leave --device-index away.")
    found = {devices.compute_type(config.compute_type, device, index) for index in config.device_indices}
    if len(found) > 1:
        raise ConfigurationError(
            f"These GPUs are best with different formats ({', '.join(sorted(found))}): choose one with --compute-type."
        )
    return found.pop()
