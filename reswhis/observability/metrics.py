"""What an operator counts and measures: the numbers behind ``GET /metrics``, in Prometheus's formats.

Takes counts only: no text, no name of a client and no number of a session gets in here, and no label has a value that a
client could choose. Made by the service, written by it, its sessions and its engine, all in the event loop's thread.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from reswhis import __version__
from reswhis.backends.base import BackendInfo
from reswhis.core.events import Committed, DecodeFailed, Event, Reason, Suppressed, UtteranceEnded
from reswhis.core.guard import Doubt
from reswhis.core.types import Window, seconds

from .health import State

KINDS = ("partial", "final")
FULL = "full"
BEHIND = "behind"
FINISHED = "finished"
NO_ROOM = "overloaded"
NO_MODEL = "model_unavailable"
REFUSALS = (FULL, BEHIND, "loading", "failed", "draining", "unauthorized", "foreign_origin", NO_ROOM, NO_MODEL)
CODES = ("disconnected", "idle_timeout", "session_limit", "server_restart", "engine_stopped", "internal_error")
WORK_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LAG_S = (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 8, 12, 20, 30)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is so at the moment, as against what has happened since the start."""

    state: State
    workers: int
    workers_ready: int
    windows_waiting: int
    sessions: int
    clients: int
    clients_max: int
    backlog_s: float
    model: BackendInfo | None
    """None until it is there."""
    models: Mapping[str, bool] = field(default_factory=dict)
    """Name of each that clients may ask for, and whether it is loaded."""
    detector_s: float = 0.0
    """CPU time that the voice detector has taken."""
    widened: float = 1.0
    """By what live sessions multiply their steps."""


class Metrics:
    """Of one service, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._now = _Gauges(registry)
        counter = partial(Counter, registry=registry)
        self._begun = counter("reswhis_sessions_begun", "Sessions begun.")
        self._ended = counter("reswhis_sessions_ended", "Sessions ended, by code.", ["code"])
        self._refused = counter("reswhis_sessions_refused", "Clients refused a session, by why.", ["reason"])
        self._received = counter("reswhis_received_audio_seconds", "Audio received.")
        self._detector = counter("reswhis_detector_cpu_seconds", "CPU time that finding voices in it has taken.")
        self._detector_s = 0.0
        self._committed = counter("reswhis_committed_words", "Words committed, by what made them final.", ["reason"])
        self._suppressed = counter("reswhis_suppressed_words", "Words heard and not believed, by why.", ["reason"])
        self._utterances = counter("reswhis_utterances", "Utterances, by what ended them; also empty ones.", ["reason"])
        self._failures = counter("reswhis_decode_failures", "Windows that failed twice and were reported.", ["kind"])
        self._windows = counter("reswhis_decoded_windows", "Windows given to the recogniser.", ["kind"])
        self._decoded = counter("reswhis_decoded_audio_seconds", "Audio in these windows, which overlap.", ["kind"])
        times = partial(Histogram, registry=registry)
        self._queue = times("reswhis_queue_seconds", "Time that a window waited.", ["kind"], buckets=WORK_S)
        self._decode = times("reswhis_decode_seconds", "Time that the recogniser took for a batch.", buckets=WORK_S)
        self._lag = times(
            "reswhis_lag_seconds", "Audio received after a window's end when its words came.", ["kind"], buckets=LAG_S
        )
        self._begin_at_zero()
        build = Info("reswhis_build", "Which reswhis this is.", registry=registry)
        build.info({"version": __version__, "python": platform.python_version()})
        ProcessCollector(registry=registry)

    def _begin_at_zero(self) -> None:
        """What could be counted is there from the start: to a rate, what appears with its first count has not risen."""
        for doubt in Doubt:
            self._suppressed.labels(doubt.value)
        for reason in Reason:
            self._committed.labels(reason.value)
            if reason not in (Reason.AGREEMENT, Reason.ATTENTION):
                self._utterances.labels(reason.value)
        for kind in KINDS:
            for of_kind in (self._failures, self._windows, self._decoded):
                of_kind.labels(kind)
            for times in (self._lag, self._queue):
                times.labels(kind)
        for refusal in REFUSALS:
            self._refused.labels(refusal)
        for code in (FINISHED, *CODES):
            self._ended.labels(code)

    # What happens.

    def session_begins(self) -> None:
        self._begun.inc()

    def session_ended(self, code: str) -> None:
        """One of ours, as its client is told."""
        self._ended.labels(code).inc()

    def session_refused(self, reason: str) -> None:
        """``FULL``, the state that the service is in, what the door says, or why a model cannot be had."""
        self._refused.labels(reason).inc()

    def audio_received(self, samples: int) -> None:
        self._received.inc(seconds(samples))

    def said(self, event: Event) -> None:
        """By a session, to whoever reads it."""
        match event:
            case Committed(words=words, reason=reason):
                self._committed.labels(reason.value).inc(len(words))
            case Suppressed(words=words, reason=why):
                self._suppressed.labels(why).inc(len(words))
            case UtteranceEnded(reason=reason):
                self._utterances.labels(reason.value).inc()
            case DecodeFailed(is_final=is_final):
                self._failures.labels(_kind(is_final)).inc()
            case _:
                pass  # nothing that adds up

    def answered(self, window: Window, received: int) -> None:
        """A window's words have come, ``received`` samples after the beginning of its session."""
        self._lag.labels(_kind(window.is_final)).observe(seconds(received - window.end))

    def decoded(self, windows: Sequence[Window], waited_s: Sequence[float], took_s: float) -> None:
        """See :class:`reswhis.engine.engine.Observer`."""
        self._decode.observe(took_s)
        for window, waited in zip(windows, waited_s, strict=True):
            kind = _kind(window.is_final)
            self._windows.labels(kind).inc()
            self._decoded.labels(kind).inc(seconds(len(window.audio)))
            self._queue.labels(kind).observe(waited)

    # What is asked.

    def page(self, accept: str, now: Snapshot) -> tuple[bytes, str]:
        """The whole in the format that an Accept header prefers, and that format's content type."""
        self._now.show(now)
        self._detector.inc(now.detector_s - self._detector_s)
        self._detector_s = now.detector_s
        encode, content_type = choose_encoder(accept)
        return encode(_WithoutCreated(self._registry)), content_type


