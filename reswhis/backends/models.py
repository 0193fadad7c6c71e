"""What the name of a Whisper model means: a size name, a hub id, or a directory with its weights.

Loads nothing and asks no network; :mod:`.hub` fetches. Asked by the modules that choose a backend's model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from reswhis.core.errors import ConfigurationError
from reswhis.core.languages import LANGUAGES, language_code

from .base import BackendConfig
from .model_formats import Format
from .nearest import no_such

_ENGLISH = re.compile(r"\.en\b")
_ENGLISH_SIZE = re.compile(r"\.en\b|^distil-")
"""Distilled models are of English alone, but for others' of the hub, of which nothing is known."""
_NO_TRANSLATION = ("large-v3-turbo", "turbo")
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
    format: Format

    @property
    def sizes(self) -> list[str]:
        """The names of which the hub has this repository."""
        return [size for size, repo in self.format.sizes.items() if repo == self.repo]


@dataclass(frozen=True, slots=True)
class LocalModel:
    name: str
    path: Path
    format: Format


Model = HubModel | LocalModel


def find(name: str, format: Format) -> Model:
    """What the name means. A directory is checked; the network is not asked.

    Raises:
        ConfigurationError: there is no such size name or directory, or half of a directory.
    """
    if name in format.sizes:
        return HubModel(name, format.sizes[name], format)
    path = Path(name).expanduser()
    if path.is_dir():
        if missing := format.lacking(path):
            raise ConfigurationError(f"The model directory {name} is not complete: {' and '.join(missing)} missing.")
        return LocalModel(name, path, format)
    if path.exists():
        raise ConfigurationError(f"{name} is a file; give the directory of {format.name}.")
    if _HUB_ID.fullmatch(name):
        return HubModel(name, name, format)
    if path.name != name:
        raise ConfigurationError(f"There is no directory {name}.")
    raise ConfigurationError(no_such("Whisper model", name, ["auto", *format.sizes]))


def english_only(model: Model) -> bool:
    """Hub models are judged by their name, before they are fetched.

    Raises:
        ConfigurationError: the vocabulary of a directory is damaged.
    """
    if isinstance(model, LocalModel):
        return model.format.tokens(model.path) < _MULTILINGUAL_TOKENS
    if model.sizes:
        return any(_ENGLISH_SIZE.search(size) for size in model.sizes)
    return _ENGLISH.search(model.repo) is not None


def translates(model: Model) -> bool:
    """Of a directory, as far as can be known."""
    trained = isinstance(model, LocalModel) or not any(size in _NO_TRANSLATION for size in model.sizes)
    return trained and not english_only(model)


def check(config: BackendConfig, model: Model) -> None:
    """Refuse a language or task that is beyond the model.

    Raises:
        ConfigurationError
    """
    code = None if config.language is None else language_code(config.language)
    if code not in (None, "en") and english_only(model):
        raise ConfigurationError(f"The model {model.name} knows English only, not {LANGUAGES[code]}; choose another.")
    if config.task == "translate" and not translates(model):
        raise ConfigurationError(f"The model {model.name} does not translate; choose another, such as large-v3.")
