"""What a session holds and asks for stays bounded, whatever comes or does not come."""

import numpy as np
import pytest

from reswhis.backends.fake import heard as one_word_per_second
from reswhis.core.commit import PolicyConfig
from reswhis.core.endpointing import FRAME, EndpointingConfig
from reswhis.core.events import Committed, Lagging, Reason, SpeechStarted, SpeechStopped, UtteranceEnded
from reswhis.core.online import StreamOptions
from reswhis.core.types import SAMPLE_RATE, Hypothesis, Word, samples, seconds

from streams import QUIET, VOICE, committed, decode_all, feed, heard, hears, of, stream, words


def windows_of(session, recognise):
    while (window := session.next_window()) is not None:
        yield window
        session.receive_hypothesis(window, recognise(window))


# An utterance is cut as its audio arrives.


def speak(session, loudness, until_s):
    """Voice all along, of this loudness at each sample."""
    while session.received < samples(until_s):
        start = session.received
        session.receive_audio(loudness[start : start + FRAME])
        session.receive_speech([VOICE])


def loud_but_at(*places_s, length_s=30.0):
    loudness = np.full(samples(length_s), 9000, np.int16)
    for place in places_s:
        loudness[samples(place - 0.04) : samples(place + 0.04)] = 3
    return loudness


def test_an_utterance_is_cut_at_the_quietest_point_near_the_end_of_a_late_committed_word():
    session = stream(max_utterance_s=10)
    loudness = loud_but_at(6.0, 8.6)
    for until_s, last in ((8.8, " enough"), (9.9, " now")):
        speak(session, loudness, until_s)
        heard_late = Hypothesis((Word(8, 8.5, " late"), Word(8.7, 8.8, last)))
        session.receive_hypothesis(session.next_window(), heard_late)
    session.events()
    speak(session, loudness, 10.2)
    stopped, started = session.events()
    assert stopped.at == pytest.approx(8.6, abs=0.05) and started == SpeechStarted(2, stopped.at)


def test_without_a_late_committed_word_it_is_cut_at_the_quietest_point_of_its_second_half():
    session = stream(max_utterance_s=10)
    speak(session, loud_but_at(2.0, 7.05), 11)
    assert of(SpeechStopped, session.events())[0].at == pytest.approx(7.05, abs=0.05)


def test_a_cut_is_made_while_a_window_is_out():
    session = stream(max_utterance_s=10)
    feed(session, 1.1, VOICE)
    session.next_window()
    feed(session, 9, VOICE)
    assert len(of(SpeechStopped, session.events())) == 1


def test_words_of_a_partial_result_beyond_the_cut_are_left_to_the_next_utterance():
    session, loudness = stream(max_utterance_s=10), loud_but_at(6.2)
    said = words(*(f"w{n}" for n in range(24)))
    speak(session, loudness, 8.5)
    session.receive_hypothesis(out := session.next_window(), hears(said)(out))
    speak(session, loudness, 9.6)
    out = session.next_window()
    speak(session, loudness, 12)
    session.receive_hypothesis(out, hears(said)(out))
    session.receive_end()
    events = decode_all(session, hears(said))
    assert [e.text for e in of(UtteranceEnded, events)] == [
        " ".join(f"w{n}" for n in range(12)),
        " ".join(f"w{n}" for n in range(12, 24)),
    ]


def test_where_no_place_is_quieter_than_another_the_cut_is_late():
    session = stream()
    feed(session, 29, VOICE)
    assert of(SpeechStopped, session.events())[0].at == pytest.approx(28, abs=0.05)


def test_a_flush_within_the_last_frame_of_the_longest_utterance_makes_no_longer_window():
    session = stream()
    feed(session, 28, VOICE)
    session.receive_audio(np.zeros(FRAME - 1, np.int16))
    session.receive_flush()
    assert all(len(window.audio) <= samples(28) for window in windows_of(session, hears(())))


CONTINUOUS = words(*(f"w{n}" for n in range(20)), each=0.6)


def test_a_cut_within_a_word_committed_before_it_was_heard_to_its_end_does_not_double_it():
    session, loudness = stream(max_utterance_s=10, step_s=0.05), loud_but_at(9.26)
    events = []
    for until_s in (9.36, 9.42):  # w15, 9.0 to 9.6, is heard twice and committed
        speak(session, loudness, until_s)
        events += decode_all(session, hears(CONTINUOUS))
    assert committed(events).endswith("w15")
    speak(session, loudness, 12)
    session.receive_end()
    events += decode_all(session, hears(CONTINUOUS))
    assert committed(events).split() == [f"w{n}" for n in range(20)]


