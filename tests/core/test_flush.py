"""A flush ends nothing but the utterance, and is answered once, in order, after all it caused."""

import numpy as np
import pytest

from reswhis.core.endpointing import FRAME
from reswhis.core.events import (
    Closed,
    Committed,
    Flushed,
    Reason,
    SpeechStarted,
    SpeechStopped,
    UtteranceEnded,
)
from reswhis.core.types import samples

from streams import QUIET, VOICE, committed, decode_all, feed, heard, hears, of, stream, words


@pytest.fixture
def session():
    return stream()


def test_a_flush_is_answered_after_all_it_caused(session):
    feed(session, 1.1, VOICE)
    session.receive_flush("a1")
    events = decode_all(session, hears(words("hi")))
    assert [type(e) for e in events] == [SpeechStarted, SpeechStopped, Committed, UtteranceEnded, Flushed]
    assert (events[2].reason, events[3].reason, events[4]) == (Reason.FLUSH, Reason.FLUSH, Flushed("a1"))


def test_a_flush_of_the_host_has_its_own_reason(session):
    feed(session, 1.1, VOICE)
    session.receive_flush(None, Reason.IDLE)
    events = decode_all(session, hears(words("hi")))
    assert (events[2].reason, events[3].reason, events[4]) == (Reason.IDLE, Reason.IDLE, Flushed(None))


def test_a_flush_before_any_audio_is_answered(session):
    session.receive_flush("a1")
    assert session.events() == [Flushed("a1")]


def test_a_flush_in_silence_is_answered_too(session):
    feed(session, 1, QUIET)
    session.receive_flush("a1")
    assert session.events() == [Flushed("a1")]


def test_flushes_at_the_same_place_are_answered_each_and_in_order(session):
    feed(session, 1.1, VOICE)
    for id in "abc":
        session.receive_flush(id)
    events = decode_all(session, hears(words("hi")))
    assert events[-4:] == [*of(UtteranceEnded, events), Flushed("a"), Flushed("b"), Flushed("c")]


def test_a_flush_while_a_window_is_out_waits_for_the_one_after_it(session):
    feed(session, 1.1, VOICE)
    out = session.next_window()
    session.receive_flush("f")
    session.receive_hypothesis(out, heard("hi"))
    assert of(Flushed, session.events()) == []
    final = session.next_window()
    session.receive_hypothesis(final, heard("hi"))
    assert final.is_final and [type(e) for e in session.events()] == [Committed, UtteranceEnded, Flushed]


def test_a_flush_in_silence_waits_for_the_utterance_before_it(session):
    feed(session, 1.1, VOICE)
    feed(session, 1, QUIET)
    session.receive_flush("f")
    assert of(Flushed, session.events()) == []
    assert decode_all(session, hears(words("hi")))[-1] == Flushed("f")


def test_a_flush_whose_window_fails_is_answered(session):
    feed(session, 1.1, VOICE)
    session.receive_flush("f")
    session.receive_failure(session.next_window())
    assert session.events()[-1] == Flushed("f")


def test_a_flush_and_then_the_end_are_both_answered(session):
    feed(session, 1.1, VOICE)
    session.receive_flush("f")
    session.receive_end()
    events = decode_all(session, hears(words("hi")))
    assert events[-2:] == [Flushed("f"), Closed()] and len(of(UtteranceEnded, events)) == 1


def test_a_flush_in_mid_speech_makes_two_utterances_of_it(session):
    feed(session, 0.9, VOICE)
    session.receive_flush()
    feed(session, 0.9, VOICE)
    session.receive_end()
    events = decode_all(session, hears(words("one", "two", "three")))
    assert [e.text for e in of(UtteranceEnded, events)] == ["one two", "three"]


def test_the_silence_after_a_flush_is_not_an_utterance(session):
    feed(session, 0.9, VOICE)
    session.receive_flush()
    feed(session, 3, QUIET)
    assert len(of(SpeechStarted, decode_all(session, hears(words("one"))))) == 1


@pytest.mark.parametrize("frames", [1, 2])
def test_the_shortest_rest_of_a_word_after_a_flush_is_decoded(session, frames):
    feed(session, 0.9, VOICE)
    session.receive_flush()
    session.receive_flush()
    place = session.received
    feed(session, frames * FRAME / 16_000, VOICE)
    feed(session, 1, QUIET)
    session.receive_hypothesis(session.next_window(), heard("one"))
    assert session.next_window().start == place


def test_a_flush_within_the_first_frames_of_a_voice_loses_nothing_of_it(session):
    feed(session, 1, QUIET)
    voice = session.received
    feed(session, 0.032, VOICE)
    session.receive_flush("f")
    window = session.next_window()
    assert window.is_final and (window.start, window.end) == (voice, voice + FRAME)
    session.receive_hypothesis(window, heard("a", each=0.03))
    assert committed(session.events()) == "a"


def test_the_end_within_the_first_frames_of_a_voice_loses_nothing_of_it():
    session = stream(preroll_s=0.3)
    feed(session, 1, QUIET)
    feed(session, 0.032, VOICE)
    session.receive_audio(np.zeros(100, np.int16))
    session.receive_end()
    window = session.next_window()
    assert window.end == session.received and window.start == 31 * FRAME - samples(0.3)


def test_a_flush_takes_effect_at_its_place_in_the_audio(session):
    session.receive_audio(np.zeros(40 * FRAME, np.int16))
    session.receive_flush("f")
    session.receive_audio(np.zeros(40 * FRAME, np.int16))
    session.receive_speech([VOICE] * 80)
    window = session.next_window()
    assert (window.is_final, window.end) == (True, 40 * FRAME)
    session.receive_hypothesis(window, heard("hi"))
    assert session.next_window().start == 40 * FRAME


def test_a_flush_is_answered_while_the_speech_after_it_goes_on(session):
    feed(session, 0.9, VOICE)
    session.receive_flush("f")
    feed(session, 5, VOICE)
    session.receive_hypothesis(session.next_window(), heard("hi"))
    assert session.events()[-1] == Flushed("f")


def test_after_the_end_a_flush_is_a_callers_error(session):
    session.receive_end()
    with pytest.raises(ValueError, match="no more"):
        session.receive_flush()
