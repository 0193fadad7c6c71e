"""An audio file to samples piece by piece, in memory that does not grow with its length.

Reads what :mod:`.files` reads as a whole. Called for files that clients send.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from typing import BinaryIO

import numpy as np

from reswhis.core.types import Samples, seconds

from .files import NO_OTHER_FILES, AudioFileError
from .frames import mono
from .input import to_int16
from .pcm import FloatSamples
from .resample import Resampler

PIECE_S = 2.0
MAX_VALUES = 1 << 20
"""Of a piece, all channels together: a header may say that there are a thousand."""
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000
"""What is beyond is no sound but a header that lies: a piece of it would be minutes or nothing."""


class AudioFile:
    """Iterate over it, in one thread at a time, and close it: then nothing reads ``file`` any more."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """``file``: seekable, the caller's to close; ``name``: what it is called in errors."""
        self._pieces = _pieces(file, name)
        self._reading = threading.Lock()
        self._closed = False

    def __iter__(self) -> AudioFile:
        return self

    def __next__(self) -> Samples:
        """16 kHz mono, at least one sample. Blocks while it decodes. Raises AudioFileError."""
        with self._reading:
            if self._closed:
                raise StopIteration
            return next(self._pieces)

    def close(self) -> None:
        """Waits for a piece that is being read in another thread."""
        self._closed = True  # at once, else the other thread might go on with the next piece
        with self._reading:
            self._pieces.close()


class _NotInPieces(Exception):
    """It can be read only as a whole."""


def _pieces(file: BinaryIO, name: str) -> Generator[Samples]:
    import soundfile

    given = 0
    if file.read(1):
        file.seek(0)
        try:
            for piece in _with_libsndfile(file, name):
                given += len(piece)
                yield piece
        except (soundfile.SoundFileError, ValueError, _NotInPieces):  # ValueError: a header lies about the length
            file.seek(0)
            for piece in _after(given, _with_av(file, name)):
                given += len(piece)
                yield piece
    if not given:
        raise AudioFileError(f"The file {name} has no sound in it.")


def _with_libsndfile(file: BinaryIO, name: str) -> Iterator[Samples]:
    """Raises soundfile.SoundFileError, ValueError, _NotInPieces, AudioFileError."""
    import soundfile

    with soundfile.SoundFile(file) as sound:
        if sound.format == "MP3":
            raise _NotInPieces  # soundfile seeks after each read, and what follows is then decoded from nothing
        _require_rate(sound.samplerate, name)
        sound.seek(0)  # soundfile seeks after each read, and some Opus begins elsewhere once it has been sought in
        resampler = Resampler(sound.samplerate)
        frames = max(1, min(round(PIECE_S * sound.samplerate), MAX_VALUES // sound.channels))
        while len(block := sound.read(frames, dtype="float32", always_2d=True)):
            yield from _sounding(resampler.push(block.mean(axis=1)), name)
        yield from _sounding(resampler.finish(), name)


def _with_av(file: BinaryIO, name: str) -> Iterator[Samples]:
    """Raises AudioFileError."""
    import av

    heard = 0
    try:
        with av.open(file, mode="r", options=NO_OTHER_FILES) as container:
            if not container.streams.audio:
                raise AudioFileError(
                    f"The file {name} has no sound in it." if container.streams.video else _not_audio(name)
                )
            _require_rate(container.streams.audio[0].rate, name)
            for frame in mono(container.decode(audio=0), "flt"):
                heard += frame.samples
                yield from _sounding(frame.to_ndarray()[0], name)
    except (av.FFmpegError, ValueError):  # the latter by titles in another encoding, before PyAV 19
        if heard:
            raise AudioFileError(f"The file {name} is damaged after {seconds(heard):.1f} s of sound.") from None
        raise AudioFileError(_not_audio(name)) from None


def _after(known: int, pieces: Iterator[Samples]) -> Iterator[Samples]:
    """But for as many samples at the beginning."""
    for piece in pieces:
        if len(piece) > known:
            yield piece[known:]
        known = max(0, known - len(piece))


def _sounding(samples: FloatSamples, name: str) -> Iterator[Samples]:
    """None or one."""
    if not np.isfinite(samples).all():
        raise AudioFileError(f"The file {name} is damaged: some of its samples are not numbers.")
    if len(samples):
        yield to_int16(samples)


def _require_rate(rate: int, name: str) -> None:
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioFileError(
            f"The file {name} is damaged: it says that it has {rate} samples a second, which is no sound."
        )


def _not_audio(name: str) -> str:
    return f"The file {name} is not audio, is damaged, or is of a kind that cannot be decoded here."
