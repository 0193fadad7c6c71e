"""Checks of the model: whether it is here, can be fetched, or is half of one; the hub; and the room for more."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .examination import Task, short
from .finding import Case, Finding, Remedy, State

if TYPE_CHECKING:
    from reswhis.backends.base import BackendConfig
    from reswhis.backends.model_formats import Format
    from reswhis.backends.models import Model

HUB_S = 3.0
LITTLE_ROOM = 2_000_000_000
"""Bytes. large-v3-turbo, the largest that is taken unasked, has 1.6 GB."""
PROBE = "Systran/faster-whisper-tiny"


@dataclass(frozen=True, slots=True)
class Hub:
    url: str
    failure: str = ""
    """Why it cannot be used, in a clause; empty if it answers."""
    remedy: Remedy | None = None
    took_s: float = 0.0


def model(case: Case) -> Iterator[Finding]:
    """The hub's line and the model's, which depends on it."""
    from reswhis.settings.layers import backend_config

    config = backend_config(case.settings)
    format = _format(config.backend)
    if format is None:
        return
    wanted = _wanted(config, format)
    kept = [model.name for model in wanted if _is_whole(model, config)]
    hub = ask_hub()
    yield judge_hub(hub, is_needed=not kept)
    if wanted:
        yield judge_model(config, kept, hub)


def judge_hub(hub: Hub, *, is_needed: bool) -> Finding:
    if not hub.failure:
        return Finding("model hub", State.OK, f"{hub.url} answers in {hub.took_s:.1f} s")
    if is_needed:
        return Finding("model hub", State.WARNING, f"{hub.url}: {hub.failure}", hub.remedy)
    return Finding("model hub", State.SKIPPED, f"{hub.url}: {hub.failure}; what is needed is here")


def judge_model(config: BackendConfig, kept: list[str], hub: Hub) -> Finding:
    """``kept``: which of those that would do are here."""
    name = config.model
    if kept:
        of = "here" if name != "auto" else f"{' and '.join(kept)} {'is' if len(kept) == 1 else 'are'} here"
        return Finding("model", State.OK, f"{name}: {of}")
    if not hub.failure:
        return Finding("model", State.OK, f"{name}: not here yet, the first start fetches it")
    fetch = Remedy("Once the hub can be reached", pull("base" if name == "auto" else name, config.model_cache_dir))
    if name == "auto" and config.backend == "auto" and config.task == "transcribe" and config.language in (None, "en"):
        what = "auto: none is here and none can be fetched, so pocketsphinx is used: English, and with more errors"
        return Finding("model", State.WARNING, what, fetch)
    what = (
        "none that will do is here, and none can be fetched" if name == "auto" else "not here, and it cannot be fetched"
    )
    return Finding("model", State.PROBLEM, f"{name}: {what}", fetch)


def pull(name: str, cache: Path | None) -> str:
    """The command that fetches a model, or what is missing of it."""
    return " ".join(["reswhis models pull", name, *([] if cache is None else ["--model-cache-dir", str(cache)])])


def ask_hub() -> Hub:
    """Whether models can be fetched; within a few seconds."""
    from huggingface_hub import HfApi, constants

    url: str = constants.ENDPOINT
    if constants.HF_HUB_OFFLINE:
        again = Remedy("It is asked again without that variable", _unset("HF_HUB_OFFLINE"))
        return Hub(url, "not asked, since HF_HUB_OFFLINE is set", again)
    began = time.monotonic()
    asking = Task(lambda: HfApi().model_info(PROBE, timeout=HUB_S))
    try:
        asking.result(HUB_S)
    except TimeoutError:
        return Hub(url, f"no answer within {HUB_S:g} s", _way_to_the_hub())
    except Exception as error:  # noqa: BLE001  # whatever httpx and huggingface_hub have; logged by the task
        return Hub(url, f"cannot be reached ({short(error)})", _way_to_the_hub())
    return Hub(url, took_s=time.monotonic() - began)


def _way_to_the_hub() -> Remedy:
    proxy = "http://proxy.example.org:3128"
    return Remedy(
        "Connect to the network, or name your proxy (a mirror of the hub: HF_ENDPOINT)",
        f"setx HTTPS_PROXY {proxy}" if os.name == "nt" else f"export HTTPS_PROXY={proxy}",
    )


def _format(backend: str) -> Format | None:
    """None of a recogniser that fetches nothing."""
    from reswhis.backends.model_formats import of_backends
    from reswhis.backends.selection import AUTO

    return of_backends().get(AUTO if backend == "auto" else backend)


def _wanted(config: BackendConfig, format: Format) -> list[Model]:
    """The one that is named, or all that ``auto`` may take; none if what is named will not do."""
    from reswhis.backends import models
    from reswhis.core.errors import ConfigurationError

    once = {repo: name for name, repo in format.sizes.items()}  # several names may mean one
    found = []
    for name in once.values() if config.model == "auto" else [config.model]:
        try:
            model = models.find(name, format)
            models.check(config, model)
        except ConfigurationError:
            continue  # the recogniser's line says so
        found.append(model)
    return found


def _is_whole(model: Model, config: BackendConfig) -> bool:
    from reswhis.backends import model_cache
    from reswhis.backends.models import LocalModel

    return isinstance(model, LocalModel) or model_cache.look(model, config.model_cache_dir).state == "whole"


def cache(case: Case) -> Iterator[Finding]:
    from reswhis.backends import model_cache, model_shelf
    from reswhis.backends.model_formats import CTRANSLATE2

    directory = case.settings.model_cache_dir
    home = model_cache.home(directory)
    format = _format(case.settings.backend) or CTRANSLATE2
    kept = {one.model.name: one.kept for one in model_shelf.known(format, directory)}
    kept |= {one.repo: one.kept for one in model_shelf.others(format, directory) if one.backend is not None}
    whole = [name for name, one in kept.items() if one.state == "whole"]
    size = sum(one.size for one in kept.values())
    holds = f"{', '.join(whole)}, {model_cache.bytes_in_words(size)}" if size else "no model"
    yield judge_room(home, holds, model_cache.free_at(home), nothing_yet=not whole)
    for name, one in kept.items():
        if one.trouble:
            fetched = Remedy("This fetches what is missing", pull(name, directory))
            yield Finding("model cache", State.WARNING, f"{name}: {one.trouble}", fetched)


def judge_room(home: Path, holds: str, free: int, *, nothing_yet: bool) -> Finding:
    from reswhis.backends.model_cache import bytes_in_words

    what = f"{home} ({holds}); {bytes_in_words(free)} free"
    if free >= LITTLE_ROOM or not nothing_yet:
        return Finding("model cache", State.OK, what)
    elsewhere = Remedy("Free some of it, or keep models on another disk", "reswhis --model-cache-dir DIRECTORY")
    return Finding("model cache", State.WARNING, what, elsewhere)


def _unset(variable: str) -> str:
    return f"Remove-Item Env:{variable}" if os.name == "nt" else f"unset {variable}"
