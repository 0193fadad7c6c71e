"""Which words of a growing hypothesis are stable."""

from dataclasses import replace

import pytest

from reswhis.core.commit import POLICIES, PolicyConfig, new_policy
from reswhis.core.events import Reason
from reswhis.core.types import Word

from streams import words


def agreement(**options):
    return PolicyConfig("local-agreement", **options)


def counts(policy, *texts, until=9.0):
    return [policy.update(words(*text.split()), until).count for text in texts]


def test_two_hypotheses_agree_on_a_prefix():
    assert counts(new_policy(agreement()), "hello word", "Hello, world again") == [0, 1]


def test_three_hypotheses_have_to_agree_if_asked_for():
    assert counts(new_policy(agreement(n=3)), "a b", "a b", "a b") == [0, 0, 2]


def test_what_was_committed_takes_no_part_in_the_next_agreement():
    assert counts(new_policy(agreement()), "a b", "a c", "c") == [0, 1, 1]


@pytest.mark.parametrize(("similarity", "count"), [(100, 0), (95, 0), (80, 2)])
def test_similar_words_agree_where_that_is_asked_for(similarity, count):
    policy = new_policy(agreement(similarity=similarity))
    assert counts(policy, "colour sings", "color sings") == [0, count]


def test_chinese_agrees_by_its_own_word_units():
    policy = new_policy(agreement())
    tokens = [Word(i / 4, (i + 1) / 4, c) for i, c in enumerate("你好吗")]
    assert [policy.update(tuple(tokens[:n]), 9).count for n in (2, 3)] == [0, 2]


# The fallback: committing without agreement.


def test_after_two_disagreements_the_older_half_that_both_have_is_committed_as_forced():
    policy = new_policy(agreement(fallback_threshold=1))
    disputed = ("uh the cat sat on a", "eh the cat sat on it", "and the cat sat on a mat")
    updates = [policy.update(words(*text.split()), 3.5) for text in disputed]
    assert [(u.count, u.reason) for u in updates[1:]] == [(0, Reason.AGREEMENT), (3, Reason.FORCED)]


@pytest.mark.parametrize("threshold", [0, 1, 2])
def test_the_fallback_waits_out_as_many_disagreements_as_it_is_told(threshold):
    policy = new_policy(agreement(fallback_threshold=threshold))
    disputed = [f"{first} the cat sat on a" for first in ("uh", "eh", "and", "oh", "a")]
    assert counts(policy, *disputed[: threshold + 2], until=3.0) == [0] * (threshold + 1) + [3]


def test_after_the_fallback_the_rest_is_compared_where_each_hypothesis_continues():
    policy = new_policy(agreement(n=3, fallback_threshold=0))
    finer = (Word(0, 0.25, " oh"), Word(0.25, 0.5, " uh"), *words("the", "cat", "sat", "on", at=0.5))
    for heard in (words("and", "the", "cat", "sat", "on"), words("an", "the", "cat", "sat", "on")):
        assert policy.update(heard, 3.0).count == 0
    assert policy.update(finer, 3.0).count == 4
    assert policy.update(words("sat", "on", at=1.5), 3.0).count == 2


def test_one_common_word_among_many_disputed_ones_forces_nothing():
    policy = new_policy(agreement(fallback_threshold=0))
    assert counts(policy, "a b c d no x", "e f g h no y", until=6.0) == [0, 0]


def test_a_word_that_only_an_earlier_hypothesis_has_is_not_passed_over():
    policy = new_policy(agreement(fallback_threshold=0))
    whole = words("uh", "not", "the", "cat", "sat", "on", "a", "mat")
    without_not = (Word(0, 0.5, " eh"), *whole[2:])
    assert [policy.update(heard, 4.0).count for heard in (whole, without_not, whole)] == [0, 0, 4]


def test_an_agreement_in_between_starts_the_count_again():
    policy = new_policy(agreement())
    assert counts(policy, "a b c d", "x b c d", "x b c d", "y c d", until=2.0) == [0, 0, 4, 0]


def test_without_the_fallback_nothing_is_committed_that_is_disputed():
    policy = new_policy(agreement(fallback=False))
    assert counts(policy, *(f"{first} the cat sat" for first in "abcdef"), until=3.0) == [0] * 6


def test_words_that_only_one_hypothesis_has_are_never_committed():
    policy = new_policy(agreement())
    assert counts(policy, "a b c d", "e f g h", "i j k l", "m n o p", until=4.0) == [0] * 4


