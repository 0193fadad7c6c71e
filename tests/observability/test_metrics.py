"""What is counted, by whom, and what the page of it says."""

import asyncio
import re
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import REGISTRY
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from reswhis.backends.base import BackendInfo
from reswhis.backends.fake import FakeBackend
from reswhis.core.commit import PolicyConfig
from reswhis.core.errors import BackendError
from reswhis.core.events import Reason, Suppressed
from reswhis.core.types import Hypothesis, Segment, Window, samples
from reswhis.engine.engine import LocalEngine
from reswhis.observability.health import State
from reswhis.observability.metrics import Metrics, Snapshot
from reswhis.server.host import Heard, Host

from streams import heard, of, stream

LIMIT_S = 5
DOCS = Path(__file__).parents[2] / "docs" / "metrics.md"
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
NOW = Snapshot(
    state=State.READY,
    workers=2,
    workers_ready=1,
    windows_waiting=3,
    sessions=4,
    clients=5,
    clients_max=6,
    backlog_s=7.5,
    model=BackendInfo("fake", 'a "quoted"\nname', "cpu", "none"),
    models={"base": True, "tiny": False},
)


def families(metrics, now=NOW):
    return list(text_string_to_metric_families(metrics.page("", now)[0].decode()))


def value(metrics, name, **labels):
    [found] = [s.value for f in families(metrics) for s in f.samples if (s.name, s.labels) == (name, labels)]
    return found


