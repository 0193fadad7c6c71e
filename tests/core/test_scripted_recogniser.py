"""What every policy keeps of what a recogniser hears that jitters, and in partial windows errs, skips and stutters."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reswhis.core.commit import POLICIES, PolicyConfig
from reswhis.core.events import Committed, UtteranceEnded
from reswhis.core.online import OnlineASRProcessor, SessionConfig
from reswhis.core.types import Word, seconds

from listener import Listener
from streams import finish, of, play
from wavering_speaker import NUMBER, lapses, numbers, speech

TEXT, LENGTH_S = st.sampled_from(["no", "yes", "we", "rock", "好"]), st.sampled_from([0.2, 0.3, 0.5])
PAUSE_S = st.sampled_from([0.0, 0.0, 0.0, 0.0, 0.3, 0.7, 2.0])
SPOKEN = st.lists(st.tuples(TEXT, LENGTH_S, PAUSE_S), min_size=1, max_size=40)
SHORT = st.sampled_from([{}, {"buffer_trimming_s": 2.0}, {"max_utterance_s": 4.0}])
EXAMPLES = settings().max_examples

every_policy = pytest.mark.parametrize("policy", POLICIES)


def script(spoken):
    """The words, and the spans of voice around them."""
    said, voiced, now = [], [], 0.5
    for text, length_s, pause_s in spoken:
        said.append(Word(now, now + length_s, f" {text}{chr(NUMBER + len(said))}"))
        if voiced and now - voiced[-1][1] < 0.15:
            voiced[-1] = voiced[-1][0], now + length_s + 0.1
        else:
            voiced.append((now - 0.1, now + length_s + 0.1))
        now += length_s + pause_s
    return said, voiced


def transcribe(said, voiced, recognise, policy, *, flushed_at=(), **config):
    """All events; any that may not come fails."""
    session = OnlineASRProcessor(SessionConfig(step_s=0.5, policy=PolicyConfig(policy), **config))
    listener, events, marks, until = Listener(session.config.preroll_s), [], [], voiced[-1][1] + 0.2
    for at in sorted(flushed_at):
        events += play(session, voiced, min(at, until), recognise)
        marks.append((f"f{len(marks)}", seconds(session.received)))
        session.receive_flush(marks[-1][0])
    events += play(session, voiced, until, recognise) + finish(session, recognise)
    for event in events:
        listener.hear(event, marks)
    assert listener.flushed == [id for id, _ in marks] and len(listener.closed) == 1
    return events


def found(events):
    return numbers(word for event in of(Committed, events) for word in event.words)


@every_policy
@settings(max_examples=EXAMPLES // 3, deadline=None)
@given(SPOKEN, SHORT, st.lists(st.floats(0.0, 15.0), max_size=2), st.integers(0, 2**32))
def test_what_is_said_goes_forward_and_all_is_answered_whatever_partials_lack_add_or_change(
    policy, spoken, config, flushed_at, seed
):
    said, voiced = script(spoken)
    recognise = lapses(said, random.Random(seed), jitter_s=0.25, flipped=0.2, missing=0.2, repeated=0.2, apart=1)
    events = transcribe(said, voiced, recognise, policy, flushed_at=flushed_at, **config)
    ended = of(UtteranceEnded, events)
    assert [e.utterance for e in ended] == list(range(1, len(ended) + 1))


@every_policy
@settings(max_examples=EXAMPLES // 3, deadline=None)
@given(SPOKEN, SHORT, st.integers(0, 2**32))
def test_a_word_that_a_partial_hears_wrong_is_there_once(policy, spoken, config, seed):
    said, voiced = script(spoken)
    recognise = lapses(said, random.Random(seed), jitter_s=0.05, flipped=0.2)
    assert found(transcribe(said, voiced, recognise, policy, **config)) == list(range(len(said)))


@settings(max_examples=EXAMPLES // 3, deadline=None)
@given(SPOKEN, SHORT, st.integers(0, 2**32))
def test_what_final_windows_hear_is_the_text_where_nothing_is_committed_before_them(spoken, config, seed):
    said, voiced = script(spoken)
    recognise = lapses(said, random.Random(seed), jitter_s=0.05, flipped=0.3, missing=0.3, repeated=0.3, apart=1)
    assert found(transcribe(said, voiced, recognise, "endpoint", **config)) == list(range(len(said)))


SEEDS = range(4)


def lost_and_doubled(policy, seeds, **lapsing):
    """Of a thousand words."""
    words = lost = doubled = 0
    for seed in seeds:
        rng = random.Random(seed)
        said, voiced = speech(rng, 4)
        heard = found(transcribe(said, voiced, lapses(said, rng, **lapsing), policy))
        words += len(said)
        lost += len(said) - len(set(heard))
        doubled += len(heard) - len(set(heard))
    return 1000 * lost / words, 1000 * doubled / words


def test_agreement_keeps_out_most_of_what_single_decodes_lack_and_add():
    lost, doubled = lost_and_doubled("local-agreement", SEEDS, jitter_s=0.1, missing=0.1)
    lost_at_once, _ = lost_and_doubled("alignatt", SEEDS, jitter_s=0.1, missing=0.1)
    assert lost < 15 and doubled < 15 and 3 * lost < lost_at_once
    lost, doubled = lost_and_doubled("local-agreement", SEEDS, jitter_s=0.1, repeated=0.1)
    _, doubled_at_once = lost_and_doubled("alignatt", SEEDS, jitter_s=0.1, repeated=0.1)
    assert lost < 15 and 3 * doubled < doubled_at_once
