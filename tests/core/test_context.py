"""Where a window may begin so that what is committed is found again in it."""

import pytest

from reswhis.core.context import Context

from streams import words


def said(text, each=0.5):
    context = Context()
    context.say(words(*text.split(), each=each))
    return context


def test_a_trimmed_window_begins_with_a_sentence_if_one_begins_late_enough():
    context = said("we went home. then it rained a lot and we")
    assert context.trim_start(1.0) == 1.5  # "then"


def test_it_begins_with_a_word_if_the_sentence_began_too_early():
    assert said("we went home. then it rained a lot and we").trim_start(2.0) == 3.5  # "lot and we", as few as will do


def test_a_sentence_that_has_just_begun_is_too_little_to_find_the_place_by():
    assert said("we went home. then it rained. And we").trim_start(0.0) == 1.5


@pytest.mark.parametrize(("text", "start"), [("so no no no no", 0.0), ("we all say no no no no", 0.5)])
def test_words_that_repeat_do_not_tell_the_place(text, start):
    assert said(text).trim_start(9.0) == start


@pytest.mark.parametrize("text", ["", "hello", "no no no"])
def test_too_few_words_are_not_trimmed(text):
    assert said(text).trim_start(0.0) == 0.0


def test_chinese_sentences_count_too():
    context = Context()
    context.say(tuple(word for word in words("我们", "回家。", "下", "雨", "了", "很", "大")))
    assert context.trim_start(0.5) == 1.0
