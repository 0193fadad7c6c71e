"""``vad=False``: silence ends no utterance, the client alone does; silent audio is not decoded all the same."""

import numpy as np
import pytest

from reswhis.core.endpointing import FRAME, EndpointingConfig
from reswhis.core.events import (
    Closed,
    Committed,
    Flushed,
    Reason,
    SpeechStarted,
    SpeechStopped,
    Suppressed,
    Tentative,
    UtteranceEnded,
)
from reswhis.core.online import StreamOptions
from reswhis.core.types import Hypothesis, Segment, samples, seconds

from streams import QUIET, VOICE, committed, decode_all, feed, heard, hears, of, stream, words

OWN = StreamOptions(vad=False)


@pytest.fixture
def session():
    return stream(OWN)


def test_the_client_ends_utterances(session):
    feed(session, 2, VOICE)
    session.receive_flush()
    assert session.next_window().is_final


def test_silence_does_not_end_an_utterance_but_commits_its_words(session):
    feed(session, 1.5, VOICE)
    feed(session, 3, QUIET)
    events = decode_all(session, hears(words("hi", "there")))
    assert [type(e) for e in events] == [SpeechStarted, Committed, Tentative]
    assert events[1].reason is Reason.ENDPOINT and events[2].words == ()


def test_words_before_and_after_a_pause_are_one_utterance(session):
    said = (*words("one"), *words("two", at=4.5))
    feed(session, 1, VOICE)
    feed(session, 3, QUIET)
    events = decode_all(session, hears(said))
    feed(session, 1.5, VOICE)
    session.receive_flush("f")
    events += decode_all(session, hears(said))
    (ended,) = of(UtteranceEnded, events)
    assert (ended.text, ended.start, ended.reason) == ("one two", 0.0, Reason.FLUSH)
    assert len(of(SpeechStarted, events)) == 1 and events[-1] == Flushed("f")


def test_a_flush_in_a_pause_ends_the_utterance_though_there_is_nothing_left_to_decode(session):
    feed(session, 1, VOICE)
    feed(session, 3, QUIET)
    decode_all(session, hears(words("one")))
    session.receive_flush("f")
    stopped, ended, flushed = session.events()
    assert (type(stopped), ended.text, flushed) == (SpeechStopped, "one", Flushed("f"))
    assert session.next_window() is None


def test_a_flush_in_a_pause_waits_for_what_is_still_being_decoded(session):
    feed(session, 1, VOICE)
    feed(session, 3, QUIET)
    window = session.next_window()
    session.receive_flush("f")
    assert [type(e) for e in session.events()] == [SpeechStarted, SpeechStopped]
    session.receive_hypothesis(window, heard("one"))
    assert [type(e) for e in session.events()] == [Committed, UtteranceEnded, Flushed]


def test_ten_minutes_of_silence_within_an_utterance_are_neither_decoded_nor_kept(session):
    feed(session, 2, VOICE)
    windows = []
    for _ in range(600):
        feed(session, 1, QUIET)
        while (window := session.next_window()) is not None:
            windows.append(window)
            session.receive_hypothesis(window, heard("hi"))
        assert session.held_s < 1
    assert sum(seconds(len(w.audio)) for w in windows if w.is_final) < 3 and windows[-1].end < 3 * 16_000
    assert [e.reason for e in of(UtteranceEnded, session.events())] == [Reason.CUT]


def test_after_that_the_clock_is_still_right(session):
    feed(session, 2, VOICE)
    feed(session, 1, QUIET)
    decode_all(session, hears(()))
    feed(session, 600, QUIET)
    session.events()
    voice = seconds(session.received)
    feed(session, 1.2, VOICE)
    assert session.next_window().start == round(voice * 16_000)
    assert session.events() == [SpeechStarted(2, voice)]


def test_an_overlong_utterance_is_cut_as_always(session):
    feed(session, 60, VOICE)
    session.receive_end()
    ended = of(UtteranceEnded, decode_all(session, hears(())))
    assert len(ended) > 1 and all(e.end - e.start <= 28 for e in ended)
    assert [e.reason for e in ended] == [Reason.CUT] * (len(ended) - 1) + [Reason.FINISH]


