"""A sentence is final after a short pause, and what follows in the same utterance is heard without it."""

import pytest

from reswhis.core.commit import PolicyConfig
from reswhis.core.events import Committed, DecodeFailed, Reason, SpeechStarted, SpeechStopped, UtteranceEnded
from reswhis.core.online import StreamOptions
from reswhis.core.types import DecodeOptions, Hypothesis, join, seconds

from streams import QUIET, VOICE, committed, decode_all, feed, finish, heard, hears, of, play, stream, words

SCRIPT = (*words("how", "are", "you?", at=0.1, each=0.3), *words("fine,", "thank", "you.", at=1.4, each=0.3))
VOICED = [(0.1, 1.0), (1.4, 2.3)]
"""With a pause that is too long for a word, and too short for an endpoint."""


def to_the_pause(text, quiet_s=0.32, **config):
    """A session that has heard this up to a pause, and the window that it asks for then."""
    session = stream(**config)
    feed(session, 0.9, VOICE)
    feed(session, quiet_s, QUIET)
    window = session.next_window()
    if window is not None:
        session.receive_hypothesis(window, heard(*text.split(), each=0.9 / len(text.split())))
    return session, window


@pytest.mark.parametrize("policy", ["alignatt", "local-agreement"])
def test_a_sentence_is_final_before_its_utterance_ends(policy):
    session, window = to_the_pause("how are you?", policy=PolicyConfig(policy))
    [said] = of(Committed, session.events())
    assert (join(said.words), said.reason) == ("how are you?", Reason.ENDPOINT)
    assert window.is_final
    feed(session, 0.3, QUIET)
    assert session.next_window() is None
    stopped, ended = session.events()
    assert isinstance(stopped, SpeechStopped) and isinstance(ended, UtteranceEnded)
    assert (ended.text, ended.reason) == ("how are you?", Reason.ENDPOINT)


@pytest.mark.parametrize("policy", ["alignatt", "local-agreement"])
def test_what_follows_is_of_the_same_utterance_and_heard_without_the_sentence(policy):
    session, windows = stream(policy=PolicyConfig(policy)), []

    def recognise(window):
        windows.append(window)
        return hears(SCRIPT)(window)

    events = play(session, VOICED, 3.1, recognise, piece_s=0.032)
    assert len(of(SpeechStarted, events)) == 1
    [ended] = of(UtteranceEnded, events)
    assert ended.text == committed(events) == "how are you? fine, thank you."
    later = [window for window in windows if window.end > 16_000 * 1.4]
    assert later and all(seconds(window.start) > 1.0 and window.prompt == "" for window in later)


@pytest.mark.parametrize("text", ["how are you", "how are...", "how are…", "how are,"])
def test_a_pause_within_a_sentence_makes_nothing_final(text):
    session, window = to_the_pause(text)
    assert window is not None and of(Committed, session.events()) == []
    feed(session, 0.1, QUIET)
    assert session.next_window() is None, "asked twice in one pause"
    feed(session, 0.3, VOICE)
    feed(session, 0.32, QUIET)
    assert session.next_window().start == window.start


@pytest.mark.parametrize("text", ["how are you?", "好吗？", 'he said: "no."'])
def test_what_ends_a_sentence(text):
    session, _ = to_the_pause(text)
    assert committed(session.events()) == text


def test_who_speaks_on_while_the_sentence_is_decoded_is_heard_in_full():
    session, recognise = stream(), hears(SCRIPT)
    events = play(session, VOICED, 1.0, recognise, piece_s=0.032)
    feed(session, 0.32, QUIET)
    window = session.next_window()
    feed(session, 0.08, QUIET)  # not yet an endpoint
    feed(session, 0.9, VOICE)
    session.receive_hypothesis(window, recognise(window))
    events += decode_all(session, recognise) + finish(session, recognise)
    assert committed(events) == "how are you? fine, thank you."
    assert len(of(UtteranceEnded, events)) == 1


def test_a_sentence_whose_utterance_has_ended_meanwhile_is_not_decoded_again():
    session = stream()
    feed(session, 0.9, VOICE)
    feed(session, 0.32, QUIET)
    window = session.next_window()
    feed(session, 1, QUIET)
    session.receive_hypothesis(window, heard("yes."))
    assert session.next_window() is None and isinstance(session.events()[-1], UtteranceEnded)


def test_who_spoke_on_and_was_stopped_meanwhile_is_decoded_to_the_end():
    session, recognise = stream(), hears(SCRIPT)
    feed(session, 1.0, VOICE)
    feed(session, 0.32, QUIET)
    window = session.next_window()
    feed(session, 0.08, QUIET)
    feed(session, 0.92, VOICE)
    session.receive_flush()
    session.receive_hypothesis(window, recognise(window))
    assert committed(decode_all(session, recognise)) == "how are you? fine, thank you."


@pytest.mark.parametrize("piece_s", [0.032, 0.1])
def test_a_long_utterance_ends_with_a_sentence_rather_than_within_one(piece_s):
    spoken = [word for at in range(0, 60, 2) for word in words("one", "two", "three", "four.", at=at + 0.05, each=0.4)]
    session = stream(max_utterance_s=10)
    recognise = hears(spoken)
    events = play(session, [(at, at + 1.65) for at in range(0, 60, 2)], 60, recognise, piece_s=piece_s)
    ended = of(UtteranceEnded, events + finish(session, recognise))
    assert " ".join(each.text for each in ended).split() == ["one", "two", "three", "four."] * 30
    assert all(each.text.endswith("four.") and each.end - each.start < 10 for each in ended)
    assert [each.utterance for each in ended] == list(range(1, len(ended) + 1))


def test_what_follows_a_sentence_does_not_end_with_it_where_only_the_sentence_is_heard_again():
    session, _ = to_the_pause("how are you?", preroll_s=0.3)
    feed(session, 0.09, QUIET)
    feed(session, 0.6, VOICE)
    feed(session, 0.32, QUIET)
    window = session.next_window()
    session.receive_hypothesis(window, Hypothesis(words("you?", each=0.05)))
    feed(session, 0.3, QUIET)
    assert session.next_window().is_final
    assert committed(session.events()) == "how are you?"


def test_under_load_the_end_of_the_utterance_is_waited_for():
    session = stream()
    feed(session, 0.9, VOICE)
    feed(session, 0.4, QUIET)
    assert session.next_window(1.5) is None and session.next_window(1.0) is not None


def test_who_ends_utterances_himself_is_not_asked():
    session = stream(StreamOptions(vad=False))
    feed(session, 0.9, VOICE)
    feed(session, 0.4, QUIET)
    assert session.next_window() is None


def test_who_wants_whole_utterances_gets_them():
    for session in (stream(policy=PolicyConfig("endpoint")), stream(StreamOptions(DecodeOptions(task="translate")))):
        feed(session, 0.9, VOICE)
        feed(session, 0.4, QUIET)
        assert session.next_window() is None


def test_a_window_at_a_pause_that_cannot_be_decoded_loses_nothing():
    session = stream()
    feed(session, 0.9, VOICE)
    feed(session, 0.32, QUIET)
    session.receive_failure(session.next_window())
    [failed] = of(DecodeFailed, session.events())
    assert not failed.is_final
    feed(session, 0.3, QUIET)
    assert committed(decode_all(session, lambda _: heard("yes."))) == "yes."
