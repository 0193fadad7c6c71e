"""What a client sends over its wire, in order; taken in ahead of its turn while something else is waited for.

Knows no protocol. Read by :mod:`.connection` alone, by one task at a time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

from .codec import Message
from .wire import Wire

T = TypeVar("T")

MESSAGE_BYTES = 256
"""What a message costs beside its content: empty ones are not free."""


class Incoming:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._ahead: deque[Message] = deque()

    async def next(self) -> Message:
        """Raises Gone. Cancelling it loses nothing."""
        return self._ahead.popleft() if self._ahead else await self._wire.receive()

    async def while_waiting(self, work: Coroutine[Any, Any, T], room: int) -> T:
        """Wait for the work while taking in what comes, up to ``room`` bytes of it.

        Raises Gone as soon as the client goes, and whatever the work raises. A client that has sent more
        is not read, so that its going is noticed only when the work is done.
        """
        working, taking = asyncio.create_task(work), asyncio.create_task(self._take_in(room))
        try:
            await asyncio.wait([working, taking], return_when=asyncio.FIRST_COMPLETED)
            if taking.done():
                taking.result()  # who has gone says so only once
            return await working
        finally:
            working.cancel()
            taking.cancel()
            await asyncio.gather(working, taking, return_exceptions=True)

    async def _take_in(self, room: int) -> None:
        while room > 0:
            message = await self._wire.receive()
            self._ahead.append(message)
            room -= len(message) + MESSAGE_BYTES
