"""One connection to a server: opens it, waits for its model, moves the messages. What they mean is the session's."""

from __future__ import annotations

import asyncio
import socket
from contextlib import aclosing, suppress

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.http11 import Response

from .display import Display
from .patience import PATIENCE_S, Patience
from .problems import closing, message_of, refusal, unreachable
from .session import Finished, ListenError, Session
from .source import Source
from .target import Target

OPEN_TIMEOUT_S = 10.0
READY_TIMEOUT_S = 150.0
"""A model that is asked for may have to be loaded: more than a server waits for that itself before it says so."""
PING_TIMEOUT_S = 60.0
"""More than the pings' own default: a server that is behind reads slowly, and this client has time."""
SEND_BUFFER = 64 * 1024
"""Bytes: a ping waits behind those that a slow server has not taken, which the system would let grow to minutes."""


class Listener:
    """One run, from the connection to the last word."""

    def __init__(
        self,
        target: Target,
        session: Session,
        source: Source,
        display: Display,
        *,
        greeting: str = "",
        patience_s: float = PATIENCE_S,
    ) -> None:
        """``greeting`` is what to say to the user when the server takes audio."""
        self._target = target
        self._session = session
        self._source = source
        self._display = display
        self._greeting = greeting
        self._patience_s = patience_s

    async def run(self) -> None:
        """Returns when all has been said; raises ListenError. Cancelled, it leaves at once."""
        websocket = await open_connection(self._target, self._display, self._patience_s)
        writer: asyncio.Task[None] | None = None
        try:
            await self._begin(websocket)
            writer = asyncio.create_task(self._write(websocket))
            await self._read(websocket)
            await writer  # raises what went wrong with the source, now that all is shown
            await websocket.close()
        except ConnectionClosed as closed:
            raise self._session.lost(closing(closed)) from closed
        finally:
            websocket.transport.abort()
            if writer is not None:
                writer.cancel()
                await asyncio.gather(writer, return_exceptions=True)

    def stop(self) -> bool:
        """What was heard is finished; False if there is nothing to finish yet."""
        if self._session.ready:
            self._source.stop()
        return self._session.ready

    async def _begin(self, websocket: ClientConnection) -> None:
        with suppress(ConnectionClosed):  # a server that has refused already has said why
            await websocket.send(self._session.start())
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while not self._session.ready:
                    self._show(await websocket.recv())
        except TimeoutError:
            raise ListenError(f"{self._target.url} says nothing: it is not a reswhis server, or stuck.") from None
        if self._greeting:
            self._display.notice(self._greeting)

    async def _read(self, websocket: ClientConnection) -> None:
        while not self._show(await websocket.recv()):
            pass

    async def _write(self, websocket: ClientConnection) -> None:
        """Beside the reader, so that neither waits for the other, however slow the server is."""
        with suppress(ConnectionClosed):  # the reader says so
            try:
                async with aclosing(self._source.pieces()) as pieces:
                    async for samples in pieces:
                        await websocket.send(self._session.audio(samples))
            finally:  # also when the source fails: what it gave is to be read
                await websocket.send(self._session.finish())

    def _show(self, message: str | bytes) -> bool:
        """Whether it was the last."""
        finished = False
        for output in self._session.receive(message):
            finished = finished or isinstance(output, Finished)
            self._display.show(output)
        return finished


async def open_connection(target: Target, display: Display, patience_s: float) -> ClientConnection:
    """Tries again while the server says that it will be ready later. Raises ListenError."""
    patience = Patience(display, patience_s)
    while True:
        try:
            return await _connect(target)
        except InvalidStatus as refused:
            if not await patience.wait(_retry_after_s(refused.response), message_of(refused.response)):
                raise ListenError(refusal(target, refused.response)) from refused
        except (OSError, UnicodeError, WebSocketException, ImportError) as error:
            raise ListenError(unreachable(target, error, OPEN_TIMEOUT_S)) from error


async def _connect(target: Target) -> ClientConnection:
    websocket = await connect(
        target.url,
        additional_headers={"Authorization": f"Bearer {target.api_key}"} if target.api_key else None,
        compression=None,  # speech does not compress
        ssl=(target.trust or True) if target.is_secure else None,
        proxy=None if target.is_loopback else True,
        open_timeout=OPEN_TIMEOUT_S,
        ping_timeout=PING_TIMEOUT_S,
        close_timeout=2,
        max_queue=None,  # bounded by the length of the transcript, and pongs are never behind a full queue
    )
    websocket.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    return websocket


def _retry_after_s(response: Response) -> float | None:
    """Until the server may be ready; None if it does not say that it will be."""
    after = response.headers.get("Retry-After")
    if response.status_code != 503 or after is None:
        return None
    return float(after) if after.isdecimal() else 2.0
