"""The features a Whisper network hears: the log-mel spectrogram of a stretch of audio.

Equal to openai-whisper's, with silence after the audio, without its 30 s of zeros having to be transformed. Used by the
backends that feed a network themselves. Numpy alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from reswhis.core.types import SAMPLE_RATE, Samples

Features = npt.NDArray[np.float32]

HOP = 160
FRAMES_PER_S = SAMPLE_RATE // HOP
FULL_FRAMES = 30 * FRAMES_PER_S
"""What stock Whisper models were trained on."""

_FFT = 400
_QUIETEST = np.float32(1e-10)
_RANGE = np.float32(8.0)
"""Decades below the loudest point of the window that are told apart."""


class LogMel:
    def __init__(self, n_mels: int) -> None:
        self._filters = _mel_filters(n_mels)
        self._window = np.hanning(_FFT + 1)[:-1].astype(np.float32)

    def __call__(self, audio: Samples, frames: int = FULL_FRAMES) -> Features:
        """Shape ``(n_mels, frames)``; audio beyond the last frame is not heard."""
        heard = min(frames, content_frames(audio) + 1)
        # Frames are centred, the first one on the first sample, and see the audio mirrored before it.
        after = max(0, heard * HOP + _FFT - len(audio))
        padded = np.pad(audio.astype(np.float32) / 32768, (0, after))
        padded = np.concatenate((padded[_FFT // 2 : 0 : -1], padded))
        slices = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[: heard * HOP : HOP]
        power = np.abs(np.fft.rfft(slices * self._window, axis=1)).astype(np.float32) ** 2
        log = np.log10(np.maximum(self._filters @ power.T, _QUIETEST))
        floor = max(log.max() - _RANGE, np.log10(_QUIETEST))
        log = np.pad(np.maximum(log, floor), ((0, 0), (0, frames - heard)), constant_values=floor)
        return np.ascontiguousarray((log + 4) / 4, dtype=np.float32)


def content_frames(audio: Samples) -> int:
    """How many frames begin in the audio."""
    return -(-len(audio) // HOP)


def _mel_filters(n_mels: int) -> Features:
    """Triangles of unit area on Slaney's mel scale (linear below 1 kHz, logarithmic above); ``(n_mels, bins)``."""
    bins = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE)
    edges = _frequency(np.linspace(_mel(0.0), _mel(SAMPLE_RATE / 2), n_mels + 2))
    low, peak, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - low) / (peak - low), (high - bins) / (high - peak)
    area = (high - low) / 2
    return (np.maximum(0, np.minimum(rising, falling)) / area).astype(np.float32)


_KNEE_HZ, _KNEE_MEL = 1000.0, 15.0
_OCTAVES_PER_MEL = np.log(6.4) / 27


def _mel(hz: float) -> float:
    return hz * _KNEE_MEL / _KNEE_HZ if hz < _KNEE_HZ else _KNEE_MEL + np.log(hz / _KNEE_HZ) / _OCTAVES_PER_MEL


def _frequency(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    linear = mel * _KNEE_HZ / _KNEE_MEL
    return np.where(mel < _KNEE_MEL, linear, _KNEE_HZ * np.exp((mel - _KNEE_MEL) * _OCTAVES_PER_MEL))
