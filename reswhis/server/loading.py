"""Fetches and loads models in threads that nobody has to wait for. Called by the service and by :mod:`.models`."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import TypeVar

from reswhis.backends import selection
from reswhis.backends.base import BackendConfig, Choice
from reswhis.backends.registry import Report
from reswhis.core.errors import ConfigurationError, EngineDead
from reswhis.engine.engine import LocalEngine, Observer

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Loader:
    """Makes engines that are the caller's to close with :meth:`unload`."""

    def __init__(self, observer: Observer, *, max_wait_s: float = 0.0) -> None:
        """``max_wait_s``: see :class:`reswhis.engine.engine.LocalEngine`."""
        self._max_wait_s = max_wait_s
        self._observer = observer
        self._threads: list[threading.Thread] = []
        self._engines: list[LocalEngine] = []

    @property
    def at_work(self) -> bool:
        """Whether a thread loads or decodes; also after the end, which does not wait for a long call."""
        return any(thread.is_alive() for thread in self._threads) or any(engine.alive for engine in self._engines)

    async def choose(self, config: BackendConfig, report: Report) -> Choice:
        """Raises ConfigurationError."""
        return await self.in_thread(lambda: selection.choose(config, report))

    async def load(self, choice: Choice) -> LocalEngine:
        """Return when a first worker has the model.

        Raises:
            ConfigurationError
        """
        engine = LocalEngine(choice.make, workers=choice.workers, observer=self._observer, max_wait_s=self._max_wait_s)
        await engine.__aenter__()
        self._engines.append(engine)
        try:
            await engine.started()
        except BaseException as exc:
            await self.unload(engine)
            if isinstance(exc, EngineDead):
                raise ConfigurationError("The model could not be loaded; the log says why.") from exc
            raise
        return engine

    async def unload(self, engine: LocalEngine) -> None:
        await engine.__aexit__()
        self._engines = [other for other in self._engines if other.alive]

    async def in_thread(self, work: Callable[[], T]) -> T:
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

        thread = threading.Thread(target=run, name="loader", daemon=True)
        self._threads = [*(other for other in self._threads if other.is_alive()), thread]
        thread.start()
        return await future


class ProgressLog:
    """Logs what is being done, each thing once, and again with every tenth of it that is done."""

    def __init__(self) -> None:
        self._said: tuple[str, int] = ("", 0)

    def __call__(self, message: str, progress: float | None) -> None:
        now = (message, 0 if progress is None else int(10 * progress))
        if now[0] != self._said[0] or now[1] > self._said[1]:
            self._said = now
            logger.info("%s%s", message, "" if progress is None else f", {progress:.0%}")
