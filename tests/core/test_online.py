"""The whole behaviour of a stream, without a loop, a model or a clock."""

import random
from dataclasses import replace

import numpy as np
import pytest

from reswhis.backends.fake import heard as one_word_per_second
from reswhis.core.commit import POLICIES, PolicyConfig
from reswhis.core.endpointing import FRAME
from reswhis.core.errors import Overloaded
from reswhis.core.events import (
    Closed,
    Committed,
    DecodeFailed,
    Flushed,
    Lagging,
    Reason,
    SpeechStarted,
    SpeechStopped,
    Suppressed,
    Tentative,
    UtteranceEnded,
)
from reswhis.core.online import StreamOptions
from reswhis.core.types import SAMPLE_RATE, DecodeOptions, Hypothesis, Segment, Word, join, samples, seconds

from streams import FAINT, QUIET, VOICE, committed, decode_all, feed, heard, hears, of, stream, words


@pytest.fixture
def session():
    return stream()


def numbers(first, last):
    return " ".join(f"w{n}" for n in range(first, last))


def test_silence_asks_for_nothing(session):
    feed(session, 5, QUIET)
    assert session.next_window() is None and session.events() == []


def test_ten_minutes_of_silence_keep_under_a_second_of_audio():
    session = stream(preroll_s=0.3)
    feed(session, 600, QUIET)
    assert session.held_s < 1


def test_what_is_said_tells_how_much_had_been_heard_when_its_decode_was_asked_for():
    session = stream(policy=PolicyConfig("alignatt"))
    feed(session, 1.2, VOICE)
    window = session.next_window()
    feed(session, 3, VOICE)  # while it is decoded
    session.receive_hypothesis(window, heard("hello", "wor"))
    said = [event for event in session.events() if isinstance(event, Committed | Tentative)]
    assert [event.heard_until for event in said] == [pytest.approx(1.2, abs=0.02)] * 2
    session.receive_flush()
    window = session.next_window()
    feed(session, 2, VOICE)
    session.receive_hypothesis(window, heard("hello", "world"))
    [final] = of(Committed, session.events())
    assert final.heard_until == pytest.approx(4.2, abs=0.04)


def test_young_speech_is_decoded_often_and_a_growing_window_more_rarely():
    session = stream(step_s=0.5, new_share=0.5)
    asked = []
    for _ in range(200):
        feed(session, 0.032, VOICE)
        if (window := session.next_window()) is not None:
            asked.append(seconds(window.end))
            session.receive_hypothesis(window, Hypothesis())
    assert asked[:4] == pytest.approx([0.5, 1.0, 2.0, 3.0], abs=0.1)


def test_under_load_a_growing_utterance_waits_for_a_wider_step_and_a_final_one_for_nothing():
    session = stream(step_s=0.5)
    asked = []
    for _ in range(200):
        feed(session, 0.032, VOICE)
        if (window := session.next_window(4.0)) is not None:
            asked.append(seconds(window.end))
            session.receive_hypothesis(window, Hypothesis())
    assert asked == pytest.approx([2.0, 4.0, 6.0], abs=0.1)
    session.receive_flush()
    assert session.next_window(4.0).is_final


def test_nothing_is_decoded_while_it_is_not_known_whether_the_utterance_ends():
    session = stream(step_s=0.5)
    feed(session, 0.4, VOICE)
    feed(session, 0.25, QUIET)
    assert session.next_window() is None
    feed(session, 0.16, VOICE)
    assert not session.next_window().is_final


def test_speech_asks_for_a_window_each_step(session):
    feed(session, 0.9, VOICE)
    assert session.next_window() is None
    feed(session, 0.2, VOICE)
    window = session.next_window()
    assert window.audio.dtype == np.int16 and not window.is_final
    assert session.events() == [SpeechStarted(1, 0.0)]


def test_one_window_at_a_time_and_the_next_takes_all_that_came(session):
    feed(session, 1.1, VOICE)
    first = session.next_window()
    feed(session, 5, VOICE)
    assert session.next_window() is None
    session.receive_hypothesis(first, heard("a"))
    assert len(session.next_window().audio) > 5.9 * SAMPLE_RATE


