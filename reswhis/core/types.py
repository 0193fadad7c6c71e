"""Values shared by every layer: audio, words, windows and hypotheses. No behaviour beyond units.

Audio positions are sample indices (int) at 16 kHz, counted from the first sample of
the session; word times are seconds (float) on the same clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 16_000
TASKS = ("transcribe", "translate")
ENCODER_CONTEXTS = ("auto", "full", "dynamic")
MAX_BEAM_SIZE = 20

Samples = npt.NDArray[np.int16]
"""Mono audio, shape ``(n,)``, 16 kHz. int16 from end to end: half of float32 to hold, copy and send."""


def seconds(samples: int) -> float:
    return samples / SAMPLE_RATE


def samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def require_range(name: str, value: float, low: float, high: float) -> None:
    """Raises ValueError, with what is allowed, also for NaN."""
    if not low <= value <= high:
        raise ValueError(f"{name} must be {low:g} to {high:g}")


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word. ``text`` keeps the space before it, as Whisper emits it, if its script has one."""

    start: float
    end: float
    text: str
    probability: float = 1.0

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2

    def shifted(self, seconds: float) -> Word:
        return replace(self, start=self.start + seconds, end=self.end + seconds)


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """All that may differ between two sessions of one model. Hashable: it takes part in the batch key."""

    model: str = ""
    language: str | None = None
    """None: the recogniser detects it."""
    task: str = "transcribe"
    beam_size: int = 1
    hotwords: str = ""
    word_times: bool = True
    temperature: float = 0.0
    """Above 0: a final window is drawn at random, from here on; a hint, for recognisers that can."""
    encoder_context: str = "auto"
    """``auto``: ``dynamic`` for models that are known to be trained for it, else ``full``."""
    """``dynamic``: no more than the audio; a hint, for recognisers that can."""

    def __post_init__(self) -> None:
        require_range("beam_size", self.beam_size, 1, MAX_BEAM_SIZE)
        require_range("temperature", self.temperature, 0, 1)
        if self.task not in TASKS:
            raise ValueError(f"task must be one of {', '.join(TASKS)}")
        if self.encoder_context not in ENCODER_CONTEXTS:
            raise ValueError(f"encoder_context must be one of {', '.join(ENCODER_CONTEXTS)}")


@dataclass(frozen=True, slots=True)
class Segment:
    """What the recogniser itself thinks of a stretch of its words; times relative to the window."""

    start: float
    end: float
    average_log_probability: float = 0.0
    no_speech_probability: float = 0.0
    compression_ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What a backend heard in one window; times are relative to the window."""

    words: tuple[Word, ...] = ()
    segments: tuple[Segment, ...] = ()
    language: str | None = None
    language_probability: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A stretch of audio a session wants decoded; equal only to itself.

    ``is_final``: its last word was said to its end, and its words are to be committed: it is worth some care.
    """

    id: int
    start: int
    audio: Samples
    options: DecodeOptions = DecodeOptions()
    prompt: str = ""
    is_final: bool = False

    @property
    def end(self) -> int:
        return self.start + len(self.audio)


def join(words: Iterable[Word]) -> str:
    """The text of words. Adds no space: the words bring theirs, and Chinese has none."""
    return "".join(word.text for word in words).strip()
