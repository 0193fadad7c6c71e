"""One file through one session: each utterance is decoded once, whatever is fast and whatever is slow."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from reswhis.backends.fake import FakeBackend
from reswhis.core.commit import PolicyConfig
from reswhis.core.config import SessionConfig, StreamOptions
from reswhis.core.endpointing import FRAME
from reswhis.core.errors import BackendError, EngineDead
from reswhis.core.types import SAMPLE_RATE, DecodeOptions, samples, seconds
from reswhis.engine.engine import LocalEngine
from reswhis.server import offline

from streams import QUIET, VOICE

ENGLISH = StreamOptions(DecodeOptions(language="en"))


class Scores:
    """So many seconds of voice and of quiet in turns."""

    def __init__(self, *spans_s):
        self._ends = np.cumsum([samples(span) for span in spans_s])
        self._heard = self._scored = 0

    def score(self, audio):
        self._heard += len(audio)
        scores = []
        while self._scored + FRAME <= self._heard:
            self._scored += FRAME
            turn = int(np.searchsorted(self._ends, self._scored))
            scores.append(QUIET if turn % 2 else VOICE)
        return scores


class Record:
    """What a listener was told."""

    def __init__(self):
        self.texts, self.gaps, self.seconds = [], [], []

    def said(self, utterance):
        self.texts.append(utterance.text)

    def lost(self, start, end):
        self.gaps.append((start, end))

    def reached(self, second):
        self.seconds.append(second)


class Counting:
    """An engine that notes its windows; ``failing`` are not decoded."""

    widen = 1.0

    def __init__(self, engine, *, failing=()):
        self.engine, self.windows, self._failing = engine, [], failing

    async def submit(self, window, *, background=False):
        self.windows.append(window)
        if len(self.windows) in self._failing:
            raise BackendError("asked for")
        return await self.engine.submit(window)


def transcribe(*spans_s, as_live=False, policy="endpoint", failing=(), before=lambda windows: None):
    """The transcript of voice and quiet in turns, the windows that it took, and what the listener was told."""
    record = Record()

    async def run():
        with ThreadPoolExecutor(1) as threads:
            async with LocalEngine(lambda worker: FakeBackend(before=before)) as engine:
                counting = Counting(engine, failing=failing)
                transcript = await offline.transcribe(
                    [np.zeros(samples(sum(spans_s)), np.int16)],
                    counting,
                    Scores(*spans_s),
                    threads,
                    SessionConfig(policy=PolicyConfig(policy)),
                    ENGLISH,
                    record,
                    as_live=as_live,
                )
            return transcript, counting.windows, record

    return asyncio.run(run())


def test_each_utterance_is_decoded_once_when_its_end_is_known():
    transcript, windows, record = transcribe(4.8, 2.2, 19.8, 3.2, 0.8, 2.2)
    assert len(windows) == 3 and all(window.is_final for window in windows)
    assert [u.text for u in transcript.utterances] == record.texts
    assert transcript.text == " ".join(f"w{n}" for n in (*range(5), *range(7, 27), 30))
    assert (transcript.language, transcript.duration, transcript.lost) == ("en", 33.0, ())


def test_as_live_more_is_decoded_and_the_text_is_the_same():
    once, few, _ = transcribe(12, 2, 5)
    live, many, _ = transcribe(12, 2, 5, as_live=True, policy="local-agreement")
    assert live.text == once.text
    assert len(many) > 4 * len(few) == 8


def test_how_fast_the_recogniser_is_changes_nothing():
    never = threading.Event()
    spans = (20, 1) * 3

    def windows_of(before, **options):
        return [(w.start, len(w.audio), w.prompt) for w in transcribe(*spans, before=before, **options)[1]]

    for options in ({}, {"as_live": True}):
        assert windows_of(lambda _: None, **options) == windows_of(lambda _: never.wait(0.01), **options)


def test_speech_without_a_pause_is_cut_and_never_held_as_a_whole():
    transcript, windows, _ = transcribe(200)
    assert all(len(window.audio) <= 28 * SAMPLE_RATE for window in windows)
    assert len(windows) < 14 and transcript.text == " ".join(f"w{n}" for n in range(200))


@pytest.mark.parametrize("spans", [(0,), (0, 300), (0, 0.01)])
def test_without_speech_nothing_is_decoded(spans):
    transcript, windows, record = transcribe(*spans)
    assert (transcript.utterances, windows, record.texts) == ((), [], [])


def test_a_listener_hears_how_far_it_is_up_to_the_end():
    _, _, record = transcribe(20, 2, 20, 40)
    assert all(before < after + 1e-6 for before, after in pairwise(record.seconds))
    assert record.seconds[-1] == pytest.approx(82, abs=0.04) and len(record.seconds) > 5


def test_what_could_not_be_decoded_is_told_and_the_rest_goes_on():
    transcript, windows, record = transcribe(2.8, 2.2, 2.8, 2.2, 3, failing=(2,))
    lost = (seconds(windows[1].start), seconds(windows[1].end))
    assert transcript.lost == (lost,) == tuple(record.gaps)
    assert [u.text for u in transcript.utterances] == ["w0 w1 w2", "w10 w11 w12"]


def test_when_the_engine_has_died_the_caller_is_told():
    async def run():
        async with LocalEngine(lambda worker: FakeBackend()) as engine:
            pass
        with ThreadPoolExecutor(1) as threads:
            audio = [np.zeros(5 * SAMPLE_RATE, np.int16)]
            await offline.transcribe(audio, engine, Scores(5), threads, SessionConfig(), ENGLISH, Record())

    with pytest.raises(EngineDead):
        asyncio.run(run())


def test_cancelling_takes_the_window_out_of_the_queue():
    decoding, over = threading.Event(), threading.Event()

    def before(windows):
        decoding.set()
        over.wait(10)

    async def run():
        with ThreadPoolExecutor(2) as threads:
            async with LocalEngine(lambda worker: FakeBackend(max_batch=1, before=before)) as engine:
                audio = [np.zeros(5 * SAMPLE_RATE, np.int16)]
                tasks = [
                    asyncio.create_task(
                        offline.transcribe(audio, engine, Scores(5), threads, SessionConfig(), ENGLISH, Record())
                    )
                    for _ in range(2)
                ]
                await asyncio.get_running_loop().run_in_executor(threads, decoding.wait)
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
                over.set()
                assert all(task.cancelled() for task in tasks)
                assert len(engine._queue) == 0

    asyncio.run(run())
