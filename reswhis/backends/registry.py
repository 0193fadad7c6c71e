"""The recognisers by name: where the code of each is, and what to install for it.

Imports none of them before it is chosen. Asked by :mod:`.selection`; a new backend is one row here and one module.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from reswhis.core.errors import ConfigurationError

from .base import BackendConfig, Choice
from .nearest import no_such

Report = Callable[[str, float | None], None]
"""Told what is being done, and how much of it is done (0 to 1) where that is known. Called from any thread."""


class Recogniser(Protocol):
    """What the module of a row has."""

    def check(self, config: BackendConfig) -> None:
        """Refuse what can be refused without loading anything and without the network.

        Raises:
            ConfigurationError
        """
        ...

    def choose(self, config: BackendConfig, report: Report) -> Choice:
        """Decide what was left open and fetch what is missing; may take minutes.

        Raises:
            ConfigurationError: of which ModelUnavailable says that the model cannot be had here and now.
        """
        ...


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    module: str
    packages: tuple[str, ...] = ()
    """What must be importable."""
    extra: str | None = None
    """What brings the packages, if they do not come by themselves."""
    note: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(package for package in self.packages if importlib.util.find_spec(package) is None)

    @property
    def install(self) -> str:
        """The one command."""
        return "uv sync" if self.extra is None else f"uv sync --extra {self.extra}"

    def load(self) -> Recogniser:
        """Raises ConfigurationError if it is not installed."""
        if self.missing:
            note = f" ({self.note})" if self.note else ""
            raise ConfigurationError(f"The backend {self.name!r} is not installed: run `{self.install}`{note}.")
        return cast(Recogniser, importlib.import_module(self.module))


ROWS = {
    row.name: row
    for row in (
        Row("faster-whisper", "reswhis.backends.faster_whisper_choice", ("ctranslate2", "tokenizers")),
        Row("pocketsphinx", "reswhis.backends.pocketsphinx", ("pocketsphinx",), note="English only"),
        Row(
            "whisper-timestamped",
            "reswhis.backends.whisper_timestamped_choice",
            ("whisper_timestamped", "safetensors"),
            "whisper-timestamped",
            "brings PyTorch; AGPL-3.0",
        ),
        Row(
            "mlx-whisper",
            "reswhis.backends.mlx_choice",
            ("mlx_whisper",),
            "mlx-whisper",
            "for Apple silicon; on Linux it runs on the CPU",
        ),
        Row(
            "openai-whisper",
            "reswhis.backends.openai_whisper",
            ("openai",),
            "openai-whisper",
            "sends the audio to a server of OpenAI's API",
        ),
        Row("fake", "reswhis.backends.fake", note="says one word per second, whatever it hears; for tests"),
    )
}


def row(name: str) -> Row:
    """Raises ConfigurationError, with the nearest right name."""
    found = ROWS.get(name.strip().casefold().replace("_", "-"))
    if found is None:
        raise ConfigurationError(no_such("backend", name, ["auto", *ROWS]))
    return found
