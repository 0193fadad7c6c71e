"""All sessions of this process: admits new ones, and lets those that live finish when the server stops.

Knows no wire protocol. Made by the application, used by every transport.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial

from reswhis.audio.pcm import AudioFormat
from reswhis.audio.vad import SileroVAD
from reswhis.backends.base import BackendInfo
from reswhis.core.errors import Overloaded
from reswhis.core.events import Reason, UtteranceEnded
from reswhis.core.online import OnlineASRProcessor, SessionConfig, StreamOptions
from reswhis.engine.engine import Engine
from reswhis.observability.health import State
from reswhis.observability.logs import TRANSCRIPTS
from reswhis.observability.metrics import FULL, Metrics

from .ear import ThreadedEar
from .host import Host
from .limits import Limits
from .models import Models

logger = logging.getLogger(__name__)

EAR_THREADS = 2
"""Scoring a second of audio takes some ms: two keep a hundred streams, and leave the cores to the recogniser."""


class Place:
    """A client's right to one session, held from before its handshake until it leaves."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self.host: Host | None = None
        self.draining = asyncio.Event()
        """Set when the server stops: a client without a session has nothing to finish."""
        self._run: asyncio.Task[None] | None = None
        self._engine: Engine | None = None
        self._held = AsyncExitStack()

    async def use(self, model: str) -> BackendInfo:
        """Wait for this model, which then stays until the client leaves. Raises what :meth:`Models.use` does."""
        assert self.host is None and self._sessions.models is not None
        loaded = await self._held.enter_async_context(self._sessions.models.use(model))
        self._engine = loaded.engine
        return loaded.info

    def start(self, audio_format: AudioFormat, config: SessionConfig, options: StreamOptions) -> Host:
        """The session begins. Called once at most."""
        assert self.host is None
        self.host = self._sessions.make_host(audio_format, config, options, self._engine)
        self._run = asyncio.create_task(self.host.run())
        return self.host

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
                await self.host.leave()
                if not self.host.readers:
                    self._run.cancel()
                await asyncio.wait([self._run])
        finally:
            self._sessions.leave(self)
            await self._held.aclose()


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
        metrics: Metrics | None = None,
    ) -> None:
        """``models``: those that a session may ask for instead of the engine's."""
        self.limits = limits
        self.models = models
        self._log_transcripts = log_transcripts
        self._metrics = metrics or Metrics()
        self._begun = 0
        self._engine = engine
        self._vad = vad
        self._ears = ThreadPoolExecutor(EAR_THREADS, thread_name_prefix="ear")
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
        ear = ThreadedEar(audio_format, self._vad, self._ears)
        self._begun += 1
        log_utterance = partial(_log_utterance, self._begun) if self._log_transcripts else None
        return Host(
            session,
            engine or self._engine,
            ear,
            max_backlog_s=self.limits.max_backlog_s,
            log_utterance=log_utterance,
            metrics=self._metrics,
        )

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
                if place.host is not None:
                    place.host.abort("server_restart")
            await asyncio.sleep(0)  # lets their readers be told

    async def aclose(self) -> None:
        await asyncio.to_thread(self._ears.shutdown)


def _log_utterance(session: int, utterance: UtteranceEnded) -> None:
    if utterance.text:
        text = " ".join(utterance.text.split())  # a line is an utterance, whatever a model makes of it
        logging.getLogger(TRANSCRIPTS).info(
            "session %d, %.1f to %.1f s: %s", session, utterance.start, utterance.end, text
        )
