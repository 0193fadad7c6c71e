"""A session, an engine and readers together, on a real event loop."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from reswhis.backends.fake import FakeBackend, heard
from reswhis.core.errors import BackendError, EngineDead
from reswhis.core.events import (
    Closed,
    Committed,
    DecodeFailed,
    Flushed,
    Reason,
    SpeechStarted,
    Tentative,
    UtteranceEnded,
)
from reswhis.core.online import OnlineASRProcessor, StreamOptions
from reswhis.core.types import Word
from reswhis.engine.engine import LocalEngine
from reswhis.server.host import Heard, Host
from reswhis.server.journal import Journal

from streams import committed, of, stream

LIMIT_S = 5
SECOND = bytes(32_000)


class Voice:
    """Takes every byte pair for a sample, and every whole frame for speech; keeps what is left over."""

    unheard = 0

    def __init__(self, take, fail):
        self.take = take
        self.left = 0

    def hear(self, data):
        samples = np.frombuffer(data, np.int16)
        frames, self.left = divmod(self.left + len(samples), 512)
        self.take(Heard(samples, self.scores(samples, frames)))

    def scores(self, samples, frames):
        return [0.9] * frames

    async def heard(self):
        pass

    async def drain(self):
        pass


class Direct:
    """An engine that answers at once, or raises what it is told to."""

    widen = 1.0

    def __init__(self, *errors):
        self.errors = dict(errors)

    async def submit(self, window, *, background=False):
        if error := self.errors.get(window.id):
            raise error
        return heard(window)


class Recorder:
    def __init__(self):
        self.entries = []

    async def __call__(self, entry):
        self.entries.append(entry)

    @property
    def events(self):
        return [entry.event for entry in self.entries]


async def stuck(entry):
    await asyncio.Event().wait()


async def speak(host, seconds):
    for _ in range(seconds):
        await host.receive_audio(SECOND)
        await asyncio.sleep(0)
    await host.receive_end()


def play(scenario):
    async def main():
        async with asyncio.timeout(LIMIT_S):
            return await scenario()

    return asyncio.run(main())


async def serve(engine, seconds, send, **config):
    host = Host(stream(), engine, Voice, **config)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(host.run())
        tasks.create_task(host.read(send))
        await speak(host, seconds)
    return host


@pytest.mark.parametrize("clients", [1, 20])
def test_every_client_gets_every_word_once(clients):
    readers = [Recorder() for _ in range(clients)]

    async def scenario():
        async with LocalEngine(lambda worker: FakeBackend()) as engine:
            await asyncio.gather(*(serve(engine, 5, reader) for reader in readers))

    play(scenario)
    for reader in readers:
        assert committed(reader.events) == "w0 w1 w2 w3 w4" and reader.events[-1] == Closed()


def test_entries_are_numbered_without_a_gap_and_carry_the_audio_position():
    reader = Recorder()
    play(lambda: serve(Direct(), 5, reader))
    lasting = [e for e in reader.entries if not isinstance(e.event, Tentative)]
    assert [e.number for e in lasting] == list(range(1, len(lasting) + 1))
    assert lasting[-1].audio == 5 * 16_000


def test_a_client_that_writes_everything_first_and_reads_later_gets_everything():
    written, reader = asyncio.Event(), Recorder()

    async def reads_later(entry):
        await written.wait()
        await reader(entry)

    async def scenario():
        host = Host(stream(), Direct(), Voice, max_backlog_s=2)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(host.run())
            tasks.create_task(host.read(reads_later))
            await speak(host, 60)
            written.set()

    play(scenario)
    assert committed(reader.events).split() == [f"w{n}" for n in range(60)]
    assert len(of(Tentative, reader.events)) < 5  # the newer ones replaced the others


def test_a_reader_that_takes_nothing_is_left_and_the_others_go_on():
    reader = Recorder()

    async def scenario():
        host = Host(stream(), Direct(), Voice)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(host.run())
            tasks.create_task(host.read(reader))
            await host.receive_audio(SECOND)
            with pytest.raises(TimeoutError):
                await host.read(stuck, write_timeout_s=0.01)
            await speak(host, 4)

    play(scenario)
    assert committed(reader.events) == "w0 w1 w2 w3 w4"


def test_a_reader_that_comes_back_continues_where_it_was():
    again = Recorder()

    async def scenario():
        host = await serve(Direct(), 5, Recorder())
        await host.read(again, after=3)

    play(scenario)
    assert again.entries[0].number == 4 and again.events[-1] == Closed()


def test_a_failed_window_is_reported_and_the_session_goes_on():
    reader = Recorder()
    play(lambda: serve(Direct((1, BackendError("cuda at 0xdead"))), 5, reader))
    assert len(of(DecodeFailed, reader.events)) == 1 and "0xdead" not in str(reader.events)
    assert committed(reader.events) == "w0 w1 w2 w3 w4" and reader.events[-1] == Closed()


@pytest.mark.parametrize(
    ("error", "code"), [(EngineDead("gone"), "engine_stopped"), (KeyError("/secret"), "internal_error")]
)
def test_when_nothing_can_be_decoded_any_more_the_session_ends_in_our_words(error, code):
    reader = Recorder()
    play(lambda: serve(Direct((1, error)), 100, reader))
    assert of(Closed, reader.events) == [Closed(code)] == reader.events[-1:]


def test_a_flush_is_answered_while_the_session_goes_on():
    reader = Recorder()

    async def scenario():
        host = Host(stream(), Direct(), Voice)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(host.run())
            tasks.create_task(host.read(reader))
            await host.receive_audio(SECOND)
            await host.receive_flush("f", Reason.IDLE)
            await speak(host, 1)

    play(scenario)
    assert of(Committed, reader.events)[0].reason is Reason.IDLE and Flushed("f") in reader.events


def test_flushes_without_end_end_the_session_and_not_the_memory():
    reader = Recorder()

    async def scenario():
        host = Host(stream(), Direct(), Voice, max_entries=100)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(host.run())
            tasks.create_task(host.read(reader))
            for n in range(1000):
                await host.receive_flush(str(n))
        return len(host.journal)

    assert play(scenario) < 110 and reader.events[-1] == Closed("session_limit")


def test_a_client_that_vanishes_frees_everything():
    async def scenario():
        async with LocalEngine(lambda worker: FakeBackend()) as engine:
            serving = asyncio.create_task(serve(engine, 10_000, stuck))
            await asyncio.sleep(0)
            serving.cancel()
            await asyncio.wait([serving])
        return asyncio.all_tasks() - {asyncio.current_task()}

    assert play(scenario) == set()


def test_the_journal_keeps_of_the_tentatives_only_the_one_that_still_holds():
    words = (Word(0, 1, " a"),)

    async def scenario():
        journal = Journal()
        for event in (SpeechStarted(1, 0.0), Tentative(1, words), Committed(1, words, Reason.FLUSH)):
            journal.append(event, 0)
        journal.append(Tentative(1, ()), 0)
        journal.append(last := Tentative(1, words), 0)
        entries = journal.follow()
        return last, [(await anext(entries)).event for _ in range(3)]

    last, events = play(scenario)
    assert [type(e) for e in events] == [SpeechStarted, Committed, Tentative] and events[-1] is last


class Halting(Voice):
    """As Voice, but hears zeros as silence."""

    def scores(self, samples, frames):
        return [0.9 if samples.any() else 0.0] * frames


def test_configure_that_ends_an_utterance_is_heard_of_without_more_audio():
    reader = Recorder()

    async def scenario():
        options = StreamOptions(vad=False)
        host = Host(OnlineASRProcessor(options=options), Direct(), Halting)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(host.run())
            reading = tasks.create_task(host.read(reader))
            await host.receive_audio(b"\1\0" * 16_000)
            await host.receive_audio(SECOND)
            while not of(Committed, reader.events):
                await asyncio.sleep(0)
            host.receive_configure(replace(options, vad=True))
            while not of(UtteranceEnded, reader.events):
                await asyncio.sleep(0)
            await host.receive_end()
            await reading

    play(scenario)


class Behind(Direct):
    """An engine that has more to decode than it can."""

    widen = 8.0


@pytest.mark.parametrize("engine", [Direct(), Behind()])
@pytest.mark.parametrize("piece", [640, 3200])
def test_a_session_at_its_smallest_bound_is_always_read_on(piece, engine):
    async def main():
        session = stream(step_s=0.5, new_share=0.5)
        host = Host(session, engine, Voice, max_backlog_s=session.config.longest_step_s)
        async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
            tasks.create_task(host.run())
            for _ in range(10 * 32_000 // piece):
                await host.receive_audio(bytes(piece))
                await asyncio.sleep(0)
            await host.receive_end()
        return session.received

    assert asyncio.run(main()) >= 9.9 * 16_000
