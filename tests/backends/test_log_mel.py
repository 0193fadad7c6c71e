import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor

from reswhis.backends.log_mel import FULL_FRAMES, LogMel, content_frames


def reference(audio, n_mels):
    """As faster-whisper computes them, of 30 s padded with zeros."""
    padded = np.pad(audio.astype(np.float32) / 32768, (0, 480_000 - len(audio)))
    return FeatureExtractor(feature_size=n_mels)(padded, padding=0)


@pytest.mark.parametrize("n_mels", [80, 128])
def test_features_are_those_of_the_audio_followed_by_silence(n_mels, recordings):
    audio = recordings[0].audio
    for piece in (audio, audio[:1000], audio[:1], np.zeros(1600, np.int16)):
        assert np.abs(LogMel(n_mels)(piece) - reference(piece, n_mels)).max() < 1e-4


def test_fewer_frames_are_the_first_of_all(recordings):
    audio = recordings[0].audio
    frames = content_frames(audio) + 100
    assert np.array_equal(LogMel(80)(audio, frames), LogMel(80)(audio)[:, :frames])


def test_thirty_seconds_fill_every_frame():
    noise = np.random.default_rng(0).normal(0, 1000, 480_000).astype(np.int16)
    features = LogMel(80)(noise)
    assert features.shape == (80, FULL_FRAMES) and features[:, -1].mean() > features.max() - 1
