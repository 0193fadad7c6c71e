"""What to say when a recogniser refuses a model's directory: why, or, if the cache's copy is damaged, how to mend that.

Loads nothing. Called by the recognisers, which find too few bytes but seldom say so.
"""

from __future__ import annotations

from pathlib import Path

from reswhis.core.errors import ConfigurationError

from . import model_cache
from .model_formats import of_backends
from .model_shelf import reader_of
from .models import HubModel


def cannot_be_loaded(path: Path, reason: str) -> ConfigurationError:
    """Reads all of a model that is in the cache, which takes some seconds for a large one."""
    folder = path.parent.parent
    if path.parent.name == "snapshots" and folder.name.startswith("models--"):
        repo = folder.name.removeprefix("models--").replace("--", "/")
        backend = reader_of(repo, folder)
        if backend is not None and (trouble := _trouble(path, repo, backend)):
            mend = " ".join(["reswhis models pull", *_named(repo, backend, folder.parent)])
            return ConfigurationError(f"The model in {path} is damaged: {trouble}; `{mend}` mends it.")
    return ConfigurationError(f"The model in {path} cannot be loaded: {reason.rstrip('.')}.")


def _trouble(path: Path, repo: str, backend: str) -> str:
    kept = model_cache.look(HubModel(repo, repo, of_backends()[backend]), path.parents[2], verify=True)
    return kept.trouble if kept.path is not None and kept.path.samefile(path) else ""


def _named(repo: str, backend: str, cache: Path) -> list[str]:
    """With as little as it takes to mean this one."""
    words = [next((size for size, of in of_backends()[backend].sizes.items() if of == repo), repo)]
    if next(iter(of_backends())) != backend:
        words += ["--backend", backend]
    if cache.resolve() != model_cache.home(None):
        words += ["--model-cache-dir", str(cache)]
    return words