def test_a_committed_word_that_was_heard_before_the_cut_and_lies_behind_it_is_said_once():
    said, loudness = words(*(f"w{n}" for n in range(39)), at=0.3, each=0.3), loud_but_at(9.0)

    def recognise(window):  # w29, 9.0 to 9.3, is committed as 8.8 to 9.1
        is_early = window.start == 0 and not window.is_final
        return hears([word.shifted(-0.2) for word in said] if is_early else said)(window)

    session = stream(max_utterance_s=10, policy=PolicyConfig("alignatt"), step_s=0.2)
    events = []
    for until_s in (9.6, 12):
        speak(session, loudness, until_s)
        events += decode_all(session, recognise)
    session.receive_end()
    events += decode_all(session, recognise)
    assert [round(e.end, 1) for e in of(UtteranceEnded, events)] == [9.0, 12.0]
    assert committed(events).split() == [f"w{n}" for n in range(39)]


def test_a_word_across_the_cut_is_not_doubled_when_the_next_utterance_hears_nothing():
    session, loudness = stream(max_utterance_s=10), loud_but_at(9.35)
    speak(session, loudness, 9.5)
    session.receive_hypothesis(out := session.next_window(), hears(CONTINUOUS)(out))
    speak(session, loudness, 10.2)
    session.receive_hypothesis(out := session.next_window(), hears(CONTINUOUS)(out))
    session.receive_end()
    events = decode_all(session, hears(()))
    assert committed(events).split() == [f"w{n}" for n in range(16)]


@pytest.mark.parametrize("last", [Word(9.13, 9.16, " c"), Word(8.6, 9.16, " c")])
def test_a_cut_after_a_trimming_looks_only_at_what_is_kept(last):
    said = (Word(8.4, 8.5, " a"), Word(8.5, 8.6, " b"), last)
    session = stream(max_utterance_s=10, buffer_trimming_s=2, step_s=0.1)
    for until_s in (9.3, 9.5, 9.7):
        speak(session, loud_but_at(8.35), until_s)
        window = session.next_window()
        session.receive_hypothesis(window, hears(said)(window))
    assert window.start > samples(8.35)
    speak(session, loud_but_at(8.35), 12)
    assert len(of(SpeechStopped, session.events())) == 1


def test_a_pause_at_the_limit_is_a_better_cut_than_a_quiet_sound():
    session = stream(StreamOptions(endpointing=EndpointingConfig(min_silence_s=10)), max_utterance_s=10)
    loudness = loud_but_at(7.0)
    speak(session, loudness, 9)
    while session.received < samples(11):
        session.receive_audio(loudness[session.received : session.received + FRAME])
        session.receive_speech([QUIET])
    assert [round(e.at, 1) for e in of(SpeechStopped, session.events())] == [9.5]


def test_where_the_speaker_pauses_at_the_limit_no_utterance_of_silence_follows():
    patient = StreamOptions(endpointing=EndpointingConfig(min_silence_s=10))
    session = stream(patient, max_utterance_s=10)
    feed(session, 9, VOICE)
    feed(session, 20, QUIET)
    session.receive_end()
    events = decode_all(session, one_word_per_second)
    assert [(e.reason, round(e.end, 1)) for e in of(UtteranceEnded, events)] == [(Reason.CUT, 9.5)]


# A window is trimmed before its last committed words.


def test_a_window_that_has_grown_too_long_begins_with_the_last_three_committed_words():
    session = stream(buffer_trimming_s=5)
    feed(session, 4.5, VOICE)
    session.receive_hypothesis(first := session.next_window(), one_word_per_second(first))
    feed(session, 1.1, VOICE)
    session.receive_hypothesis(session.next_window(), one_word_per_second(first))
    (said,) = of(Committed, session.events())
    feed(session, 1.1, VOICE)
    assert session.next_window().start == samples(said.words[-3].start)


def test_a_trimmed_window_repeats_none_of_its_words_even_if_their_times_are_wrong():
    def late(window):
        return Hypothesis(tuple(Word(w.start, w.end + 0.5, w.text) for w in one_word_per_second(window).words))

    session = stream(buffer_trimming_s=5)
    events, longest = [], 0.0
    for _ in range(40):
        feed(session, 1.0, VOICE)
        for window in windows_of(session, late):
            longest = max(longest, seconds(len(window.audio)))
        events += session.events()
    session.receive_end()
    events += decode_all(session, late)
    assert committed(events).split() == [f"w{n}" for n in range(40)] and longest < 8


def test_a_last_word_without_length_is_not_repeated_after_the_trimming():
    session = stream(buffer_trimming_s=2)
    heard_twice = Hypothesis((Word(0.5, 1, " a"), Word(1, 1, " b")))
    for _ in range(2):
        feed(session, 1.1, VOICE)
        session.receive_hypothesis(session.next_window(), heard_twice)
    feed(session, 1.1, VOICE)
    window = session.next_window()
    assert window.start < samples(1)
    session.receive_end()
    again = Hypothesis((Word(1 - seconds(window.start), 1 - seconds(window.start), " b"),))
    session.receive_hypothesis(window, again)
    assert committed([*session.events(), *decode_all(session, lambda _: again)]) == "a b"


