"""One model and the sessions on it, from the first moment of loading it to the last of letting it go.

Knows no wire protocol. Made by the application; every transport asks it for sessions and for its health.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TypeVar

from reswhis.audio.vad import SileroVAD
from reswhis.backends import selection
from reswhis.backends.base import BackendConfig, BackendInfo, Choice
from reswhis.core.errors import ConfigurationError, EngineDead, Overloaded
from reswhis.engine.engine import LocalEngine
from reswhis.observability.health import Health, State
from reswhis.observability.metrics import Metrics, Snapshot

from .limits import Limits
from .sessions import Place, Sessions

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What there is once the model is there."""

    choice: Choice
    engine: LocalEngine
    sessions: Sessions


class Service:
    """Loads in the background from ``async with`` on, so that the port can answer meanwhile."""

    def __init__(
        self, config: BackendConfig, limits: Limits, *, workers: int = 1, log_transcripts: bool = False
    ) -> None:
        self.limits = limits
        self.metrics = Metrics()
        self._config = config
        self._workers = workers
        self._log_transcripts = log_transcripts
        self._health = Health()
        self._loaded: Loaded | None = None
        self._stack = AsyncExitStack()
        self._loader: threading.Thread | None = None
        self._engine: LocalEngine | None = None
        self.settled = asyncio.Event()
        """Set when the model is there or cannot be had."""
        self.failure: ConfigurationError | None = None
        """Why the model cannot be had."""

    async def __aenter__(self) -> Service:
        self._loading = asyncio.create_task(self._load())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._loading.cancel()
        await asyncio.wait([self._loading])
        await self._stack.aclose()

    @property
    def health(self) -> Health:
        loaded = self._loaded
        if loaded is None or loaded.engine.able or self._health.state is not State.READY:
            return self._health
        if loaded.engine.alive:
            return Health(State.FAILED, "the recogniser has failed and is being loaded again")
        return Health(State.FAILED, "the recogniser has failed for good: the log says why, a new start may help")

    @property
    def info(self) -> BackendInfo | None:
        return None if self._loaded is None else self._loaded.choice.info

    @property
    def fallback_reason(self) -> str | None:
        return None if self._loaded is None else self._loaded.choice.fallback_reason

    @property
    def sessions(self) -> int:
        """How many there are now."""
        return 0 if self._loaded is None else len(self._loaded.sessions)

    @property
    def at_work(self) -> bool:
        """Whether a thread loads or decodes; also after the end, which does not wait for a long call."""
        loads = self._loader is not None and self._loader.is_alive()
        return loads or (self._engine is not None and self._engine.alive)

    @property
    def snapshot(self) -> Snapshot:
        """For the metrics' page."""
        live = [] if self._loaded is None else self._loaded.sessions.live
        return Snapshot(
            state=self.health.state,
            workers=self._workers,
            workers_ready=0 if self._engine is None else self._engine.workers_ready,
            windows_waiting=0 if self._engine is None else self._engine.waiting,
            sessions=len(live),
            clients=self.sessions,
            clients_max=self.limits.max_sessions,
            backlog_s=sum(host.backlog_s for host in live),
            model=self.info,
        )

    def admit(self) -> tuple[Place, BackendInfo]:
        """Raises Overloaded while the model loads, also anew, when the server is full, and when it stops."""
        health = self.health
        if self._loaded is None or health.state is not State.READY:
            self.metrics.session_refused(health.state.value)
            raise Overloaded(health.message)
        return self._loaded.sessions.admit(), self._loaded.choice.info

    async def drain(self) -> None:
        """Let every session finish, within the limits' time."""
        self._health = Health(State.DRAINING, "the server is stopping")
        if self._loaded is not None:
            await self._loaded.sessions.drain()

    async def _load(self) -> None:
        try:
            choice, vad = await self._in_thread(self._choose)
            self._engine = engine = LocalEngine(choice.make, workers=self._workers, observer=self.metrics)
            await self._stack.enter_async_context(engine)
            self._report("loading the model", None)
            await engine.started()
            sessions = Sessions(self.limits, engine, vad, log_transcripts=self._log_transcripts, metrics=self.metrics)
            self._stack.push_async_callback(sessions.aclose)
            self._loaded = Loaded(choice, engine, sessions)
            if self._health.state is State.LOADING:  # and not told to stop meanwhile
                self._health = Health(State.READY, "ready")
        except ConfigurationError as exc:
            self._fail(exc)
        except EngineDead:
            self._fail(ConfigurationError("The model could not be loaded; the log says why."))
        except Exception:  # top of the loader: whoever waits for it must hear that it has ended
            logger.exception("loading the model fails")
            self._fail(ConfigurationError("The model could not be loaded because of an error in reswhis; see the log."))
        finally:
            self.settled.set()

    def _fail(self, failure: ConfigurationError) -> None:
        logger.error("%s", failure)
        self.failure = failure
        self._health = Health(State.FAILED, str(failure))

    def _choose(self) -> tuple[Choice, SileroVAD]:
        return selection.choose(self._config, self._report), SileroVAD()

    def _report(self, message: str, progress: float | None) -> None:
        if message != self._health.message or _tenth(progress) > _tenth(self._health.progress):
            logger.info("%s%s", message, "" if progress is None else f", {progress:.0%}")
        if self._health.state is State.LOADING:
            self._health = Health(State.LOADING, message, progress)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Unlike ``asyncio.to_thread``, does not keep the process from ending while a download hangs."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            if future.cancelled():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]  # T itself may be None

        def run() -> None:
            try:
                result = work()
            except Exception as exc:  # noqa: BLE001  # handed to whoever waits
                outcome: tuple[T | None, BaseException | None] = (None, exc)
            else:
                outcome = (result, None)
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, *outcome)

        self._loader = threading.Thread(target=run, name="loader", daemon=True)
        self._loader.start()
        return await future


def _tenth(progress: float | None) -> int:
    return 0 if progress is None else int(10 * progress)
