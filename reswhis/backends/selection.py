"""Which recogniser runs here: what was asked for, or the best one that can be had.

``check`` is quick, loads nothing and asks no network: for the command line, before the port opens. ``choose`` may
download. Whoever starts a server or decodes a file calls both; the recognisers themselves know what suits them.
"""

from __future__ import annotations

import logging
import platform
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from reswhis.core.errors import ConfigurationError
from reswhis.core.languages import LANGUAGES, language_code

from . import mlx_choice, registry
from .base import BackendConfig, Choice
from .models import ModelUnavailable
from .nearest import no_such
from .registry import Report
from .speech_filter import MakeFiltered

logger = logging.getLogger(__name__)

AUTO = "faster-whisper"
ON_APPLE = "mlx-whisper"
"""What ``auto`` takes on Apple silicon, whose GPU faster-whisper cannot use."""
WITHOUT_MODEL = "pocketsphinx"


def check(config: BackendConfig) -> None:
    """Refuse what cannot work: names, missing packages, half a model directory, a language or task beyond the model.

    Raises:
        ConfigurationError: one sentence that says what to do.
    """
    if config.language is not None and language_code(config.language) is None:
        raise ConfigurationError(no_such("language", config.language, ["auto", *LANGUAGES]))
    registry.row(named(config)).load().check(config)


def choose(config: BackendConfig, report: Report) -> Choice:
    """Decide all that is ``auto`` and fetch what is missing. Blocks, for minutes if there is much to download.

    Args:
        report: what is being done, for people to read, and how much of it is done, where that is known.

    Raises:
        ConfigurationError: it cannot be had; one sentence that says what to do.
    """
    check(config)
    choice = _choose(config, report)
    choice = replace(choice, workers=config.workers or choice.workers)
    return replace(choice, make=MakeFiltered(choice.make)) if config.vad_filter else choice


def _choose(config: BackendConfig, report: Report) -> Choice:
    name = named(config)
    try:
        return registry.row(name).load().choose(config, report)
    except ModelUnavailable as error:
        unavailable = error
    if config.backend == "auto" and name != AUTO:
        with suppress(ConfigurationError):
            return registry.row(AUTO).load().choose(config, report)  # whose model may be here
    if config.backend != "auto" or config.model != "auto":
        raise unavailable
    return _without_model(config, report, unavailable)


def named(config: BackendConfig) -> str:
    """The backend that was asked for, or what ``auto`` means here."""
    if config.backend != "auto":
        return config.backend
    return automatic(sys.platform, platform.machine(), lambda: _suits_apple(config))


def automatic(system: str, machine: str, suits: Callable[[], bool]) -> str:
    """What ``auto`` means on a system (as in ``sys.platform``) and processor.

    Args:
        suits: asked on Apple silicon alone, whether mlx-whisper is installed and can do what is wanted.
    """
    return ON_APPLE if (system, machine) == ("darwin", "arm64") and suits() else AUTO


def _suits_apple(config: BackendConfig) -> bool:
    return not registry.row(ON_APPLE).missing and mlx_choice.suits(config)


def _without_model(config: BackendConfig, report: Report, error: ModelUnavailable) -> Choice:
    """pocketsphinx, for English; wrong words in another language help nobody, nor do those of a translation."""
    if config.task != "transcribe" or (config.language is not None and language_code(config.language) != "en"):
        raise error
    logger.debug("no Whisper model can be had", exc_info=error)
    fallback = replace(config, backend=WITHOUT_MODEL, device="auto", compute_type="auto")
    reason = (
        "No Whisper model is on this machine and none can be fetched, so pocketsphinx is used: English only, and with "
        "more errors. Connect to the network once, or give the directory of a model with --model."
    )
    return replace(registry.row(WITHOUT_MODEL).load().choose(fallback, report), fallback_reason=reason)
