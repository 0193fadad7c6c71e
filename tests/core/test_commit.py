import pytest
from streams import words

from reswhis.core.commit import POLICIES, AlignAtt, AtEndpoint, LocalAgreement
from reswhis.core.types import Word


def test_two_hypotheses_agree_on_a_prefix():
    policy = LocalAgreement()
    assert [policy.update(words(*text.split()), 9) for text in ("hello word", "Hello, world again")] == [0, 1]


def test_three_hypotheses_have_to_agree_if_asked_for():
    policy = LocalAgreement(n=3)
    assert [policy.update(words("a", "b"), 9) for _ in range(3)] == [0, 0, 2]


def test_what_was_committed_takes_no_part_in_the_next_agreement():
    policy = LocalAgreement()
    updates = (["a", "b"], ["a", "c"], ["c"])
    assert [policy.update(words(*texts), 9) for texts in updates] == [0, 1, 1]


def test_alignatt_holds_back_the_end_of_the_window():
    assert AlignAtt(holdback_s=0.4).update(words("a", "b", "c"), heard_until=1.5) == 2


def test_alignatt_stops_at_an_unlikely_word():
    assert AlignAtt().update((Word(0, 1, " a"), Word(1, 2, " b", 0.1), Word(2, 3, " c")), 9) == 1


def test_the_endpoint_policy_waits():
    assert AtEndpoint().update(words("a"), 9) == 0


@pytest.mark.parametrize("name", POLICIES)
def test_no_policy_commits_more_than_it_is_shown(name):
    policy = POLICIES[name]()
    for texts in (["a", "b"], ["a"], [], ["x", "y"]):
        assert 0 <= policy.update(words(*texts), 9) <= len(texts)
