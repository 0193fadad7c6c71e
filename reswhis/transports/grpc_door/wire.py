"""A gRPC stream as a connection's wire. Knows nothing of what its messages mean."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import grpc
from grpc.aio import EOF, BaseError, ServicerContext

from ..codec import Close, Message
from ..wire import Gone
from .codec import HALF_CLOSED

STATUS_CODES = {code.value[0]: code for code in grpc.StatusCode}


class GrpcWire:
    """The status is sent when the call's handler returns."""

    def __init__(self, context: ServicerContext[bytes, bytes]) -> None:
        self._context = context
        self._reading: asyncio.Task[Any] | None = None
        self._half_closed = False
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def receive(self) -> Message:
        waiting: set[asyncio.Future[Any]] = {self._closed}
        if not self._half_closed:
            if self._reading is None:
                self._reading = _going_on(self._context.read())
            waiting.add(self._reading)
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if self._closed.done() or self._reading is None:
            raise Gone
        return self._taken(self._reading)

    def _taken(self, reading: asyncio.Task[Any]) -> Message:
        self._reading = None
        try:
            message = reading.result()
        except BaseError as exc:
            raise Gone from exc
        if message is EOF:  # also of a client that has gone, whose call is cancelled next
            self._half_closed = True
            return HALF_CLOSED
        return bytes(message)

    async def send(self, message: Message) -> None:
        if self._closed.done():
            return
        assert isinstance(message, bytes)
        writing = _going_on(self._context.write(message))
        await asyncio.wait([writing])
        try:
            writing.result()
        except BaseError as exc:
            raise Gone from exc

    async def close(self, close: Close) -> None:
        if not self._closed.done():
            self._context.set_code(STATUS_CODES[close.code])
            self._context.set_details(close.reason)
            self._closed.set_result(None)


def _going_on(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Never to be cancelled: gRPC writes to memory of what it has begun until it has ended it."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(_seen)
    return task


def _seen(task: asyncio.Task[Any]) -> None:
    """That a call has ended is no news of a task that nobody waits for any more."""
    if not task.cancelled():
        task.exception()
