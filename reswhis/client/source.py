"""Where the client's audio comes from, and a file that comes at the speed of speech. Sends nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Protocol

from reswhis.core.types import SAMPLE_RATE, Samples, seconds


class Source(Protocol):
    """Audio that begins to come when :meth:`pieces` is first asked for some."""

    @property
    def sample_rate(self) -> int: ...

    @property
    def channels(self) -> int: ...

    def pieces(self) -> AsyncGenerator[Samples, None]:
        """int16, the channels' samples in turn. Raises ListenError when no more can come."""
        ...

    def stop(self) -> None:
        """What was recorded until now is the last of :meth:`pieces`."""
        ...


class FileSource:
    """Each piece comes when its end would have been recorded."""

    sample_rate = SAMPLE_RATE
    channels = 1

    def __init__(self, audio: Samples, *, piece: int, speed: float = 1.0) -> None:
        """``piece`` in samples; ``speed`` 1 is real time, 0 as fast as it is taken."""
        self._audio = audio
        self._piece = piece
        self._speed = speed
        self._stopped = asyncio.Event()

    async def pieces(self) -> AsyncGenerator[Samples, None]:
        began = asyncio.get_running_loop().time()
        for start in range(0, len(self._audio), self._piece):
            piece = self._audio[start : start + self._piece]
            if self._speed:
                await self._wait_until(began + seconds(start + len(piece)) / self._speed)
            else:
                await asyncio.sleep(0)  # sending may never wait, and then nothing would be read
            if self._stopped.is_set():
                return
            yield piece

    def stop(self) -> None:
        self._stopped.set()

    async def _wait_until(self, when: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(when):
                await self._stopped.wait()
