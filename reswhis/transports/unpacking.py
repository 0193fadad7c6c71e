"""A client's file, unpacked while it arrives, off the event loop. Decodes nothing; :mod:`.connection` calls it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

from reswhis.audio.container import ContainerInput


class Unpacking:
    """s16le samples at 16 kHz come out, a second or so at a time, and no more is decoded until they are taken."""

    def __init__(self) -> None:
        self._input = ContainerInput()
        self._turn = asyncio.Lock()  # the end may come from elsewhere while a message is unpacked
        self._finished = False

    async def push(self, data: bytes) -> AsyncIterator[bytes]:
        """Raises ClientError for what cannot be decoded. Stops at the end, wherever that comes from."""
        async with self._turn:
            if self._finished:
                return
            async for samples in _each(self._input.push(data)):
                yield samples
                if self._finished:
                    self._input.close()
                    return

    async def finish(self) -> AsyncIterator[bytes]:
        """The rest. Raises ClientError if nothing could be decoded at all."""
        async with self._turn:
            self._finished = True
            async for samples in _each(self._input.finish()):
                yield samples

    def close(self) -> None:
        """Whatever is going on."""
        self._input.close()


async def _each(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece
