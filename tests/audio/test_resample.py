"""A rate changed in pieces is the rate of the whole changed, drained or not."""

import tracemalloc

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from reswhis.audio.resample import Resampler

# 15 999 and 47 999 share no factor with 16 000: input and output samples fall together once in a second.
RATES = [8000, 11025, 15999, 22050, 24000, 32000, 44100, 47999, 48000]
FILTER_REACH = 8 * 16
"""8 ms of output: how far before a drain its end is heard."""


def sound(rate, seconds, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, round(rate * seconds)).astype(np.float32)


def cut(samples, places):
    return np.split(samples, sorted(round(place * len(samples)) for place in places))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(RATES), st.lists(st.floats(0, 1), max_size=12), st.floats(0, 1.5))
def test_any_split_comes_out_as_the_whole(rate, places, seconds):
    samples = sound(rate, seconds)
    resampler = Resampler(rate)

    out = np.concatenate([*(resampler.push(piece) for piece in cut(samples, places)), resampler.finish()])

    whole = soxr.resample(samples, rate, 16000)
    assert out.dtype == np.float32
    assert len(out) == len(whole)
    assert np.allclose(out, whole, rtol=0, atol=1e-3)


def test_sample_by_sample_comes_out_as_the_whole():
    samples = sound(11025, 0.3)
    resampler = Resampler(11025)

    out = np.concatenate([*(resampler.push(samples[i : i + 1]) for i in range(len(samples))), resampler.finish()])

    assert out == pytest.approx(soxr.resample(samples, 11025, 16000), abs=1e-3)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(RATES), st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=12))
def test_a_drain_gives_all_so_far_and_changes_nothing_but_its_own_end(rate, places):
    samples = sound(rate, 1.5)
    resampler = Resampler(rate)
    drained = [drain for _, drain in sorted(places)]
    out, near, pushed = np.empty(0, np.float32), np.zeros(2 * 16000, bool), 0

    for piece, drain in zip(cut(samples, [place for place, _ in places]), [*drained, False], strict=True):
        out = np.append(out, resampler.push(piece))
        pushed += len(piece)
        if drain:
            out = np.append(out, resampler.drain())
            assert len(out) == pytest.approx(pushed * 16000 / rate, abs=0.51)
            near[max(0, len(out) - FILTER_REACH) : len(out)] = True
    out = np.append(out, resampler.finish())

    whole = soxr.resample(samples, rate, 16000)
    assert len(out) == pytest.approx(len(whole), abs=1)
    same = min(len(out), len(whole))
    assert np.allclose(out[:same], whole[:same], rtol=0, atol=np.where(near[:same], 2, 1e-3))


def test_a_drain_at_the_end_is_as_the_end():
    samples = sound(24000, 1)
    drained, finished = Resampler(24000), Resampler(24000)
    drained.push(samples)
    finished.push(samples)

    assert drained.drain() == pytest.approx(finished.finish(), abs=1e-3)
    assert len(drained.drain()) == len(drained.finish()) == 0


def test_many_drains_do_not_move_the_clock():
    resampler, count = Resampler(44100), 0

    for _ in range(500):
        count += len(resampler.push(sound(44100, 0.01))) + len(resampler.drain())

    assert count + len(resampler.finish()) == 5 * 16000


@pytest.mark.parametrize(("rate", "most_ms"), [(8000, 116), (24000, 37), (44100, 41), (48000, 37)])
def test_it_holds_no_more_than_it_says(rate, most_ms):
    resampler, pushed, given = Resampler(rate), 0, 0
    piece = sound(rate, 0.005)

    held = []
    for _ in range(200):
        given += len(resampler.push(piece))
        pushed += len(piece)
        held.append(pushed / rate * 1000 - given / 16)

    assert max(held) <= most_ms


def test_the_same_rate_passes_through_at_once():
    samples = sound(16000, 0.1)
    resampler = Resampler(16000)

    assert resampler.push(samples).tobytes() == samples.tobytes()
    assert len(resampler.drain()) == len(resampler.finish()) == 0


def test_it_keeps_only_recent_audio_however_much_is_pushed():
    resampler, minute = Resampler(48000), sound(48000, 60)
    resampler.push(minute[:48000])
    tracemalloc.start()

    resampler.push(minute)

    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 100_000
