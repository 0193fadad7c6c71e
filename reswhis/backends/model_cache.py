"""What of a model is in huggingface_hub's cache, and whether it is whole; tells what is missing, cut off or changed.

Asks no network and loads no model. Asked by :mod:`.hub`, and by the command ``reswhis models``.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from .models import HubModel

logger = logging.getLogger(__name__)

State = Literal["absent", "incomplete", "damaged", "whole"]
RECORDS = "reswhis"
"""Beside the hub's own folders of a model: without links, as on Windows, it keeps neither sizes nor hashes."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA1 = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file as the hub has it."""

    name: str
    size: int
    etag: str
    """Its SHA-256, or, of small files, git's hash. The name of its blob in the cache."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is in the cache of one model."""

    folder: Path
    """All of it, other revisions and halves too."""
    path: Path | None
    """The directory that can be loaded, or could if it were whole."""
    size: int
    """Bytes on disk, of half a download too."""
    missing: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    """A clause each: ``model.bin has 20 MB of 75 MB``."""
    verified: bool = False
    """Every byte of every file has been compared with the hub's hash."""

    @property
    def state(self) -> State:
        if self.damaged:
            return "damaged"
        if self.path is None or self.missing:
            return "incomplete" if self.size else "absent"
        return "whole"

    @property
    def trouble(self) -> str:
        """What is wrong, in a clause; empty if nothing is."""
        cut_off = [f"{' and '.join(self.missing)} missing"] if self.missing and self.size else []
        return "; ".join([*self.damaged, *cut_off])


def home(cache: Path | None) -> Path:
    """The directory of the cache."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE if cache is None else cache).expanduser().resolve()


def folder_of(repo: str, cache: Path | None) -> Path:
    return home(cache) / f"models--{repo.replace('/', '--')}"


def look(model: HubModel, cache: Path | None, *, verify: bool = False) -> Kept:
    """What there is of a model.

    Args:
        verify: read every byte and compare its hash with what the hub said; some seconds for a large model. Without,
            sizes are compared, where they are known.
    """
    folder = folder_of(model.repo, cache)
    path = snapshot(folder)
    if path is None:
        return Kept(folder, None, size_on_disk(folder), model.format.files)
    missing = tuple(model.format.lacking(path))
    files = [file for pattern in model.format.wanted for file in path.glob(pattern) if file.is_file()]
    known = recorded(folder, model.repo, path.name, cache)
    damaged, verified = _compare(files, known, verify=verify)
    return Kept(folder, path, size_on_disk(folder), missing, tuple(damaged), verified)


def snapshot(folder: Path) -> Path | None:
    """The directory of the revision in force."""
    try:
        commit = (folder / "refs" / "main").read_text("utf-8").strip()
    except OSError:
        return None
    path = folder / "snapshots" / commit
    return path if commit and path.is_dir() else None


def size_on_disk(folder: Path) -> int:
    """Links are not followed: what they lead to is counted where it is."""
    total = 0
    for path in folder.glob("**/*"):
        if path.is_file() and not path.is_symlink():
            total += path.stat().st_size
    return total


def record(folder: Path, commit: str, files: Iterable[HubFile]) -> None:
    """Keep what the hub said about a revision. Raises OSError."""
    place = folder / RECORDS
    place.mkdir(parents=True, exist_ok=True)
    content = {file.name: {"size": file.size, "etag": file.etag} for file in files}
    (place / f"{commit}.json").write_text(json.dumps(content, indent=1), "utf-8")


def recorded(folder: Path, repo: str, commit: str, cache: Path | None) -> Mapping[str, HubFile]:
    """What the hub said, as far as it was kept, by us or by huggingface_hub, which keeps sizes alone."""
    found = _listed_by_hub(repo, cache)
    try:
        content = json.loads((folder / RECORDS / f"{commit}.json").read_text("utf-8"))
        found |= {name: HubFile(name, int(file["size"]), str(file["etag"])) for name, file in content.items()}
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        logger.debug("the record of %s cannot be read", repo, exc_info=True)
    return found


def _listed_by_hub(repo: str, cache: Path | None) -> dict[str, HubFile]:
    from huggingface_hub import get_cached_repo_tree
    from huggingface_hub.errors import CachedRepoTreeNotFoundError, HFValidationError

    try:
        return {file.path: HubFile(file.path, file.size, "") for file in get_cached_repo_tree(repo, cache_dir=cache)}
    except (CachedRepoTreeNotFoundError, HFValidationError, OSError):
        return {}


def _compare(files: Iterable[Path], known: Mapping[str, HubFile], *, verify: bool) -> tuple[list[str], bool]:
    """What is wrong with each, and whether all hashes are known and right."""
    damaged, verified = [], verify
    for file in files:
        has = file.stat().st_size
        said = known.get(file.name)
        if said is not None and has != said.size:
            damaged.append(f"{file.name} has {bytes_in_words(has)} of {bytes_in_words(said.size)}")
        elif verify:
            match is_as_named(file, etag_of(file) or (said.etag if said else "")):
                case False:
                    damaged.append(f"{file.name} is not what the hub has")
                case None:
                    verified = False
    return damaged, verified and not damaged


def etag_of(file: Path) -> str:
    """By the first link: a blob may itself be a link to another place, under another name."""
    return Path(os.readlink(file)).name if file.is_symlink() else ""


def is_as_named(file: Path, etag: str) -> bool | None:
    """Whether a file's content has this hash; None if it is none that is known. Raises OSError."""
    if _SHA256.fullmatch(etag):
        return _digest(file, "sha256") == etag
    if _SHA1.fullmatch(etag):
        content = file.read_bytes()  # small ones only
        as_git = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
        return etag in (as_git, hashlib.sha1(content, usedforsecurity=False).hexdigest())
    return None


def _digest(file: Path, name: str) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, partial(hashlib.new, name, usedforsecurity=False)).hexdigest()


def bytes_in_words(count: float) -> str:
    """``75 MB``, ``1.62 GB``: as drives and the hub count, in thousands."""
    for unit in ("bytes", "kB", "MB"):
        if count < 999.5:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.2f} GB" if count < 9.995 else f"{count:.1f} GB"


def remove(folder: Path) -> int:
    """Delete a model's folder; the bytes that are freed. What cannot be deleted is left, and nothing is said of it."""
    from huggingface_hub import scan_cache_dir

    store = folder.parent / "blobs"  # what several models have in common
    before = size_on_disk(folder) + size_on_disk(store)
    found = scan_cache_dir(folder.parent)
    # Of this model alone: a copy of it on the hub has revisions of the same names.
    here = replace(found, repos=frozenset(repo for repo in found.repos if repo.repo_path == folder))
    here.delete_revisions(*(revision.commit_hash for repo in here.repos for revision in repo.revisions)).execute()
    shutil.rmtree(folder, ignore_errors=True)  # half a download has no revision
    return before - size_on_disk(folder) - size_on_disk(store)


def space(needed: int, free: int, directory: Path) -> str | None:
    """Why so many bytes cannot be put there; None if they can."""
    if needed <= free:
        return None
    return f"{bytes_in_words(needed)} are needed in {directory}, and {bytes_in_words(free)} are free"


def free_at(directory: Path) -> int:
    """Bytes that can be written where the directory is, or will be. Raises OSError."""
    return shutil.disk_usage(next(place for place in (directory, *directory.parents) if place.exists())).free
