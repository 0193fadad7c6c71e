import random

import pytest

from reswhis.core.guard import UNITS_PER_S, Doubt, believe
from reswhis.core.types import Hypothesis, Segment, Word

from inventor import bunch, crowd, instants, loop, thanks
from streams import words

FRAMES_PER_S = 31.25


def silence_but(*spans, length_s=10.0):
    """The probabilities of a voice detector that hears a voice in these seconds alone."""
    frames = range(round(length_s * FRAMES_PER_S))
    return [0.9 if any(start <= i / FRAMES_PER_S < end for start, end in spans) else 0.02 for i in frames]


def doubts(hypothesis, voice=(), **options):
    return [(len(doubted), reason) for doubted, reason in believe(hypothesis, 10, voice, **options)[1]]


def test_what_people_repeat_is_believed():
    no = Hypothesis(words("no", "no", "no", "no"), (Segment(0, 2, compression_ratio=3.0),))
    assert believe(no, 28) == (no.words, [])


MANY = (
    "it was the best of times and worst age wisdom foolishness we had everything before us nothing all going direct to "
    "heaven other way in short period like present"
)
SENTENCE = ["she", "sells", "sea", "shells", "by", "the", "sea", "shore"]


@pytest.mark.parametrize("said", [["no"] * 8, ["zero"] * 12, ["thank", "you"] * 10, SENTENCE * 3])
@pytest.mark.parametrize("each", [0.16, 0.25, 0.4])
def test_what_people_repeat_is_believed_however_the_times_jitter(said, each):
    jitter = random.Random(0)
    ratio = Segment(0, 99, average_log_probability=-0.9, compression_ratio=5.0)
    for _ in range(50):
        off = [jitter.uniform(-0.25, 0.25) for _ in range(len(said) + 1)]
        heard = tuple(
            Word(max(0.0, i * each + off[i]), max(0.0, i * each + off[i], (i + 1) * each + off[i + 1]), f" {text}")
            for i, text in enumerate(said)
        )
        assert believe(Hypothesis(heard, (ratio,)), 20) == (heard, [])


def test_a_loop_is_faster_than_anyone_speaks():
    thanks = words(*["thanks"] * 30, each=0.02)
    assert believe(Hypothesis(thanks, (Segment(0, 0.6, compression_ratio=9.0),)), 28) == ((), [(thanks, "loop")])


@pytest.mark.parametrize("each", [1 / 10, 1 / 25, 0.0])
def test_a_loop_takes_neither_the_words_before_it_nor_those_after_it_along(each):
    before, after = words(*SENTENCE, each=0.3), words(*SENTENCE, at=6, each=0.3)
    again = words(*["thank", "you"] * 15, at=2.5, each=each)
    assert believe(Hypothesis(before + again + after), 28) == (before + after, [(again, "loop")])


def test_different_words_are_crowded_at_another_speed():
    told = MANY.split()
    assert doubts(Hypothesis(words(*told, each=1 / 9))) == []
    assert doubts(Hypothesis(words(*told, each=1 / 16))) == [(29, "crowded")]


def test_signs_without_spaces_may_come_as_fast_as_they_are_spoken():
    signs = tuple(Word(i / 15, (i + 1) / 15, chr(0x0E01 + i % 40)) for i in range(60))
    assert doubts(Hypothesis(signs)) == []
    flood = tuple(Word(i / 50, (i + 1) / 50, chr(0x0E01 + i % 40)) for i in range(60))
    assert doubts(Hypothesis(flood)) == [(60, "crowded")]


def test_words_at_the_same_times_are_not_believed():
    said = words("hello", "there", each=0.4)
    together = bunch(2.0)
    assert believe(Hypothesis(said + together), 10) == (said, [(together, "bunched")])


def test_a_word_or_two_without_length_are_believed_unless_they_are_unlikely():
    said = words("go", "on", each=0.4)
    instant = (Word(0.8, 0.8, " to", 0.9), Word(0.8, 0.8, " see", 0.9))
    assert doubts(Hypothesis((*said, Word(0.8, 0.8, " good", 0.1)))) == []
    assert doubts(Hypothesis(said + instant)) == []
    assert doubts(Hypothesis(said + instants(0.8))) == [(3, "bunched")]


