"""The audio file that a command is to hear. Used by the commands that take one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reswhis.core.errors import ConfigurationError

if TYPE_CHECKING:
    from reswhis.core.types import Samples

CONVERTED = 1 << 20
"""Samples converted at once, so that a long file is never held more often than needed."""


def load_samples(path: Path) -> Samples:
    """Raises AudioFileError. Blocks while it decodes."""
    import numpy as np

    from reswhis.audio.files import load
    from reswhis.audio.input import AudioInput
    from reswhis.audio.pcm import AudioFormat

    loaded = load(path)
    audio = np.empty(len(loaded), np.int16)
    convert = AudioInput(AudioFormat("pcm_f32le")).push
    for start in range(0, len(loaded), CONVERTED):
        part = loaded[start : start + CONVERTED]
        audio[start : start + len(part)] = convert(part.tobytes())
    return audio


def read_audio(path: Path) -> Samples:
    """The same for a command that can do nothing without it. Raises ConfigurationError."""
    from reswhis.audio.files import AudioFileError

    try:
        return load_samples(path)
    except AudioFileError as error:
        raise ConfigurationError(str(error)) from error
