"""Whether benchmarks/quality.py measures what is so, with a recogniser that knows the words."""

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reswhis.backends.fake import FakeBackend
from reswhis.core.commit import PolicyConfig
from reswhis.core.config import SessionConfig
from reswhis.core.endpointing import FRAME
from reswhis.core.events import Committed, Reason, Tentative, UtteranceEnded
from reswhis.core.types import DecodeOptions, Hypothesis, Window, Word, join, samples, seconds
from reswhis.simulation import Emission

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from quality import Replayed, Setup, arguments, measure, setups
from quality_baseline import Predecessor
from quality_decoding import CachedDecoder, Decode, Meter, Span, WorkClock, stretches
from quality_material import Piece, Plan, Recording, Said, Stream, duration_s, streams
from quality_report import Rate, Report, Row, plot, table
from quality_scores import Reference, erased, errors_by_block, latencies

TEXTS = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliet", "kilo", "lima"]
AT_ENDPOINT = Setup(SessionConfig(policy=PolicyConfig("endpoint")))
ENDPOINT_S = 0.512
"""What the default of half a second comes to in frames."""


def spoken(begin, texts=TEXTS):
    return tuple(Said(text, begin + 0.32 * i, begin + 0.32 * (i + 1)) for i, text in enumerate(texts))


def stream(words, length_s):
    recording = Recording("a", np.zeros(0, np.int16), " ".join(word.text for word in words), words)
    return Stream("utterances", "a", np.zeros(samples(length_s), np.int16), (Piece(recording, 0, 0),))


