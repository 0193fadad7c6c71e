"""The threads that hear for all streams, with the voice detector that ships and with one that fails."""

import asyncio
import threading

import numpy as np
import pytest

from reswhis.audio.pcm import AudioFormat
from reswhis.audio.vad import SileroVAD
from reswhis.server.ear import Ears

LIMIT_S = 10
PLAIN = AudioFormat()


class Counting:
    """A detector that counts its calls, waits until it may go on, and fails where it is told to."""

    def __init__(self, *, fails=False):
        self.calls = 0
        self.may_go_on = threading.Event()
        self.fails = fails

    def stream(self):
        return self

    def score(self, samples):
        self.calls += 1
        assert self.may_go_on.wait(LIMIT_S)
        if self.fails:
            raise FloatingPointError("no voice")
        return []


class Taken:
    """What one stream's host is told."""

    def __init__(self):
        self.heard = []
        self.failures = 0

    def take(self, heard):
        self.heard.append(heard)

    def fail(self):
        self.failures += 1

    @property
    def samples(self):
        return np.concatenate([each.samples for each in self.heard])

    @property
    def speech(self):
        return [probability for each in self.heard for probability in each.speech]


@pytest.fixture(scope="module")
def vad():
    return SileroVAD()


def play(scenario, vad):
    async def main():
        ears = Ears(vad)
        try:
            async with asyncio.timeout(LIMIT_S):
                return await scenario(ears)
        finally:
            if isinstance(vad, Counting):
                vad.may_go_on.set()
            await ears.aclose()

    return asyncio.run(main())


def sound(seconds, seed=0):
    return np.random.default_rng(seed).integers(-9000, 9000, int(seconds * 16_000), np.int16)


def alone(vad, samples):
    return vad.stream().score(samples)


async def pushed(ears, audio, piece, audio_format=PLAIN):
    taken = Taken()
    ear = ears.stream(audio_format, taken.take, taken.fail)
    for start in range(0, len(audio), piece):
        ear.hear(audio[start : start + piece])
        await asyncio.sleep(0)
    await ear.heard()
    assert ear.unheard == 0
    return ear, taken


def test_every_stream_is_heard_whole_and_in_its_order_however_many_there_are(vad):
    async def scenario(ears):
        pieces = (2, 333, 640, 2048, 32_000)
        return await asyncio.gather(
            *(pushed(ears, sound(2, seed).tobytes(), piece) for seed, piece in enumerate(pieces * 4))
        )

    for seed, (_, taken) in enumerate(play(scenario, vad)):
        assert (taken.samples == sound(2, seed)).all()
        assert taken.speech == pytest.approx(alone(vad, sound(2, seed)), abs=1e-6)


def test_what_a_resampler_holds_is_heard_before_a_flush_and_not_before(vad):
    async def scenario(ears):
        ear, taken = await pushed(ears, sound(1).tobytes(), 800, AudioFormat(sample_rate=8_000))
        before = len(taken.samples)
        await ear.drain()
        return before, len(taken.samples)

    before, after = play(scenario, vad)
    assert before < 32_000 == after


def test_what_comes_while_a_thread_is_busy_is_heard_at_once():
    detector = Counting()

    async def scenario(ears):
        taken = Taken()
        ear = ears.stream(PLAIN, taken.take, taken.fail)
        ear.hear(bytes(640))
        while not detector.calls:
            await asyncio.sleep(0.001)
        for _ in range(99):
            ear.hear(bytes(640))
        unheard = ear.unheard
        detector.may_go_on.set()
        await ear.heard()
        return unheard, len(taken.samples)

    assert play(scenario, detector) == (64_000, 32_000)
    assert detector.calls == 2


def test_who_waits_for_a_place_in_the_audio_does_not_wait_for_what_comes_after():
    detector = Counting()

    async def scenario(ears):
        taken = Taken()
        ear = ears.stream(PLAIN, taken.take, taken.fail)
        ear.hear(bytes(640))
        waiting = asyncio.create_task(ear.drain())
        await asyncio.sleep(0)
        ear.hear(bytes(6400))
        detector.may_go_on.set()
        await waiting
        at_once = len(taken.samples)
        await ear.heard()
        return at_once, len(taken.samples)

    assert play(scenario, detector) == (320, 3520)


def test_a_stream_that_cannot_be_heard_is_told_so_and_nobody_waits_for_ever(caplog):
    detector = Counting(fails=True)
    detector.may_go_on.set()

    async def scenario(ears):
        ear, taken = await pushed(ears, bytes(6400), 640)
        await ear.drain()
        return taken

    taken = play(scenario, detector)
    assert taken.failures >= 2 and not taken.heard
    assert "a stream cannot be heard" in caplog.text


def test_threads_that_have_too_many_streams_waiting_are_joined_by_others():
    detector = Counting()

    async def scenario(ears):
        def hearing():
            return sum(thread.name == "ear" for thread in threading.enumerate())

        takers = [Taken() for _ in range(1000)]
        streams = [ears.stream(PLAIN, taken.take, taken.fail) for taken in takers]
        streams[0].hear(bytes(2))
        while not detector.calls:
            await asyncio.sleep(0.001)
        few = hearing()
        for number, ear in enumerate(streams):
            ear.hear(bytes(2))
            if number % 250 == 0:
                await asyncio.sleep(0.05)
        many = hearing()
        detector.may_go_on.set()
        await asyncio.gather(*(ear.heard() for ear in streams))
        return few, many, [len(taken.samples) for taken in takers]

    few, many, heard = play(scenario, detector)
    assert few == 1 < many <= 4
    assert heard == [2] + [1] * 999


def test_who_comes_after_the_end_is_heard_all_the_same(vad):
    async def scenario(ears):
        await pushed(ears, sound(1).tobytes(), 640)
        await ears.aclose()
        return await pushed(ears, sound(1).tobytes(), 640)

    _, taken = play(scenario, vad)
    assert (taken.samples == sound(1)).all()