def test_the_newer_half_which_still_grows_is_never_forced():
    policy = new_policy(agreement(fallback_threshold=0))
    assert counts(policy, "a the", "b the", "c the", until=1.0) == [0] * 3


def test_the_same_word_in_another_place_is_not_a_common_prefix():
    policy = new_policy(agreement(fallback_threshold=0))
    assert policy.update(words("uh", "no", at=1.0), 9).count == 0
    assert policy.update(words("eh", "no", at=2.0), 9).count == 0


@pytest.mark.parametrize("spoilt", [{"probability": 0.1}, {"probability": float("nan")}, {"start": 0.0, "end": 0.0}])
def test_what_fails_the_quality_test_is_not_forced(spoilt):
    policy = new_policy(agreement(fallback_threshold=0))
    said = [tuple(replace(w, **spoilt) for w in words(first, "the", "cat", "sat")) for first in ("uh", "eh")]
    assert [policy.update(heard, 9).count for heard in said] == [0, 0]


def test_hypotheses_of_which_one_is_empty_do_not_disagree():
    policy = new_policy(agreement(fallback_threshold=0))
    assert counts(policy, "a b", "a b", "c the d", "e the d", until=9) == [0, 2, 0, 3]


# The other policies.


def test_alignatt_holds_back_the_end_of_the_window():
    assert counts(new_policy(PolicyConfig("alignatt", holdback_s=0.4)), "a b c", until=1.5) == [2]


@pytest.mark.parametrize("probability", [0.1, float("nan")])
def test_alignatt_stops_at_an_unlikely_word(probability):
    said = (Word(0, 1, " a"), Word(1, 2, " b", probability), Word(2, 3, " c"))
    assert new_policy(PolicyConfig("alignatt")).update(said, 9).count == 1


def test_alignatt_believes_an_unlikely_word_that_another_decode_hears_in_the_same_place():
    policy = new_policy(PolicyConfig("alignatt"))
    assert policy.update((Word(0, 1, " a"), Word(1, 2, " b", 0.1), Word(2, 3, " c")), 9).count == 1
    assert policy.update((Word(1.1, 2.1, " B,", 0.1), Word(2, 3, " c")), 9).count == 2


@pytest.mark.parametrize("second", [Word(1, 2, " d", 0.1), Word(3, 4, " b", 0.1)])
def test_alignatt_does_not_believe_an_unlikely_word_that_another_decode_hears_otherwise(second):
    policy = new_policy(PolicyConfig("alignatt"))
    assert [policy.update((word,), 9).count for word in (Word(1, 2, " b", 0.1), second)] == [0, 0]


@pytest.mark.parametrize(("threshold", "decodes"), [(0, 2), (1, 3)])
def test_alignatt_does_not_wait_for_ever_for_an_unlikely_word_that_each_decode_hears_otherwise(threshold, decodes):
    policy = new_policy(PolicyConfig("alignatt", fallback_threshold=threshold))
    stable = [policy.update((Word(1, 2, f" b{n}", 0.1), Word(2, 3, " c")), 9) for n in range(decodes)]
    assert [each.count for each in stable] == [0] * (decodes - 1) + [2]
    assert stable[-1].reason is Reason.FORCED


def test_alignatt_without_the_fallback_waits_for_ever():
    policy = new_policy(PolicyConfig("alignatt", fallback=False))
    assert [policy.update((Word(1, 2, f" b{n}", 0.1),), 9).count for n in range(9)] == [0] * 9


def test_the_endpoint_policy_waits():
    assert counts(new_policy(PolicyConfig("endpoint")), "a", "a", "a") == [0, 0, 0]


@pytest.mark.parametrize("name", POLICIES)
def test_no_policy_commits_more_than_it_is_shown(name):
    policy = new_policy(PolicyConfig(name, fallback_threshold=0))
    for texts in (["a", "b"], ["a"], [], ["x", "y"], ["z", "y", "x"]):
        assert 0 <= policy.update(words(*texts), 9).count <= len(texts)


@pytest.mark.parametrize(
    ("wrong", "allowed"),
    [
        ({"name": "luck"}, "local-agreement, alignatt, endpoint"),
        ({"n": 1}, "2 to 10"),
        ({"similarity": 101}, "0 to 100"),
        ({"fallback_threshold": -1}, "0 to 100"),
        ({"holdback_s": float("nan")}, "0 to 5"),
        ({"min_probability": 2}, "0 to 1"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(wrong, allowed):
    with pytest.raises(ValueError, match=allowed):
        PolicyConfig(**wrong)
