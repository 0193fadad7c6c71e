"""When each word was probably said, where a recogniser gives text alone: spread over what is loud.

Knows no model. Called for recognisers that answer without word times.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reswhis.core.types import SAMPLE_RATE, Samples

_FRAME = SAMPLE_RATE // 50
_FRAME_S = _FRAME / SAMPLE_RATE
_LOUD = 0.35
"""Of the way from the quiet frames to the loud ones, in decibels."""


def guessed(texts: Sequence[str], audio: Samples, start: float, end: float) -> list[tuple[float, float]]:
    """Start and end of each text, in seconds, within the span: the longer, the more of the loud time.

    The texts share the loud frames alone, so that none is put into a pause, where no voice speaks for it.
    """
    frames = _loud_frames(audio)
    frames = frames[(frames * _FRAME_S >= start) & ((frames + 1) * _FRAME_S <= end)]
    if len(frames) == 0:
        frames = np.arange(max(1, round((end - start) / _FRAME_S))) + start / _FRAME_S
    edges = np.cumsum([0, *map(len, texts)])
    places = edges * (len(frames) / max(1, edges[-1]))
    first = np.minimum(places[:-1].astype(int), len(frames) - 1)
    last = np.clip(np.ceil(places[1:]).astype(int) - 1, 0, len(frames) - 1)
    starts = np.clip((frames[first] + places[:-1] - first) * _FRAME_S, start, end)
    ends = np.clip((frames[last] + places[1:] - last) * _FRAME_S, starts, end)
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _loud_frames(audio: Samples) -> np.ndarray:
    """Their numbers; all, if none is louder than the others."""
    whole = audio[: len(audio) // _FRAME * _FRAME].reshape(-1, _FRAME).astype(np.float64)
    if len(whole) == 0:
        return np.arange(0)
    level = 10 * np.log10(np.square(whole).mean(axis=1) + 1)
    quiet, loud = np.percentile(level, (10, 95))
    return np.flatnonzero(level >= quiet + _LOUD * (loud - quiet))
