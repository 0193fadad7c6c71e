import math

from reswhis.core.endpointing import FRAME
from reswhis.core.voicing import Voicing


def test_the_frames_of_a_window_are_those_that_it_touches():
    voicing = Voicing(100 * FRAME)
    for n in range(10):
        voicing.append(n / 10)
    assert [round(p, 1) for p in voicing.between(2 * FRAME, 5 * FRAME)] == [0.2, 0.3, 0.4]
    assert [round(p, 1) for p in voicing.between(2 * FRAME + 1, 5 * FRAME + 1)] == [0.2, 0.3, 0.4, 0.5]
    assert [round(p, 1) for p in voicing.between(8 * FRAME, 20 * FRAME)] == [0.8, 0.9]


def test_hours_are_forgotten_but_for_the_last_minutes():
    voicing = Voicing(100 * FRAME)
    for n in range(10_000):
        voicing.append(n % 2)
    assert voicing.between(9_900 * FRAME, 9_904 * FRAME) == (0, 1, 0, 1)
    assert voicing.between(9_000 * FRAME, 9_904 * FRAME) == ()


def test_whatever_a_detector_says_is_a_probability():
    voicing = Voicing(FRAME)
    for strange in (math.nan, -1, 7):
        voicing.append(strange)
    assert voicing.between(FRAME, 3 * FRAME) == (0, 1)
