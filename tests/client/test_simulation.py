"""A file as if it came live, with the fake recogniser: what is said, and when."""

import numpy as np
import pytest

from reswhis.backends.fake import FakeBackend
from reswhis.core.endpointing import FRAME
from reswhis.core.errors import BackendError
from reswhis.core.events import Closed, Committed, DecodeFailed, Tentative
from reswhis.core.online import OnlineASRProcessor, SessionConfig
from reswhis.core.types import seconds
from reswhis.simulation import AudioClock, simulate

SPOKEN = 12
AUDIO = np.zeros(16_000 * (SPOKEN + 3), np.int16)
TEXT = "".join(f" w{n}" for n in range(SPOKEN))


class Voice:
    """Speech until just after the last word, silence then."""

    def __init__(self):
        self._heard = 0

    def score(self, samples):
        first = self._heard // FRAME
        self._heard += len(samples)
        return [0.9 if seconds(n * FRAME) < SPOKEN - 0.2 else 0.0 for n in range(first, self._heard // FRAME)]


class Hands:
    """A clock that only moves when it is moved."""

    def __init__(self):
        self.time = 0.0

    def now(self):
        return self.time

    def wait_until(self, at):
        assert at > self.time
        self.time = at


def run(clock, backend, *, config=SessionConfig(), **options):
    return list(simulate(AUDIO, OnlineASRProcessor(config), Voice(), backend, clock, **options))


def text(emissions):
    return "".join(word.text for e in emissions if isinstance(e.event, Committed) for word in e.event.words)


def times(emissions):
    """When each text was said, and when its last word ends."""
    return [(e.at, e.event.words[-1].end) for e in emissions if isinstance(e.event, Committed)]


def takes(need, clock, windows):
    """A recogniser that needs ``need`` seconds of the clock per window."""

    def before(batch):
        windows.extend(batch)
        clock.time += need

    return FakeBackend(before=before)


def test_where_decoding_takes_no_time_words_come_as_soon_as_two_decodes_agree():
    emissions = run(AudioClock(), FakeBackend())
    assert text(emissions) == TEXT
    assert isinstance(emissions[-1].event, Closed)
    for at, end in times(emissions):
        assert end <= at <= end + 2.5


def test_the_clock_runs_while_the_recogniser_works():
    need, clock, windows = 0.7, Hands(), []
    emissions = run(clock, takes(need, clock, windows))
    assert text(emissions) == TEXT
    for window, at in zip(windows, sorted({e.at for e in emissions if isinstance(e.event, Tentative)}), strict=False):
        assert at >= seconds(window.end) + need


def test_a_slow_recogniser_gets_longer_windows_and_loses_nothing():
    fast, slow = Hands(), Hands()
    few, many = [], []
    assert text(run(fast, takes(0.1, fast, many))) == text(run(slow, takes(4.0, slow, few))) == TEXT
    assert len(few) < len(many) / 2


def test_no_window_holds_audio_that_has_not_arrived():
    clock, arrived = Hands(), []
    backend = FakeBackend(before=lambda windows: arrived.append((clock.now(), seconds(windows[0].end))))
    run(clock, backend)
    assert arrived and all(end <= now for now, end in arrived)


def test_what_is_there_at_once_is_decoded_once():
    clock, windows = Hands(), []
    emissions = run(clock, takes(0.5, clock, windows), at_once=True)
    assert text(emissions) == TEXT
    assert [window.is_final for window in windows] == [True]
    assert {at for at, _ in times(emissions)} == {0.5}


def test_more_than_the_session_holds_is_there_at_once_bit_by_bit():
    clock = Hands()
    emissions = run(clock, takes(0.1, clock, []), config=SessionConfig(max_held_s=30, step_s=2), at_once=True)
    assert text(emissions) == TEXT


@pytest.mark.parametrize("failures", [1, 2])
def test_a_window_that_fails_is_tried_once_more_and_then_reported(failures):
    left = failures

    def before(windows):
        nonlocal left
        if left:
            left -= 1
            raise BackendError("no")

    emissions = run(AudioClock(), FakeBackend(before=before))
    assert sum(isinstance(e.event, DecodeFailed) for e in emissions) == (failures == 2)
    assert text(emissions) == TEXT


def test_no_audio_is_closed_at_once():
    emissions = simulate(AUDIO[:0], OnlineASRProcessor(), Voice(), FakeBackend(), AudioClock())
    assert [e.event for e in emissions] == [Closed()]
