"""Which of several models are in memory: one is loaded when it is first asked for, and goes when it is long unused.

What a model is, how it is fetched, loaded and let go, and how much memory there is, is given by whoever makes the pool:
nothing here loads anything. Made by the server for the models that its clients may ask for.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from reswhis.backends.memory import is_out_of_memory
from reswhis.core.errors import Overloaded, ReswhisError

logger = logging.getLogger(__name__)

STOPPING = "the server is stopping"
PRESSURE_S = 10.0
"""While something could be unloaded, memory is looked at so often."""


class Residence(enum.Enum):
    NOT_LOADED = "not loaded"
    LOADING = "loading"
    LOADED = "loaded"


class Model(Protocol):
    @property
    def alive(self) -> bool:
        """Whether it can ever be used again; one that cannot is loaded anew for the next who asks."""
        ...


M = TypeVar("M", bound=Model)


@dataclass(frozen=True, slots=True)
class Fetched(Generic[M]):
    """A model that could be loaded now."""

    load: Callable[[], Awaitable[M]]
    """Raises ReswhisError."""
    needs: int = 0
    """Bytes of memory; 0: nobody knows."""


@dataclass(frozen=True, slots=True)
class Bounds:
    ttl_s: float
    """How long a model stays that nobody uses."""
    max_loaded: int
    patience_s: float
    """How long whoever asks waits for a model; it is loaded all the same."""


@dataclass(slots=True, eq=False)
class _Entry(Generic[M]):
    name: str
    ready: asyncio.Future[M]
    users: int = 0
    """Those who wait for it, too."""
    last_used: float = field(default=0.0)
    loaded: bool = False


class ModelPool(Generic[M]):
    """Fetches several at once, but loads and unloads one at a time: else two could take the memory that one found."""

    def __init__(
        self,
        fetch: Callable[[str], Awaitable[Fetched[M]]],
        unload: Callable[[M], Awaitable[None]],
        bounds: Bounds,
        *,
        is_short: Callable[[int], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``is_short``: whether memory is, once so many more bytes of it are taken."""
        self._fetch = fetch
        self._unload = unload
        self._bounds = bounds
        self._is_short = is_short
        self._clock = clock
        self._entries: dict[str, _Entry[M]] = {}
        self._moving = asyncio.Lock()
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving: set[asyncio.Future[None]] = set()
        self._closed = False

    async def __aenter__(self) -> ModelPool[M]:
        self._start(self._sweep_always())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Whoever waits is told; what is loaded is unloaded, also what is in use."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for entry in self._entries.values():
            if not entry.ready.done():
                entry.ready.set_exception(Overloaded(STOPPING))
        await asyncio.gather(*self._leaving, *(self._let_go(entry) for entry in self._loaded()))

    def residence(self, name: str) -> Residence:
        entry = self._entries.get(name)
        if entry is None:
            return Residence.NOT_LOADED
        return Residence.LOADED if entry.loaded else Residence.LOADING

    @property
    def models(self) -> list[M]:
        """Those that are loaded."""
        return [entry.ready.result() for entry in self._loaded()]

    @asynccontextmanager
    async def use(self, name: str) -> AsyncIterator[M]:
        """Wait for the model, which then stays until the context ends.

        Raises:
            Overloaded: it takes too long, or there is no room for it now.
            ReswhisError: whatever fetching or loading it raises; who asks next has it tried again.
        """
        entry = self._entry(name)
        entry.users += 1
        try:
            yield await self._wait_for(entry)
        finally:
            entry.users -= 1
            entry.last_used = self._clock()
            self._changed.set()

    async def sweep(self) -> None:
        """Unload what has been unused for too long; while memory is short, whatever is unused, the longest first."""
        async with self._moving:
            while (entry := self._longest_unused()) is not None:
                if self._clock() - entry.last_used < self._bounds.ttl_s and not self._is_short(0):
                    return
                await self._let_go(entry)

    # Asking.

    def _entry(self, name: str) -> _Entry[M]:
        if self._closed:
            raise Overloaded(STOPPING)
        entry = self._entries.get(name)
        if entry is not None and entry.loaded and not entry.ready.result().alive:
            self._start(self._let_go(self._entries.pop(name)))
            entry = None
        if entry is None:
            entry = self._entries[name] = _Entry(name, asyncio.get_running_loop().create_future())
            entry.ready.add_done_callback(asyncio.Future.exception)  # there may be nobody left who waits
            self._start(self._load(entry))
        return entry

    async def _wait_for(self, entry: _Entry[M]) -> M:
        try:
            async with asyncio.timeout(self._bounds.patience_s):
                return await asyncio.shield(entry.ready)
        except TimeoutError:
            raise Overloaded(f"the model {entry.name} is still being loaded") from None

    # Loading.

    async def _load(self, entry: _Entry[M]) -> None:
        try:
            fetched = await self._fetch(entry.name)
            async with self._moving:
                model = await self._load_with_room(entry.name, fetched)
        except Exception as exc:  # top of the task: whoever waits must hear of it
            del self._entries[entry.name]  # before they do, so that who asks again has it tried again
            if not isinstance(exc, ReswhisError):
                logger.exception("loading the model %s fails", entry.name)
            entry.ready.set_exception(exc)
        else:
            entry.last_used = self._clock()
            entry.loaded = True
            entry.ready.set_result(model)
            self._changed.set()

    async def _load_with_room(self, name: str, fetched: Fetched[M]) -> M:
        while len(list(self._loaded())) >= self._bounds.max_loaded or self._is_short(fetched.needs):
            if not await self._make_room():
                raise Overloaded(f"there is no room for the model {name} now")
        while True:
            try:
                return await fetched.load()
            except ReswhisError as exc:
                if not is_out_of_memory(exc):
                    raise
                if not await self._make_room():
                    if any(self._loaded()):  # they may go
                        raise Overloaded(f"there is no memory for the model {name} now") from exc
                    raise

    async def _make_room(self) -> bool:
        entry = self._longest_unused()
        if entry is not None:
            await self._let_go(entry)
        return entry is not None

    # Letting go.

    def _loaded(self) -> Iterator[_Entry[M]]:
        return (entry for entry in list(self._entries.values()) if entry.loaded)

    def _longest_unused(self) -> _Entry[M] | None:
        unused = (entry for entry in self._loaded() if not entry.users)
        return min(unused, key=lambda entry: entry.last_used, default=None)

    async def _let_go(self, entry: _Entry[M]) -> None:
        """From its first step on, who asks for the model has it loaded anew. Goes on if whoever waits is cancelled."""
        if self._entries.get(entry.name) is entry:
            del self._entries[entry.name]
        logger.info("unloading the model %s", entry.name)
        leaving = asyncio.ensure_future(self._unload(entry.ready.result()))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        await asyncio.shield(leaving)

    async def _sweep_always(self) -> None:
        while True:
            self._changed.clear()
            await self.sweep()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._until_next_sweep()):
                    await self._changed.wait()

    def _until_next_sweep(self) -> float | None:
        entry = self._longest_unused()
        if entry is None:
            return None
        return min(PRESSURE_S, max(0.0, entry.last_used + self._bounds.ttl_s - self._clock()))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
