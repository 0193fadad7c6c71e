"""Scripts without spaces: agreed on by the recogniser's own units, joined as they are, cut at their own full stops."""

import random

import pytest

from reswhis.core.commit import POLICIES, PolicyConfig
from reswhis.core.events import UtteranceEnded
from reswhis.core.online import StreamOptions
from reswhis.core.types import Word

from streams import QUIET, VOICE, committed, decode_all, feed, finish, hears, of, play, stream
from wavering_speaker import jitters, quiet_between

# As Whisper divides them; a full stop comes as a unit of its own.
SPOKEN = {
    "Chinese": ["今天", "天气", "很", "好", "。", "我们", "去", "公园", "吧", "！", "你", "去", "吗", "？"] * 3,
    "Japanese": ["今日", "は", "いい", "天気", "です", "ね", "。", "はい", "、", "そう", "です", "。"] * 3,
    "Thai": ["สวัส", "ดี", "ครับ", "วันนี้", "อากาศ", "ดี", "มาก", "ๆ", "เลย"] * 4,
    "mixed": [" I", " said", " 你", "好", "。", " OK", "？", "好", "的", "。"] * 4,
}
FULL_STOPS = "。，、！？"  # which have no time of their own
WAYS = {"whole": {}, "trimmed": {"buffer_trimming_s": 2.0}, "cut": {"max_utterance_s": 4.0}}


def script(units, each_s=0.3):
    said, now = [], 0.5
    for unit in units:
        now += 0.0 if unit in FULL_STOPS else each_s
        said.append(Word(now - (0.04 if unit in FULL_STOPS else each_s), now, unit))
    return said


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", SPOKEN)
def test_it_comes_out_as_it_was_said_without_spaces_of_ours(name, policy, way):
    said = script(SPOKEN[name])
    session = stream(policy=PolicyConfig(policy), step_s=0.5, **WAYS[way])
    recognise = jitters(said, 0.05, random.Random(1))
    voiced, until_s = [(0.4, said[-1].end + 0.1)], said[-1].end + 1
    events = play(session, voiced, until_s, recognise, audio=quiet_between(said)) + finish(session, recognise)
    text = "".join(SPOKEN[name]).strip()
    assert committed(events) == text
    ended = [e.text for e in of(UtteranceEnded, events)]
    if name != "mixed":  # there an utterance may begin with a space, which is not its own
        assert "".join(ended) == text


@pytest.mark.parametrize(
    ("units", "prompt"),
    [
        (["一二三四", "。", "你好", "吗", "？"], "你好吗？"),
        (["一二三四", "！", "你好", "吗", "？"], "你好吗？"),
        (["一二三四", "？", "你好", "吗", "。"], "你好吗。"),
        (["สวัสดี", "ครับ", "วันนี้"], "ีครับวันนี้"),  # has no sentence and no space to be cut at
    ],
)
def test_the_prompt_is_cut_at_a_full_stop_of_the_script(units, prompt):
    session = stream(StreamOptions(vad=False), prompt_chars=min(len("".join(units)) - 1, 11))
    feed(session, 3, VOICE)
    feed(session, 0.6, QUIET)
    decode_all(session, hears(script(units)))
    feed(session, 1.1, VOICE)
    assert session.next_window().prompt == prompt
