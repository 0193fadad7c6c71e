"""What a WAV file says before its samples, read while it arrives. Decodes nothing; :mod:`.container` calls it.

ffmpeg reads 64 KiB of samples before it gives the first, to see whether they are something else in disguise: two
seconds of speech, and all of a short command.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

RIFF = b"RIFF"
FORMATS = {
    (1, 8): "u8", (1, 16): "s16le", (1, 24): "s24le", (1, 32): "s32le",
    (3, 32): "f32le", (3, 64): "f64le", (6, 8): "alaw", (7, 8): "mulaw",
}  # fmt: skip
"""ffmpeg's name for samples, by WAV's tag and bits."""
EXTENSIBLE = 0xFFFE
LONGEST_CHUNK = 65_536
MAX_CHANNELS = 64
UNKNOWN = 0x7FFF_0000
"""Bytes of samples: as much or more, or none, is written by who does not know yet."""


@dataclass(frozen=True, slots=True)
class WaveHead:
    format: str
    sample_rate: int
    channels: int
    bytes: int | None
    """Of samples; None: to the end."""


def read_head(read: Callable[[int], bytes]) -> WaveHead | None:
    """``read`` gives exactly so many bytes, or fewer at the end. None: no WAV file, or none that is understood here."""
    head = read(12)
    if head[:4] != RIFF or head[8:] != b"WAVE":
        return None
    description = b""
    while len(chunk := read(8)) == 8:
        size = int.from_bytes(chunk[4:], "little")
        if chunk[:4] == b"data":
            return _understood(description, size)
        if size > LONGEST_CHUNK:
            return None
        content = read(size + size % 2)
        if chunk[:4] == b"fmt ":
            description = content
    return None


def _understood(description: bytes, size: int) -> WaveHead | None:
    if len(description) < 16:
        return None
    numbers = [int.from_bytes(description[at:end], "little") for at, end in ((0, 2), (2, 4), (4, 8), (14, 16))]
    tag, channels, sample_rate, bits = numbers
    if tag == EXTENSIBLE:
        tag = int.from_bytes(description[24:26], "little")
    format = FORMATS.get((tag, bits))
    if format is None or not 1 <= channels <= MAX_CHANNELS:
        return None
    return WaveHead(format, sample_rate, channels, size if 0 < size < UNKNOWN else None)
