"""Whether cuts.py, word_times.py and people.py find what a recogniser that knows the words does wrong on purpose."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reswhis.core.endpointing import FRAME
from reswhis.core.types import Hypothesis, Word, samples, seconds

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import common
import cuts
import people
import word_times
from quality import Replayed, Setup
from quality_decoding import Decode
from quality_material import Recording, Said, duration_s

WORD_S = 0.32
LETTERS = ("za", "ze", "zi", "zo", "zu", "xa", "xe", "xi", "xo", "xu", "qa", "qe")


def recordings(count=12):
    """Each has six words of its own, and is as long as they are."""
    audio = np.full(samples(6 * WORD_S), 1000, np.int16)
    made = []
    for first in LETTERS[:count]:
        words = tuple(Said(first + last, WORD_S * i, WORD_S * (i + 1)) for i, last in enumerate("klmnop"))
        made.append(Recording(first, audio, " ".join(word.text for word in words), words))
    return made


class Loudness:
    """A voice detector for audio that is silent where nobody speaks."""

    def __init__(self, audio):
        frames = audio[: len(audio) // FRAME * FRAME].reshape(-1, FRAME)
        self.scores = [0.9 if frame.any() else 0.0 for frame in frames]

    def stream(self):
        return Replayed(self.scores)


class Oracle:
    """Hears each word of which the window holds the middle, with what ``hear`` makes of it."""

    def __init__(self, words, hear=lambda word, window: word):
        self.words, self.hear = words, hear

    def decode(self, window):
        begin, end = seconds(window.start), seconds(window.end)
        inside = [Word(w.start, w.end, f" {w.text}") for w in self.words if begin <= w.middle < end]
        heard = tuple(word.shifted(-begin) for w in inside if (word := self.hear(w, window)) is not None)
        return Decode(Hypothesis(heard, language="en", language_probability=1.0), 0.0)


def words_of(stream):
    return [word for piece in stream.pieces for word in piece.words]


def test_cuts_finds_a_word_that_only_the_live_decodes_miss_and_no_other():
    stream = max((s for s in cuts.material(recordings(), 20, 0) if s.material == "long"), key=duration_s)
    missed = words_of(stream)[-4]

    def deaf_live(word, window):
        is_whole = window.id == 0  # which is the first live one too
        return word if word.start != missed.start or is_whole else None

    found = cuts.outcome(stream, Setup(), Oracle(words_of(stream), deaf_live), Loudness(stream.audio))
    assert [(f.fault.kind, f.fault.text, f.spoken) for f in found.own.faults] == [("lost", missed.text, True)]
    perfect = cuts.outcome(stream, Setup(), Oracle(words_of(stream)), Loudness(stream.audio))
    assert (perfect.own.faults, perfect.alone.faults, perfect.own.same, perfect.trims > 0) == ((), (), True, True)
    assert "| long, own" in cuts.report([found, perfect])


def test_streams_to_be_cut_have_each_word_where_it_is_said_and_nothing_after_the_stop():
    for stream in cuts.material(recordings(), 12, 1):
        inside = [word for word in words_of(stream) if word.middle < seconds(len(stream.audio))]
        assert all(stream.audio[samples(word.middle)] == 1000 for word in inside)
        assert len(words_of(stream)) - len(inside) <= 1
    assert {s.material for s in cuts.material(recordings(), 4, 1)} == {"pauses", "long", "endless"}


def test_word_times_tells_words_that_are_late_from_words_that_are_later_after_pauses():
    stream = word_times.around_pauses(recordings(), 0, pauses=4)
    middle_s = seconds(len(stream.audio)) / 2

    def late(word, window):
        return word.shifted(0.03 if word.start < middle_s else 0.08)

    row = word_times.timed(stream, Setup(), Oracle(words_of(stream), late), Loudness(stream.audio))
    assert len(row.heard) == row.spoken
    offs = word_times.drifts(row)
    assert len(offs) == 6 * word_times.REPEATED
    assert offs == pytest.approx([0.05] * len(offs), abs=1e-6)
    assert "50 [50, 50]" in word_times.report([row])


def test_people_tells_what_the_live_decodes_did_from_what_the_boundaries_did():
    row = recordings(1)[0]
    recording = common.Recording(row.name, row.audio, row.text)
    before = people.lead_in_s(recording, 0)
    words = [replace(word, start=word.start + before, end=word.end + before) for word in row.words]

    def deaf(word, window):
        """Live to one word, in utterances to another."""
        is_live, is_whole = not window.is_final or window.id > 0, window.start == 0 and window.id == 0
        return None if (is_live and word.text == " zak") or (not is_whole and word.text == " zal") else word

    length = len(recording.audio) + samples(before + people.AFTERWARDS_S)
    audio = np.zeros(length, np.int16)
    audio[samples(before) : samples(before) + len(row.audio)] = 1000
    heard = people.texts(recording, 0, Setup(), Oracle(words, deaf), Loudness(audio))
    assert [sum(heard.wrong(kind)) for kind in ("live", "own", "whole")] == [2, 1, 0]
    assert "16.67 [16.67, 16.67]" in people.report([heard])


def test_a_reference_is_split_at_its_punctuation_into_clauses_of_some_words():
    text = "And so, my fellow Americans, ask not what your country can do for you, ask more."
    assert people.clauses(text) == [
        "And so, my fellow Americans, ask not what your country can do for you,",
        "ask more.",
    ]
