"""Which Whisper model faster-whisper runs here, on which device and with which numbers.

Decodes nothing but what it takes to time a model. Called by :mod:`.selection` through the registry.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from reswhis.core.errors import ConfigurationError

from . import devices, hub, models
from .base import BackendConfig, BackendInfo, Choice
from .faster_whisper import FasterWhisper, MakeFasterWhisper
from .model_formats import CTRANSLATE2
from .registry import Report

ON_CUDA = {"transcribe": ("large-v3-turbo", "base", "tiny"), "translate": ("large-v3", "base", "tiny")}
ON_CPU = ("base", "tiny")
"""What ``auto`` takes, best first; the turbo does not translate."""

TIMING_S = 2.0
KEEPS_UP_S = 0.8
"""A window may take this long: a live stream has one nearly every second, and something must be left for the rest."""

Maker = Callable[[Path], MakeFasterWhisper]


def check(config: BackendConfig) -> None:
    devices.compute_type(config.compute_type, devices.device(config.device), config.device_index)
    if config.model != "auto":
        models.check(config, models.find(config.model, CTRANSLATE2))


def choose(config: BackendConfig, report: Report) -> Choice:
    check(config)
    device = devices.device(config.device)
    compute_type = devices.compute_type(config.compute_type, device, config.device_index)

    def maker(path: Path) -> MakeFasterWhisper:
        return MakeFasterWhisper(path, device, config.device_index, compute_type, devices.threads(config.cpu_threads))

    if config.model == "auto":
        model, path = _best(config, device, maker, report)
    else:
        model = config.model
        path = hub.resolve(models.find(model, CTRANSLATE2), config.model_cache_dir, report)
    named = models.find(model, CTRANSLATE2)
    english = models.english_only(named) or models.english_only(models.LocalModel(model, path, CTRANSLATE2))
    info = BackendInfo(
        backend="faster-whisper",
        model=model,
        device=device,
        compute_type=compute_type,
        languages=frozenset({"en"}) if english else None,
        translates=not english and models.translates(named),
    )
    return Choice(info, maker(path))


def _best(config: BackendConfig, device: str, maker: Maker, report: Report) -> tuple[str, Path]:
    """The name and place of the largest model that keeps up; of what can be had if the hub cannot be reached."""
    wanted = ON_CUDA[config.task] if device == "cuda" else ON_CPU
    cache = config.model_cache_dir
    failure: models.ModelUnavailable | None = None
    slow: tuple[str, Path] | None = None
    for name in wanted:
        model = models.HubModel(name, CTRANSLATE2.sizes[name], CTRANSLATE2)
        path = hub.cached(model, cache)
        if path is None and failure is None:
            try:
                path = hub.fetch(model, cache, report)
            except models.ModelUnavailable as error:
                failure = error
        if path is None:
            continue
        if device == "cuda" or name == wanted[-1] or keeps_up(maker(path), name, report):
            return name, path
        slow = name, path
    found = slow or next(_any_cached(config), None)
    if found is None:
        raise failure or models.ModelUnavailable("No Whisper model can be had.")
    return found


def _any_cached(config: BackendConfig) -> Iterator[tuple[str, Path]]:
    """Whatever can do what is asked, the small before the large, those for English alone at last."""
    known = [models.HubModel(name, repo, CTRANSLATE2) for name, repo in CTRANSLATE2.sizes.items()]
    for model in sorted(known, key=models.english_only):
        try:
            models.check(config, model)
        except ConfigurationError:
            continue
        if (path := hub.cached(model, config.model_cache_dir)) is not None:
            yield model.name, path


def keeps_up(make: Callable[[int], FasterWhisper], name: str, report: Report) -> bool:
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
