"""Which Whisper model faster-whisper runs here, on which device and with which numbers.

Decodes nothing but what it takes to time a model. Called by :mod:`.selection` through the registry.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from reswhis.core.errors import ConfigurationError
from reswhis.core.languages import LANGUAGES, language_code

from . import devices, hub, models
from .base import BackendConfig, BackendInfo, Choice
from .faster_whisper import FasterWhisper, MakeFasterWhisper
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
        _check_model(config, models.find(config.model))


def choose(config: BackendConfig, report: Report) -> Choice:
    check(config)
    device = devices.device(config.device)
    compute_type = devices.compute_type(config.compute_type, device, config.device_index)

    def maker(path: Path) -> MakeFasterWhisper:
        return MakeFasterWhisper(path, device, config.device_index, compute_type, devices.threads(config.cpu_threads))

    if config.model == "auto":
        model, path = _best(config, device, maker, report)
    else:
        model, path = config.model, _resolve(config, report)
    named = models.find(model)
    english = models.english_only(named) or models.english_only(path)
    info = BackendInfo(
        backend="faster-whisper",
        model=model,
        device=device,
        compute_type=compute_type,
        languages=frozenset({"en"}) if english else None,
        translates=not english and models.translates(named),
    )
    return Choice(info, maker(path))


def _resolve(config: BackendConfig, report: Report) -> Path:
    model = models.find(config.model)
    if isinstance(model, Path):
        return model
    return hub.cached(model, config.model_cache_dir) or hub.fetch(model, config.model_cache_dir, report)


def _check_model(config: BackendConfig, model: Path | models.HubModel) -> None:
    code = None if config.language is None else language_code(config.language)
    if code not in (None, "en") and models.english_only(model):
        raise ConfigurationError(f"The model {config.model} knows English only, not {LANGUAGES[code]}; choose another.")
    if config.task == "translate" and not models.translates(model):
        raise ConfigurationError(f"The model {config.model} does not translate; choose another, such as large-v3.")


def _best(config: BackendConfig, device: str, maker: Maker, report: Report) -> tuple[str, Path]:
    """The name and place of the largest model that keeps up; of what can be had if the hub cannot be reached."""
    wanted = ON_CUDA[config.task] if device == "cuda" else ON_CPU
    cache = config.model_cache_dir
    failure: models.ModelUnavailable | None = None
    slow: tuple[str, Path] | None = None
    for name in wanted:
        model = models.HubModel(name, models.SIZES[name])
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
    known = [models.HubModel(name, repo) for name, repo in models.SIZES.items()]
    for model in sorted(known, key=models.english_only):
        try:
            _check_model(config, model)
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