def test_two_agreeing_hypotheses_commit_a_word(session):
    feed(session, 1.1, VOICE)
    session.receive_hypothesis(session.next_window(), heard("hello", "word"))
    feed(session, 1.1, VOICE)
    session.receive_hypothesis(session.next_window(), heard("hello", "world", "again"))
    *_, said, tentative = session.events()
    assert (join(said.words), said.reason) == ("hello", Reason.AGREEMENT)
    assert join(tentative.words) == "world again"


def test_alignatt_commits_after_one_decode():
    session = stream(policy=PolicyConfig("alignatt"))
    feed(session, 2, VOICE)
    session.receive_hypothesis(session.next_window(), heard("one", "two", "three", "four"))
    assert committed(session.events()) == "one two three"


def test_the_end_of_speech_is_said_before_its_final_decode(session):
    feed(session, 1.5, VOICE)
    feed(session, 0.6, QUIET)
    assert [type(e) for e in session.events()] == [SpeechStarted, SpeechStopped]
    assert [type(e) for e in decode_all(session, hears(words("hi", "there")))] == [Committed, UtteranceEnded]


def test_an_utterance_in_which_nothing_was_heard_ends_too(session):
    feed(session, 1.5, VOICE)
    feed(session, 0.6, QUIET)
    assert decode_all(session, hears(())) == [
        SpeechStarted(1, 0.0),
        SpeechStopped(1, 2.016),
        UtteranceEnded(1, "", 0.0, 2.016, None, Reason.ENDPOINT),
    ]


def test_two_utterances_end_while_one_window_is_out(session):
    feed(session, 1.1, VOICE)
    out = session.next_window()
    feed(session, 0.6, QUIET)
    feed(session, 1.1, VOICE)
    feed(session, 0.6, QUIET)
    session.receive_hypothesis(out, heard("one"))
    events = decode_all(session, hears((*words("one"), *words("two", at=2))))
    assert [(e.utterance, e.text) for e in of(UtteranceEnded, events)] == [(1, "one"), (2, "two")]


# Nothing is lost.


@pytest.mark.parametrize("speech", [VOICE, QUIET])
def test_after_a_slow_decode_no_window_is_longer_than_28_seconds(session, speech):
    feed(session, 1.1, VOICE)
    out = session.next_window()
    feed(session, 44, VOICE)
    feed(session, 0.6, speech)
    session.receive_end()
    session.receive_hypothesis(out, one_word_per_second(out))
    lengths, events = [], session.events()
    while (window := session.next_window()) is not None:
        lengths.append(seconds(len(window.audio)))
        session.receive_hypothesis(window, one_word_per_second(window))
    events += session.events()
    assert max(lengths) <= 28 and committed(events) == numbers(0, 46)


def test_when_nothing_ever_agrees_windows_stay_bounded_and_every_word_comes_out(session):
    def restless(window):
        right = one_word_per_second(window)
        return right if window.is_final else Hypothesis(words(f"x{window.id}"))

    longest, events = 0.0, []
    for _ in range(131):
        feed(session, 1.0, VOICE)
        if (window := session.next_window()) is not None:
            longest = max(longest, seconds(len(window.audio)))
            session.receive_hypothesis(window, restless(window))
        events += session.events()
    session.receive_end()
    events += decode_all(session, restless)
    assert longest <= 28 and committed(events) == numbers(0, round(seconds(session.received)))
    assert {e.reason for e in of(Committed, events)} == {Reason.CUT, Reason.FINISH}


def test_a_sentence_without_end_is_cut_after_committed_words(session):
    events = []
    for _ in range(120):
        feed(session, 1.0, VOICE)
        events += decode_all(session, one_word_per_second)
    session.receive_end()
    events += decode_all(session, one_word_per_second)
    ended = of(UtteranceEnded, events)
    assert len(ended) == 5 and all(24 < e.end - e.start <= 28 for e in ended[:-1])
    assert committed(events) == numbers(0, 119)


def test_the_backlog_is_what_no_window_has_taken(session):
    feed(session, 1.1, VOICE)
    session.next_window()
    feed(session, 30, VOICE)
    assert session.backlog_s == pytest.approx(30, abs=0.1)


def test_a_caller_that_ignores_the_backlog_is_refused_not_served_with_gaps():
    session = stream(max_held_s=30)
    feed(session, 29.9, VOICE)
    with pytest.raises(Overloaded):
        feed(session, 1, VOICE)


