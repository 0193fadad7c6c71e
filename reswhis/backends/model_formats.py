"""In which files the weights of Whisper come: where the hub has each size, what a whole directory holds.

One row per format, made in the module of the backend that reads it; asked by :mod:`.models` and :mod:`.hub`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from reswhis.core.errors import ConfigurationError


@dataclass(frozen=True, slots=True, eq=False)
class Format:
    """Equal only to itself."""

    name: str
    """For people: "a converted (CTranslate2) model"."""
    sizes: Mapping[str, str]
    """Size names, the smaller before the larger, and the hub ids that have them."""
    files: tuple[str, ...]
    """Patterns of what a whole directory has at least one of each of."""
    vocabulary: Callable[[Path], int]
    """How many tokens the model in a directory knows. Raises OSError, ValueError, KeyError or TypeError if damaged."""
    more: tuple[str, ...] = ()
    """Patterns of what is fetched besides, where there is any."""

    def lacking(self, directory: Path) -> list[str]:
        """What a model's directory has not got."""
        return [pattern for pattern in self.files if not any(path.is_file() for path in directory.glob(pattern))]

    def tokens(self, directory: Path) -> int:
        """Raises ConfigurationError if the directory is damaged."""
        try:
            return self.vocabulary(directory)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(
                f"The model in {directory} cannot be loaded: its vocabulary or configuration is damaged."
            ) from error


def _ctranslate2_tokens(directory: Path) -> int:
    (vocabulary,) = sorted(directory.glob("vocabulary.*"))[:1]
    text = vocabulary.read_text(encoding="utf-8")
    return len(json.loads(text)) if vocabulary.suffix == ".json" else text.rstrip("\n").count("\n") + 1


CTRANSLATE2 = Format(
    name="a converted (CTranslate2) model",
    sizes={
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
    },
    files=("model.bin", "config.json", "tokenizer.json", "vocabulary.*"),
    vocabulary=_ctranslate2_tokens,
    more=("preprocessor_config.json",),
)
