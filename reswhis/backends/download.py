"""Downloads one file of the hub into huggingface_hub's cache, going on where an earlier attempt ended.

huggingface_hub itself keeps nothing of a download that was cut off. Lays out the cache as it does, so that other
programs find what was fetched here. Decides neither what is fetched nor what is done after an error; :mod:`.hub` does.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from .model_cache import HubFile, is_as_named

PIECE = 256 * 1024
"""Bytes. So much is lost at most of a download that is cut off."""

Received = Callable[[int], None]
"""Told how many bytes of the file are here, those of earlier attempts too."""


class NotAsPromised(Exception):
    """What was received has another size or hash than the hub had said; it has been thrown away."""


def partial_of(folder: Path, file: HubFile) -> Path:
    return folder / "blobs" / f"{file.etag}.incomplete"


def fetch(repo: str, commit: str, file: HubFile, folder: Path, timeout_s: float, received: Received) -> None:
    """Put a file into the snapshot of this revision; it counts only once the revision is in force.

    Args:
        folder: the model's in the cache.

    Raises:
        NotAsPromised
        Exception: whatever the network and the file system raise; what has been received is kept.
    """
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]  # not in an __all__

    blob, pointer = folder / "blobs" / file.etag, folder / "snapshots" / commit / file.name
    lock = folder.parent / ".locks" / folder.name / f"{file.etag}.lock"
    for path in (blob, pointer, lock):
        path.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock):  # the one that huggingface_hub takes
        if not _is_there(blob, file):
            _receive(repo, commit, file, partial_of(folder, file), timeout_s, received)
            os.replace(partial_of(folder, file), blob)
            for left in blob.parent.glob(f"{file.etag}.*.incomplete"):
                left.unlink(missing_ok=True)  # huggingface_hub's own, each of a process that was killed
        received(file.size)
        _point(pointer, blob)


def _is_there(blob: Path, file: HubFile) -> bool:
    return blob.is_file() and blob.stat().st_size == file.size and is_as_named(blob, file.etag) is not False


def _receive(repo: str, commit: str, file: HubFile, partial: Path, timeout_s: float, received: Received) -> None:
    from huggingface_hub import get_session, get_token, hf_hub_url, hf_raise_for_status

    with partial.open("ab") as out:
        if out.tell() > file.size:
            out.truncate(0)
        received(have := out.tell())
        if have < file.size:
            headers = {"Accept-Encoding": "identity"}  # compressed, a range would be one of something else
            if have:
                headers["Range"] = f"bytes={have}-"
            if (token := get_token()) is not None:
                headers["Authorization"] = f"Bearer {token}"
            url = hf_hub_url(repo, file.name, revision=commit)
            with get_session().stream("GET", url, headers=headers, timeout=timeout_s) as response:
                hf_raise_for_status(response)
                if response.status_code != 206:
                    have = out.truncate(0)
                for piece in response.iter_bytes(PIECE):
                    out.write(piece)
                    have += len(piece)
                    received(have)
    if have < file.size:
        raise ConnectionError(f"{file.name} ended after {have} of {file.size} bytes")
    # A hash of git's is not enough to throw a file away: some mirrors name small files otherwise.
    if partial.stat().st_size != file.size or (len(file.etag) == 64 and is_as_named(partial, file.etag) is False):
        partial.unlink()
        raise NotAsPromised(file.name)


def _point(pointer: Path, blob: Path) -> None:
    """The file's name in the snapshot becomes a link, or, where there are none, the file itself."""
    from huggingface_hub import constants

    pointer.unlink(missing_ok=True)
    if not constants.HF_HUB_DISABLE_SYMLINKS:
        try:
            pointer.symlink_to(os.path.relpath(blob, pointer.parent))
            return
        except OSError:  # Windows, unless in developer mode
            pass
    os.replace(blob, pointer)
