"""The server's model and the sessions on it, from the first moment of loading it to the last of letting it go.

Knows no wire protocol. Made by the application; every transport asks it for sessions and for its health.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass

from reswhis.audio.vad import SileroVAD
from reswhis.backends.base import BackendConfig, BackendInfo, Choice
from reswhis.core.errors import ConfigurationError, Overloaded
from reswhis.engine.engine import LocalEngine
from reswhis.engine.model_pool import Residence
from reswhis.observability.health import Health, State
from reswhis.observability.metrics import BEHIND, Metrics, Snapshot
from reswhis.observability.session_log import SessionLogs

from .limits import FurtherModels, Limits
from .loading import Loader, ProgressLog
from .models import LoadedModel, Models
from .sessions import Place, Sessions
from .shared_sessions import SharedSessions

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What there is once the model is there."""

    choice: Choice
    engine: LocalEngine
    sessions: Sessions


class Service:
    """Loads in the background from ``async with`` on, so that the port can answer meanwhile."""

    def __init__(
        self,
        config: BackendConfig,
        limits: Limits,
        *,
        further: FurtherModels | None = None,
        max_wait_s: float = 0.0,
        log_transcripts: bool = False,
        log_sessions: SessionLogs | None = None,
    ) -> None:
        self.limits = limits
        self.metrics = Metrics()
        self.shared = SharedSessions(keep_s=limits.keep_transcripts_s, max_viewers=limits.max_viewers)
        """What others may read along, and for a time after."""
        self._config = config
        self._log_transcripts = log_transcripts
        self._log_sessions = log_sessions
        self._health = Health()
        self._log = ProgressLog()
        self._loader = Loader(self.metrics, max_wait_s=max_wait_s)
        self._models = Models(config, further or FurtherModels(), self._loader, self.metrics)
        self._loaded: Loaded | None = None
        self._stack = AsyncExitStack()
        self.settled = asyncio.Event()
        """Set when the model is there or cannot be had."""
        self.failure: ConfigurationError | None = None
        """Why the model cannot be had."""

    async def __aenter__(self) -> Service:
        await self._stack.enter_async_context(self._models)
        self._loading = asyncio.create_task(self._load())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._loading.cancel()
        await asyncio.wait([self._loading])
        await self._stack.aclose()
        self.shared.close()

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
        return self._loader.at_work

    @property
    def further_models(self) -> tuple[str, ...]:
        """Names that a client may ask for, beside that of the server's own model."""
        return self._models.further

    @property
    def residences(self) -> dict[str, Residence]:
        """Of every model that may be asked for, the server's own first."""
        return self._models.residences

    @property
    def snapshot(self) -> Snapshot:
        """For the metrics' page."""
        live = [] if self._loaded is None else self._loaded.sessions.live
        engines = [model.engine for model in self._models.loaded]
        return Snapshot(
            state=self.health.state,
            workers=sum(engine.workers for engine in engines),
            workers_ready=sum(engine.workers_ready for engine in engines),
            windows_waiting=sum(engine.waiting for engine in engines),
            sessions=len(live),
            clients=self.sessions,
            clients_max=self.limits.max_sessions,
            backlog_s=sum(host.backlog_s for host in live),
            model=self.info,
            detector_s=0.0 if self._loaded is None else self._loaded.sessions.detector_s,
            widened=max((engine.widen for engine in engines), default=1.0),
            models={name: residence is Residence.LOADED for name, residence in self.residences.items()},
        )

    def admit(self) -> tuple[Place, BackendInfo]:
        """Raises Overloaded while the model loads, also anew, when the server is full or behind, and when it stops."""
        health = self.health
        if self._loaded is None or health.state is not State.READY:
            self.metrics.session_refused(health.state.value)
            raise Overloaded(health.message)
        if self._loaded.engine.is_exhausted:
            self.metrics.session_refused(BEHIND)
            raise Overloaded("the server has more to decode than it can")
        return self._loaded.sessions.admit(), self._loaded.choice.info

    async def drain(self) -> None:
        """Let every session finish, within the limits' time."""
        self._health = Health(State.DRAINING, "the server is stopping")
        if self._loaded is not None:
            await self._loaded.sessions.drain()

    async def _load(self) -> None:
        try:
            choice = await self._loader.choose(self._config, self._report)
            vad = await self._loader.in_thread(SileroVAD)
            self._report("loading the model", None)
            engine = await self._loader.load(choice)
            self._stack.push_async_callback(self._loader.unload, engine)
            self._models.own = LoadedModel(choice.info, engine)
            sessions = Sessions(
                self.limits,
                engine,
                vad,
                models=self._models,
                log_transcripts=self._log_transcripts,
                log_sessions=self._log_sessions,
                metrics=self.metrics,
                shared=self.shared,
            )
            self._stack.push_async_callback(sessions.aclose)
            self._loaded = Loaded(choice, engine, sessions)
            if self._health.state is State.LOADING:  # and not told to stop meanwhile
                self._health = Health(State.READY, "ready")
        except ConfigurationError as exc:
            self._fail(exc)
        except Exception:  # top of the loader: whoever waits for it must hear that it has ended
            logger.exception("loading the model fails")
            self._fail(ConfigurationError("The model could not be loaded because of an error in reswhis; see the log."))
        finally:
            self.settled.set()

    def _fail(self, failure: ConfigurationError) -> None:
        logger.error("%s", failure)
        self.failure = failure
        self._health = Health(State.FAILED, str(failure))

    def _report(self, message: str, progress: float | None) -> None:
        self._log(message, progress)
        if self._health.state is State.LOADING:
            self._health = Health(State.LOADING, message, progress)
