"""When each word was said: from the network's attention, corrected by where the window is quiet.

The attention's path starts at the first frame and never pauses, so a word after a pause, and the first one above all,
begins too early: by the whole pause, often enough. And it ends when the network has heard enough to know the last word,
which is before the word is over, if not where it begins: what was said of it by then counts as the word before.
Called by the backends that read attention themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .log_mel import FRAMES_PER_S, Features
from .whisper_tokens import Piece

Span = tuple[float, float]
"""Start and end in seconds from the beginning of the window."""

_ATTENTION_STEPS_PER_S = 50
_LOUD = 0.35
"""Of the way from the window's quiet frames to its loud ones."""
_PAUSE_S = 0.1
"""A shorter quiet stretch at a word's edge can be a consonant, and is left to it."""
_EDGE_S = 0.05
_CLOSURE_S = 0.2
"""A shorter quiet stretch within a last word can be a consonant; at its edge such a long one is left out."""
_MOST_SOUND_S = 0.5
"""More than this after the network's end of a last word is not of that word: music, or another voice."""
_SHORTEST_LAST_S = 0.1
"""Speakers slow down towards an end: espeak-ng's shortest last word has 0.14 s, its shortest other 0.05 s."""


class Loudness:
    """Which frames of a window are not quiet, compared with the others."""

    def __init__(self, features: Features, frames: int) -> None:
        level = np.convolve(features[:, :frames].mean(axis=0), np.full(3, 1 / 3), "same")
        quiet, loud = np.percentile(level, (10, 95))
        self._is_loud: npt.NDArray[np.bool_] = level > quiet + _LOUD * (loud - quiet)

    def within(self, span: Span) -> Span:
        """The span without the pauses at its edges; as it is if all of it is quiet."""
        start, end = span
        loud = np.flatnonzero(self._is_loud[int(start * FRAMES_PER_S) : int(end * FRAMES_PER_S)])
        if len(loud) == 0:
            return span
        first = start + int(loud[0]) / FRAMES_PER_S - _EDGE_S
        last = start + (int(loud[-1]) + 1) / FRAMES_PER_S + _EDGE_S
        return (first if first - start > _PAUSE_S else start, last if end - last > _PAUSE_S else end)

    def with_its_sound(self, span: Span) -> Span:
        """The span, up to the next pause if the sound in it goes on after it."""
        start, end = span
        first, last = int(start * FRAMES_PER_S), int(end * FRAMES_PER_S)
        loud = first + np.flatnonzero(self._is_loud[first : last + int(_MOST_SOUND_S * FRAMES_PER_S)])
        if len(loud) == 0:
            return span
        (pauses,) = np.nonzero(np.diff(loud) > _CLOSURE_S * FRAMES_PER_S)
        begins = loud[[0, *(pauses + 1)]]
        # The last stretch of sound that begins in the span, or the first one, if none does.
        stretch = max(int(np.searchsorted(begins, last, "right")) - 1, 0)
        over = int(loud[[*pauses, -1]][stretch]) + 1
        return (start, max(end, over / FRAMES_PER_S + _EDGE_S))


def sounding(
    words: Sequence[Piece], spans: Sequence[Span], loudness: Loudness, duration: float, *, is_final: bool
) -> list[Span]:
    """The spans of a window's words as attention has them, corrected.

    Args:
        is_final: whether the last word was said to its end, and nothing after it.
    """
    if not is_final or not spans:
        return [loudness.within(span) for span in spans]
    start, end = loudness.with_its_sound(spans[-1])
    corrected = [loudness.within(span) for span in (*spans[:-1], (start, min(end, duration)))]
    return [*corrected[:-2], *_last_two(words[-2:], corrected[-2:], loudness)]


def _last_two(words: Sequence[Piece], spans: Sequence[Span], loudness: Loudness) -> Sequence[Span]:
    """Their time shared by the length of the words, where the last one has too little and no pause before it."""
    (begin, over), (start, end) = spans[0], spans[-1]
    if len(spans) < 2 or start - over > _PAUSE_S or end - start >= _SHORTEST_LAST_S:
        return spans
    before, last = (len(word.text) for word in words)
    shared = begin + (end - begin) * before / (before + last)
    # The last word may have had its share, and only be short.
    edge = min(shared, start)
    return loudness.within((begin, edge)), loudness.within((edge, end))


def aligned(
    words: Sequence[Piece], path: Sequence[tuple[int, int]], loudness: Loudness, duration: float, *, is_final: bool
) -> list[Span]:
    """Word times from the attention.

    Args:
        path: pairs of token and attention step, both never falling; the token after the last one is the end's.
        is_final: as :func:`sounding` has it.
    """
    begins: dict[int, float] = {}
    for token, step in path:
        begins.setdefault(token, min(max(step / _ATTENTION_STEPS_PER_S, 0.0), duration))
    spans = [(begins[word.first], begins[word.last]) for word in words]
    return sounding(words, spans, loudness, duration, is_final=is_final)


def spread(words: Sequence[Piece], loudness: Loudness, duration: float) -> list[Span]:
    """Times guessed from the length of the words, where nobody asked for better ones."""
    start, end = loudness.within((0.0, duration))
    edges = np.cumsum([0, *(len(word.text) for word in words)])
    times = start + edges * ((end - start) / edges[-1])
    return list(zip(times[:-1].tolist(), times[1:].tolist(), strict=True))
