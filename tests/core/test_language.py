"""The language: detected once on enough speech with enough confidence, then locked, or for every utterance if asked."""

import pytest

from reswhis.core.events import LanguageDetected, UtteranceEnded
from reswhis.core.online import StreamOptions
from reswhis.core.types import DecodeOptions, Hypothesis

from streams import QUIET, VOICE, decode_all, feed, of, stream, words


def says(language, probability=0.9):
    return lambda window: Hypothesis(words("a"), (), language, probability)


def utterance(session, language, duration_s=1.5):
    feed(session, duration_s, VOICE)
    feed(session, 0.6, QUIET)
    return decode_all(session, says(language))


def next_language(session):
    feed(session, 1.1, VOICE)
    return session.next_window().options.language


def test_a_language_is_locked_once_it_is_sure():
    session = stream()
    for language, probability in (("nl", 0.4), ("de", 0.9)):
        feed(session, 1.1, VOICE)
        decode_all(session, says(language, probability))
    assert next_language(session) == "de"
    assert session.options.decode.language == "de"


def test_it_is_said_once():
    session = stream()
    events = utterance(session, "de") + utterance(session, "fr")
    assert of(LanguageDetected, events) == [LanguageDetected("de", 0.9)]


def test_too_little_speech_says_nothing_of_its_language():
    session = stream(preroll_s=0.3)
    feed(session, 2, QUIET)
    assert of(LanguageDetected, utterance(session, "de", 0.7)) == []


@pytest.mark.parametrize("language", [None, "de"])
def test_nothing_heard_says_nothing_of_its_language(language):
    session = stream()
    feed(session, 1.5, VOICE)
    feed(session, 0.6, QUIET)
    events = decode_all(session, lambda window: Hypothesis((), (), language, 1.0))
    assert of(LanguageDetected, events) == [] and of(UtteranceEnded, events)[0].language is None


def test_a_language_that_is_set_is_not_detected():
    session = stream(StreamOptions(DecodeOptions(language="en")))
    events = utterance(session, "de")
    assert of(LanguageDetected, events) == [] and of(UtteranceEnded, events)[0].language == "en"


def test_a_locked_language_changes_when_asked():
    session = stream()
    utterance(session, "de")
    session.receive_configure(StreamOptions(DecodeOptions(language="fr")))
    assert next_language(session) == "fr"


def test_it_is_detected_anew_when_that_is_asked_for():
    session = stream()
    utterance(session, "de")
    session.receive_configure(StreamOptions())
    assert of(LanguageDetected, utterance(session, "fr")) == [LanguageDetected("fr", 0.9)]


def test_a_window_decoded_in_a_language_that_was_set_detects_none():
    session = stream(StreamOptions(DecodeOptions(language="en")))
    feed(session, 1.1, VOICE)
    out = session.next_window()
    session.receive_configure(StreamOptions())
    session.receive_hypothesis(out, says("en", 1.0)(out))
    assert of(LanguageDetected, session.events()) == []


def test_a_language_set_while_another_is_being_detected_stays():
    session = stream()
    feed(session, 1.1, VOICE)
    out = session.next_window()
    session.receive_configure(StreamOptions(DecodeOptions(language="en")))
    session.receive_hypothesis(out, says("de")(out))
    assert session.options.decode.language == "en"


def test_multilingual_detects_for_every_utterance():
    session = stream(multilingual=True)
    events = utterance(session, "de") + utterance(session, "fr")
    assert [e.language for e in of(LanguageDetected, events)] == ["de", "fr"]
    assert [e.language for e in of(UtteranceEnded, events)] == ["de", "fr"]
    assert session.options.decode.language is None and next_language(session) is None


def test_multilingual_stays_with_the_language_within_an_utterance():
    session = stream(multilingual=True)
    feed(session, 1.1, VOICE)
    decode_all(session, says("de"))
    assert next_language(session) == "de"


def test_a_short_utterance_ends_in_the_language_it_was_heard_in():
    session = stream(multilingual=True)
    events = utterance(session, "de") + utterance(session, "ja", 0.5)
    assert [e.language for e in of(UtteranceEnded, events)] == ["de", "ja"]
