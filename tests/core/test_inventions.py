"""What a recogniser invents does not come out of a session, is counted by its reason, and takes no true word along."""

from dataclasses import replace

import numpy as np
import pytest

from reswhis.core.commit import POLICIES, PolicyConfig
from reswhis.core.endpointing import FRAME, EndpointingConfig
from reswhis.core.events import Committed, Suppressed, Tentative
from reswhis.core.guard import Doubt
from reswhis.core.online import OnlineASRProcessor, SessionConfig, StreamOptions
from reswhis.core.types import Hypothesis, Segment, Word, samples, seconds
from reswhis.simulation import AudioClock, simulate

from inventor import INVENTIONS, Inventor, invention
from streams import FAINT, QUIET, VOICE, committed, decode_all, finish, of, stream

REASONS = {"thanks": "no_speech", "loop": "loop", "bunch": "bunched", "instants": "bunched", "crowd": "crowded"}
PERIOD_S = 6.0
"""Of which two seconds are spoken."""


def script(count):
    """Real repetitions among other words."""
    texts = ["no", "no", "no", "no", "zero", "zero", "eight", "one"]
    return tuple(
        Word(PERIOD_S * n + 0.25 * i, PERIOD_S * n + 0.25 * (i + 1), f" {text}")
        for n in range(count)
        for i, text in enumerate(texts)
    )


class Detector:
    """Hears what is said, or a voice in everything."""

    def __init__(self, hears_all):
        self.hears_all = hears_all
        self.frames = 0

    def score(self, audio):
        count = len(audio) // FRAME
        at = [(self.frames + i) * FRAME / samples(PERIOD_S) % 1 for i in range(count)]
        self.frames += count
        return [VOICE if self.hears_all or place < 2 / PERIOD_S else QUIET for place in at]


def run(inventor, detector, policy="local-agreement", silence_s=0.5):
    options = StreamOptions(endpointing=EndpointingConfig(min_silence_s=silence_s))
    session = OnlineASRProcessor(SessionConfig(policy=PolicyConfig(policy)), options)
    length = round(samples(5 * PERIOD_S) / FRAME) * FRAME
    audio = np.zeros(length, np.int16)
    emissions = simulate(audio, session, detector, inventor, AudioClock(), piece=2 * FRAME)
    return [emission.event for emission in emissions]


def texts(events, kind):
    return [word.text for event in events if isinstance(event, kind) for word in event.words]


@pytest.mark.parametrize("policy", ["local-agreement", "alignatt", "endpoint"])
@pytest.mark.parametrize("kind", INVENTIONS)
def test_nothing_invented_passes_where_everything_is_taken_for_a_voice(kind, policy):
    inventor = Inventor(script(5), [invention(kind, PERIOD_S * n + 3.0) for n in range(5)])
    events = run(inventor, Detector(hears_all=True), policy)
    assert texts(events, Committed) == [word.text for word in inventor.said]
    assert not {word.text for word in inventor.invented} & set(texts(events, Tentative))
    assert len(inventor.invented) == len(texts(events, Suppressed)) > 0
    reasons = {event.reason for event in events if isinstance(event, Suppressed)}
    assert REASONS[kind] in reasons <= {REASONS[kind], Doubt.BUNCHED}  # what the end of a window cuts short


@pytest.mark.parametrize("silence_s", [0.5, 3.0])
def test_a_recogniser_that_is_sure_of_what_nobody_said_is_not_believed(silence_s):
    """However long the silence that is decoded with the speech."""
    invented = [invention("thanks", PERIOD_S * n + 2.3 + 0.25 * n, honest=False) for n in range(5)]
    inventor = Inventor(script(5), invented)
    events = run(inventor, Detector(hears_all=False), silence_s=silence_s)
    assert texts(events, Committed) == [word.text for word in inventor.said]
    assert len(inventor.invented) == len(texts(events, Suppressed)) > 0
    assert {event.reason for event in events if isinstance(event, Suppressed)} == {Doubt.SILENCE}


# What one decode doubts and the next does not.


def scored(session, probabilities, recognise):
    events = []
    for probability in probabilities:
        session.receive_audio(np.full(FRAME, FAINT))
        session.receive_speech([probability])
        events += decode_all(session, recognise)
    return events + finish(session, recognise)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_word_that_is_believed_only_later_is_not_shut_out_by_what_follows_it(policy):
    said = [
        Word(0.3 + 0.4 * i, 0.7 + 0.4 * i, f" {text}")
        for i, text in enumerate(["the", "cat", "sat", "on", "my", "mat"])
    ]

    def recognise(window):
        begin, end = seconds(window.start), seconds(window.end)
        sure = {" cat": 0.8 if window.is_final else 0.4}
        inside = [
            replace(w.shifted(-begin), probability=sure.get(w.text, 0.9)) for w in said if begin <= w.middle < end
        ]
        return Hypothesis(tuple(inside), (Segment(0, end - begin, -0.4, 0.01),))

    faint = [0.0] * 5 + [0.65] * 47 + [0.95] * 38 + [0.0] * 30
    session = stream(policy=PolicyConfig(policy), step_s=0.5, new_share=0.5)
    assert committed(scored(session, faint, recognise)) == "the cat sat on my mat"


@pytest.mark.parametrize("policy", POLICIES)
def test_what_the_final_decode_does_not_believe_is_not_said_because_an_earlier_one_did(policy):
    def recognise(window):
        length = seconds(len(window.audio))
        sure = 0.3 if window.is_final else 0.6
        thanks = (Word(0.2, 0.5, " Thank", sure), Word(0.5, 0.8, " you.", sure))
        return Hypothesis(thanks, (Segment(0, length, -0.4, 0.8 if window.is_final else 0.01),))

    session = stream(policy=PolicyConfig(policy, holdback_s=1.0), step_s=0.5)
    events = scored(session, [0.0] * 3 + [0.65] * 25 + [0.0] * 30, recognise)
    assert committed(events) == "" and of(Suppressed, events)