def test_an_overlong_utterance_of_short_words_and_pauses_is_cut_too():
    session = stream(OWN, max_utterance_s=5)
    said = [w for n in range(20) for w in words(f"w{n}", at=1.5 * n)]
    events = []
    for _ in range(20):
        feed(session, 0.5, VOICE)
        feed(session, 1.0, QUIET)
        events += decode_all(session, hears(said))
    session.receive_end()
    events += decode_all(session, hears(said))
    assert committed(events) == " ".join(f"w{n}" for n in range(20))
    assert all(e.end - e.start <= 5 for e in of(UtteranceEnded, events)) and len(of(UtteranceEnded, events)) > 5


def test_a_voice_that_comes_back_at_the_very_end_of_the_longest_utterance_begins_another(session):
    feed(session, 2, VOICE)
    feed(session, 25.5, QUIET)
    feed(session, 2, VOICE)
    decode_all(session, hears(()))
    session.receive_end()
    ended = of(UtteranceEnded, decode_all(session, hears(())))
    assert [(round(e.start, 1), e.reason) for e in ended] == [(27.5, Reason.FINISH)]


def test_the_preroll_of_what_follows_a_pause_is_never_decoded_alone():
    session = stream(OWN, max_utterance_s=10, preroll_s=0.3)
    loud, silent = np.full(FRAME, 9000, np.int16), np.full(FRAME, 3, np.int16)
    voiced = []
    for until_s, frame, speech in ((1, loud, VOICE), (8, silent, QUIET), (10.5, loud, VOICE)):
        while session.received < samples(until_s):
            voiced += [speech == VOICE] * FRAME
            session.receive_audio(frame)
            session.receive_speech([speech])
    session.receive_end()
    while (window := session.next_window()) is not None:
        assert any(voiced[window.start : window.end])
        session.receive_hypothesis(window, heard())


def test_a_click_in_a_pause_is_not_decoded(session):
    feed(session, 1, VOICE)
    feed(session, 1, QUIET)
    decode_all(session, hears(()))
    feed(session, 0.064, VOICE)
    feed(session, 3, QUIET)
    assert session.next_window() is None


def test_what_turns_out_to_be_no_speech_does_not_stay_on_display(session):
    feed(session, 1.1, VOICE)
    session.receive_hypothesis(session.next_window(), heard("you"))
    feed(session, 1, QUIET)
    nobody = Segment(0, 1, average_log_probability=-2, no_speech_probability=0.9)
    session.receive_hypothesis(session.next_window(), Hypothesis((), (nobody,)))
    assert session.events()[-2:] == [Suppressed(words("you"), "no_speech"), Tentative(1, ())]


def test_when_the_vad_is_turned_on_in_a_pause_the_utterance_ends_there(session):
    feed(session, 1, VOICE)
    feed(session, 3, QUIET)
    decode_all(session, hears(words("one")))
    session.receive_configure(StreamOptions())
    assert [e.reason for e in of(UtteranceEnded, session.events())] == [Reason.ENDPOINT]
    feed(session, 1, VOICE)
    assert [e.utterance for e in of(SpeechStarted, session.events())] == [2]


def test_when_the_vad_is_turned_off_in_speech_the_utterance_goes_on():
    session = stream()
    feed(session, 1, VOICE)
    session.receive_configure(OWN)
    feed(session, 3, QUIET)
    feed(session, 1, VOICE)
    session.receive_end()
    assert len(of(UtteranceEnded, decode_all(session, hears(())))) == 1


def test_the_pause_that_commits_is_as_long_as_the_endpoint():
    session = stream(StreamOptions(vad=False, endpointing=EndpointingConfig(min_silence_s=2)), step_s=10)
    feed(session, 1, VOICE)
    feed(session, 1.9, QUIET)
    assert not session.next_window().is_final
    feed(session, 0.1, QUIET)
    session = stream(OWN, step_s=10)
    feed(session, 1, VOICE)
    feed(session, 0.5, QUIET)
    assert session.next_window().is_final


@pytest.mark.parametrize("reason", [Reason.FINISH, Reason.DRAIN])
def test_the_end_in_a_pause_ends_the_utterance(session, reason):
    feed(session, 1, VOICE)
    feed(session, 3, QUIET)
    decode_all(session, hears(words("one")))
    session.receive_end(reason)
    _, ended, closed = session.events()
    assert (ended.reason, closed) == (reason, Closed())


def test_an_abort_in_a_pause_ends_the_utterance(session):
    feed(session, 1, VOICE)
    feed(session, 3, QUIET)
    decode_all(session, hears(words("one")))
    session.receive_abort("engine_stopped")
    assert [type(e) for e in session.events()] == [SpeechStopped, UtteranceEnded, Closed]
