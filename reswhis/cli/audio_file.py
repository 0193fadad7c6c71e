"""The audio file that a command is to hear. Used by the commands that take one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reswhis.core.errors import ConfigurationError

if TYPE_CHECKING:
    from reswhis.core.types import Samples


def read_audio(path: Path) -> Samples:
    """Raises ConfigurationError."""
    from reswhis.audio.files import AudioFileError, load
    from reswhis.audio.input import AudioInput
    from reswhis.audio.pcm import AudioFormat

    try:
        return AudioInput(AudioFormat("pcm_f32le")).push(load(path).tobytes())
    except AudioFileError as error:
        raise ConfigurationError(str(error)) from error
