"""Short words, streams that start or stop within one, and endpointing that a client changes while it speaks."""

import pytest

from reswhis.core.commit import POLICIES, PolicyConfig
from reswhis.core.endpointing import EndpointingConfig
from reswhis.core.events import SpeechStarted, UtteranceEnded
from reswhis.core.online import StreamOptions
from reswhis.core.types import Word, samples, seconds

from streams import committed, feed, finish, hears, of, play, stream, words

every_policy = pytest.mark.parametrize("policy", POLICIES)


@every_policy
@pytest.mark.parametrize("vad", [True, False])
@pytest.mark.parametrize("at_s", [0.0, 1.0])
def test_a_single_word_of_a_fifth_of_a_second_is_heard_with_what_is_around_it(policy, vad, at_s):
    said, windows = [Word(at_s, at_s + 0.2, " yes")], []

    def recognise(window):
        windows.append(window)
        return hears(said)(window)

    session = stream(StreamOptions(vad=vad), policy=PolicyConfig(policy), preroll_s=0.3)
    events = play(session, [(at_s, at_s + 0.2)], at_s + 2, recognise)
    assert committed(events) == "yes"
    assert windows[-1].start <= samples(max(0, at_s - 0.25)) and windows[-1].end >= samples(at_s + 0.6)
    assert [e.text for e in of(UtteranceEnded, events + finish(session, recognise))] == ["yes"]


@every_policy
def test_a_stream_that_starts_and_stops_within_a_word_has_both(policy):
    said = [Word(-0.1, 0.2, " fore"), *words("the", "good", at=0.2), Word(1.2, 1.6, " even")]
    session = stream(policy=PolicyConfig(policy), preroll_s=0.3)
    events = play(session, [(0.0, 1.5)], 1.45, hears(said)) + finish(session, hears(said))
    assert committed(events) == "fore the good even"
    (ended,) = of(UtteranceEnded, events)
    assert (ended.start, ended.end) == (0.0, seconds(session.received))


def patience(silence_s, threshold=0.5):
    return StreamOptions(endpointing=EndpointingConfig(threshold, min_silence_s=silence_s))


def test_each_pause_is_judged_by_the_endpoint_in_force_then():
    """Words one second apart, each with half a second of voice."""
    session = stream(patience(2.0))
    said = [word for n in range(9) for word in words(f"w{n}", at=float(n))]
    voiced = [(word.start, word.end) for word in said]
    events = play(session, voiced, 2.9, hears(said))
    session.receive_configure(patience(0.3))
    events += play(session, voiced, 5.9, hears(said))
    session.receive_configure(patience(1.5))
    events += play(session, voiced, 9, hears(said)) + finish(session, hears(said))
    assert [e.text for e in of(UtteranceEnded, events)] == ["w0 w1 w2", "w3", "w4", "w5", "w6 w7 w8"]


def test_a_lower_threshold_hears_a_voice_that_was_too_quiet_before():
    session = stream(patience(0.5, threshold=0.6))
    feed(session, 1, 0.4)
    session.receive_configure(patience(0.5, threshold=0.3))
    feed(session, 1, 0.4)
    assert [round(e.at, 1) for e in of(SpeechStarted, session.events())] == [1.0]


def test_a_higher_threshold_ends_what_only_noise_kept_open():
    session = stream(patience(0.5, threshold=0.3))
    feed(session, 1, 0.9)
    feed(session, 2, 0.4)
    session.receive_configure(patience(0.5, threshold=0.8))
    feed(session, 0.6, 0.4)
    assert len(of(SpeechStarted, session.events())) == 1 and session.next_window().is_final