def test_a_failed_window_is_reported_and_the_next_one_covers_its_audio(session):
    feed(session, 1.1, VOICE)
    session.receive_failure(failed := session.next_window())
    assert session.events()[-1] == DecodeFailed(1, 0.0, seconds(failed.end), is_final=False)
    feed(session, 1.1, VOICE)
    assert session.next_window().start == failed.start


def test_a_failed_final_window_leaves_what_was_heard_before_and_the_session_goes_on(session):
    feed(session, 1.1, VOICE)
    session.receive_hypothesis(session.next_window(), heard("hello"))
    feed(session, 0.6, QUIET)
    session.receive_failure(session.next_window())
    *_, failed, said, ended = session.events()
    assert failed.is_final and join(said.words) == ended.text == "hello"
    assert (said.reason, ended.reason) == (Reason.FORCED, Reason.ENDPOINT)
    feed(session, 1.1, VOICE)
    assert session.next_window() is not None and not session.closed


def test_an_empty_decode_does_not_erase_the_hypothesis(session):
    feed(session, 1.1, VOICE)
    session.receive_hypothesis(session.next_window(), heard("hello"))
    feed(session, 1.1, VOICE)
    session.receive_hypothesis(session.next_window(), Hypothesis())
    feed(session, 1.1, VOICE)
    session.receive_hypothesis(session.next_window(), heard("hello", "world"))
    assert committed(session.events()) == "hello"


def test_an_empty_final_decode_commits_what_was_heard_before_as_forced(session):
    feed(session, 1.1, VOICE)
    session.receive_hypothesis(session.next_window(), heard("hello"))
    session.receive_end()
    events = decode_all(session, hears(()))
    assert committed(events) == "hello" and of(Committed, events)[0].reason is Reason.FORCED


def test_a_final_decode_that_says_nobody_spoke_is_believed(session):
    feed(session, 1.1, VOICE)
    session.receive_hypothesis(session.next_window(), heard("you"))
    session.receive_end()
    nobody = Segment(0, 1, average_log_probability=-2, no_speech_probability=0.9)
    session.receive_hypothesis(session.next_window(), Hypothesis(words("you"), (nobody,)))
    events = session.events()
    assert committed(events) == "" and events[-1] == Closed()
    assert [e.reason for e in of(Suppressed, events)] == ["no_speech", "no_speech"]


def test_a_final_decode_that_loops_is_not_believed_and_erases_nothing(session):
    feed(session, 1.1, VOICE)
    session.receive_hypothesis(session.next_window(), heard("thanks"))
    session.receive_end()
    loop = Hypothesis(words(*["thanks"] * 30, each=0.02), (Segment(0, 0.6, compression_ratio=9.0),))
    session.receive_hypothesis(session.next_window(), loop)
    assert committed(session.events()) == "thanks"


def test_without_agreement_the_older_half_is_committed_as_forced_after_a_while(session):
    for first in ("uh", "eh", "and"):
        feed(session, 1.1, VOICE)
        session.receive_hypothesis(session.next_window(), heard(first, "the", "cat", "sat", "on"))
    (said,) = of(Committed, session.events())
    assert (join(said.words), said.reason) == ("and the cat", Reason.FORCED)


def test_an_unlikely_older_half_is_not_forced(session):
    for first in ("uh", "eh", "and", "oh"):
        feed(session, 1.1, VOICE)
        unlikely = tuple(replace(w, probability=0.2) for w in words(first, "the", "cat", "sat", "on"))
        session.receive_hypothesis(session.next_window(), Hypothesis(unlikely))
    assert of(Committed, session.events()) == []


def test_a_translation_is_committed_at_the_endpoint_whatever_the_policy():
    session = stream(StreamOptions(DecodeOptions(task="translate")), policy=PolicyConfig("alignatt"))
    for _ in range(3):
        feed(session, 1.1, VOICE)
        session.receive_hypothesis(session.next_window(), heard("good", "day"))
    feed(session, 0.6, QUIET)
    events = decode_all(session, hears(words("good", "day")))
    assert [e.reason for e in of(Committed, events)] == [Reason.ENDPOINT]


@pytest.mark.parametrize("reason", [Reason.FINISH, Reason.DRAIN, Reason.DISCONNECT])
def test_whatever_ends_the_stream_the_tail_is_decoded_once_and_for_all(session, reason):
    feed(session, 0.4, VOICE)
    session.receive_end(reason)
    events = decode_all(session, hears(words("hi")))
    (said,), (ended,) = of(Committed, events), of(UtteranceEnded, events)
    assert said.reason is ended.reason is reason and events[-1] == Closed()


