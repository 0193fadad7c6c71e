"""Speech as a wav file, and a server that knows its words."""

import numpy as np
import pytest
import soundfile

from .spoken import FIRST, SECOND


@pytest.fixture(scope="session")
def talk(recordings, tmp_path_factory):
    """FIRST, a pause, SECOND, at 16 kHz."""
    said = {recording.text: recording.audio for recording in recordings}
    pause = np.zeros(16_000, np.int16)
    path = tmp_path_factory.mktemp("talk") / "talk.wav"
    soundfile.write(path, np.concatenate([pause[:4000], said[FIRST], pause, said[SECOND], pause]), 16_000)
    return path


@pytest.fixture(scope="session")
def real(micro):
    """The arguments of a server with a real model."""
    return "--backend", "faster-whisper", "--model", str(micro), "--language", "en"


@pytest.fixture(scope="module")
def server(start, real):
    return start(*real).ready()
