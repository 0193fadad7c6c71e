"""Real server processes, and speech to stream at them."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

RECORDINGS = Path(__file__).parents[1] / "recordings"


@pytest.fixture(scope="session")
def fake(start):
    return start("--backend", "fake").ready()


@pytest.fixture(scope="session")
def speech():
    """int16 at 16 kHz: every recording of flite, one after the other, with no pause between them."""
    parts = [soundfile.read(path, dtype="int16")[0] for path in sorted(RECORDINGS.glob("flite-*.flac"))]
    return np.concatenate(parts)
