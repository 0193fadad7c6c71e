"""What people repeat comes out as often as they said it, whatever the policy, however the times of its words move."""

import random

import pytest

from reswhis.core.alignment import following
from reswhis.core.commit import POLICIES, PolicyConfig
from reswhis.core.endpointing import EndpointingConfig
from reswhis.core.online import StreamOptions
from reswhis.core.types import Hypothesis, Word, seconds

from streams import committed, finish, hears, play, stream, words
from wavering_speaker import WAYS, heard_wrong, jitters, numbered, unnumbered

SPACINGS_S = 0.3, 0.4, 0.5

every_policy = pytest.mark.parametrize("policy", POLICIES)
every_way = pytest.mark.parametrize("way", WAYS)


# Two decodes then differ by up to a quarter of a second, which is what the alignment takes for the same word.
@every_policy
@every_way
@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("each_s", [0.3, 0.4])
def test_repeated_words_are_all_there_and_none_is_added_when_their_times_move(policy, way, each_s, together):
    assert heard_wrong(policy, way, each_s, 0.12, together=together) == []


@pytest.mark.parametrize("moved_s", [-0.3, 0.3])
def test_words_that_all_move_by_three_tenths_of_a_second_are_still_counted(moved_s):
    for text in ("so no no no no", "we will we will rock you we will we will rock you"):
        said = words(*text.split(), at=1.0, each=0.3)
        for known in range(1, len(said)):
            heard = tuple(word.shifted(moved_s) for word in said)
            assert len(following(said[:known], heard, 0.0)) == len(said) - known


@pytest.mark.parametrize(("most_s", "together", "spacing_s"), [(0.25, False, SPACINGS_S), (0.17, True, SPACINGS_S[1:])])
@pytest.mark.parametrize("policy", ["local-agreement", "alignatt"])
def test_repeated_words_are_all_there_when_their_times_are_off_by_a_quarter_of_a_second(
    policy, most_s, together, spacing_s
):
    for way in ("partials", "trims"):
        for each_s in spacing_s:
            assert heard_wrong(policy, way, each_s, most_s, together=together, seeds=5) == []


# A fifth of a second apart, words may be heard in each other's places.
@pytest.mark.parametrize("way", ["trims", "cuts", "trims and cuts"])
def test_repeated_words_are_all_there_where_windows_and_utterances_are_cut_within_them(way):
    for each_s in (0.2, 0.3):
        assert heard_wrong("alignatt", way, each_s, 0.25, together=False, seeds=15) == []


def test_the_only_committed_word_may_be_missing_from_a_trimmed_window_without_taking_the_next_along():
    def recognise(window):  # whole, "so" is heard too late, so that the trimmed window does not hold it
        numerals = words("zero", "zero", "eight", at=1.0 if window.start == 0 else 0.75, each=0.4)
        return hears((*words("so", at=0.75, each=0.2), *numerals) if window.start == 0 else numerals)(window)

    session = stream(step_s=0.4, buffer_trimming_s=1.5, policy=PolicyConfig("alignatt"))
    events = play(session, [(0.0, 3.0)], 4, recognise) + finish(session, recognise)
    assert committed(events) == "so zero zero eight"


def test_a_first_word_without_length_is_said_once():
    def recognise(window):
        return Hypothesis((Word(0, 0, " so"), Word(0.2, seconds(len(window.audio)), " no")))

    session = stream(policy=PolicyConfig("alignatt"))
    events = play(session, [(0.0, 3.0)], 4, recognise) + finish(session, recognise)
    assert committed(events) == "so no"


@every_policy
@pytest.mark.parametrize("way", ["trims", "cuts"])
def test_words_said_five_times_a_second_are_counted_when_their_times_move_by_less_than_half_of_that(policy, way):
    assert heard_wrong(policy, way, 0.2, 0.05, together=False) == []


@every_policy
@pytest.mark.parametrize("moved_s", [0.0, 0.25])
def test_what_is_repeated_after_pauses_is_there_each_time(policy, moved_s):
    said, voiced = [], []
    for n in range(12):
        said += numbered(["zero", "zero"], 0.3, begin_s=0.5 + 1.2 * n)
        voiced.append((said[-2].start - 0.1, said[-1].end + 0.1))
    recognise = jitters(said, moved_s, random.Random(1))
    session = stream(StreamOptions(endpointing=EndpointingConfig(min_silence_s=0.3)), policy=PolicyConfig(policy))
    events = play(session, voiced, 16, recognise) + finish(session, recognise)
    assert unnumbered(committed(events)).split() == ["zero"] * 24


@every_policy
def test_a_word_said_a_hundred_times_is_said_a_hundred_times(policy):
    said = [word for n in range(10) for word in numbered(["no"] * 10, 0.4, begin_s=0.5 + 4 * n)]
    session = stream(policy=PolicyConfig(policy), buffer_trimming_s=5.0)
    events = play(session, [(0.4, 41)], 42, hears(said)) + finish(session, hears(said))
    assert unnumbered(committed(events)).split() == ["no"] * 100
