import numpy as np
import pytest

from reswhis.backends.whisper_tokens import Piece
from reswhis.backends.word_times import Loudness, aligned, spread

WORDS = [Piece(" one,", 0, 1), Piece(" two", 2, 3)]  # token 1 is the comma
PATH = [(0, 0), (0, 50), (1, 60), (2, 80), (2, 150), (3, 170), (3, 199)]  # in fiftieths of a second


def loudness(*loud, frames=400):
    """Loud from and to these seconds."""
    features = np.zeros((80, frames), np.float32)
    for start, end in loud:
        features[:, int(start * 100) : int(end * 100)] = 1
    return Loudness(features, frames)


def test_words_begin_and_end_where_there_is_sound():
    spans = aligned(WORDS, PATH, loudness((0.9, 1.2), (3.0, 3.4)), 4.0, is_final=False)
    assert spans == [(pytest.approx(0.84, abs=0.02), 1.2), (pytest.approx(2.94, abs=0.02), 3.4)]


def test_a_short_quiet_edge_is_left_to_the_word():
    assert aligned(WORDS, PATH, loudness((0.08, 1.15), (1.65, 3.35)), 4.0, is_final=False) == [(0, 1.2), (1.6, 3.4)]


def test_where_all_is_as_quiet_the_attention_is_believed():
    assert aligned(WORDS, PATH, loudness(), 4.0, is_final=True) == [(0, 1.2), (1.6, 3.4)]


def test_times_stay_in_the_window():
    path = [(0, -1), (1, 5), (2, 7), (3, 9)]
    assert aligned(WORDS, path, loudness(frames=10), 0.1, is_final=False) == [(0.0, 0.1), (0.1, 0.1)]
    assert aligned(WORDS, path, loudness(frames=10), 0.1, is_final=True) == [(0.0, 0.1 * 5 / 9), (0.1 * 5 / 9, 0.1)]


def test_the_last_word_of_an_utterance_lasts_as_long_as_there_is_sound():
    sound = loudness((0.9, 1.2), (3.0, 3.5), (3.8, 3.9))
    *_, (start, end) = aligned(WORDS, PATH, sound, 4.0, is_final=True)
    assert (start, end) == (pytest.approx(2.94, abs=0.02), pytest.approx(3.55, abs=0.02))


def test_the_last_word_of_an_utterance_has_a_length_where_the_attention_gives_it_none():
    path = [*PATH[:4], (2, 160), (3, 160)]
    assert aligned(WORDS, path, loudness((0, 3.25)), 4.0, is_final=False) == [(0, 1.2), (1.6, pytest.approx(3.2))]
    none = [*PATH[:3], (2, 160), (3, 160)]
    assert aligned(WORDS, none, loudness((0, 3.45)), 4.0, is_final=False)[1] == (3.2, 3.2)
    assert aligned(WORDS, none, loudness((0, 3.45)), 4.0, is_final=True)[1] == (3.2, pytest.approx(3.5))


def test_what_sounds_on_after_the_last_word_is_no_part_of_it():
    *_, (start, end) = aligned(WORDS, PATH, loudness((1.6, 30.0), frames=3000), 30.0, is_final=True)
    assert start == 1.6 and end < 4.0


def test_the_end_of_a_last_word_before_a_pause_stays():
    *_, (_, end) = aligned(WORDS, PATH, loudness((1.6, 3.0), (3.6, 4.0)), 4.0, is_final=True)
    assert end == pytest.approx(3.05, abs=0.02)


LATE = [(0, 0), (1, 68), (2, 70), (3, 70)]
"""As attention has it that hears the last word only at its end."""


def test_a_last_word_that_is_heard_only_at_its_end_began_in_the_time_of_the_one_before():
    sound = loudness((0, 1.35), frames=150)
    assert aligned(WORDS, LATE, sound, 1.5, is_final=True) == [
        (0, pytest.approx(1.4 * 5 / 9)),
        (pytest.approx(1.4 * 5 / 9), pytest.approx(1.4)),
    ]
    assert aligned(WORDS, LATE, sound, 1.5, is_final=False) == [(0, 1.36), (1.4, 1.4)], "it may go on"


def test_a_last_word_that_is_heard_only_at_its_end_begins_after_the_pause():
    (_, end), (start, _) = aligned(WORDS, LATE, loudness((0, 0.4), (1.1, 1.35), frames=150), 1.5, is_final=True)
    assert (end, start) == (pytest.approx(0.45, abs=0.02), pytest.approx(1.05, abs=0.02))


def test_a_last_word_between_pauses_may_be_short():
    sound = loudness((0, 0.9), (1.35, 1.38), frames=150)
    path = [(0, 0), (1, 60), (2, 67), (3, 70)]
    (_, over), (start, end) = aligned(WORDS, path, sound, 1.5, is_final=True)
    assert (over, start) == (pytest.approx(0.95, abs=0.02), 1.34) and end < 1.5


def test_guessed_times_share_the_sound_by_length():
    first, second = spread([Piece(" a", 0, 1), Piece(" abc", 1, 2)], loudness((1, 4)), 4.0)
    assert first[0] == pytest.approx(0.94, abs=0.02) and second[1] == 4.0
    assert first[1] == second[0] == pytest.approx(1 + 3 / 3, abs=0.06)
