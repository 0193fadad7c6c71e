"""Fetches a Whisper model's weights from the model hub into huggingface_hub's cache, or finds them there.

Does not know which model is wanted; :mod:`.models` does. Called by whoever chooses a model, and by ``reswhis models``.
"""

from __future__ import annotations

import errno
import logging
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from . import download, model_cache
from .download import NotAsPromised
from .model_cache import HubFile, bytes_in_words
from .models import HubModel, LocalModel, Model, ModelUnavailable
from .registry import Report

logger = logging.getLogger(__name__)
T = TypeVar("T")

DEADLINE_S = 5.0
"""For the hub's first answer. A black hole takes a connection and never answers, and a name may never be resolved."""
SILENCE_S = 20.0
"""A download in which so long nothing comes has been cut off."""
TRIES = 5
"""In a row without a byte received, before a download is given up."""
PAUSE_S = 2.0
"""Between those: a wireless network comes back after some seconds."""
OFFLINE = "HF_HUB_OFFLINE is set"
"""The reason where the hub must not be asked."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PLAIN_NAME = re.compile(r"[\w+-][\w.+-]*", re.ASCII)
"""Names and hashes become paths here."""
_HEARD_S = 0.5
"""On Windows a thread that waits for another hears Ctrl-C only when it has waited."""


class DiskFull(ModelUnavailable):
    """There is too little space where the cache is. Nothing has been fetched."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What the hub has of a model, and what of that is here."""

    model: HubModel
    folder: Path
    """The model's in the cache."""
    commit: str
    files: tuple[HubFile, ...]
    lacking: tuple[HubFile, ...]
    """Missing here, cut off, or, where that was asked for, changed."""

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def received(self) -> int:
        """Bytes of what is lacking that are here from an earlier attempt."""
        return sum(min(_size(download.partial_of(self.folder, file)) or 0, file.size) for file in self.lacking)

    @property
    def needed(self) -> int:
        """Bytes that are still to come."""
        return sum(file.size for file in self.lacking) - self.received


def resolve(model: Model, cache: Path | None, report: Report) -> Path:
    """The model's directory, fetched if need be.

    Raises:
        ModelUnavailable
    """
    if isinstance(model, LocalModel):
        return model.path
    return cached(model, cache) or fetch(model, cache, report)


def cached(model: HubModel, cache: Path | None) -> Path | None:
    """The model's directory if all of it is in the cache, and nothing of it is known to be cut off. No network."""
    kept = model_cache.look(model, cache)
    return kept.path if kept.state == "whole" else None


def fetch(model: HubModel, cache: Path | None, report: Report) -> Path:
    """Download the model into the cache; takes as long as it takes once the hub has answered.

    Raises:
        ModelUnavailable
    """
    report(f"asking the model hub for {model.name}", None)
    listing = ask(model, cache)
    message = f"downloading the model {model.name} ({bytes_in_words(listing.size)})"
    told = -1.0

    def received(count: int) -> None:
        nonlocal told
        share = min(count / max(listing.size, 1), 1.0)
        if share > told:
            told = share
            report(message, share)

    return complete(listing, received)


def ask(model: HubModel, cache: Path | None, *, verify: bool = False) -> Listing:
    """What the hub has; waits for its answer for :data:`DEADLINE_S`.

    Args:
        verify: read what is here, byte by byte; it takes some seconds for a large model.

    Raises:
        ModelUnavailable
    """
    match _within(DEADLINE_S, lambda: _list(model)):
        case _Failed(error):
            raise _unavailable(model, cache, error)
        case _Done((commit, files)):
            pass
    if missing := [wanted for wanted in model.format.files if not any(fnmatch(file.name, wanted) for file in files)]:
        raise ModelUnavailable(
            f"{model.repo} on the model hub is not {model.format.name}: {' and '.join(missing)} missing."
        )
    folder = model_cache.folder_of(model.repo, cache)
    here = folder / "snapshots" / commit
    lacking = tuple(file for file in files if not _is_here(here / file.name, file, verify=verify))
    return Listing(model, folder, commit, files, lacking)


def complete(listing: Listing, received: Callable[[int], None]) -> Path:
    """Fetch what is lacking; then, and only then, the revision is in force. The directory.

    Args:
        received: told how many bytes of the model are here; called from another thread.

    Raises:
        ModelUnavailable: of which DiskFull comes before anything is fetched.
    """
    model, cache = listing.model, listing.folder.parent
    try:
        free = model_cache.free_at(cache)
    except OSError as unusable:
        raise _unavailable(model, cache, unusable) from unusable
    if (full := model_cache.space(listing.needed, free, cache)) is not None:
        raise DiskFull(f"The model {model.name} cannot be fetched: {full}.", full)
    before = listing.size - sum(file.size for file in listing.lacking)
    received(before)
    for file in listing.lacking:
        _persist(listing, file, partial(_add, before, received))
        before += file.size
    match _within(None, lambda: _put_in_force(listing)):
        case _Failed(error):
            raise _unavailable(model, cache, error)
        case _Done(path):
            return path


def _add(before: int, received: Callable[[int], None], count: int) -> None:
    received(before + count)


