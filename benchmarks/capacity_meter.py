"""What a server costs while clients talk to it: CPU and memory of its processes, and what its ``/metrics`` count."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

LOOK_S = 2.0
"""Between two looks: each costs the server some milliseconds of CPU time."""
WIDENED = "reswhis_step_factor"
"""By how much sessions multiply their steps, if the server says it."""

Counts = dict[str, float]
"""Name of a sample and its labels, as on the page, to its value; kinds of windows are summed."""


@dataclass(frozen=True, slots=True)
class Cost:
    audio_s: float
    """Of all streams."""
    took_s: float
    server_cpu_s: float
    clients_cpu_s: float
    machine: float
    """Share of all its cores that was busy, with everything that runs on it."""
    memory_mib: float
    """Resident memory of the server at its most, above what it was before the streams."""
    queue: Queue | None
    """None: it counts nothing of the kind."""


@dataclass(frozen=True, slots=True)
class Queue:
    windows: float
    batches: float
    decoded_s: float
    """Seconds of audio in the windows."""
    decoding_s: float
    """Seconds that workers, and the GPU if there is one, were busy."""
    wait_mean_s: float
    wait_p95_s: float
    """The upper bound of the histogram's bucket that it falls into."""
    widened_mean: float
    widened_most: float
    """NaN: the server does not say."""


class Meter:
    """``begin``, let clients talk, ``end``; a server that serves no ``/metrics`` of reswhis's is only weighed."""

    def __init__(self, pid: int, metrics_url: str | None) -> None:
        self._process = psutil.Process(pid)
        self._url = metrics_url
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)
        self._resident: list[int] = []
        self._widened: list[float] = []

    def begin(self) -> None:
        self._counts = self._count()
        self._memory = resident(self._process)
        psutil.cpu_percent()
        self._machine = psutil.cpu_times()
        self._cpu_s = cpu_s(self._process)
        self._looking.start()

    def end(self, audio_s: float, took_s: float, clients_cpu_s: float) -> Cost:
        server_cpu_s = cpu_s(self._process) - self._cpu_s
        before, after = self._machine, psutil.cpu_times()
        idle_s = after.idle - before.idle + getattr(after, "iowait", 0.0) - getattr(before, "iowait", 0.0)
        machine = 1 - idle_s / (took_s * (psutil.cpu_count() or 1))
        self._over.set()
        self._looking.join()
        return Cost(
            audio_s=audio_s,
            took_s=took_s,
            server_cpu_s=server_cpu_s,
            clients_cpu_s=clients_cpu_s,
            machine=machine,
            memory_mib=(max(self._resident) - self._memory) / 2**20,
            queue=queue(self._counts, self._count(), self._widened) if self._url else None,
        )

    def _look(self) -> None:
        while True:
            self._resident.append(resident(self._process))
            if self._url is not None and (factor := self._count().get(WIDENED)) is not None:
                self._widened.append(factor)
            if self._over.wait(LOOK_S):
                return

    def _count(self) -> Counts:
        return counts(httpx.get(self._url, timeout=30).text) if self._url else {}


def counts(page: str) -> Counts:
    found: Counts = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            bound = sample.labels.get("le")
            name = sample.name if bound is None else f"{sample.name}:{bound}"
            found[name] = found.get(name, 0.0) + sample.value
    return found


def queue(before: Counts, after: Counts, widened: list[float]) -> Queue:
    def more(name: str) -> float:
        return after.get(f"reswhis_{name}", 0.0) - before.get(f"reswhis_{name}", 0.0)

    windows = more("queue_seconds_count")
    return Queue(
        windows=windows,
        batches=more("decode_seconds_count"),
        decoded_s=more("decoded_audio_seconds_total"),
        decoding_s=more("decode_seconds_sum"),
        wait_mean_s=more("queue_seconds_sum") / windows if windows else 0.0,
        wait_p95_s=_bound(before, after, "reswhis_queue_seconds_bucket:", 0.95 * windows),
        widened_mean=sum(widened) / len(widened) if widened else float("nan"),
        widened_most=max(widened, default=float("nan")),
    )


def _bound(before: Counts, after: Counts, prefix: str, enough: float) -> float:
    bounds = {name: float(name.removeprefix(prefix)) for name in after if name.startswith(prefix)}
    for name, bound in sorted(bounds.items(), key=lambda item: item[1]):
        if after[name] - before.get(name, 0.0) >= enough:
            return bound
    return float("inf")


# A process with its children, of which a server may have some.


def cpu_s(process: psutil.Process) -> float:
    """Of those that are there, and of those that have ended and were waited for."""
    own = process.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    return total + sum(times.user + times.system for times in _of_children(process))


def _of_children(process: psutil.Process) -> list[psutil._common.pcputimes]:
    found = []
    for child in process.children(recursive=True):
        try:
            found.append(child.cpu_times())
        except psutil.NoSuchProcess:
            continue
    return found


def resident(process: psutil.Process) -> int:
    """Bytes."""
    total = process.memory_info().rss
    for child in process.children(recursive=True):
        try:
            total += child.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return int(total)
