"""What the name of a Whisper model means: a size name, a hub id, or a directory of a converted (CTranslate2) model.

Loads nothing and asks no network; :mod:`.hub` fetches. Asked by :mod:`.faster_whisper_choice`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from reswhis.core.errors import ConfigurationError

from .nearest import no_such

SIZES = {
    "tiny": "Systran/faster-whisper-tiny",
    "tiny.en": "Systran/faster-whisper-tiny.en",
    "base": "Systran/faster-whisper-base",
    "base.en": "Systran/faster-whisper-base.en",
    "small": "Systran/faster-whisper-small",
    "small.en": "Systran/faster-whisper-small.en",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "medium": "Systran/faster-whisper-medium",
    "medium.en": "Systran/faster-whisper-medium.en",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "large-v1": "Systran/faster-whisper-large-v1",
    "large-v2": "Systran/faster-whisper-large-v2",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large": "Systran/faster-whisper-large-v3",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}
"""Size names, the smaller before the larger, and the hub ids of their conversions."""

FILES = ("model.bin", "config.json", "tokenizer.json", "vocabulary.*")
_ENGLISH_ONLY = {repo for name, repo in SIZES.items() if name.endswith(".en") or name.startswith("distil-")}
_NO_TRANSLATION = {SIZES["turbo"]}
"""Trained on transcription alone; asked to translate, they transcribe."""
_HUB_ID = re.compile(r"(?!.*(--|\.\.))\w([\w.-]*\w)?/\w([\w.-]*\w)?", re.ASCII)
_MULTILINGUAL_TOKENS = 51_865
"""English-only models have one token less."""


class ModelUnavailable(ConfigurationError):
    """The weights are not here, and cannot be fetched now."""


@dataclass(frozen=True, slots=True)
class HubModel:
    """A model that is, or will be, in the cache."""

    name: str
    """As whoever asked for it wrote it."""
    repo: str


def find(name: str) -> Path | HubModel:
    """What the name means. A directory is checked; the network is not asked.

    Raises:
        ConfigurationError: there is no such size name or directory, or half of a directory.
    """
    if name in SIZES:
        return HubModel(name, SIZES[name])
    path = Path(name).expanduser()
    if path.is_dir():
        if missing := lacking(path):
            raise ConfigurationError(f"The model directory {name} is not complete: {' and '.join(missing)} missing.")
        return path
    if path.exists():
        raise ConfigurationError(f"{name} is a file; give the directory of a converted model.")
    if _HUB_ID.fullmatch(name):
        return HubModel(name, name)
    if path.name != name:
        raise ConfigurationError(f"There is no directory {name}.")
    raise ConfigurationError(no_such("Whisper model", name, ["auto", *SIZES]))


def english_only(model: Path | HubModel) -> bool:
    """Hub models are judged by their name, before they are fetched.

    Raises:
        ConfigurationError: the vocabulary of a directory is damaged.
    """
    if isinstance(model, HubModel):
        return model.repo in _ENGLISH_ONLY or model.repo.endswith(".en")
    (vocabulary,) = sorted(model.glob("vocabulary.*"))[:1]
    try:
        text = vocabulary.read_text(encoding="utf-8")
        tokens = len(json.loads(text)) if vocabulary.suffix == ".json" else text.rstrip("\n").count("\n") + 1
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"The model in {model} cannot be loaded: {vocabulary.name} is damaged.") from error
    return tokens < _MULTILINGUAL_TOKENS


def translates(model: Path | HubModel) -> bool:
    """Of a directory, as far as can be known."""
    trained = not isinstance(model, HubModel) or model.repo not in _NO_TRANSLATION
    return trained and not english_only(model)


def lacking(directory: Path) -> list[str]:
    """What a model's directory has not got."""
    return [name for name in FILES if not any(path.is_file() for path in directory.glob(name))]
