"""Whether capacity.py, peers.py, unfair.py and gpu.py make the right thing of what they measure."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from reswhis.core.types import samples, seconds

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import gpu
import unfair
from capacity import Search, arguments
from capacity_clients import Arrival, Heard, Job, Written, play
from capacity_meter import Cost, Queue, counts, queue
from capacity_report import held, plot, table
from capacity_runs import Point, Run
from capacity_scores import Lateness, Result, result
from capacity_search import largest, next_to_try
from capacity_streams import Sound, sounds
from common import RECORDINGS
from peers_local_agreement import Stream as LoopStream
from peers_local_agreement import Word as LoopWord
from quality_material import Recording, Said, recordings
from server_process import Process

TEXTS = ("alpha", "bravo", "charlie", "delta", "echo", "foxtrot")


def sound(texts=TEXTS, exact=True):
    words = tuple(Said(text, n + 0.2, n + 0.7, exact) for n, text in enumerate(texts))
    return Sound("a", np.zeros(samples(len(texts) + 1.0), np.int16), " ".join(texts), words, 1000, 0.0)


def heard(*words, failure=""):
    return Heard(tuple(Arrival(text, at) for text, at in words), 0.0, failure)


def point(streams, late_s, *, wrong=0, alone_wer=0.0, failures=()):
    late = tuple(Lateness(late_s, True) for _ in range(20))
    cost = Cost(30.0, 35.0, 3.0, 0.1, 0.4, 10.0, None)
    return Point("x", streams, (Run("x", streams, Result(100, wrong, late, 0, failures, 0.0), cost),), alone_wer)


# Words.


def test_a_word_is_as_late_as_its_commit_is_after_its_end():
    said = [(text, n + 2.0) for n, text in enumerate(TEXTS)]
    found = result([sound()], [heard(*said)])
    assert [late.seconds for late in found.late] == pytest.approx([1.3] * len(TEXTS))
    assert (found.words, found.wrong, found.unpaired, found.late_s(95)) == (6, 0, 0, pytest.approx(1.3))


def test_a_word_that_never_came_is_wrong_and_has_no_latency_and_takes_none_from_its_neighbours():
    said = [(text, n + 2.0) for n, text in enumerate(TEXTS) if text != "charlie"]
    found = result([sound()], [heard(*said)])
    assert [late.seconds for late in found.late] == pytest.approx([1.3] * 5)
    assert (found.wrong, found.unpaired) == (1, 1)


def test_a_word_that_came_before_it_was_said_is_another_word():
    found = result([sound()], [heard(*((text, 1.0) for text in TEXTS))])
    assert len(found.late) == 1  # the first: the others' ends were still to come
    assert found.unpaired == 5


def test_latencies_are_of_exact_times_where_there_are_some():
    said = [(text, n + 2.0) for n, text in enumerate(TEXTS)]
    later = [(text, n + 5.0) for n, text in enumerate(TEXTS)]
    found = result([sound(), sound(exact=False)], [heard(*said), heard(*later)])
    assert found.late_s(95) == pytest.approx(1.3)
    assert result([sound(exact=False)], [heard(*later)]).late_s(95) == pytest.approx(4.3)


def test_of_a_transcript_that_is_sent_whole_words_keep_the_time_at_which_they_first_stood_there():
    written = Written(clock=iter((1.0, 2.0, 3.0)).__next__)
    for text in ("he must do", "he must do it all", "he must not do it all"):
        written.shows(text)
    times = {"he": 1.0, "must": 1.0, "not": 3.0, "do": 1.0, "it": 2.0, "all": 2.0}
    assert {word.text: word.at_s for word in written.words} == times
    assert " ".join(word.text for word in written.words) == "he must not do it all"


# Streams.


def test_streams_are_the_same_however_many_there_are_and_their_frames_are_all_of_them():
    voice = np.arange(samples(2.0), dtype=np.int16)
    words = (Said("alpha", 0.1, 0.5), Said("bravo", 0.6, 1.0))
    rows = [Recording(str(n), voice + n, f"alpha bravo {n}", words) for n in range(5)]
    three = sounds(rows, 3, 10.0)
    for one, other in zip(sounds(rows, 2, 10.0), three, strict=False):
        assert (one.frame, one.begins_s, one.words, one.audio.tolist()) == (
            other.frame,
            other.begins_s,
            other.words,
            other.audio.tolist(),
        )
    for each in three:
        assert 0.04 <= seconds(each.frame) <= 0.1
        assert np.concatenate([frame for _, frame in each.frames()]).tolist() == each.audio.tolist()
        assert [at for at, _ in each.frames()][-1] == each.duration_s >= 10.0
    assert len({each.audio.tobytes() for each in three}) == 3


@pytest.fixture(scope="module")
def fake_server():
    server = Process("--backend", "fake", "--language", "en").ready()
    yield server
    server.stop()


def test_a_client_hears_words_when_they_can_be_known_and_not_before(fake_server):
    speech = min(recordings(RECORDINGS), key=lambda row: len(row.audio)).audio
    (one,), cpu_s = play(Job("native", fake_server.url, (replace(sound(), audio=speech, frame=800),)))
    assert (one.failure, cpu_s > 0, len(one.words) > 0) == ("", True, True)
    assert all(word.at_s >= int(word.text.removeprefix("w")) + 0.4 for word in one.words)


def test_a_client_that_is_refused_says_why():
    (one,), _ = play(Job("native", "http://127.0.0.1:9", (sound(),)))
    assert one.words == () and "Error" in one.failure


# The largest number.


@pytest.mark.parametrize("most", [0, 1, 2, 5, 7, 8, 13, 64])
def test_the_largest_number_is_found_in_few_steps_and_none_is_tried_twice(most):
    tried = {}
    while (streams := next_to_try(tried, [lambda held: held], most=64)) is not None:
        assert streams not in tried
        tried[streams] = streams <= most
    assert largest(tried, lambda held: held) == most
    assert len(tried) <= 12


def test_for_several_limits_what_one_has_tried_serves_the_others():
    tried = {}
    limits = [lambda n: n <= 3, lambda n: n <= 11]
    while (streams := next_to_try(tried, limits, most=64)) is not None:
        tried[streams] = streams
    assert [largest(tried, limit) for limit in limits] == [3, 11]
    assert len(tried) <= 9


@dataclass
class Scripted:
    """A laboratory whose runs are as late as the script says, each time it is asked."""

    late_s: dict

    def run(self, subject, streams):
        return point(streams, self.late_s[streams].pop(0)).runs[0]

    def point(self, subject, runs):
        return Point("x", runs[0].streams, tuple(runs), 0.0)


def test_a_number_that_does_not_hold_by_its_median_gives_way_to_the_next_smaller():
    late = {1: [1, 1, 1], 2: [1, 1, 1], 3: [2, 2, 2], 4: [2, 4, 4], 8: [9, 9, 9]}
    late |= {5: [3, 3, 3], 6: [9, 9, 9]}
    search = Search(Scripted(late), None, [2.5], 64)
    asked = []
    while (streams := search.next(3)) is not None:
        asked.append(streams)
        search.run(streams)
    assert asked[:6] == [1, 2, 4, 8, 6, 5]
    assert largest(search.points, lambda p: p.within(2.5)) == 3
    assert all(len(search.points[n].runs) == 3 for n in (1, 2, 3, 4))


def test_streams_are_held_if_they_are_in_time_and_not_much_worse_than_one_by_one():
    assert point(4, 2.4, wrong=12, alone_wer=10.0).within(2.5)
    assert not point(4, 2.6, wrong=10, alone_wer=10.0).within(2.5)
    assert not point(4, 2.4, wrong=13, alone_wer=10.0).within(2.5)
    assert not point(4, 2.4, failures=("refused",)).within(2.5)


# What is said of it.


PAGE = """# TYPE reswhis_queue_seconds histogram
reswhis_queue_seconds_bucket{kind="partial",le="0.1"} %d
reswhis_queue_seconds_bucket{kind="partial",le="0.5"} %d
reswhis_queue_seconds_bucket{kind="partial",le="+Inf"} %d
reswhis_queue_seconds_count{kind="partial"} %d
reswhis_queue_seconds_sum{kind="partial"} %f
reswhis_queue_seconds_count{kind="final"} 5
reswhis_queue_seconds_sum{kind="final"} 1.0
# TYPE reswhis_decode_seconds histogram
reswhis_decode_seconds_count %d
reswhis_decode_seconds_sum %f
"""


def test_what_metrics_count_is_the_difference_of_two_pages():
    before, after = (counts(PAGE % row) for row in ((1, 2, 2, 2, 0.2, 1, 0.5), (2, 22, 22, 22, 4.2, 11, 2.5)))
    found = queue(before, after, [1.0, 3.0])
    assert (found.windows, found.batches, found.decoding_s) == (20, 10, 2.0)
    assert (found.wait_mean_s, found.wait_p95_s) == (pytest.approx(0.2), 0.5)
    assert (found.widened_mean, found.widened_most) == (2.0, 3.0)


def test_the_table_has_a_row_for_each_number_and_the_plot_is_xml():
    points = {n: point(n, late_s) for n, late_s in ((1, 1.0), (2, 2.0), (4, 20.0))}
    told = queue({}, {}, [])
    assert isinstance(told, Queue)
    run = points[1].runs[0]
    points[1] = replace(points[1], runs=(replace(run, cost=replace(run.cost, queue=told)),))
    lines = table(list(points.values())).splitlines()
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["1", "2", "4"]
    assert "2 streams, 2.00 s" in held(points, [2.5])[0]
    assert ElementTree.fromstring(plot(list(points.values()), [2.5], "a < b")).tag.endswith("svg")


def test_what_follows_two_dashes_is_the_servers():
    args = arguments(["--context", "dynamic", "--", "--max-batch", "4"])
    assert (args.context, args.server) == ("dynamic", ["--max-batch", "4"])


# The peer that is written here.


def loop(*texts, begin=0.0):
    return [LoopWord(begin + n, begin + n + 0.8, f" {text}") for n, text in enumerate(texts)]


def test_local_agreement_says_what_two_decodes_in_a_row_begin_with_once():
    stream = LoopStream()
    assert stream.hears(loop("so", "far")) == []
    assert stream.hears(loop("So,", "far", "sew")) == loop("So,", "far")
    assert stream.hears(loop("so", "far", "so", "good")) == []
    assert stream.hears(loop("so", "far", "so", "good")) == loop("so", "good", begin=2.0)
    assert stream.hears(loop("so", "far", "so", "good", "yes")) == []
    assert stream.ends() == loop("yes", begin=4.0)


# The others.


def test_bad_neighbours_may_cost_the_others_a_tenth_or_a_tenth_of_a_second():
    def pair(alone_s, crowded_s):
        return unfair.Pair(*(unfair.Outcome(p95, 0.5, 10, 0, 0.0, 1.0, []) for p95 in (alone_s, crowded_s)))

    assert "within" in unfair.verdict([pair(1.0, 1.09), pair(1.0, 9.0), pair(1.0, 0.9)])
    assert "within" in unfair.verdict([pair(4.0, 4.39)])
    assert "MORE" in unfair.verdict([pair(1.0, 1.11)])


def test_costs_of_batches_are_a_line_through_them():
    rows = [gpu.Row(n, 0.02 + 0.003 * n, n, 0.0, 0.0, 0.0, 0.0, 0.0, 10.0) for n in (1, 4, 16, 64)]
    line = gpu.Line.through(rows)
    assert (line.fixed_s, line.per_window_s) == (pytest.approx(0.02), pytest.approx(0.003))
    assert "302 streams at one decode per second, in batches of 64" in gpu.conclusion(rows, line)
