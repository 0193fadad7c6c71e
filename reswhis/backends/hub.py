"""Fetches a Whisper model's weights from the model hub into huggingface_hub's cache, or finds them there.

Does not know which model is wanted; :mod:`.models` does. Called by whoever chooses a model.
"""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import TypeVar

from .models import HubModel, LocalModel, Model, ModelUnavailable
from .registry import Report

logger = logging.getLogger(__name__)
T = TypeVar("T")

DEADLINE_S = 5.0
"""For the hub's first answer. A black hole takes a connection and never answers, and a name may never be resolved."""


def resolve(model: Model, cache: Path | None, report: Report) -> Path:
    """The model's directory, fetched if need be.

    Raises:
        ModelUnavailable
    """
    if isinstance(model, LocalModel):
        return model.path
    return cached(model, cache) or fetch(model, cache, report)


def cached(model: HubModel, cache: Path | None) -> Path | None:
    """The model's directory if all of it is in the cache. No network."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        path = Path(
            snapshot_download(model.repo, cache_dir=cache, allow_patterns=_wanted(model), local_files_only=True)
        )
    except LocalEntryNotFoundError:
        return None
    return None if model.format.lacking(path) else path


def fetch(model: HubModel, cache: Path | None, report: Report) -> Path:
    """Download the model into the cache; takes as long as it takes once the hub has answered.

    Raises:
        ModelUnavailable
    """
    report(f"asking the model hub for {model.name}", None)
    files = _within(DEADLINE_S, lambda: _files(model), model)
    if missing := [wanted for wanted in model.format.files if not any(fnmatch(name, wanted) for name in files)]:
        raise ModelUnavailable(
            f"{model.repo} on the model hub is not {model.format.name}: {' and '.join(missing)} missing."
        )
    size = sum(files.values())
    progress = _Progress(f"downloading the model {model.name} ({size / 1e6:.0f} MB)", size, report)
    return _within(None, lambda: _download(model, cache, files, progress), model)


def _files(model: HubModel) -> dict[str, int]:
    """The names and sizes of what is wanted."""
    from huggingface_hub import HfApi

    info = HfApi().model_info(model.repo, files_metadata=True, timeout=DEADLINE_S)
    return {
        file.rfilename: file.size or 0
        for file in info.siblings or ()
        if any(fnmatch(file.rfilename, wanted) for wanted in _wanted(model))
    }


def _wanted(model: HubModel) -> list[str]:
    return [*model.format.files, *model.format.more]


def _download(model: HubModel, cache: Path | None, files: dict[str, int], progress: _Progress) -> Path:
    # Not ``snapshot_download``: its threads would keep the process from ending until they are through.
    from huggingface_hub import hf_hub_download

    for name, size in files.items():
        path = hf_hub_download(model.repo, name, cache_dir=cache, tqdm_class=_progress_bar(progress))
        progress.complete(size)
    return Path(path).parent


class _Progress:
    """Bytes received, file after file, as a share of all."""

    def __init__(self, message: str, size: int, report: Report) -> None:
        self._message = message
        self._size = max(size, 1)
        self._report = report
        self._before = 0
        self._told = 0.0
        report(message, 0.0)

    def received(self, count: float) -> None:
        """So many bytes of the current file."""
        share = min((self._before + count) / self._size, 1.0)
        if share > self._told:
            self._told = share
            self._report(self._message, share)

    def complete(self, size: int) -> None:
        self.received(size)
        self._before += size


def _progress_bar(progress: _Progress) -> type:
    """A tqdm that draws nothing: how huggingface_hub says what it has received."""
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        monitor_interval = 0

        def __init__(self, **settings: object) -> None:
            super().__init__(**{**settings, "file": io.StringIO()})

        def display(self, msg: str | None = None, pos: int | None = None) -> None:
            progress.received(self.n)

    return Bar


def _within(deadline_s: float | None, ask: Callable[[], T], model: HubModel) -> T:
    """The hub's answer. What does not come in time is left to a thread that keeps nobody from ending the process."""
    answers: list[T] = []
    errors: list[Exception] = []

    def work() -> None:
        try:
            answers.append(ask())
        except Exception as error:  # noqa: BLE001  # top of the thread; judged and logged below
            errors.append(error)

    thread = threading.Thread(target=work, name="model-hub", daemon=True)
    thread.start()
    thread.join(deadline_s)
    if answers:
        return answers[0]
    raise _unavailable(model, errors[0] if errors else TimeoutError(f"no answer within {deadline_s} s"))


def _unavailable(model: HubModel, error: Exception) -> ModelUnavailable:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    logger.debug("%s cannot be fetched", model.repo, exc_info=error)
    match error:
        case GatedRepoError():
            return ModelUnavailable(f"The model hub gives {model.repo} only on request; see its page there.")
        case RepositoryNotFoundError():
            return ModelUnavailable(f"The model hub has no model {model.repo}, or not for everyone; check the name.")
        case _:
            return ModelUnavailable(
                f"The model {model.name} is not on this machine and cannot be fetched ({type(error).__name__}): "
                "check the network, give a converted model's directory, or, for English, choose --backend pocketsphinx."
            )
