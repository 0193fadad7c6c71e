"""The clock is the sample counter: pauses of any length move no word, and nothing is kept of them."""

import random

import pytest

from reswhis.core.commit import POLICIES, PolicyConfig
from reswhis.core.events import Committed, UtteranceEnded
from reswhis.core.online import StreamOptions
from reswhis.core.types import Word

from streams import decode_all, finish, hears, of, play, stream


def between_pauses(rng, pauses=20):
    """Three words, a pause of one to thirty seconds, and so on; with the spans of voice."""
    said, voiced, now = [], [], 1.0
    for n in range(pauses + 1):
        said += [Word(now + 0.4 * i, now + 0.4 * (i + 1), f" w{n}-{i}") for i in range(3)]
        voiced.append((now - 0.1, now + 1.3))
        now += 1.2 + rng.uniform(1, 30)
    return said, voiced


@pytest.mark.parametrize("vad", [True, False])
@pytest.mark.parametrize("policy", POLICIES)
def test_after_twenty_pauses_every_word_is_where_it_was_said(policy, vad):
    said, voiced = between_pauses(random.Random(1))
    session = stream(StreamOptions(vad=vad), policy=PolicyConfig(policy), preroll_s=0.3)
    events = play(session, voiced, voiced[-1][1] + 2, hears(said), piece_s=0.5) + finish(session, hears(said))
    came = [word for event in of(Committed, events) for word in event.words]
    assert [word.text for word in came] == [word.text for word in said]
    assert max(abs(a.start - b.start) + abs(a.end - b.end) for a, b in zip(came, said, strict=True)) < 1e-6


def test_no_pause_is_kept():
    said, voiced = between_pauses(random.Random(2))
    session = stream(preroll_s=0.3)
    for begin, end in voiced:
        play(session, [(begin, end)], end + 1.5, hears(said))
        assert session.held_s < 1
    assert session.received > 200 * 16_000


# Three hours.


def test_three_hours_without_a_pause_keep_a_bounded_amount_of_audio_and_lose_no_word():
    hours_s, each_s = 3 * 3600.0, 2.0
    session, most_s, came, ended = stream(step_s=4.0), 0.0, [], []

    def recognise(window):
        first = round(window.start / 16_000 / each_s)
        near = (Word(each_s * n, each_s * (n + 1), f" w{n}") for n in range(max(0, first - 1), first + 17))
        return hears(tuple(near))(window)

    for until in range(20, int(hours_s) + 1, 20):
        events = play(session, [(0.0, hours_s)], until, recognise, piece_s=4.0)
        most_s = max(most_s, session.held_s)
        came += [word.text for event in of(Committed, events) for word in event.words]
        ended += of(UtteranceEnded, events)
    session.receive_end()
    came += [word.text for event in of(Committed, decode_all(session, recognise)) for word in event.words]
    assert came == [f" w{n}" for n in range(round(hours_s / each_s))]
    assert most_s < 33 and len(ended) > 380
