"""All sessions of this process: admits new ones, and lets those that live finish when the server stops.

Knows no wire protocol. Made by the application, used by every transport.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, TypeVar

from reswhis.audio.pcm import AudioFormat
from reswhis.audio.vad import SileroVAD
from reswhis.backends.base import BackendInfo
from reswhis.core.errors import Overloaded
from reswhis.core.events import Reason, UtteranceEnded
from reswhis.core.online import OnlineASRProcessor, SessionConfig, StreamOptions
from reswhis.core.transcript import Transcript
from reswhis.core.types import Samples
from reswhis.engine.engine import Engine
from reswhis.observability.health import State
from reswhis.observability.logs import TRANSCRIPTS
from reswhis.observability.metrics import FULL, Metrics
from reswhis.observability.session_log import SessionLog, SessionLogs

from . import offline
from .ear import Ears
from .files import Files
from .host import Host
from .limits import Limits
from .models import Models
from .shared_sessions import Shared, SharedSessions
from .sharing import Sharing

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Place:
    """A client's right to one session, held from before its handshake until it leaves."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self.host: Host | None = None
        self.draining = asyncio.Event()
        """Set when the server stops: a client without a session has nothing to finish."""
        self._run: asyncio.Task[None] | None = None
        self._engine: Engine | None = None
        self._shared: Shared | None = None
        self._work: asyncio.Task[Any] | None = None
        self._aborted = False
        self._held = AsyncExitStack()

    async def use(self, model: str) -> BackendInfo:
        """Wait for this model, which then stays until the client leaves. Raises what :meth:`Models.use` does."""
        assert self.host is None and self._sessions.models is not None
        loaded = await self._held.enter_async_context(self._sessions.models.use(model))
        self._engine = loaded.engine
        return loaded.info

    def start(
        self, audio_format: AudioFormat, config: SessionConfig, options: StreamOptions, sharing: Sharing | None = None
    ) -> Host:
        """The session begins. Called once at most. ``sharing``: others may read along."""
        assert self.host is None
        self.host = self._sessions.make_host(audio_format, config, options, self._engine)
        if sharing is not None:
            self._shared = self._sessions.shared.share(sharing, self.host.journal)
        self._run = asyncio.create_task(self.host.run())
        return self.host

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do what a client without a session is here for. Raises Overloaded if the server stops before it is done."""
        assert self.host is None and self._work is None
        self._work = task = asyncio.create_task(work)
        try:
            return await task
        except asyncio.CancelledError:
            if self._aborted:
                raise Overloaded("the server is stopping") from None
            raise

    async def transcribe(
        self, audio: Iterable[Samples], config: SessionConfig, options: StreamOptions, listener: offline.Listener
    ) -> Transcript:
        """A file instead of a session, in :meth:`run`; cancelling it takes its window out of the queue.

        Raises EngineDead, and whatever reading ``audio`` raises.
        """
        files, engine = self._sessions.files, self._engine or self._sessions.engine
        return await files.transcribe(audio, engine, config, options, listener)

    def abort(self, error: str) -> None:
        """Nothing more is decoded: the client is told so, with what is known."""
        self._aborted = True
        if self.host is not None:
            self.host.abort(error)
        if self._work is not None:
            self._work.cancel()

    async def drain(self) -> None:
        """Finish the session, and return when all is decoded."""
        self.draining.set()
        if self.host is not None and self._run is not None:
            await self.host.receive_end(Reason.DRAIN)
            await asyncio.wait([self._run])

    async def __aenter__(self) -> Place:
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            if self.host is not None and self._run is not None:
                viewed = self._is_viewed
                await self.host.leave(viewed=viewed)
                if not (self.host.readers or viewed):
                    self._run.cancel()
                await asyncio.wait([self._run])
        finally:
            self._sessions.leave(self)
            if self._shared is not None:
                self._sessions.shared.keep(self._shared)
            await self._held.aclose()

    @property
    def _is_viewed(self) -> bool:
        return self._shared is not None and (self._shared.viewers > 0 or self._sessions.shared.keeps)


class Sessions:
    """Open to new ones until :meth:`drain`."""

    def __init__(
        self,
        limits: Limits,
        engine: Engine,
        vad: SileroVAD,
        *,
        models: Models | None = None,
        log_transcripts: bool = False,
        log_sessions: SessionLogs | None = None,
        metrics: Metrics | None = None,
        shared: SharedSessions | None = None,
    ) -> None:
        """``models``: those that a session may ask for instead of the engine's."""
        self.limits = limits
        self.models = models
        self.shared = SharedSessions() if shared is None else shared  # an empty one is no less true
        self._log_transcripts = log_transcripts
        self._log_sessions = log_sessions
        self._metrics = metrics or Metrics()
        self.files = Files(vad, self._metrics, log_transcripts=log_transcripts)
        self._begun = 0
        self.engine = engine
        """Of the server's own model."""
        self._ears = Ears(vad)
        self._places: set[Place] = set()
        self._left = asyncio.Event()
        self._draining = False

    def __len__(self) -> int:
        return len(self._places)

    @property
    def live(self) -> list[Host]:
        """The sessions that have begun and not ended."""
        hosts = (place.host for place in self._places)
        return [host for host in hosts if host is not None and not host.closed]

    @property
    def detector_s(self) -> float:
        """CPU time that the voice detector has taken for live sessions."""
        return self._ears.detector_s

    def admit(self) -> Place:
        """Raises Overloaded when the server is full or stops."""
        if self._draining:
            self._metrics.session_refused(State.DRAINING.value)
            raise Overloaded("the server is stopping")
        if len(self._places) >= self.limits.max_sessions:
            self._metrics.session_refused(FULL)
            raise Overloaded("the server has as many sessions as it takes")
        place = Place(self)
        self._places.add(place)
        return place

    def make_host(
        self, audio_format: AudioFormat, config: SessionConfig, options: StreamOptions, engine: Engine | None
    ) -> Host:
        """``engine``: None for that of the server's own model."""
        session = OnlineASRProcessor(config, options)
        self._begun += 1
        log_utterance = partial(_log_utterance, self._begun) if self._log_transcripts else None
        return Host(
            session,
            engine or self.engine,
            partial(self._ears.stream, audio_format),
            max_backlog_s=self.limits.max_backlog_s,
            log_utterance=log_utterance,
            log_event=self._log_of(self._begun, audio_format),
            metrics=self._metrics,
        )

    def _log_of(self, number: int, audio: AudioFormat) -> SessionLog | None:
        if self._log_sessions is None:
            return None
        return self._log_sessions.begin(number, f"{audio.encoding}, {audio.sample_rate} Hz, channels {audio.channels}")

    def leave(self, place: Place) -> None:
        self._places.discard(place)
        self._left.set()

    async def drain(self) -> None:
        """Refuse new sessions, finish the others and wait until their clients have been told.

        What is not finished within ``drain_timeout_s`` ends as it is, with what is known.
        """
        self._draining = True
        try:
            async with asyncio.timeout(self.limits.drain_timeout_s):
                await asyncio.gather(*(place.drain() for place in self._places))
                while self._places:
                    self._left.clear()
                    await self._left.wait()
        except TimeoutError:
            logger.warning("%d sessions had not finished after %g s", len(self), self.limits.drain_timeout_s)
            for place in self._places:
                place.abort("server_restart")
            await asyncio.sleep(0)  # lets their readers be told

    async def aclose(self) -> None:
        await self.files.aclose()
        await self._ears.aclose()


def _log_utterance(session: int, utterance: UtteranceEnded) -> None:
    if utterance.text:
        text = " ".join(utterance.text.split())  # a line is an utterance, whatever a model makes of it
        logging.getLogger(TRANSCRIPTS).info(
            "session %d, %.1f to %.1f s: %s", session, utterance.start, utterance.end, text
        )