# Memory.


def test_ten_minutes_of_noise_in_which_the_detector_flickers_keep_little_audio():
    session, flicker = stream(preroll_s=0.3), np.random.default_rng(1)
    longest = held = 0.0
    for _ in range(600):
        for probability in flicker.choice([0.0, 0.2, 0.9], 31, p=[0.6, 0.2, 0.2]):
            session.receive_audio(np.zeros(FRAME, np.int16))
            session.receive_speech([probability])
        for window in windows_of(session, hears(())):
            longest = max(longest, seconds(len(window.audio)))
        held = max(held, session.held_s)
        assert committed(session.events()) == ""
    assert held < 30 and longest <= 28


def test_clicks_for_ten_minutes_keep_under_a_second_of_audio_and_are_not_decoded():
    session = stream(preroll_s=0.3)
    for _ in range(600):
        feed(session, 0.064, VOICE)
        feed(session, 0.936, QUIET)
        assert session.held_s < 1
    assert session.next_window() is None and session.events() == []


def test_speech_is_held_no_longer_than_it_is_needed():
    session = stream()
    held = 0.0
    for _ in range(200):
        feed(session, 1.0, VOICE)
        decode_all(session, one_word_per_second)
        held = max(held, session.held_s)
    assert held <= 28


def test_audio_that_is_scored_late_is_kept_until_then():
    session = stream()
    session.receive_audio(np.zeros(20 * SAMPLE_RATE, np.int16))
    assert session.held_s == 20
    session.receive_speech([QUIET] * (20 * SAMPLE_RATE // FRAME))
    assert session.held_s < 0.1


def test_after_ten_minutes_of_silence_the_clock_is_right_to_the_sample():
    session = stream(preroll_s=0.3)
    feed(session, 600, QUIET)
    voice = session.received
    feed(session, 1.1, VOICE)
    window = session.next_window()
    assert window.start == voice - samples(0.3)
    session.receive_hypothesis(window, Hypothesis((Word(0.3, 0.8, " hi"),)))
    session.receive_end()
    events = decode_all(session, lambda _: Hypothesis((Word(0.3, 0.8, " hi"),)))
    assert of(Committed, events)[0].words[0].start == pytest.approx(seconds(voice), abs=1e-9)


# Silence within an utterance is not decoded either.


def test_while_the_speaker_pauses_no_window_is_asked_for_and_none_holds_the_pause():
    session = stream(StreamOptions(endpointing=EndpointingConfig(min_silence_s=10)))
    feed(session, 1.6, VOICE)
    asked = []
    for _ in range(9):
        feed(session, 1.0, QUIET)
        asked += windows_of(session, one_word_per_second)
    assert len(asked) == 1 and asked[0].end <= samples(1.6 + 0.55)
    assert session.backlog_s < 0.1
    feed(session, 2, QUIET)
    final = session.next_window()
    assert final.is_final and final.end == asked[0].end


def test_speech_after_a_long_pause_is_due_after_a_step_of_its_own():
    session = stream(StreamOptions(endpointing=EndpointingConfig(min_silence_s=10)))
    feed(session, 2, VOICE)
    feed(session, 5, QUIET)
    decode_all(session, one_word_per_second)
    feed(session, 0.5, VOICE)
    assert session.next_window() is None and session.backlog_s < 1
    feed(session, 0.6, VOICE)
    assert session.next_window() is not None


# Backlog and lag.


def test_what_has_ended_is_backlog_until_its_final_window_is_asked_for():
    """Else a client that goes on sending silence while a backend is stuck would overflow the buffer."""
    session = stream()
    feed(session, 2, VOICE)
    out = session.next_window()
    feed(session, 30, QUIET)
    assert session.backlog_s > 29
    session.receive_hypothesis(out, heard("a"))
    session.next_window()
    assert session.backlog_s < 0.1
    feed(session, 300, QUIET)
    assert session.held_s < 1


def test_an_endpoint_that_is_waited_for_is_not_a_lag():
    session = stream(StreamOptions(endpointing=EndpointingConfig(min_silence_s=10)))
    feed(session, 2, VOICE)
    decode_all(session, hears(()))
    for _ in range(400):
        feed(session, 0.032, QUIET)
        assert of(Lagging, decode_all(session, hears(()))) == []


@pytest.mark.parametrize(("behind_s", "said"), [([6, 4, 6, 4], 1), ([6, 2, 6], 2), ([4, 4], 0)])
def test_lagging_is_said_once_until_it_has_been_over(behind_s, said):
    session = stream(lag_s=5)
    feed(session, 1.1, VOICE)
    events = []
    for behind in behind_s:
        window = session.next_window()
        feed(session, behind, VOICE)
        session.receive_hypothesis(window, heard("a"))
        events += session.events()
    assert len(of(Lagging, events)) == said
