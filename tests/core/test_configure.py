"""What a client changes while it speaks, and what it may not ask for."""

import pytest

from reswhis.core.endpointing import EndpointingConfig
from reswhis.core.events import SpeechStarted, UtteranceEnded
from reswhis.core.online import SessionConfig, StreamOptions
from reswhis.core.types import DecodeOptions

from streams import QUIET, VOICE, decode_all, feed, heard, hears, of, stream, words


@pytest.fixture
def session():
    return stream()


def test_decode_options_change_from_the_next_window_on(session):
    feed(session, 1.1, VOICE)
    out = session.next_window()
    session.receive_configure(changed := StreamOptions(DecodeOptions(language="fr", hotwords="Zoë")))
    session.receive_hypothesis(out, heard("a"))
    feed(session, 1.1, VOICE)
    assert out.options == DecodeOptions() and session.next_window().options == changed.decode
    assert session.options == changed


def test_the_prompt_changes_from_the_next_window_on(session):
    session.receive_configure(StreamOptions(prompt="About fire."))
    feed(session, 1.1, VOICE)
    assert session.next_window().prompt == "About fire."


def test_the_prompt_of_the_client_stands_before_what_was_said():
    session = stream(StreamOptions(prompt="About fire.", vad=False))  # so that a pause ends no utterance
    feed(session, 2, VOICE)
    feed(session, 0.6, QUIET)
    decode_all(session, hears(words("Smoke", "rises.")))
    feed(session, 1.1, VOICE)
    assert session.next_window().prompt == "About fire. Smoke rises."


def test_what_was_said_goes_into_the_prompt_by_whole_words_if_it_has_no_sentence():
    session = stream(StreamOptions(vad=False), prompt_chars=12)
    feed(session, 2, VOICE)
    feed(session, 0.6, QUIET)
    decode_all(session, hears(words("never", "ending", "story")))
    feed(session, 1.1, VOICE)
    assert session.next_window().prompt == "story"


def test_a_shorter_endpoint_counts_the_silence_so_far():
    session = stream(StreamOptions(endpointing=EndpointingConfig(min_silence_s=2)))
    feed(session, 1, VOICE)
    feed(session, 1, QUIET)
    session.receive_configure(StreamOptions(endpointing=EndpointingConfig(min_silence_s=0.5)))
    feed(session, 0.032, QUIET)
    assert len(of(UtteranceEnded, decode_all(session, hears(())))) == 1


def test_a_longer_endpoint_does_not_lose_the_running_utterance(session):
    feed(session, 1, VOICE)
    session.receive_configure(StreamOptions(endpointing=EndpointingConfig(min_silence_s=2)))
    feed(session, 1, QUIET)
    feed(session, 1, VOICE)
    session.receive_end()
    assert [e.text for e in of(UtteranceEnded, decode_all(session, hears(words("a", "b"))))] == ["a b"]


def test_a_higher_threshold_holds_for_the_next_probability(session):
    session.receive_configure(StreamOptions(endpointing=EndpointingConfig(threshold=0.95)))
    feed(session, 1, VOICE)
    assert of(SpeechStarted, session.events()) == []


def test_a_configuration_after_the_end_does_no_harm(session):
    feed(session, 1, VOICE)
    session.receive_end()
    session.receive_configure(StreamOptions(vad=False))
    decode_all(session, hears(()))
    session.receive_configure(StreamOptions())
    assert session.closed and session.events() == []


@pytest.mark.parametrize(
    ("kind", "wrong", "allowed"),
    [
        (SessionConfig, {"step_s": 0}, "step_s must be 0.01 to 15"),
        (SessionConfig, {"max_utterance_s": 30}, "2 to 28"),
        (SessionConfig, {"preroll_s": -0.1}, "0 to 2"),
        (SessionConfig, {"buffer_trimming_s": 0}, "1 to 28"),
        (SessionConfig, {"max_held_s": 1}, "30 to 3600"),
        (SessionConfig, {"detect_probability": float("nan")}, "0 to 1"),
        (StreamOptions, {"prompt": "a" * 1001}, "0 to 1000"),
        (DecodeOptions, {"beam_size": 0}, "1 to 20"),
        (DecodeOptions, {"task": "sing"}, "transcribe, translate"),
        (DecodeOptions, {"encoder_context": "half"}, "full, dynamic"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed(kind, wrong, allowed):
    with pytest.raises(ValueError, match=allowed):
        kind(**wrong)
