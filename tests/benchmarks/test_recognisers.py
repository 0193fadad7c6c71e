"""Whether backends.py sees what two recognisers hear differently."""

import sys
from pathlib import Path

import numpy as np

from reswhis.core.types import Word

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from quality_material import Recording, Said
from recognisers_alike import differences, likeness, pairs, starts_off


def heard(text, *, later_s=0.0):
    return tuple(Word(n + later_s, n + 0.8 + later_s, f" {word}") for n, word in enumerate(text.split()))


def test_the_same_words_at_the_same_times_are_alike():
    found = likeness(["a", "b"], [heard("one two"), ()], [heard("one two"), ()])
    assert found.identical == 1 and all(word.is_near for word in found.words) and len(found.words) == 2


def test_a_word_that_differs_is_counted_and_those_after_it_still_meet():
    found = likeness(
        ["a", "b"], [heard("one two three four"), heard("five")], [heard("one or three four"), heard("five")]
    )
    (difference,) = found.different
    assert found.identical == 0.5 and difference.edits == 1
    assert [word.word for word in found.words] == ["one", "three", "four", "five"]


def test_two_words_more_are_two_and_another_full_stop_is_one():
    (more,) = likeness(["a"], [heard("one")], [heard("and now one")]).different
    (stop,) = likeness(["a"], [heard("one")], [heard("one.")]).different
    assert (more.edits, stop.edits) == (2, 1)


def test_words_that_lie_farther_apart_than_200_ms_are_named_with_both_times():
    for later_s, named in ((0.2, 0), (0.22, 2)):
        found = {("x", "y"): likeness(["a"], [heard("one two")], [heard("one two", later_s=later_s)])}
        assert sum("(x)" in line and "(y)" in line for line in differences(found)) == named
    assert "0.0 %, 220 / 220 / 220 ms" in pairs(found)


def test_only_what_was_heard_right_and_is_known_exactly_is_compared_with_the_truth():
    said = [Said("one", 0.1, 0.5), Said("two", 1.0, 1.5)]
    exact = Recording("a", np.zeros(0, np.int16), "one two", tuple(said))
    guessed = Recording("b", np.zeros(0, np.int16), "one two", tuple(Said(w.text, w.start, w.end, False) for w in said))
    rows = [exact, exact, guessed]
    off = starts_off(rows, [heard("one two"), heard("one too"), heard("one two")])
    assert np.allclose(off, [0.1, 0.0])
