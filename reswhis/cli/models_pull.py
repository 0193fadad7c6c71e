"""``reswhis models pull``: what is done and how far it is, for the person who waits. Called by :mod:`.models`."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from reswhis.backends import hub, model_cache
from reswhis.backends.hub import DiskFull, Listing
from reswhis.backends.model_cache import bytes_in_words
from reswhis.backends.models import HubModel, ModelUnavailable
from reswhis.core.errors import ConfigurationError

from .process import FAILED, INTERRUPTED, end_at_once


def pull(model: HubModel, cache: Path | None) -> int:
    """Return the exit code. Raises ConfigurationError."""
    console = Console(stderr=True)
    try:
        with console.status(f"asking the model hub for {model.name}, and reading what is here"):
            listing = hub.ask(model, cache, verify=True)
    except ModelUnavailable as error:
        return _without_hub(model, cache, error)
    if not listing.lacking:
        path = hub.complete(listing, lambda count: None)
        print(f"{model.name} is here already, and whole: {bytes_in_words(listing.size)} in {path}")
        return 0
    try:
        path = _fetch(listing, console)
    except DiskFull as error:
        print(f"reswhis: {model.name} cannot be fetched: {error.reason}.", file=sys.stderr)
        return FAILED
    except ModelUnavailable as error:
        raise ConfigurationError(_sentence(model, error)) from error
    except KeyboardInterrupt:
        here = bytes_in_words(listing.size - listing.needed)
        _remark(f"stopped; `reswhis models pull {model.name}` goes on from {here}")
        end_at_once(INTERRUPTED)
    print(f"{model.name} is here: {bytes_in_words(listing.size)} in {path}")
    return 0


def _fetch(listing: Listing, console: Console) -> Path:
    damaged = model_cache.look(listing.model, listing.folder.parent).trouble
    if damaged:
        _remark(f"mending {listing.model.name}: {damaged}")
    if listing.received:
        _remark(f"going on from {bytes_in_words(listing.size - listing.needed)} of {bytes_in_words(listing.size)}")
    if not console.is_terminal:
        return _fetch_in_lines(listing)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None, complete_style="cyan", finished_style="cyan"),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True, expand=True) as progress:
        task = progress.add_task(listing.model.name, total=listing.size, completed=listing.size - listing.needed)
        return hub.complete(listing, lambda count: progress.update(task, completed=count))


def _fetch_in_lines(listing: Listing) -> Path:
    said = -1

    def received(count: int) -> None:
        nonlocal said
        tenths = int(10 * count / max(listing.size, 1))
        if tenths > said:
            said = tenths
            _remark(f"downloading the model {listing.model.name} ({bytes_in_words(listing.size)}): {tenths * 10} %")

    return hub.complete(listing, received)


def _without_hub(model: HubModel, cache: Path | None, error: ModelUnavailable) -> int:
    """What is whole needs no hub, but whether there is something newer is not known."""
    kept = model_cache.look(model, cache, verify=True)
    if not error.reason or kept.state != "whole":
        raise ConfigurationError(_sentence(model, error)) from error
    print(f"{model.name} is here already, and whole: {bytes_in_words(kept.size)} in {kept.path}")
    _remark(f"the model hub was not asked for a newer one ({error.reason})")
    return 0


def _sentence(model: HubModel, error: ModelUnavailable) -> str:
    if not error.reason:
        return str(error)
    advice = "unset it" if error.reason == hub.OFFLINE else "check the network, or name another hub by HF_ENDPOINT"
    return f"The model {model.name} cannot be fetched ({error.reason}): {advice}."


def _remark(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
