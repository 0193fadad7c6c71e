"""When speech starts and stops, from probabilities alone."""

import pytest

from reswhis.core.endpointing import Boundary, Endpointer, EndpointingConfig

START, END = Boundary.START, Boundary.END


def boundaries(endpointer, probabilities):
    return [(i, b) for i, p in enumerate(probabilities) if (b := endpointer.push(p)) is not None]


def endpointer(**config):
    return Endpointer(EndpointingConfig(**{"min_speech_s": 0.096, "min_silence_s": 0.16, **config}))


def test_speech_starts_when_enough_of_it_was_heard_and_says_since_when():
    heard = endpointer()
    assert boundaries(heard, [0.0, 0.9, 0.9, 0.9]) == [(3, START)]
    assert heard.pending == 3


def test_a_click_starts_nothing():
    assert boundaries(endpointer(), [0.9, 0.9, 0.0, 0.0, 0.0] * 100) == []


def test_a_gap_of_a_frame_or_two_does_not_hide_a_voice():
    heard = endpointer()
    assert boundaries(heard, [0.9, 0.0, 0.9, 0.0, 0.0, 0.9]) == [(5, START)]
    assert heard.pending == 6


def test_a_voice_begins_above_the_threshold_and_goes_on_above_the_release():
    hum = [0.45] * 20
    assert boundaries(endpointer(), hum) == []
    assert boundaries(endpointer(), [0.9, *hum]) == [(2, START)]


def test_speech_ends_after_enough_silence_in_a_row():
    assert boundaries(endpointer(), [0.9] * 3 + [0.0] * 4 + [0.4] + [0.0] * 9) == [(2, START), (12, END)]


@pytest.mark.parametrize(("threshold", "release"), [(0.5, 0.35), (0.1, 0.01), (0.005, 0.005), (0.0, 0.0)])
def test_the_release_follows_from_the_threshold(threshold, release):
    assert EndpointingConfig(threshold).silent_below == pytest.approx(release)


def test_a_release_can_be_given():
    assert EndpointingConfig(0.5, 0.1).silent_below == 0.1


def test_a_changed_configuration_counts_the_silence_so_far():
    heard = endpointer(min_silence_s=1)
    boundaries(heard, [0.9] * 3 + [0.0] * 9)
    heard.configure(EndpointingConfig(min_silence_s=0.16))
    assert heard.push(0.0) is END


def test_a_voice_that_goes_on_after_a_split_starts_at_once():
    heard = endpointer()
    boundaries(heard, [0.9] * 3)
    heard.split()
    heard.split()
    assert heard.push(0.4) is START and heard.pending == 1


@pytest.mark.parametrize("before", [[], [0.9] * 3 + [0.0] * 3])
def test_after_a_split_in_silence_a_click_still_starts_nothing(before):
    heard = endpointer()
    boundaries(heard, before)
    heard.split()
    assert boundaries(heard, [0.9, 0.0, 0.0, 0.0]) == []


@pytest.mark.parametrize(
    ("wrong", "allowed"),
    [
        ({"threshold": 1.1}, "threshold must be 0 to 1"),
        ({"threshold": float("nan")}, "0 to 1"),
        ({"release": 0.6}, "release must be 0 to 0.5"),
        ({"min_speech_s": -1}, "0 to 1"),
        ({"min_silence_s": 60}, "0.01 to 10"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(wrong, allowed):
    with pytest.raises(ValueError, match=allowed):
        EndpointingConfig(**wrong)