def test_end_of_stream_in_mid_speech_decodes_the_tail(session):
    feed(session, 0.4, VOICE)
    session.receive_audio(np.zeros(100, np.int16))
    session.receive_end(Reason.DISCONNECT)
    window = session.next_window()
    assert window.is_final and window.end == session.received
    session.receive_hypothesis(window, heard("hi"))
    events = session.events()
    assert [type(e) for e in events] == [SpeechStarted, SpeechStopped, Committed, UtteranceEnded, Closed]
    assert events[2].reason is Reason.DISCONNECT


def test_end_of_stream_in_silence_closes_at_once(session):
    feed(session, 1, QUIET)
    session.receive_end()
    assert session.events() == [Closed()]


def test_an_abort_says_what_is_known_and_answers_every_flush(session):
    feed(session, 1.1, VOICE)
    session.receive_hypothesis(session.next_window(), heard("hello"))
    session.receive_flush("a")
    feed(session, 1.1, VOICE)
    session.receive_audio(np.zeros(100_000, np.int16))
    session.receive_flush("b")
    session.receive_flush("c")
    session.receive_end()
    session.events()
    session.receive_abort("engine_stopped")
    session.receive_abort("twice")
    stopped, said, first, a, second, b, c, closed = session.events()
    assert (join(said.words), said.reason, first.reason) == ("hello", Reason.FORCED, Reason.FLUSH)
    assert (type(stopped), second.reason) == (SpeechStopped, Reason.FORCED)
    assert [a, b, c, closed] == [Flushed("a"), Flushed("b"), Flushed("c"), Closed("engine_stopped")]


def test_a_result_that_comes_after_an_abort_changes_nothing(session):
    feed(session, 1.1, VOICE)
    window = session.next_window()
    session.receive_abort("disconnected")
    events = session.events()
    session.receive_hypothesis(window, heard("late"))
    session.receive_failure(window)
    assert events[-1] == Closed("disconnected") and session.events() == []
    assert session.next_window() is None


def test_probabilities_that_come_after_an_abort_start_nothing(session):
    session.receive_audio(np.zeros(512, np.int16))
    session.receive_abort("engine_stopped")
    session.receive_speech([VOICE])
    assert session.events() == [Closed("engine_stopped")]


WORDS = ["no", "yes", "the", "cat", "sat", "on", "a", "mat", "by", "fire"]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_minute_of_words_whose_times_jitter_and_end_late_comes_out_as_spoken(policy):
    chance = random.Random(1)
    said, at = [], 0.1
    while at < 58:
        length = chance.choice([0.2, 0.3, 0.5])
        said.append(Word(at, at + length, " " + chance.choice(WORDS)))
        at += length + chance.choice([0, 0, 0.2])

    def jittering(window):
        jitter, exact = chance.uniform(-0.1, 0.1), hears(said)(window).words
        return Hypothesis(tuple(replace(w.shifted(jitter), end=w.end + chance.choice([0, 0.3])) for w in exact))

    session = stream(policy=PolicyConfig(policy))
    events = []
    for _ in range(100):
        feed(session, 0.6, VOICE)
        events += decode_all(session, jittering)
    session.receive_end()
    assert committed(events + decode_all(session, jittering)) == join(said)


# The voice activity detector is late.


def test_the_start_of_speech_is_kept_when_its_probabilities_come_half_a_second_late():
    session = stream(preroll_s=0.3)
    probabilities = [QUIET] * 31 + [VOICE] * 32
    for i in range(len(probabilities)):
        session.receive_audio(np.full(512, FAINT))
        if i >= 16:
            session.receive_speech([probabilities[i - 16]])
    session.receive_speech(probabilities[-16:])
    assert session.events() == [SpeechStarted(1, pytest.approx(31 * 0.032 - 0.3))]
    assert session.next_window().start == 31 * 512 - samples(0.3)


