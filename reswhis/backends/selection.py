"""Which recogniser runs here: what was asked for, or the best one that can be had.

``check`` is quick, loads nothing and asks no network: for the command line, before the port opens. ``choose`` may
download. Whoever starts a server or decodes a file calls both; the recognisers themselves know what suits them.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from reswhis.core.errors import ConfigurationError
from reswhis.core.languages import LANGUAGES, language_code

from . import registry
from .base import BackendConfig, Choice
from .models import ModelUnavailable
from .nearest import no_such
from .registry import Report
from .speech_filter import MakeFiltered

logger = logging.getLogger(__name__)

AUTO = "faster-whisper"
WITHOUT_MODEL = "pocketsphinx"


def check(config: BackendConfig) -> None:
    """Refuse what cannot work: names, missing packages, half a model directory, a language or task beyond the model.

    Raises:
        ConfigurationError: one sentence that says what to do.
    """
    if config.language is not None and language_code(config.language) is None:
        raise ConfigurationError(no_such("language", config.language, ["auto", *LANGUAGES]))
    registry.row(_backend(config)).load().check(config)


def choose(config: BackendConfig, report: Report) -> Choice:
    """Decide all that is ``auto`` and fetch what is missing. Blocks, for minutes if there is much to download.

    Args:
        report: what is being done, for people to read, and how much of it is done, where that is known.

    Raises:
        ConfigurationError: it cannot be had; one sentence that says what to do.
    """
    check(config)
    choice = _choose(config, report)
    return replace(choice, make=MakeFiltered(choice.make)) if config.vad_filter else choice


def _choose(config: BackendConfig, report: Report) -> Choice:
    try:
        return registry.row(_backend(config)).load().choose(config, report)
    except ModelUnavailable as error:
        if config.backend != "auto" or config.model != "auto":
            raise
        return _without_model(config, report, error)


def _backend(config: BackendConfig) -> str:
    return AUTO if config.backend == "auto" else config.backend


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
