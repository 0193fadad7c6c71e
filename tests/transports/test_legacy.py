"""The codec of reswhis 0.1's protocol: what its page, which joins all that it gets, may be sent and when."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reswhis.backends.base import BackendInfo
from reswhis.core.errors import ClientError
from reswhis.core.events import Closed, Committed, Flushed, Lagging, Reason, SpeechStarted, Tentative, UtteranceEnded
from reswhis.core.online import SessionConfig, StreamOptions
from reswhis.core.types import Word
from reswhis.server.limits import Limits
from reswhis.transports.codec import Audio, Defaults, End, Flush, Notify, Open
from reswhis.transports.legacy import LegacyCodec

STEP = 32_000
"""Bytes of the step of one second."""
NOTHING = {"from": "-", "to": "-", "content": "-"}
COMMITTED = Committed(1, (Word(2.0, 2.3, " how", 0.9), Word(2.3, 3.0311874, " are", 0.9)), Reason.AGREEMENT)


@pytest.fixture
def codec():
    return make_codec()


def make_codec():
    info = BackendInfo("fake", "fake", "cpu", "none", frozenset({"en"}))
    return LegacyCodec(Defaults(SessionConfig(step_s=1.0), StreamOptions(), info, Limits(max_frame_bytes=100_000)))


def told(codec, item):
    return [json.loads(message) for message in codec.encode(item, 0)]


def say(codec, data):
    """What the shell would do with a frame: the commands for the session, and what is sent at once."""
    commands = codec.decode(data)
    answers = [answer for command in commands if isinstance(command, Notify) for answer in told(codec, command.notice)]
    return [command for command in commands if not isinstance(command, Notify)], answers


def test_a_step_of_audio_is_answered_once_however_it_is_framed(codec):
    assert say(codec, bytes(STEP - 2))[1] == []
    assert say(codec, bytes(2))[1] == [NOTHING]
    assert say(codec, bytes(3 * STEP))[1] == [NOTHING]
    assert say(codec, bytes(STEP - 2))[1] == []


def test_what_is_committed_is_sent_at_once_and_is_the_answer(codec):
    say(codec, bytes(STEP - 2))
    assert told(codec, COMMITTED) == [{"from": 2000.0, "to": 3031.2, "content": " how are"}]
    assert say(codec, bytes(STEP - 2))[1] == []
    assert say(codec, bytes(2))[1] == [NOTHING]


def test_an_empty_frame_after_audio_makes_it_final_and_is_answered(codec):
    commands, _ = say(codec, bytes(320))
    assert [type(command) for command in commands] == [Open, Audio]
    (flush,), answers = say(codec, b"")
    assert isinstance(flush, Flush) and answers == []
    assert told(codec, Flushed(flush.id)) == [NOTHING]


def test_the_words_of_an_empty_frame_are_its_answer(codec):
    say(codec, bytes(320))
    (flush,), _ = say(codec, b"")
    assert told(codec, COMMITTED)
    assert told(codec, Flushed(flush.id)) == []


def test_each_of_two_empty_frames_that_come_at_once_is_answered(codec):
    say(codec, bytes(320))
    (first,), _ = say(codec, b"")
    say(codec, bytes(320))
    (second,), _ = say(codec, b"")
    assert told(codec, COMMITTED)
    assert told(codec, Flushed(first.id)) == []
    assert told(codec, Flushed(second.id)) == [NOTHING]


def test_a_second_empty_frame_ends_the_stream(codec):
    say(codec, bytes(320))
    say(codec, b"")
    assert say(codec, b"")[0] == [End()]
    assert codec.close(None).code == 1000
    assert say(codec, bytes(320)) == ([], [])


def test_an_empty_frame_before_any_audio_ends_the_stream(codec):
    commands, _ = say(codec, b"")
    assert [type(command) for command in commands] == [Open, End]


def test_text_is_closed_with_1003_and_without_a_word(codec):
    with pytest.raises(ClientError) as refused:
        codec.decode("hello")
    assert codec.fail(refused.value.code, str(refused.value), None, 0) == []
    assert codec.close(refused.value.code).code == 1003


def test_a_frame_that_is_too_large_is_closed_with_1009(codec):
    with pytest.raises(ClientError) as refused:
        codec.decode(bytes(100_001))
    assert codec.close(refused.value.code).code == 1009


words = st.lists(st.text(max_size=5).map(lambda text: Word(1.0, 2.0, text, 1.0)), min_size=1, max_size=3).map(tuple)
EVENTS = st.one_of(
    words.map(lambda w: Committed(1, w, Reason.ENDPOINT)),
    words.map(lambda w: Tentative(1, w)),
    st.sampled_from([SpeechStarted(1, 0.0), Lagging(3.0), Flushed(None), Closed("idle_timeout"), Closed()]),
    st.just(UtteranceEnded(1, "w", 0.0, 1.0, "en", Reason.ENDPOINT)),
)
STEPS = st.lists(st.one_of(EVENTS, st.integers(0, 70_000)), max_size=40)


@given(STEPS)
def test_nothing_but_the_three_keys_is_ever_sent_and_every_step_is_answered(steps):
    codec = make_codec()
    unanswered = 0
    for step in steps:
        if isinstance(step, int):  # bytes of a frame
            unanswered += step
            commands, answers = say(codec, bytes(step))
            if End() in commands:
                return
            answers += [
                answer for flush in commands if isinstance(flush, Flush) for answer in told(codec, Flushed(flush.id))
            ]
        else:
            answers = told(codec, step)
        assert all(answer.keys() == {"from", "to", "content"} for answer in answers)
        unanswered = 0 if answers else unanswered
        assert unanswered < STEP
