"""The pace of decoding under load: how steps widen and narrow again."""

from hypothesis import given
from hypothesis import strategies as st

from reswhis.engine.pace import FORGOTTEN_S, MOST, TARGET_S, Pace


def after(pace, wait_s, seconds, *, since=0.0, every=0.1):
    """Windows that waited so long, one every tenth of a second; returns the time."""
    for n in range(round(seconds / every)):
        pace.waited(wait_s, since + n * every)
    return since + seconds


def test_steps_are_as_asked_for_while_nobody_waits_long():
    pace = Pace()
    after(pace, TARGET_S / 2, 60)
    assert pace.factor == 1


def test_steps_widen_within_seconds_when_windows_wait_and_narrow_again_after():
    pace = Pace()
    now = after(pace, 4 * TARGET_S, 3)
    assert 2 < pace.factor < MOST
    now = after(pace, 4 * TARGET_S, 10, since=now)
    assert pace.factor == MOST
    now = after(pace, 0.0, 10, since=now)
    assert pace.factor == 1


def test_one_long_wait_among_many_short_ones_widens_nothing():
    pace = Pace()
    now = after(pace, 0.01, 5)
    pace.waited(1.0, now)
    after(pace, 0.01, 5, since=now + 0.1)
    assert pace.factor == 1


def test_it_is_exhausted_only_with_the_widest_steps_and_not_long_after_the_last_window():
    pace = Pace()
    assert not pace.is_exhausted(0.0)
    now = after(pace, 10 * TARGET_S, 2)
    assert not pace.is_exhausted(now)
    now = after(pace, 10 * TARGET_S, 10, since=now)
    assert pace.is_exhausted(now)
    assert not pace.is_exhausted(now + FORGOTTEN_S)
    now = after(pace, 0.0, 1.5, since=now)
    assert not pace.is_exhausted(now)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10))))
def test_it_keeps_to_its_bounds_whatever_happens(windows):
    pace, now = Pace(), 0.0
    for wait_s, passed_s in windows:
        now += passed_s
        before = pace.factor
        pace.waited(wait_s, now)
        assert 1 <= pace.factor <= MOST
        assert before * 0.8 - 1e-9 <= pace.factor <= before * 1.4 + 1e-9