def test_only_the_segment_in_doubt_is_suppressed():
    said, noise = words("hello"), words("you", at=2)
    silence = Segment(2, 3, average_log_probability=-1.5, no_speech_probability=0.9)
    assert believe(Hypothesis(said + noise, (Segment(0, 1), silence)), 28) == (said, [(noise, "no_speech")])


def test_what_is_heard_where_the_voice_detector_heard_nobody_is_suppressed():
    said = words("hello", "there", at=1)
    heard = Hypothesis(said + thanks(3.0), (Segment(0, 4, average_log_probability=-0.1),))
    assert believe(heard, 10, silence_but((1.0, 2.0))) == (said, [(thanks(3.0), "silence")])
    assert doubts(heard) == []  # without a detector nobody knows


@pytest.mark.parametrize("word", [(0.0, 0.05), (0.6, 0.65), (1.0, 1.2), (1.3, 1.3), (0.0, 5.0)])
def test_a_word_whose_times_are_somewhat_wrong_is_not_taken_for_one_in_silence(word):
    """Of the shortest that starts an utterance, in its pre-roll and in what is decoded after it."""
    assert doubts(Hypothesis((Word(*word, " yes"),)), silence_but((0.3, 0.42), (1.0, 1.12))) == []


def test_a_voice_that_begins_where_the_audio_ends_goes_on():
    voice = silence_but((0.96, 1.0), length_s=1.0)
    assert voice[-1] > 0.5 > voice[-3]
    assert believe(Hypothesis(words("yes", at=0.9, each=0.1)), 1.0, voice)[1] == []


def test_where_neither_is_sure_nothing_is_believed():
    faint = [0.4] * 100
    for figures, reason in (((-1.2, 0.1), "uncertain"), ((-0.2, 0.7), "no_speech")):
        guess = Hypothesis(words("ahab", "sting"), (Segment(0, 1, *figures),))
        assert doubts(guess, faint) == [(2, reason)]
        assert doubts(guess, [0.9] * 100) == doubts(guess) == []


def test_a_voice_of_which_the_detector_is_never_sure_has_to_be_understood():
    melody = [0.0] * 10 + [0.55] * 5 + [0.1] * 30
    for probability, expected in ((0.8, [(2, "uncertain")]), (0.95, [])):
        heard = Hypothesis((Word(0.3, 0.5, " I", probability), Word(0.5, 0.8, " don't", probability)))
        assert doubts(heard, melody) == expected
        assert doubts(heard, [*melody, *[0.9] * 5]) == []


def test_a_session_that_lowers_its_threshold_believes_more():
    heard = Hypothesis(words("hello"))
    assert doubts(heard, [0.1] * 100) == [(1, "silence")]
    assert doubts(heard, [0.1] * 100, release=0.06) == []
    assert doubts(heard, [0.02] * 100, release=0.0) == [(1, "silence")]


def test_there_is_no_other_reason_than_the_documented_ones():
    assert {str(each) for each in Doubt} == {"no_speech", "silence", "uncertain", "loop", "crowded", "bunched"}


def test_more_words_than_any_script_has_are_looked_at_no_closer():
    flood = words(*["no"] * 5000, each=0.0004)
    believed, [(doubted, reason)] = believe(Hypothesis(flood), 2)
    assert believed == () and len(doubted) == 3 * UNITS_PER_S and reason is Doubt.CROWDED


def test_a_crowd_is_found_at_once():
    assert doubts(Hypothesis(crowd(1.0))) == [(len(crowd(1.0)), "crowded")] and doubts(Hypothesis(loop(1.0))) == [
        (24, "loop")
    ]


@pytest.mark.parametrize(("voice", "believed"), [(0.68, []), (0.72, [" I", " am", " only"])])
def test_a_likely_word_in_an_unlikely_text_needs_a_surer_voice(voice, believed):
    """As whisper-micro heard it in tones."""
    heard = (Word(0.0, 0.2, " I", 0.39), Word(0.2, 0.4, " am", 0.62), Word(0.5, 0.8, " only", 0.19))
    words, doubted = believe(Hypothesis(heard), 1.2, [voice] * 38)
    assert [word.text for word in words] == believed
    assert all(reason is Doubt.UNCERTAIN for _, reason in doubted)
