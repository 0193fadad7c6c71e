"""What the engine needs from a speech recogniser, and what a recogniser is told when it is made."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from reswhis.core.errors import BackendError
from reswhis.core.types import Hypothesis, Window

from .decoding import Decoding


@dataclass(frozen=True, slots=True)
class BackendConfig:
    """What whoever starts the server asks for; ``auto`` leaves the choice to :mod:`.selection`."""

    backend: str = "auto"
    model: str = "auto"
    """A size name, a hub id or a local directory."""
    language: str | None = None
    """The sessions' default, so that a model that cannot have it is refused at start. None: detected."""
    task: str = "transcribe"
    """Also the sessions' default."""
    beam_size: int = 1
    """The most that a session may have, so that a recogniser that has no search is refused at start."""
    device: str = "auto"
    device_indices: tuple[int, ...] = (0,)
    """GPUs: worker n takes number n of them, and begins again at the end."""
    compute_type: str = "auto"
    cpu_threads: int = 0
    """Per worker; 0: as many as there are cores for it."""
    workers: int = 0
    """How many of it there will be, which share the cores; 0: as many as do best."""
    max_batch: int = 0
    """Windows that one call may decode at most; 0: as many as do best."""
    encoder_context: str = "auto"
    """The sessions' default."""
    model_cache_dir: Path | None = None
    vad_filter: bool = False
    """Give the recogniser its windows without their long silences (:mod:`.speech_filter`)."""
    openai_api_key: str | None = field(default=None, repr=False)
    openai_base_url: str = "https://api.openai.com/v1"
    decoding: Decoding = Decoding()

    @property
    def device_index(self) -> int:
        """For a recogniser that uses one GPU only."""
        return self.device_indices[0]


@dataclass(frozen=True, slots=True)
class BackendInfo:
    """What is in force after every ``auto`` has been decided."""

    backend: str
    model: str
    device: str
    compute_type: str
    languages: frozenset[str] | None = None
    """Codes it can transcribe; None: all of Whisper's."""
    translates: bool = True


class Backend(Protocol):
    """Blocking, made and called in one worker only, so it needs no locks.

    All that differs between sessions (options, prompt) is in the window: a backend
    holds a model and no session state.
    """

    @property
    def max_batch(self) -> int: ...

    def batch_key(self, window: Window) -> Hashable:
        """Windows with equal keys may share a call."""
        ...

    def transcribe(self, windows: Sequence[Window]) -> list[Hypothesis | BackendError]:
        """Decode a batch; results in order, a failed window's error in its place."""
        ...

    def close(self) -> None: ...


MakeBackend = Callable[[int], Backend]
"""Makes the backend of worker number n, inside that worker; picklable."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A recogniser that can be made now: what is missing has been fetched."""

    info: BackendInfo
    make: MakeBackend
    fallback_reason: str | None = None
    """Why ``auto`` did not take a Whisper model; None if it did, or was not asked."""
    workers: int = 1
    """How many to make: what was asked for, or what does best."""
    weights_bytes: int = 0
    """Memory that each worker needs for the model, about; 0: nobody knows."""
