"""Bytes of uncompressed audio to mono samples at the rate they came in. Does not resample; :mod:`.input` calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from reswhis.core.errors import ClientError
from reswhis.core.types import SAMPLE_RATE

SAMPLE_BYTES: Mapping[str, int] = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1, "alaw": 1}
LOWEST_RATE, HIGHEST_RATE = 8_000, 48_000

FloatSamples = npt.NDArray[np.float32]
"""Mono audio, shape ``(n,)``; full scale is 1."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """What a client's bytes are. Made from what the client said: raises ClientError for what is not supported."""

    encoding: str = "pcm_s16le"
    sample_rate: int = SAMPLE_RATE
    channels: int = 1

    def __post_init__(self) -> None:
        if self.encoding not in SAMPLE_BYTES:
            raise _unsupported("encoding", f"one of {', '.join(SAMPLE_BYTES)}")
        if not LOWEST_RATE <= self.sample_rate <= HIGHEST_RATE:
            raise _unsupported("sample_rate", f"from {LOWEST_RATE} to {HIGHEST_RATE} Hz")
        if self.channels not in (1, 2):
            raise _unsupported("channels", "1 or 2")

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return SAMPLE_BYTES[self.encoding] * self.channels


def _unsupported(field: str, allowed: str) -> ClientError:
    return ClientError(f"{field} must be {allowed}", code="unsupported_audio", param=f"audio.{field}")


class PcmDecoder:
    """One stream's bytes to samples. How the bytes are split does not matter: part of a frame waits for its rest."""

    def __init__(self, format: AudioFormat) -> None:
        self._format = format
        self._carried = b""
        match format.encoding:
            case "mulaw":
                self._expanded = mulaw_table()
            case "alaw":
                self._expanded = alaw_table()

    @property
    def pending(self) -> int:
        """Bytes that wait for the rest of their frame."""
        return len(self._carried)

    def decode(self, data: bytes) -> FloatSamples:
        """The frames that ``data`` completes, stereo mixed down, in [-1, 1].

        Below 1 but for pcm_f32le, where what lies beyond is clipped and what is not a number is silence.
        """
        samples = self._expand(self.whole(data))
        if self._format.channels == 1:
            return samples
        return (samples[::2] + samples[1::2]) * np.float32(0.5)

    def whole(self, data: bytes) -> memoryview:
        """The frames that ``data`` completes, as they came."""
        if self._carried:
            data = self._carried + data
        whole = len(data) - len(data) % self._format.frame_bytes
        self._carried = bytes(data[whole:])
        return memoryview(data)[:whole]

    def _expand(self, data: memoryview) -> FloatSamples:
        match self._format.encoding:
            case "pcm_s16le":
                return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)
            case "pcm_f32le":
                samples = np.frombuffer(data, "<f4").astype(np.float32)
                samples[~np.isfinite(samples)] = 0
                return samples.clip(-1, 1)
            case _:
                return self._expanded[np.frombuffer(data, np.uint8)]


def mulaw_table() -> FloatSamples:
    """The sample of every code. Source: ITU-T G.711, table 2; 14 bits, here of full scale."""
    code = ~np.arange(256, dtype=np.uint8)  # sent inverted
    exponent, mantissa = (code >> 4 & 7).astype(int), (code & 15).astype(int)
    magnitude = (2 * mantissa + 33 << exponent) - 33
    return _signed(magnitude, negative=code >= 128) / np.float32(8192)


def alaw_table() -> FloatSamples:
    """The sample of every code. Source: ITU-T G.711, table 1; 13 bits, here of full scale."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55  # sent with every other bit inverted
    exponent, mantissa = (code >> 4 & 7).astype(int), (code & 15).astype(int)
    magnitude = np.where(exponent == 0, 2 * mantissa + 1, 2 * mantissa + 33 << np.maximum(exponent - 1, 0))
    return _signed(magnitude, negative=code < 128) / np.float32(4096)


def _signed(magnitude: npt.NDArray[np.int_], *, negative: npt.NDArray[np.bool_]) -> FloatSamples:
    return np.where(negative, -magnitude, magnitude).astype(np.float32)
