"""What is known of Whisper's sizes without having them: parameters, about how much there is to fetch, languages.

For people who choose; nothing is decided by it. Asked by ``reswhis models``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from reswhis.core.errors import ConfigurationError

from .model_formats import Format
from .models import LocalModel, Model, english_only, languages, translates

PARAMETERS_M = MappingProxyType(
    {
        "tiny": 39,
        "base": 74,
        "small": 244,
        "medium": 769,
        "large": 1550,
        "large-v3-turbo": 809,
        "turbo": 809,
        "distil-small": 166,
        "distil-medium": 394,
        "distil-large": 756,
    }
)
"""Millions, as the models' authors state them, by how a size's name begins."""
_THIRD_GENERATION = ("large-v3", "turbo", "distil-large-v3")
_TOKENS = 51_865
"""The third generation has one more, and 128 mel bins instead of 80."""


@dataclass(frozen=True, slots=True)
class Facts:
    """None: not known before it is fetched."""

    parameters_m: int | None
    """Millions."""
    download: int | None
    """Bytes, within a tenth."""
    mel_bins: int | None
    languages: int | None
    """How many; 1 is English."""
    translates: bool | None


def facts(model: Model, path: Path | None) -> Facts:
    """Of a name, and of the model's directory where there is one."""
    sizes = [] if isinstance(model, LocalModel) else model.sizes
    codes = languages(model) if sizes or _is_named_english(model) else None
    third = any(size.startswith(_THIRD_GENERATION) for size in sizes) if sizes else None
    tokens = None if path is None else _tokens(model.format, path)
    if path is not None and tokens is not None:
        found = languages(LocalModel(model.name, path, model.format))
        codes = found if codes is None else codes & found
        third = tokens > _TOKENS
    return Facts(
        parameters_m=_parameters_m(sizes[0]) if sizes else None,
        download=download(model.format, sizes[0]) if sizes else None,
        mel_bins=None if third is None else 128 if third else 80,
        languages=None if codes is None else len(codes),
        translates=None if codes is None else len(codes) > 1 and translates(model),
    )


def download(format: Format, size: str) -> int:
    """About how many bytes there are to fetch: nearly all of them are weights."""
    return _parameters_m(size) * 1_000_000 * (4 if size in format.single_precision else 2)


def _is_named_english(model: Model) -> bool:
    return not isinstance(model, LocalModel) and english_only(model)


def _parameters_m(size: str) -> int:
    return PARAMETERS_M[max((name for name in PARAMETERS_M if size.startswith(name)), key=len)]


def _tokens(format: Format, path: Path) -> int | None:
    """None if it cannot be known: half a model, a damaged one, or one whose reader is not installed."""
    if format.lacking(path):
        return None
    try:
        return format.tokens(path)
    except (ConfigurationError, ImportError):
        return None
