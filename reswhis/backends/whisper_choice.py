"""What choosing a Whisper model has in common, whichever recogniser it is for: the largest that keeps up, what is here.

Knows no recogniser, and decides neither device nor numbers. Called by the modules that choose for one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from reswhis.core.errors import ConfigurationError
from reswhis.core.languages import LANGUAGES

from . import hub, models
from .base import BackendConfig, BackendInfo
from .model_formats import Format
from .registry import Report

KEEPS_UP_S = 0.8
"""A window may take this long: a live stream has one nearly every second, and something must be left for the rest."""
TIMING_S = 2.0
NONE_KNOWS = "No model that auto takes here knows this language: choose one with --model, such as large-v3."


class Timed(Protocol):
    """A backend that can say what a window costs it."""

    def seconds_per_window(self) -> float: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """A model that is here: what its name says of it, and what its files do."""

    named: models.Model
    path: Path

    @property
    def _local(self) -> models.LocalModel:
        return models.LocalModel(self.named.name, self.path, self.named.format)

    @property
    def knows_short_context(self) -> bool:
        return models.knows_short_context(self.named) or models.knows_short_context(self._local)

    def info(self, config: BackendConfig, backend: str, device: str, compute_type: str) -> BackendInfo:
        """Raises ConfigurationError: of a model of the hub nothing is known before it is here."""
        models.check(config, self._local)
        languages = models.languages(self.named) & models.languages(self._local)
        return BackendInfo(
            backend=backend,
            model=self.named.name,
            device=device,
            compute_type=compute_type,
            languages=None if languages == LANGUAGES.keys() else languages,
            translates=languages != {"en"} and models.translates(self.named),
        )


def fetch(config: BackendConfig, named: models.Model, report: Report) -> Fetched:
    """Raises ConfigurationError, of which ModelUnavailable says that it cannot be had here and now."""
    return Fetched(named, hub.resolve(named, config.model_cache_dir, report))


def best(
    config: BackendConfig,
    wanted: Iterable[str],
    format: Format,
    report: Report,
    is_quick: Callable[[Path, str], bool],
) -> Fetched:
    """The first of the wanted sizes that is quick enough, or the last; of what can be had if the hub cannot be reached.

    Raises:
        ConfigurationError: as :func:`fetch`.
    """
    cache = config.model_cache_dir
    failure: models.ModelUnavailable | None = None
    slow: Fetched | None = None
    able = [model for model in sized(wanted, format) if can(config, model)]
    for model in able:
        path = hub.cached(model, cache)
        if path is None and failure is None:
            try:
                path = hub.fetch(model, cache, report)
            except models.ModelUnavailable as error:
                failure = error
        if path is None:
            continue
        if model is able[-1] or is_quick(path, model.name):
            return Fetched(model, path)
        slow = Fetched(model, path)
    found = slow or next(cached(config, every_size(format)), None)
    if found is None:
        raise failure or ConfigurationError(NONE_KNOWS)
    return found


def cached(config: BackendConfig, wanted: Iterable[models.HubModel]) -> Iterator[Fetched]:
    """Those of them that are here and can do what is asked."""
    for model in wanted:
        if can(config, model) and (path := hub.cached(model, config.model_cache_dir)) is not None:
            yield Fetched(model, path)


def every_size(format: Format) -> list[models.HubModel]:
    """The small before the large, those for English alone at last."""
    return sorted(sized(format.sizes, format), key=models.english_only)


def sized(names: Iterable[str], format: Format) -> list[models.HubModel]:
    return [models.HubModel(name, format.sizes[name], format) for name in names]


def can(config: BackendConfig, model: models.Model) -> bool:
    try:
        models.check(config, model)
    except ConfigurationError:
        return False
    return True


def keeps_up(make: Callable[[int], Timed], name: str, report: Report) -> bool:
    """Whether one live stream can be followed with this model, by decoding for some two seconds."""
    report(f"timing the model {name}", None)
    return seconds_per_window(make, TIMING_S, good_s=KEEPS_UP_S) <= KEEPS_UP_S


def seconds_per_window(make: Callable[[int], Timed], for_s: float, good_s: float = 0.0) -> float:
    """The best of some, for other programs may be at work, too; the first that is good enough."""
    backend = make(0)
    try:
        began = time.monotonic()
        least = math.inf
        while least > good_s and (least == math.inf or time.monotonic() - began < for_s):
            least = min(least, backend.seconds_per_window())
    finally:
        backend.close()
    return least