def vad(words, length_s):
    begin, end = words[0].start, words[-1].end
    return Replayed([0.9 if begin <= i * FRAME / 16_000 < end else 0.0 for i in range(samples(length_s) // FRAME)])


def as_heard(words):
    return [Word(word.start, word.end, f" {word.text}") for word in words]


class Oracle:
    """Hears each word of which the window holds the middle; some of them never, some twice."""

    def __init__(self, words, *, cost_s=0.0, deaf_to=(), twice=()):
        self.words, self.cost_s, self.deaf_to, self.twice = words, cost_s, deaf_to, twice

    def decode(self, window):
        begin, end = seconds(window.start), seconds(window.end)
        heard = []
        for word in self.words:
            if begin <= word.middle < end and word.text not in self.deaf_to:
                times = [word.start, word.middle, word.end] if word.text in self.twice else [word.start, word.end]
                heard += [Word(a - begin, b - begin, f" {word.text}") for a, b in zip(times, times[1:], strict=False)]
        return Decode(Hypothesis(tuple(heard), language="en", language_probability=1.0), self.cost_s)


def measured(setup, oracle, words, length_s=8.0):
    heard = as_heard(words)
    return measure(stream(words, length_s), setup, oracle, vad(words, length_s), Reference(heard, heard))


@pytest.mark.parametrize("cost_s", [0.0, 0.16])
def test_a_word_is_committed_by_the_endpoint_as_long_after_its_end_as_that_is_away(cost_s):
    words = spoken(0.448)  # its end and the endpoint's are multiples of 40 ms, which is how audio comes
    score = measured(replace(AT_ENDPOINT, slowness=1.0), Oracle(words, cost_s=cost_s), words)
    known = [words[-1].end + ENDPOINT_S + cost_s - word.end for word in words]
    assert [row.commit for row in score.latencies] == pytest.approx(known, abs=1e-3)
    assert all(row.display <= row.commit for row in score.latencies)
    assert score.latencies[0].display < 1.0 + cost_s
    assert {row.reason for row in score.latencies} == {"endpoint"}
    assert all(row.right and abs(row.start_off) < 1e-6 for row in score.latencies)
    assert (score.unpaired, score.erased, score.faults, sum(score.wrong)) == (0, 0, (), 0)


def test_decoding_costs_no_time_when_computationally_unaware():
    words = spoken(0.448)
    slow, fast = (measured(AT_ENDPOINT, Oracle(words, cost_s=cost_s), words) for cost_s in (0.4, 0.0))
    assert slow.latencies == fast.latencies
    assert slow.cost.cpu_s == pytest.approx(0.4 * slow.cost.calls)


@pytest.mark.parametrize("policy", ["local-agreement", "alignatt", "endpoint"])
def test_what_the_recogniser_drops_is_lost_and_what_it_says_twice_is_doubled(policy):
    words = spoken(0.448)
    setup = Setup(SessionConfig(policy=PolicyConfig(policy)))
    score = measured(setup, Oracle(words, deaf_to=("golf",), twice=("charlie",)), words)
    assert [(fault.kind, fault.text) for fault in score.faults] == [("doubled", "charlie"), ("lost", "golf")]
    assert {fault.place for fault in score.faults} == {"speech"}
    assert (score.wrong, score.words, score.unpaired) == ((2,), (len(words),), 1)
    assert score.own_faults == ()  # an utterance decoded whole by the same recogniser has the same faults


def test_a_word_is_first_displayed_when_it_first_stands_there_with_its_text():
    said = [
        Emission(1.0, Tentative(1, (Word(0.1, 0.4, " a"), Word(0.5, 0.8, " b")))),
        Emission(2.0, Tentative(1, (Word(0.1, 0.4, " a"), Word(0.5, 0.8, " c"), Word(1.0, 1.4, " d")))),
        Emission(3.0, Committed(1, (Word(0.1, 0.4, " A,"), Word(0.5, 0.8, " c")), Reason.AGREEMENT)),
        Emission(3.0, Tentative(1, (Word(1.0, 1.4, " d"),))),
        Emission(4.0, Committed(1, (Word(1.0, 1.4, " d"), Word(1.5, 1.9, " e")), Reason.ENDPOINT)),
        Emission(4.0, UtteranceEnded(1, "", 0, 2, "en", Reason.ENDPOINT)),
    ]
    truth = [Said(text, at, at + 0.5) for text, at in zip("acde", (0.0, 0.5, 1.0, 1.5), strict=True)]
    rows = list(latencies(truth, said))
    assert [row.display for row in rows] == [0.5, 1.0, 0.5, 2.0]
    assert [row.commit for row in rows] == [2.5, 2.0, 2.5, 2.0]
    assert erased(said) == 1  # "b" became "c"


def test_errors_belong_to_the_block_in_whose_words_they_fall():
    truths = ["alpha bravo charlie", "delta echo foxtrot"]
    assert errors_by_block(truths, "Alpha charlie delta. echo x y foxtrot!") == (1, 2)
    assert errors_by_block(truths, "Alpha bravo charlie x. Delta echo foxtrot") == (1, 0)
    assert errors_by_block(truths, "") == (3, 3)


def test_the_difference_of_pairs_has_no_spread_where_every_pair_differs_alike():
    rate = Rate.of([1, 2, 1], [10, 20, 10])
    assert (rate.value, rate.low, rate.high) == pytest.approx((10, 10, 10))


def test_the_predecessor_decodes_its_whole_buffer_at_every_step_and_keeps_fifteen_seconds():
    words = spoken(0.4, [f"{a}{b}" for a in TEXTS for b in "mnopqrst"])  # 31 s
    meter = Meter(Oracle(words), WorkClock(0.0))
    said = list(Predecessor(meter, DecodeOptions(), 1.0).stream(np.zeros(samples(40.0), np.int16)))
    texts = [word.text.strip() for e in said if isinstance(e.event, Committed) for word in e.event.words]
    assert texts == [word.text for word in words]
    lengths = [step - seconds(start) for step, start in enumerate([window.start for window in meter.windows], 1)]
    assert len(lengths) == 40
    assert lengths[:16] == list(range(1, 17))  # one step more than the buffer's 15 s
    assert max(lengths) == 16
    assert seconds(meter.decoded) == pytest.approx(sum(lengths))


def test_a_decode_is_remembered_for_the_same_audio_and_prompt_wherever_they_are(tmp_path):
    backend = FakeBackend()
    decoder = CachedDecoder(tmp_path / "cache", "model", lambda: backend)
    audio = np.arange(32_000, dtype=np.int16)
    first = decoder.decode(Window(0, 0, audio, prompt="so"))
    assert decoder.decode(Window(7, 64_000, audio, prompt="so")) == first
    assert join(first.hypothesis.words) == "w0 w1"
    decoder.decode(Window(0, 0, audio, prompt="no"))
    decoder.decode(Window(0, 0, audio, DecodeOptions(beam_size=2), prompt="so"))
    decoder.decode(Window(0, 0, audio, prompt="so", is_final=True))
    assert (decoder.hits, decoder.misses, len(backend.batches)) == (1, 4, 4)
    other = CachedDecoder(tmp_path / "cache", "another model", lambda: backend)
    other.decode(Window(0, 0, audio, prompt="so"))
    assert (other.hits, other.misses) == (0, 1)
    for each in (decoder, other):
        each.close()


def test_material_is_as_long_as_asked_with_words_where_they_are_said():
    voice = np.full(samples(2.0), 1000, np.int16)
    rows = [Recording(str(n), voice, "alpha bravo", spoken(0.5, TEXTS[:2])) for n in range(3)]
    plan = Plan(words=40, seeds=2, monologue_s=10.0, stream_s=130.0)
    for material in ("utterances", "monologues", "stream"):
        made = streams(material, rows, plan)
        assert [len(s.pieces) for s in made] == [len(s.pieces) for s in streams(material, rows, plan)]
        assert sum(len(piece.words) for s in made for piece in s.pieces) >= plan.words
        for s in made:
            assert all(s.audio[samples(word.middle)] == 1000 for piece in s.pieces for word in piece.words)
    assert len(made[0].truths) == 3
    assert Counter(duration_s(s) >= 130 for s in made) == {True: len(made)}


def test_a_sweep_has_each_point_once_and_the_default_among_them():
    asked = "--policy local-agreement alignatt --n 2 3 --holdback 0.3 0.5 --step 0.7 --baseline"
    points = setups(arguments(asked.split()))
    assert [point.is_default for point in points] == [True] + 5 * [False]  # two of each policy, and the predecessor's
    assert len({point.name for point in points}) == 6


def test_the_report_marks_the_default_and_the_plot_is_xml():
    from xml.etree import ElementTree

    words = spoken(0.448)
    score = measured(AT_ENDPOINT, Oracle(words), words)
    row = replace(Row.of("utterances", "unaware", "endpoint, step 1", [score]), is_default=True)
    report = Report("here", {}, (row, replace(row, name="other", is_default=False)), 1, 1, 1.0)
    assert "endpoint, step 1 *" in table(report)
    assert ElementTree.fromstring(plot(report)).tag.endswith("svg")
    assert '"is_default": true' in report.to_json()


def test_a_stretch_ends_with_a_final_window_unless_the_next_one_goes_on_with_it():
    windows = [Span(0, 20_000, False), Span(0, 40_000, True), Span(0, 60_000, True)]  # no sentence, then the endpoint
    windows += [Span(70_000, 90_000, True), Span(88_000, 120_000, False), Span(100_000, 130_000, True)]  # a trim
    windows += [Span(110_000, 140_000, True)]  # begins with the last words before a cut
    assert stretches(windows) == [(0, 60_000), (70_000, 90_000), (88_000, 130_000), (130_000, 140_000)]
