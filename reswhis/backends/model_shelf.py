"""All models that a recogniser has names for, and all others in the cache: what each is, and what of it is here.

Asks no network. Called by ``reswhis models``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import model_cache
from .model_cache import Kept
from .model_facts import Facts, facts
from .model_formats import Format, of_backends
from .models import HubModel


@dataclass(frozen=True, slots=True)
class Shelved:
    model: HubModel
    names: tuple[str, ...]
    """All that mean it, its own first."""
    facts: Facts
    kept: Kept


@dataclass(frozen=True, slots=True)
class Other:
    """What the cache holds beside them."""

    repo: str
    backend: str | None
    """Whose model it is; None if it is none of Whisper's."""
    kept: Kept


def known(format: Format, cache: Path | None) -> list[Shelved]:
    """By name, the smaller before the larger."""
    names: dict[str, list[str]] = {}
    for name, repo in format.sizes.items():
        names.setdefault(repo, []).append(name)
    shelved = []
    for repo, called in names.items():
        model = HubModel(called[0], repo, format)
        kept = model_cache.look(model, cache)
        shelved.append(Shelved(model, tuple(called), facts(model, None), kept))
    return shelved


def others(format: Format, cache: Path | None) -> list[Other]:
    """Those of other recognisers, those that were named by their hub id, and those that are no Whisper's at all."""
    found = []
    for folder in sorted(model_cache.home(cache).glob("models--*")):
        repo = folder.name.removeprefix("models--").replace("--", "/")
        if repo in format.sizes.values() or not folder.is_dir():
            continue
        backend = reader_of(repo, folder)
        if backend is None:
            path = model_cache.snapshot(folder)
            kept = Kept(folder, path, model_cache.size_on_disk(folder))
        else:
            kept = model_cache.look(HubModel(repo, repo, of_backends()[backend]), cache)
        if kept.size or kept.path:
            found.append(Other(repo, backend, kept))
    return found


def reader_of(repo: str, folder: Path) -> str | None:
    """The recogniser that takes a model of the cache: by its id, or by its files, if it calls itself Whisper's."""
    if (backend := backend_of(repo)) is not None:
        return backend
    path = model_cache.snapshot(folder)
    if path is None or "whisper" not in repo.casefold():
        return None
    return next((backend for backend, format in of_backends().items() if not format.lacking(path)), None)


def backend_of(repo: str) -> str | None:
    """Whose model a hub id is known to be."""
    return next((backend for backend, format in of_backends().items() if repo in format.sizes.values()), None)
