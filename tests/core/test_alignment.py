"""What is committed is found again by text and time together."""

import pytest

from reswhis.core.alignment import attach_punctuation, following, key, monotone
from reswhis.core.types import Word

from streams import words


def new(said, heard, since=0.0):
    return "".join(word.text for word in following(said, tuple(heard), since)).split()


@pytest.mark.parametrize("known", [0, 1, 2, 3])
@pytest.mark.parametrize("jitter", [-0.2, 0.0, 0.2])
def test_no_no_no_comes_out_as_often_as_it_was_said(known, jitter):
    said = words("no", "no", "no", at=1.0, each=0.3)
    assert new(said[:known], [w.shifted(jitter) for w in said]) == ["no"] * (3 - known)


@pytest.mark.parametrize("jitter", [-0.2, 0.2])
def test_a_yes_that_moves_by_a_fifth_of_a_second_is_the_same_yes(jitter):
    assert new(words("yes", at=1), [Word(1 + jitter, 1.5 + jitter, " yes")]) == []


def test_a_yes_half_a_second_later_is_another_one():
    assert new(words("yes", at=1), words("yes", "yes", at=1)) == ["yes"]


@pytest.mark.parametrize("late", [0.1, 0.3, 0.5])
def test_an_end_that_came_late_does_not_swallow_the_next_short_word(late):
    assert new([Word(1.0, 1.3 + late, " go")], [Word(1.0, 1.3, " go"), Word(1.3, 1.5, " on")]) == ["on"]


@pytest.mark.parametrize("known", [6, 12])
@pytest.mark.parametrize("jitter", [-0.2, 0.0, 0.2])
def test_a_sentence_said_three_times_is_three_sentences(known, jitter):
    song = words(*["we", "will", "we", "will", "rock", "you"] * 3, each=0.3)
    assert new(song[:known], [w.shifted(jitter) for w in song]) == [w.text.strip() for w in song[known:]]


def test_twenty_times_no_is_not_twenty_one():
    said = words(*["no"] * 20, each=0.3)
    assert new(said[:19], [w.shifted(0.2) for w in said]) == ["no"]


def test_a_committed_word_heard_differently_is_not_said_again():
    assert new(words("the", "word"), words("the", "world", "ends")) == ["ends"]


@pytest.mark.parametrize("jitter", [-0.2, 0.0, 0.2])
def test_one_word_heard_as_two_or_two_as_one_is_not_said_again_and_takes_no_other_with_it(jitter):
    two, one = words("any", "one", "can", at=1, each=0.3), (Word(1, 1.6, " anyone"), Word(1.6, 1.9, " can"))
    assert new(one[:1], [w.shifted(jitter) for w in two]) == ["can"]
    assert new(two[:2], [w.shifted(jitter) for w in one]) == ["can"]
    assert new((*words("if", at=0.6), *two[:2]), [w.shifted(jitter) for w in one]) == ["can"]


def test_a_committed_word_no_longer_heard_takes_no_other_with_it():
    assert new(words("well", "then"), words("then", "go", at=0.5)) == ["go"]


def test_words_before_the_window_cannot_be_heard_in_it():
    assert new(words("no", at=1.0, each=0.2), words("no", at=1.2, each=0.2), since=1.2) == ["no"]


def test_a_word_that_ends_where_the_window_begins_cannot_be_heard_in_it_however_short():
    assert new([Word(1.2, 1.2, " no")], words("no", at=1.25, each=0.2), since=1.2) == ["no"]


def test_of_a_word_at_the_edge_of_the_window_the_rest_is_not_said_again():
    assert new(words("fire", at=1), [Word(1.2, 1.6, " fire"), Word(1.6, 2, " hills")], since=1.2) == ["hills"]


def test_a_word_at_the_edge_that_is_not_heard_leaves_its_neighbour_alone():
    assert new(words("cat", at=1), words("light", at=1.35), since=1.2) == ["light"]


def test_case_and_punctuation_do_not_make_another_word():
    assert key(Word(0, 1, " Hello,")) == key(Word(0, 1, "hello")) and key(Word(0, 1, "你好。")) == "你好"


def test_a_token_of_punctuation_belongs_to_the_word_before():
    tokens = [Word(0, 1, " so"), Word(1, 1.1, "..."), Word(1.1, 2, "好"), Word(2, 2, "？")]
    assert [w.text for w in attach_punctuation(tokens)] == [" so...", "好？"]


def test_times_never_run_backwards_or_leave_the_window():
    crooked = [Word(-1, 0.5, "a"), Word(0.3, 0.2, "b"), Word(0.1, 9, "c"), Word(8, 7, "d")]
    assert [(w.start, w.end) for w in monotone(crooked, 0, 5)] == [(0, 0.3), (0.3, 0.3), (0.3, 5), (5, 5)]
