"""A recogniser that breaks every rule breaks nothing of what a session promises."""

import math

import pytest

from reswhis.core.events import Closed, Committed, Suppressed, UtteranceEnded
from reswhis.core.types import Hypothesis, Word

from streams import VOICE, feed, heard, of, stream, words

NAN, INF = math.nan, math.inf


@pytest.fixture
def session():
    session = stream()
    feed(session, 2, VOICE)
    session.receive_end()
    return session


@pytest.mark.parametrize(
    "crooked",
    [
        [(-1, 0.5), (0.4, 0.2), (0.1, 99)],
        [(NAN, NAN), (1, NAN), (NAN, 1)],
        [(INF, INF), (-INF, INF), (0.5, -INF)],
        [(90, 91), (92, 93), (0, 1)],
        [(1, 1), (1, 1), (1, 1)],
    ],
)
def test_words_are_monotone_and_in_the_window_whatever_their_times(session, crooked):
    said = tuple(Word(start, end, f" {n}", NAN) for n, (start, end) in enumerate(crooked))
    session.receive_hypothesis(session.next_window(), Hypothesis(said))
    events = session.events()
    times = [t for e in of(Committed, events) for w in e.words for t in (w.start, w.end)]
    assert times == sorted(times) and times[0] >= 0 and times[-1] <= 2
    assert of(UtteranceEnded, events)[0].text == "0 1 2" and events[-1] == Closed()


def test_more_words_than_anyone_can_say_are_not_believed(session):
    flood = words(*["no"] * 5000, each=0.0004)
    session.receive_hypothesis(session.next_window(), Hypothesis(flood))
    events = session.events()
    assert of(Committed, events) == [] and events[-1] == Closed()
    assert 0 < len(of(Suppressed, events)[0].words) < 200


def test_after_a_flood_the_next_window_is_heard_as_if_nothing_had_been():
    session = stream()
    feed(session, 1.1, VOICE)
    session.receive_hypothesis(session.next_window(), heard("hello"))
    feed(session, 1.1, VOICE)
    session.receive_hypothesis(session.next_window(), Hypothesis(words(*["no"] * 5000, each=0.0004)))
    feed(session, 1.1, VOICE)
    session.receive_hypothesis(session.next_window(), heard("hello", "world"))
    assert [w.text for e in of(Committed, session.events()) for w in e.words] == [" hello"]


def test_words_without_text_or_of_punctuation_only_are_no_words(session):
    session.receive_hypothesis(session.next_window(), Hypothesis((Word(0, 1, ""), Word(1, 1.5, "?"))))
    assert [e.text for e in of(UtteranceEnded, session.events())] == [""]