class Voice:
    """Hears every byte pair as a sample of speech."""

    unheard = 0

    def __init__(self, take, fail):
        self.take = take

    def hear(self, data):
        self.take(Heard(np.frombuffer(data, np.int16), [0.9] * (len(data) // 1024)))

    async def heard(self):
        pass

    async def drain(self):
        pass


class Scripted:
    """An engine that answers each window in turn, or raises the answer."""

    widen = 1.0

    def __init__(self, *answers):
        self.answers = list(answers)

    async def submit(self, window, *, background=False):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def host(metrics, *answers):
    """Feed four seconds, each decoded before the next comes, to a session whose recogniser answers so; what it said."""
    events = []

    async def reader(entry):
        events.append(entry.event)

    async def main():
        made = Host(stream(policy=PolicyConfig("endpoint")), Scripted(*answers), Voice, metrics=metrics)
        async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
            tasks.create_task(made.run())
            tasks.create_task(made.read(reader))
            for _ in range(4):
                await made.receive_audio(bytes(2 * 16_384))
                while made.backlog_s >= 1:
                    await asyncio.sleep(0)
            await made.receive_end()

    asyncio.run(main())
    return events


def test_suppressed_words_are_counted_by_reason_in_every_decode_that_heard_them():
    nobody = Segment(0, 1, average_log_probability=-2, no_speech_probability=0.9)
    thanks = Hypothesis(heard("thank", "you").words, (nobody,))
    stuck = Segment(0, 2, compression_ratio=3.0)
    loop = Hypothesis(heard(*["no"] * 30, each=0.05).words, (stuck,))
    metrics = Metrics()
    events = host(metrics, thanks, thanks, loop, heard("yes"), heard("yes"))
    seen = [(e.reason, len(e.words)) for e in of(Suppressed, events)]
    assert seen == [("no_speech", 2), ("no_speech", 2), ("loop", 30)]
    assert value(metrics, "reswhis_suppressed_words_total", reason="no_speech") == 4
    assert value(metrics, "reswhis_suppressed_words_total", reason="loop") == 30
    assert value(metrics, "reswhis_committed_words_total", reason="finish") == 1


def test_failures_lag_and_the_end_of_a_session_are_counted():
    metrics = Metrics()
    host(metrics, heard("a"), BackendError("x"), heard("a"), heard("a"), BackendError("y"))
    assert value(metrics, "reswhis_decode_failures_total", kind="partial") == 1
    assert value(metrics, "reswhis_decode_failures_total", kind="final") == 1
    assert value(metrics, "reswhis_lag_seconds_count", kind="partial") == 3  # what has failed has no words
    assert value(metrics, "reswhis_lag_seconds_count", kind="final") == 0
    assert value(metrics, "reswhis_received_audio_seconds_total") == pytest.approx(4 * 1.024)
    assert value(metrics, "reswhis_utterances_total", reason="finish") == 1
    assert value(metrics, "reswhis_sessions_begun_total") == 1
    assert value(metrics, "reswhis_sessions_ended_total", code="finished") == 1


@pytest.mark.parametrize(("reason", "code"), [(Reason.DRAIN, "server_restart"), (Reason.DISCONNECT, "disconnected")])
def test_a_session_is_counted_by_who_ended_it(reason, code):
    metrics = Metrics()

    async def main():
        made = Host(stream(policy=PolicyConfig("endpoint")), Scripted(), Voice, metrics=metrics)
        await made.receive_end(reason)
        await made.run()

    asyncio.run(main())
    assert value(metrics, "reswhis_sessions_ended_total", code=code) == 1
    assert value(metrics, "reswhis_sessions_ended_total", code="finished") == 0


def test_lag_is_the_audio_that_came_after_the_window():
    metrics = Metrics()
    metrics.answered(Window(0, 0, np.zeros(samples(1.0), np.int16)), samples(3.25))
    assert value(metrics, "reswhis_lag_seconds_sum", kind="partial") == 2.25


class Batches(list):
    def decoded(self, windows, waited_s, took_s):
        self.append(([window.id for window in windows], waited_s, took_s))


def test_the_engine_tells_how_long_windows_waited_and_batches_took():
    reached, opened, batches = threading.Event(), threading.Event(), Batches()

    def before(windows):
        reached.set()
        opened.wait(LIMIT_S)
        if any(window.id == 1 for window in windows):
            raise MemoryError

    async def main():
        backend = FakeBackend(max_batch=1, before=before)
        async with asyncio.timeout(LIMIT_S), LocalEngine(lambda _: backend, observer=batches) as engine:
            tasks = [asyncio.create_task(engine.submit(Window(n, 0, np.zeros(16_000, np.int16)))) for n in range(3)]
            await asyncio.sleep(0)
            asked = time.monotonic()
            await asyncio.to_thread(reached.wait, LIMIT_S)
            ready, waiting, released = engine.workers_ready, engine.waiting, time.monotonic()
            opened.set()
            await asyncio.gather(*tasks, return_exceptions=True)
            return ready, waiting, released - asked

    ready, waiting, at_least = asyncio.run(main())
    assert (ready, waiting) == (1, 2)
    assert [ids for ids, _, _ in batches] == [[0], [1], [2]]  # the failed one, too
    first, *others = [waited for _, [waited], _ in batches]
    assert 0 <= first < LIMIT_S and all(at_least <= waited < LIMIT_S for waited in others)
    assert all(0 <= took < LIMIT_S for _, _, took in batches)


def test_each_has_a_registry_of_its_own():
    one, other = Metrics(), Metrics()
    one.session_begins()
    assert (value(one, "reswhis_sessions_begun_total"), value(other, "reswhis_sessions_begun_total")) == (1, 0)
    assert not any(family.name.startswith("reswhis") for family in REGISTRY.collect())


def test_the_page_has_what_is_so_now_and_forgets_what_was():
    metrics = Metrics()
    families(metrics, Snapshot(State.LOADING, 2, 0, 0, 0, 0, 6, 0.0, None))
    now = {
        "workers": 2,
        "workers_ready": 1,
        "windows_waiting": 3,
        "sessions_active": 4,
        "clients": 5,
        "clients_max": 6,
        "backlog_seconds": 7.5,
    }
    assert {name: value(metrics, f"reswhis_{name}") for name in now} == now
    assert [value(metrics, "reswhis_state", state=state.value) for state in State] == [0, 1, 0, 0]
    model = {"backend": "fake", "model": 'a "quoted"\nname', "device": "cpu", "compute_type": "none"}
    assert value(metrics, "reswhis_model_info", **model) == 1
    assert [value(metrics, "reswhis_model_loaded", model=name) for name in NOW.models] == [1, 0]


def test_both_formats_have_the_same_numbers_and_say_which_they_are():
    metrics = Metrics()
    metrics.audio_received(32_000)
    plain, plain_type = metrics.page("", NOW)
    modern, modern_type = metrics.page(OPENMETRICS, NOW)
    assert plain_type.startswith("text/plain; version=0.0.4")
    assert modern_type.startswith("application/openmetrics-text; version=1.0.0") and modern.endswith(b"# EOF\n")

    def numbers(found):
        return {(s.name, *s.labels.items()): s.value for f in found for s in f.samples if s.name.startswith("reswhis_")}

    assert numbers(openmetrics.text_string_to_metric_families(modern.decode())) == numbers(families(metrics))
    assert b"_created" not in plain + modern


def test_every_metric_is_explained_and_none_that_does_not_exist():
    rows = re.findall(r"^\| `(reswhis_\w+)(?:\{([\w, ]+)\})?` \|", DOCS.read_text("utf-8"), re.MULTILINE)
    explained = {name: set(labels.split(", ")) if labels else set() for name, labels in rows}
    metrics = Metrics()
    metrics.said(Suppressed(heard("you").words, "no_speech"))
    shown = {
        family.name + "_total" * (family.type == "counter"): {
            label for sample in family.samples for label in sample.labels if label != "le"
        }
        for family in families(metrics)
        if family.name.startswith("reswhis_")
    }
    assert explained == shown
