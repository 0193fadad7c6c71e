"""In which files the weights of Whisper come: where the hub has each size, what a whole directory holds.

One row per format, made in the module of the backend that reads it; asked by :mod:`.models` and :mod:`.hub`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

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
    single_precision: tuple[str, ...] = ()
    """The sizes whose weights are of 32 bits; all others have 16."""

    @property
    def wanted(self) -> tuple[str, ...]:
        """Patterns of all that is fetched."""
        return (*self.files, *self.more)

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


def _transformers_tokens(directory: Path) -> int:
    return int(json.loads((directory / "config.json").read_text(encoding="utf-8"))["vocab_size"])


TRANSFORMERS = Format(
    name="a model in transformers' form",
    sizes={
        "tiny": "openai/whisper-tiny",
        "tiny.en": "openai/whisper-tiny.en",
        "base": "openai/whisper-base",
        "base.en": "openai/whisper-base.en",
        "small": "openai/whisper-small",
        "small.en": "openai/whisper-small.en",
        "distil-small.en": "distil-whisper/distil-small.en",
        "medium": "openai/whisper-medium",
        "medium.en": "openai/whisper-medium.en",
        "distil-medium.en": "distil-whisper/distil-medium.en",
        "large-v1": "openai/whisper-large",
        "large-v2": "openai/whisper-large-v2",
        "large-v3": "openai/whisper-large-v3",
        "large": "openai/whisper-large-v3",
        "distil-large-v2": "distil-whisper/distil-large-v2",
        "distil-large-v3": "distil-whisper/distil-large-v3",
        "distil-large-v3.5": "distil-whisper/distil-large-v3.5",
        "large-v3-turbo": "openai/whisper-large-v3-turbo",
        "turbo": "openai/whisper-large-v3-turbo",
    },
    files=("config.json", "model.safetensors"),
    vocabulary=_transformers_tokens,
    more=("generation_config.json",),
    single_precision=(
        *("tiny", "tiny.en", "base", "base.en", "small", "small.en", "medium", "medium.en", "large-v1", "large-v2"),
    ),
)


def _openai_tokens(directory: Path) -> int:
    import torch

    (checkpoint,) = directory.glob("*.pt")
    try:
        # Mapped, not read: there may be gigabytes.
        content = torch.load(checkpoint, map_location="cpu", mmap=True, weights_only=True)
    except (EOFError, RuntimeError, UnpicklingError) as error:
        raise ValueError(f"{checkpoint} is damaged") from error
    return int(content["dims"]["n_vocab"])


OPENAI = Format(name="an openai-whisper model", sizes={}, files=("*.pt",), vocabulary=_openai_tokens)
"""As openai-whisper keeps its own; the hub has none of them."""


def _mlx_tokens(directory: Path) -> int:
    return int(json.loads((directory / "config.json").read_text(encoding="utf-8"))["n_vocab"])


MLX = Format(
    name="an MLX model",
    sizes={
        "tiny": "mlx-community/whisper-tiny-mlx",
        "tiny.en": "mlx-community/whisper-tiny.en-mlx",
        "base": "mlx-community/whisper-base-mlx",
        "base.en": "mlx-community/whisper-base.en-mlx",
        "small": "mlx-community/whisper-small-mlx",
        "small.en": "mlx-community/whisper-small.en-mlx",
        "distil-small.en": "mlx-community/distil-whisper-small.en",
        "medium": "mlx-community/whisper-medium-mlx",
        "medium.en": "mlx-community/whisper-medium.en-mlx",
        "distil-medium.en": "mlx-community/distil-whisper-medium.en",
        "large-v1": "mlx-community/whisper-large-v1-mlx",
        "large-v2": "mlx-community/whisper-large-v2-mlx",
        "large-v3": "mlx-community/whisper-large-v3-mlx",
        "large": "mlx-community/whisper-large-v3-mlx",
        "distil-large-v3": "mlx-community/distil-whisper-large-v3",
        "large-v3-turbo": "mlx-community/whisper-large-v3-turbo",
        "turbo": "mlx-community/whisper-large-v3-turbo",
    },
    files=("config.json", "weights.*"),
    vocabulary=_mlx_tokens,
)
"""The weights are ``weights.safetensors`` or, in older ones, ``weights.npz``; the vocabulary is in mlx-whisper."""


def of_backends() -> dict[str, Format]:
    """What each recogniser fetches, by its name; those that fetch nothing are not there."""
    return {"faster-whisper": CTRANSLATE2, "whisper-timestamped": TRANSFORMERS, "mlx-whisper": MLX}