@pytest.mark.parametrize(("sound_from_s", "start_s"), [(0.5, 0.7), (0.8, 0.8), (2, 1.0)])
@pytest.mark.parametrize(("loudness", "silence"), [(FAINT, 0), (20_000, 30), (20, 0)])
def test_of_what_is_before_speech_dead_silence_is_not_decoded_and_a_sound_is(sound_from_s, start_s, loudness, silence):
    """Speech is detected at 1.0 s; the session keeps 0.3 s before it."""
    session = stream(preroll_s=0.3)
    audio = np.full(16_000 * 3 // FRAME * FRAME, silence, np.int16)
    audio[samples(min(sound_from_s, 1.0)) :] = loudness
    first = round(16_000 / FRAME)
    for i in range(len(audio) // FRAME):
        session.receive_audio(audio[i * FRAME : (i + 1) * FRAME])
        session.receive_speech([VOICE if i >= first else QUIET])
        if (window := session.next_window()) is not None:
            break
    assert seconds(window.start) == pytest.approx(start_s, abs=0.02)


def test_a_flush_and_the_end_wait_for_the_probabilities_of_their_audio(session):
    session.receive_audio(np.zeros(512 * 40 + 7, np.int16))
    session.receive_flush("f")
    session.receive_end()
    assert session.events() == []
    session.receive_speech([VOICE] * 40)
    assert [type(e) for e in decode_all(session, hears(words("hi")))][-3:] == [UtteranceEnded, Flushed, Closed]


def test_probabilities_of_audio_that_has_not_come_are_a_callers_error(session):
    with pytest.raises(ValueError, match="has not come"):
        session.receive_speech([VOICE])


# What is told besides.


def test_chinese_is_joined_without_spaces(session):
    feed(session, 2, VOICE)
    session.receive_end()
    chinese = tuple(Word(i / 4, (i + 1) / 4, c) for i, c in enumerate("你好。谢谢"))
    assert of(UtteranceEnded, decode_all(session, hears(chinese)))[0].text == "你好。谢谢"


def test_the_prompt_is_what_was_said_before_cut_at_a_sentence():
    session = stream(StreamOptions(vad=False), prompt_chars=12)  # so that a pause ends no utterance
    feed(session, 2, VOICE)
    feed(session, 0.6, QUIET)
    decode_all(session, hears(tuple(Word(i / 9, (i + 1) / 9, c) for i, c in enumerate("一二三四五六七八。你好吗？"))))
    feed(session, 1.1, VOICE)
    assert session.next_window().prompt == "你好吗？"


def test_what_was_said_before_a_pause_is_not_in_the_prompt(session):
    feed(session, 2, VOICE)
    feed(session, 0.6, QUIET)
    assert committed(decode_all(session, hears(words("Smoke", "rises.")))) == "Smoke rises."
    feed(session, 1.1, VOICE)
    assert session.next_window().prompt == ""


def test_what_was_said_before_a_cut_is_in_the_prompt():
    session = stream(max_utterance_s=4.0)
    script = words(*["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"])
    prompts = []
    for _ in range(6):
        feed(session, 1.1, VOICE)
        while (window := session.next_window()) is not None:
            prompts.append(window.prompt)
            session.receive_hypothesis(window, hears(script)(window))
    ended = of(UtteranceEnded, session.events())
    assert ended and ended[0].reason is Reason.CUT
    assert any(prompt.startswith("one two") for prompt in prompts)


def test_what_is_not_believed_is_said_to_be_suppressed(session):
    feed(session, 1.1, VOICE)
    noise = Segment(0, 1, average_log_probability=-2, no_speech_probability=0.9)
    session.receive_hypothesis(session.next_window(), Hypothesis(words("you"), (noise,)))
    assert session.events()[1:] == [Suppressed(words("you"), "no_speech")]


def test_nothing_is_said_after_closed_even_when_the_last_result_is_late(session):
    feed(session, 1.1, VOICE)
    feed(session, 20, QUIET)
    session.receive_end()
    events = decode_all(session, hears(words("hi")))
    assert len(of(Lagging, events)) == 1 and events[-1] == Closed()


def test_a_result_for_another_window_is_a_callers_error(session):
    feed(session, 1.1, VOICE)
    window = session.next_window()
    session.receive_hypothesis(window, heard("a"))
    with pytest.raises(ValueError, match="not outstanding"):
        session.receive_hypothesis(window, heard("a"))


def test_a_tentative_starts_where_the_committed_words_end(session):
    end = 0.0
    for _ in range(20):
        feed(session, 1.1, VOICE)
        for event in decode_all(session, one_word_per_second):
            match event:
                case Committed(_, said, _):
                    end = said[-1].end
                case Tentative(_, said):
                    assert all(w.start >= end for w in said)
