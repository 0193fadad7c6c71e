"""Sounds in which nobody speaks, with the real voice detector and a real network: no words come of them."""

import numpy as np
import pytest

from reswhis.audio.vad import SileroVAD
from reswhis.backends.base import BackendConfig
from reswhis.backends.selection import choose
from reswhis.core.endpointing import EndpointingConfig
from reswhis.core.events import Committed, SpeechStarted, Suppressed, Tentative
from reswhis.core.online import OnlineASRProcessor, StreamOptions
from reswhis.core.types import DecodeOptions, join, samples
from reswhis.simulation import AudioClock, simulate

from nonspeech import LEVELS_DB, SOUNDS, make

ENGLISH = DecodeOptions(language="en", encoder_context="dynamic")
EVERYTHING = StreamOptions(ENGLISH, endpointing=EndpointingConfig(threshold=0.0))


@pytest.fixture(scope="module")
def vad():
    return SileroVAD()


@pytest.fixture(scope="module")
def backend(micro):
    backend = choose(BackendConfig("faster-whisper", str(micro), cpu_threads=1), lambda message, progress: None).make(0)
    yield backend
    backend.close()


def stream(audio, vad, backend, options=StreamOptions(ENGLISH)):
    session = OnlineASRProcessor(options=options)
    return [emission.event for emission in simulate(audio, session, vad.stream(), backend, AudioClock())]


def words(events, kind):
    return [word for event in events if isinstance(event, kind) for word in event.words]


@pytest.mark.parametrize("sound", SOUNDS)
def test_a_sound_without_a_voice_starts_nothing_at_any_level(sound, vad, backend):
    audio = np.concatenate([make(sound, 4, level, seed) for seed, level in enumerate(LEVELS_DB)])
    events = stream(audio, vad, backend)
    assert not words(events, Committed) and not words(events, Tentative)
    assert not any(isinstance(event, SpeechStarted) for event in events)


@pytest.mark.parametrize("sound", ["pink", "brown", "hum", "clicks", "dialling", "breathing"])
def test_what_is_decoded_although_the_detector_hears_nobody_has_no_words(sound, vad, backend):
    events = stream(make(sound, 3, -20), vad, backend, EVERYTHING)
    assert any(isinstance(event, SpeechStarted) for event in events)
    assert not words(events, Committed) and not words(events, Tentative)
    assert words(events, Suppressed)  # the network is not that sure of itself


@pytest.fixture(scope="module")
def alone(vad, backend, recordings):
    """The words of a recording that silence follows."""
    return words(stream(np.concatenate((recordings[8].audio, np.zeros(samples(3), np.int16))), vad, backend), Committed)


@pytest.mark.parametrize("sound", ["pink", "hum", "clicks", "breathing"])
def test_a_sound_after_the_last_word_is_none_of_it(sound, vad, backend, recordings, alone):
    heard = words(stream(np.concatenate((recordings[8].audio, make(sound, 3, -35))), vad, backend), Committed)
    assert len(heard) == len(alone) > 5
    assert join(heard[:4]) == join(alone[:4])
