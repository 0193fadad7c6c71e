"""Which Whisper model faster-whisper runs here, on which device and with which numbers.

Decodes nothing but what it takes to time a model. Called by :mod:`.selection` through the registry.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from reswhis.core.errors import ConfigurationError
from reswhis.core.languages import LANGUAGES

from . import calibration, devices, hub, memory, models
from .base import BackendConfig, BackendInfo, Choice
from .calibration import Layout
from .faster_whisper import FasterWhisper, MakeFasterWhisper
from .model_formats import CTRANSLATE2
from .registry import Report

ON_CUDA = {"transcribe": ("large-v3-turbo", "base", "tiny"), "translate": ("large-v3", "base", "tiny")}
ON_CPU = ("base", "tiny")
"""What ``auto`` takes, best first; the turbo does not translate."""

TIMING_S = 2.0
LAYOUT_S = 0.3
"""For each layout that is tried."""
KEEPS_UP_S = 0.8
"""A window may take this long: a live stream has one nearly every second, and something must be left for the rest."""

Maker = Callable[[Path], MakeFasterWhisper]


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

    if config.model == "auto":
        model, path = _best(config, device, maker, report)
    else:
        model = config.model
        path = hub.resolve(models.find(model, CTRANSLATE2), config.model_cache_dir, report)
    named, fetched = models.find(model, CTRANSLATE2), models.LocalModel(model, path, CTRANSLATE2)
    models.check(config, fetched)  # of a model of the hub nothing is known before it is here
    languages = models.languages(named) & models.languages(fetched)
    info = BackendInfo(
        backend="faster-whisper",
        model=model,
        device=device,
        compute_type=compute_type,
        languages=None if languages == LANGUAGES.keys() else languages,
        translates=languages != {"en"} and models.translates(named),
    )
    known = models.knows_short_context(named) or models.knows_short_context(fetched)
    is_short = known if config.encoder_context == "auto" else config.encoder_context == "dynamic"
    weights_bytes = memory.weights_bytes(path)
    layout = _layout(config, device, weights_bytes, partial(maker, path), report)
    make = replace(
        maker(path, layout.threads),
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
    return calibration.calibrate(layouts, lambda layout: _seconds_per_window(maker(layout.threads)))


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


def _best(config: BackendConfig, device: str, maker: Maker, report: Report) -> tuple[str, Path]:
    """The name and place of the largest model that keeps up; of what can be had if the hub cannot be reached."""
    cache = config.model_cache_dir
    failure: models.ModelUnavailable | None = None
    slow: tuple[str, Path] | None = None
    wanted = [model for model in _known(ON_CUDA[config.task] if device == "cuda" else ON_CPU) if _can(config, model)]
    for model in wanted:
        name = model.name
        path = hub.cached(model, cache)
        if path is None and failure is None:
            try:
                path = hub.fetch(model, cache, report)
            except models.ModelUnavailable as error:
                failure = error
        if path is None:
            continue
        if device == "cuda" or model is wanted[-1] or keeps_up(maker(path), name, report):
            return name, path
        slow = name, path
    found = slow or next(_any_cached(config), None)
    if found is None:
        raise failure or ConfigurationError(
            "No model that auto takes here knows this language: choose one with --model, such as large-v3."
        )
    return found


def _any_cached(config: BackendConfig) -> Iterator[tuple[str, Path]]:
    """Whatever can do what is asked, the small before the large, those for English alone at last."""
    for model in sorted(_known(CTRANSLATE2.sizes), key=models.english_only):
        if _can(config, model) and (path := hub.cached(model, config.model_cache_dir)) is not None:
            yield model.name, path


def _known(names: Iterable[str]) -> list[models.HubModel]:
    return [models.HubModel(name, CTRANSLATE2.sizes[name], CTRANSLATE2) for name in names]


def _can(config: BackendConfig, model: models.Model) -> bool:
    try:
        models.check(config, model)
    except ConfigurationError:
        return False
    return True


def keeps_up(make: Callable[[int], FasterWhisper], name: str, report: Report) -> bool:
    """Whether one live stream can be followed with this model, by decoding for some two seconds."""
    report(f"timing the model {name}", None)
    return _seconds_per_window(make, TIMING_S, good_s=KEEPS_UP_S) <= KEEPS_UP_S


def _seconds_per_window(make: Callable[[int], FasterWhisper], for_s: float = LAYOUT_S, good_s: float = 0.0) -> float:
    """The best of some, for other programs may be at work, too; the first that is good enough."""
    backend = make(0)
    try:
        began = time.monotonic()
        best = math.inf
        while best > good_s and (best == math.inf or time.monotonic() - began < for_s):
            best = min(best, backend.seconds_per_window())
    finally:
        backend.close()
    return best
