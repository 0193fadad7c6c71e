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
_TURBO = re.compile(r"turbo", re.IGNORECASE)
"""Trained on transcription alone; asked to translate, they transcribe."""
_SHORT_CONTEXT = re.compile(r"\bacft\b|\bwhisper-micro\b")
_CANTONESE = ("large-v3", "large", "large-v3-turbo", "turbo")
_HUB_ID = re.compile(r"(?!.*(--|\.\.))\w([\w.-]*\w)?/\w([\w.-]*\w)?", re.ASCII)
_MULTILINGUAL_TOKENS = 51_865
"""English-only models have one token less, large-v3 and those made from it one more, for Cantonese."""


class ModelUnavailable(ConfigurationError):
    """The weights are not here, and cannot be fetched now."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        """Why they cannot be fetched, in a clause; empty if the message is about the model, not about the way to it."""


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


def languages(model: Model) -> frozenset[str]:
    """Codes. Of hub models that are not of the sizes, all that are possible, before they are fetched.

    Raises:
        ConfigurationError: the vocabulary of a directory is damaged.
    """
    if english_only(model):
        return frozenset({"en"})
    if isinstance(model, LocalModel):
        cantonese = model.format.tokens(model.path) > _MULTILINGUAL_TOKENS
    else:
        cantonese = not model.sizes or any(size in _CANTONESE for size in model.sizes)
    return frozenset(LANGUAGES) if cantonese else frozenset(LANGUAGES) - {"yue"}


def translates(model: Model) -> bool:
    """By its name, and by what it knows."""
    names = [model.path.name] if isinstance(model, LocalModel) else [model.repo, model.name]
    return not any(map(_TURBO.search, names)) and not english_only(model)


def knows_short_context(model: Model) -> bool:
    """Whether it is known, by its name, to be trained on less than 30 s, too: as FUTO's models are."""
    places = (model.name, model.path.name if isinstance(model, LocalModel) else model.repo)
    return any(_SHORT_CONTEXT.search(place) for place in places)


def check(config: BackendConfig, model: Model) -> None:
    """Refuse a language or task that is beyond the model.

    Raises:
        ConfigurationError
    """
    code = None if config.language is None else language_code(config.language)
    if code not in (None, "en") and english_only(model):
        raise ConfigurationError(f"The model {model.name} knows English only, not {LANGUAGES[code]}; choose another.")
    if code is not None and code not in languages(model):
        raise ConfigurationError(
            f"The model {model.name} does not know {LANGUAGES[code]}; choose another, such as large-v3."
        )
    if config.task == "translate" and not translates(model):
        raise ConfigurationError(f"The model {model.name} does not translate; choose another, such as large-v3.")