class _Gauges:
    """Set anew for every answer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        gauge = partial(Gauge, registry=registry)
        self._sessions = gauge("reswhis_sessions_active", "Sessions that have begun and not ended.")
        self._clients = gauge("reswhis_clients", "Clients that hold a place.")
        self._clients_max = gauge("reswhis_clients_max", "Places that there are: --max-sessions.")
        self._backlog = gauge("reswhis_backlog_seconds", "Audio of all sessions still to be decoded.")
        self._waiting = gauge("reswhis_windows_waiting", "Windows that wait for a worker.")
        self._widened = gauge(
            "reswhis_step_factor", "By what sessions multiply their steps, to keep up: 1 is not at all."
        )
        self._workers = gauge("reswhis_workers", "Workers that there should be: --workers per model.")
        self._ready = gauge("reswhis_workers_ready", "Workers whose model is loaded.")
        self._loaded = gauge("reswhis_model_loaded", "1 for a model that is loaded, 0 for one that may be.", ["model"])
        self._state = gauge("reswhis_state", "1 for the state that /health/ready says, 0 for the others.", ["state"])
        what = ["backend", "model", "device", "compute_type"]
        self._model = gauge("reswhis_model_info", "What decodes, once it is there.", what)

    def show(self, now: Snapshot) -> None:
        self._sessions.set(now.sessions)
        self._clients.set(now.clients)
        self._clients_max.set(now.clients_max)
        self._backlog.set(now.backlog_s)
        self._waiting.set(now.windows_waiting)
        self._widened.set(now.widened)
        self._workers.set(now.workers)
        self._ready.set(now.workers_ready)
        for state in State:
            self._state.labels(state.value).set(state is now.state)
        self._loaded.clear()
        for name, is_loaded in now.models.items():
            self._loaded.labels(name).set(is_loaded)
        if (model := now.model) is not None:
            self._model.labels(model.backend, model.model, model.device, model.compute_type).set(1)


class _WithoutCreated(Collector):
    """Without the time at which each series was made: half as many lines, and nobody's question."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


def _kind(is_final: bool) -> str:
    return KINDS[is_final]
