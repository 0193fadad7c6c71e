"""Frames of PyAV, whatever they are, to 16 kHz mono. Opens and decodes nothing: its callers do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from reswhis.core.types import SAMPLE_RATE

if TYPE_CHECKING:
    from av import AudioFrame


def mono(frames: Iterable[AudioFrame], sample_format: Literal["flt", "s16"]) -> Iterator[AudioFrame]:
    """Resampled; what is broadcast changes its channels or its rate on the way, which a resampler does not allow."""
    import av

    resampler: av.AudioResampler | None = None
    form = None
    for frame in frames:
        if form != (now := (frame.format.name, frame.layout.name, frame.sample_rate)):
            if resampler is not None:
                yield from resampler.resample(None)
            form, resampler = now, av.AudioResampler(sample_format, "mono", SAMPLE_RATE)
        assert resampler is not None
        yield from resampler.resample(frame)
    if resampler is not None:
        yield from resampler.resample(None)