def _list(model: HubModel) -> tuple[str, tuple[HubFile, ...]]:
    """The commit, and the names and sizes of what is wanted."""
    from huggingface_hub import HfApi, get_hf_file_metadata, hf_hub_url

    info = HfApi().model_info(model.repo, files_metadata=True, timeout=DEADLINE_S)
    commit = info.sha or ""
    files = []
    for sibling in info.siblings or ():
        name = sibling.rfilename
        if not any(fnmatch(name, wanted) for wanted in model.format.wanted) or not _PLAIN_NAME.fullmatch(name):
            continue
        etag = sibling.lfs.sha256 if sibling.lfs else sibling.blob_id
        if etag is None or sibling.size is None:  # as of a mirror that knows less than the hub
            told = get_hf_file_metadata(hf_hub_url(model.repo, name, revision=commit), timeout=DEADLINE_S)
            files.append(HubFile(name, told.size or 0, told.etag or ""))
        else:
            files.append(HubFile(name, sibling.size, etag))
    if not _COMMIT.fullmatch(commit) or not all(_PLAIN_NAME.fullmatch(file.etag) for file in files):
        raise NotAsPromised("the listing")
    return commit, tuple(files)


def _is_here(path: Path, file: HubFile, *, verify: bool) -> bool:
    if _size(path) != file.size:
        return False
    return not verify or model_cache.is_as_named(path, file.etag) is not False


def _size(path: Path) -> int | None:
    """None where there is nothing, or only a link to what is gone."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def _persist(listing: Listing, file: HubFile, received: Callable[[int], None]) -> None:
    """Fetch a file, going on after each interruption as long as something comes."""
    half = download.partial_of(listing.folder, file)
    left = TRIES
    while True:
        before = _size(half) or 0
        attempt = _within(
            None,
            lambda: download.fetch(listing.model.repo, listing.commit, file, listing.folder, SILENCE_S, received),
        )
        match attempt:
            case _Done():
                return
            case _Failed(error):
                left = TRIES if (_size(half) or 0) > before else left - 1
                if left == 0 or not _may_pass(error):
                    raise _unavailable(listing.model, listing.folder.parent, error)
                logger.debug("the download of %s is taken up again", file.name, exc_info=error)
                if left < TRIES:
                    time.sleep(PAUSE_S)


def _put_in_force(listing: Listing) -> Path:
    path = listing.folder / "snapshots" / listing.commit
    if not listing.lacking and model_cache.snapshot(listing.folder) == path:
        with suppress(OSError):  # a cache that was made by another, and may only be read
            model_cache.record(listing.folder, listing.commit, listing.files)
        return path
    model_cache.record(listing.folder, listing.commit, listing.files)
    (listing.folder / "refs").mkdir(exist_ok=True)
    (listing.folder / "refs" / "main").write_text(listing.commit, "utf-8")
    return path


@dataclass(frozen=True, slots=True)
class _Done(Generic[T]):
    answer: T


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


def _within(deadline_s: float | None, work: Callable[[], T]) -> _Done[T] | _Failed:
    """What comes of it. What does not come in time is left to a thread that keeps nobody from ending the process."""
    ends: list[_Done[T] | _Failed] = []

    def run() -> None:
        try:
            ends.append(_Done(work()))
        except Exception as error:  # noqa: BLE001  # top of the thread; judged and logged by whoever asked
            ends.append(_Failed(error))

    thread = threading.Thread(target=run, name="model-hub", daemon=True)
    thread.start()
    if deadline_s is not None:
        thread.join(deadline_s)
    else:
        while thread.is_alive():
            thread.join(_HEARD_S)
    return ends[0] if ends else _Failed(TimeoutError(f"no answer within {deadline_s:.0f} s"))


def _may_pass(error: Exception) -> bool:
    """Whether it may be over at the next try: the way to the hub, not the hub's answer, nor the disk."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    match error:
        case HfHubHTTPError():
            return error.response.status_code >= 500
        case OfflineModeIsEnabled():
            return False
        case ConnectionError() | NotAsPromised():
            return True
        case OSError():
            return False
        case _:
            return True


def _unavailable(model: HubModel, cache: Path | None, error: Exception) -> ModelUnavailable:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    logger.debug("%s cannot be fetched", model.repo, exc_info=error)
    match error:
        case GatedRepoError():
            return ModelUnavailable(f"The model hub gives {model.repo} only on request; see its page there.")
        case RepositoryNotFoundError():
            return ModelUnavailable(f"The model hub has no model {model.repo}, or not for everyone; check the name.")
    reason, kept = _reason(error, cache), model_cache.look(model, cache)
    if kept.trouble:
        return ModelUnavailable(
            f"The model {model.name} is {kept.state} on this machine ({kept.trouble}) and cannot be fetched anew "
            f"({reason}): `reswhis models pull {model.name}` goes on where the download ended.",
            reason,
        )
    return ModelUnavailable(
        f"The model {model.name} is not on this machine and cannot be fetched ({reason}): "
        "check the network, give a converted model's directory, or, for English, choose --backend pocketsphinx.",
        reason,
    )


def _reason(error: Exception, cache: Path | None) -> str:
    from huggingface_hub import constants
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    match error:
        case OfflineModeIsEnabled():
            return OFFLINE
        case HfHubHTTPError():
            return f"{constants.ENDPOINT} answers HTTP {error.response.status_code}"
        case NotAsPromised():
            return f"{error} of {constants.ENDPOINT} is not what was announced"
        case TimeoutError():
            return f"{constants.ENDPOINT} gives {error}"
        case OSError() if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return f"no space is left in {model_cache.home(cache)}"
        case OSError() if error.strerror and not isinstance(error, ConnectionError):
            return f"{error.filename or model_cache.home(cache)}: {error.strerror}"
        case _:
            return f"{constants.ENDPOINT}: {type(error).__name__}"
