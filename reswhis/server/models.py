"""The models that clients may ask for: the server's own, which stays, and further ones, which come and go.

Says which there are and how each is loaded; when a further one goes is decided in :mod:`reswhis.engine.model_pool`.
Made by the service, which loads its own model itself; asked by the sessions' places.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from reswhis.backends import memory
from reswhis.backends.base import BackendConfig, BackendInfo
from reswhis.core.errors import ConfigurationError, Overloaded
from reswhis.engine.engine import LocalEngine
from reswhis.engine.model_pool import Bounds, Fetched, ModelPool, Residence
from reswhis.observability.metrics import NO_MODEL, NO_ROOM, Metrics

from .limits import FurtherModels
from .loading import Loader, ProgressLog

logger = logging.getLogger(__name__)

PATIENCE_S = 120.0
"""A client is not kept waiting longer: to fetch a model may take an hour."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    info: BackendInfo
    engine: LocalEngine

    @property
    def alive(self) -> bool:
        return self.engine.alive


class Models:
    """``async with`` it; what is loaded then is unloaded at its end, but for the server's own model."""

    def __init__(self, config: BackendConfig, further: FurtherModels, loader: Loader, metrics: Metrics) -> None:
        self.own: LoadedModel | None = None
        """Set by the service when it is there."""
        self._config = config
        self._further = further
        self._loader = loader
        self._metrics = metrics
        bounds = Bounds(further.ttl_s, further.max_loaded - 1, PATIENCE_S)
        self._pool = ModelPool(self._fetch, self._unload, bounds, is_short=memory.is_short)

    async def __aenter__(self) -> Models:
        await self._pool.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.__aexit__()

    @property
    def further(self) -> tuple[str, ...]:
        """The names that may be asked for, beside what the server's own model is called."""
        own = None if self.own is None else self.own.info.model
        return tuple(name for name in self._further.names if name != own)

    @property
    def residences(self) -> dict[str, Residence]:
        """Of every model that may be asked for, the server's own first."""
        name, residence = self._config.model, Residence.LOADING
        if self.own is not None:
            name, residence = self.own.info.model, Residence.LOADED
        return {name: residence} | {name: self._residence(name) for name in self.further} | {name: residence}

    @property
    def loaded(self) -> list[LoadedModel]:
        return [*([] if self.own is None else [self.own]), *self._pool.models]

    @asynccontextmanager
    async def use(self, name: str) -> AsyncIterator[LoadedModel]:
        """Wait for the model, which then stays until the context ends.

        Raises:
            Overloaded: it takes too long, there is no room for it now, or it has failed and is being loaded again.
            ConfigurationError: it cannot be had; who asks next has it tried again.
        """
        async with AsyncExitStack() as stack:
            try:
                model = await self._enter(name, stack)
            except Overloaded:
                self._metrics.session_refused(NO_ROOM)
                raise
            except ConfigurationError as exc:
                logger.error("the model %s cannot be had: %s", name, exc)
                self._metrics.session_refused(NO_MODEL)
                raise
            yield model

    async def _enter(self, name: str, stack: AsyncExitStack) -> LoadedModel:
        if self.own is not None and self._is_own(name):
            return self.own
        model = await stack.enter_async_context(self._pool.use(name))
        if not model.engine.able:
            raise Overloaded(f"the model {name} has failed and is being loaded again")
        return model

    def _residence(self, name: str) -> Residence:
        return Residence.LOADED if self._is_own(name) else self._pool.residence(name)

    def _is_own(self, name: str) -> bool:
        """``--model 0.1`` may be called so, and fake:0.1."""
        return self.own is not None and name in (self._config.model, self.own.info.model)

    async def _fetch(self, name: str) -> Fetched[LoadedModel]:
        choice = await self._loader.choose(further_config(self._config, name), ProgressLog())

        async def load() -> LoadedModel:
            logger.info("loading the model %s", name)
            engine = await self._loader.load(choice)
            info = choice.info
            logger.info("the model %s is loaded: %s, on %s (%s)", name, info.backend, info.device, info.compute_type)
            return LoadedModel(info, engine)

        return Fetched(load, needs=choice.weights_bytes * choice.workers)

    async def _unload(self, model: LoadedModel) -> None:
        await self._loader.unload(model.engine)


def further_config(own: BackendConfig, name: str) -> BackendConfig:
    """Whether it knows a language and can do a task is seen with the session that asks for it."""
    return replace(own, model=name, language=None, task="transcribe")
