"""Streams that stop anywhere lose no word and say none twice, whatever the policy."""

import random

import numpy as np
import pytest

from reswhis.core.commit import POLICIES, PolicyConfig
from reswhis.core.endpointing import FRAME
from reswhis.core.events import Closed, Committed
from reswhis.core.online import StreamOptions
from reswhis.core.types import seconds

from streams import finish, hears, of, play, stream
from wavering_speaker import numbers, speech

STREAMS = 100


def stopped(seed, policy, **options):
    """The words before a random sample, those that came out, and whether it was past an endpoint or a trim."""
    rng = random.Random(seed)
    said, voiced = speech(rng, 3, longest=40)
    config = {"preroll_s": 0.3, "buffer_trimming_s": rng.choice([2.0, 5.0, 15.0]), "max_utterance_s": 12.0}
    session = stream(StreamOptions(**options), policy=PolicyConfig(policy), step_s=rng.choice([0.4, 1.0]), **config)
    begins = []

    def recognise(window):
        begins.append(window.start)
        return hears(said)(window)

    events = play(session, voiced, rng.uniform(1.0, voiced[-1][1]), recognise, piece_s=rng.choice([0.1, 0.5]))
    session.receive_audio(np.zeros(rng.randrange(FRAME), np.int16))
    went_on = len(set(begins)) > 1
    events += finish(session, recognise)
    due = [n for n, word in enumerate(said) if word.middle < seconds(session.received)]
    assert events[-1] == Closed() and len(of(Closed, events)) == 1
    return due, numbers(word for event in of(Committed, events) for word in event.words), went_on


@pytest.mark.parametrize("policy", POLICIES)
def test_a_hundred_streams_stopped_anywhere_lose_no_word_and_double_none(policy):
    streams = [stopped(seed, policy) for seed in range(STREAMS)]
    assert [seed for seed, (due, said, _) in enumerate(streams) if due != said] == []
    assert sum(went_on for _, _, went_on in streams) > STREAMS // 2


def test_nor_do_streams_whose_utterances_the_client_ends():
    streams = [stopped(seed, "local-agreement", vad=False) for seed in range(30)]
    assert [seed for seed, (due, said, _) in enumerate(streams) if due != said] == []
