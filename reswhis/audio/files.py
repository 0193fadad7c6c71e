"""Whole audio files to samples. Streams nothing (see :mod:`.file_pieces`); the command line and simulation call it."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from reswhis.core.errors import ReswhisError
from reswhis.core.types import SAMPLE_RATE

from .frames import mono
from .pcm import FloatSamples

NO_OTHER_FILES = {"protocol_whitelist": "none"}
"""For PyAV: an uploaded playlist would have this machine's files opened."""


class AudioFileError(ReswhisError):
    """A file cannot be heard. The text is one sentence that names it."""


def load(path: str | Path) -> FloatSamples:
    """Mono, 16 kHz, shape ``(n,)``, n > 0, in [-1, 1]. Blocks while it decodes; holds all that is in the file.

    Reads what libsndfile does (WAV, FLAC, OGG, MP3 …), and what ffmpeg does where PyAV is installed (M4A, video …).
    """
    try:
        with open(path, "rb") as file:
            audio = _read(file if file.seekable() else BytesIO(file.read()))
    except FileNotFoundError:
        raise AudioFileError(f"There is no file {path}.") from None
    except OSError as error:
        raise AudioFileError(f"The file {path} cannot be read: {error.strerror}.") from error
    except MemoryError:
        raise AudioFileError(f"The file {path} is damaged, or too long for the memory of this machine.") from None
    if audio is None:
        raise AudioFileError(f"The file {path} is not audio, is damaged, or is of a kind that cannot be decoded here.")
    if not len(audio):
        raise AudioFileError(f"The file {path} has no sound in it.")
    if not np.isfinite(audio).all():
        raise AudioFileError(f"The file {path} is damaged: some of its samples are not numbers.")
    return audio.clip(-1, 1)


def _read(file: BinaryIO) -> FloatSamples | None:
    import soundfile

    if not file.read(1):
        return np.empty(0, np.float32)
    file.seek(0)
    try:
        with soundfile.SoundFile(file) as sound:
            if sound.samplerate == SAMPLE_RATE:
                audio: FloatSamples = sound.read(dtype="float32", always_2d=True).mean(axis=1)
                return audio
        file.seek(0)
        return _resampled(file)
    except (soundfile.SoundFileError, ValueError):  # the latter of a header that lies about the length
        file.seek(0)
        return _read_with_av(file)


def _resampled(file: BinaryIO) -> FloatSamples | None:
    import librosa  # three seconds, hence only where a rate has to be changed

    try:
        # An open file: given a path, librosa would go on to look for programs that decode it.
        audio, _ = librosa.load(file, sr=SAMPLE_RATE, mono=True)
    except librosa.ParameterError:
        file.seek(0)
        return _read_with_av(file)
    loaded: FloatSamples = audio
    return loaded


def _read_with_av(file: BinaryIO) -> FloatSamples | None:
    try:
        import av
    except ImportError:
        return None
    try:
        with av.open(file, mode="r", options=NO_OTHER_FILES) as container:
            if not container.streams.audio:
                return np.empty(0, np.float32) if container.streams.video else None
            parts = [out.to_ndarray()[0] for out in mono(container.decode(audio=0), "flt")]
    except (av.FFmpegError, ValueError):  # the latter by titles in another encoding, before PyAV 19
        return None
    return np.concatenate(parts or [np.empty(0, np.float32)])
