from reswhis.core.guard import believe
from reswhis.core.types import Hypothesis, Segment

from streams import words


def test_what_people_repeat_is_believed():
    no = Hypothesis(words("no", "no", "no", "no"), (Segment(0, 2, compression_ratio=3.0),))
    assert believe(no, 28) == (no.words, [])


def test_a_loop_is_faster_than_anyone_speaks():
    loop = words(*["thanks"] * 30, each=0.02)
    assert believe(Hypothesis(loop, (Segment(0, 0.6, compression_ratio=9.0),)), 28) == ((), [(loop, "loop")])


def test_only_the_segment_in_doubt_is_suppressed():
    said, noise = words("hello"), words("you", at=2)
    silence = Segment(2, 3, average_log_probability=-1.5, no_speech_probability=0.9)
    assert believe(Hypothesis(said + noise, (Segment(0, 1), silence)), 28) == (said, [(noise, "no_speech")])
