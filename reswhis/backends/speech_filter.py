"""A voice activity filter for any recogniser: windows lose their long silences, and the words are put back in place.

Apart from the session's endpointing, and off unless asked for (``BackendConfig.vad_filter``). Put around a backend by
:mod:`.selection`; keeps nothing from window to window.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from reswhis.core.errors import BackendError
from reswhis.core.types import Hypothesis, Samples, Segment, Window, Word, seconds

from .base import Backend, MakeBackend

Part = TypeVar("Part", Word, Segment)


@dataclass(frozen=True, slots=True)
class Speech:
    """The stretches of a window that are kept, as samples ``[start, end)``; they rise and do not overlap."""

    stretches: tuple[tuple[int, int], ...]

    def cut(self, audio: Samples) -> Samples:
        return np.concatenate([audio[start:end] for start, end in self.stretches] or [audio[:0]])

    def original(self, start: float, end: float) -> tuple[float, float]:
        """Where a word of the cut audio is in the window: in the one stretch that holds the middle of it."""
        middle, before = (start + end) / 2, 0.0
        for first, last in self.stretches:
            length = seconds(last - first)
            if middle <= before + length or (first, last) == self.stretches[-1]:
                break
            before += length
        shift = seconds(first) - before
        return max(start + shift, seconds(first)), min(end + shift, seconds(last))


def find_speech(audio: Samples) -> Speech:
    """Silero's opinion, with faster-whisper's margins: silences of 2 s and more are left out, but for 0.4 s."""
    from faster_whisper.vad import get_speech_timestamps

    found = get_speech_timestamps(audio.astype(np.float32) / 32768)
    return Speech(tuple((int(each["start"]), int(each["end"])) for each in found))


@dataclass(frozen=True, slots=True)
class MakeFiltered:
    make: MakeBackend

    def __call__(self, worker: int) -> Filtered:
        return Filtered(self.make(worker))


class Filtered:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def max_batch(self) -> int:
        return self._backend.max_batch

    def batch_key(self, window: Window) -> Hashable:
        return self._backend.batch_key(window)

    def transcribe(self, windows: Sequence[Window]) -> list[Hypothesis | BackendError]:
        found = [find_speech(window.audio) for window in windows]
        pairs = list(zip(windows, found, strict=True))
        spoken = [replace(window, audio=speech.cut(window.audio)) for window, speech in pairs if speech.stretches]
        results = iter(self._backend.transcribe(spoken) if spoken else ())
        return [_restored(next(results), speech) if speech.stretches else _silent(window) for window, speech in pairs]

    def close(self) -> None:
        self._backend.close()


def _restored(result: Hypothesis | BackendError, speech: Speech) -> Hypothesis | BackendError:
    if isinstance(result, BackendError):
        return result
    words = tuple(_moved(word, speech) for word in result.words)
    segments = tuple(_moved(segment, speech) for segment in result.segments)
    return replace(result, words=words, segments=segments)


def _moved(part: Part, speech: Speech) -> Part:
    """A word is in one stretch; a segment may reach from one into another."""
    if isinstance(part, Word):
        start, end = speech.original(part.start, part.end)
    else:
        start, end = speech.original(part.start, part.start)[0], speech.original(part.end, part.end)[1]
    return replace(part, start=start, end=end)


def _silent(window: Window) -> Hypothesis:
    """As a recogniser says it that is sure that nobody spoke."""
    segment = Segment(0.0, seconds(len(window.audio)), average_log_probability=-10.0, no_speech_probability=1.0)
    return Hypothesis(segments=(segment,))
