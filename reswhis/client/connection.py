"""One connection to a server: opens it, waits for its model, moves the messages. What they mean is the session's."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from contextlib import aclosing, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException
from websockets.http11 import Response

from .display import Display
from .session import ClientSession, Finished, ListenError, Ready, Request
from .source import Source

OPEN_TIMEOUT_S = 10.0
READY_TIMEOUT_S = 30.0
PATIENCE_S = 600.0
"""How long a model may load: it may have to be fetched first."""
PING_TIMEOUT_S = 60.0
"""More than the pings' own default: a server that is behind reads slowly, and this client has time."""
SEND_BUFFER = 64 * 1024
"""Bytes: a ping waits behind those that a slow server has not taken, which the system would let grow to minutes."""


@dataclass(frozen=True, slots=True)
class Target:
    url: str
    api_key: str = ""


class Listener:
    """One run, from the connection to the last word."""

    def __init__(
        self, target: Target, request: Request, source: Source, display: Display, *, patience_s: float = PATIENCE_S
    ) -> None:
        self._target = target
        self._session = ClientSession(request)
        self._source = source
        self._display = display
        self._patience_s = patience_s
        self._listening = False

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
            raise self._session.lost(_how(closed)) from closed
        finally:
            websocket.transport.abort()
            if writer is not None:
                writer.cancel()
                await asyncio.gather(writer, return_exceptions=True)

    def stop(self) -> bool:
        """What was heard is finished; False if there is nothing to finish yet."""
        if self._listening:
            self._source.stop()
        return self._listening

    async def _begin(self, websocket: ClientConnection) -> None:
        with suppress(ConnectionClosed):  # a server that has refused already has said why
            await websocket.send(self._session.start())
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while not self._listening:
                    self._show(await websocket.recv())
        except TimeoutError:
            raise ListenError(f"{self._target.url} says nothing: it is not a reswhis server, or stuck.") from None

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
            self._listening = self._listening or isinstance(output, Ready)
            finished = finished or isinstance(output, Finished)
            self._display.show(output)
        return finished


async def open_connection(target: Target, display: Display, patience_s: float) -> ClientConnection:
    """Tries again while the server says that it will be ready later. Raises ListenError."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_s
    said = ""
    while True:
        try:
            return await _connect(target)
        except InvalidStatus as refused:
            after = _retry_after(refused.response)
            if after is None or loop.time() + after > deadline:
                raise ListenError(_refusal(target, refused.response)) from refused
            if (waiting := _message(refused.response) or "it is not ready yet") != said:
                said = waiting
                display.notice(f"waiting for the server: {said}")
            await asyncio.sleep(after)
        except (OSError, UnicodeError, WebSocketException, ImportError) as error:
            raise ListenError(_unreachable(target, error)) from error


async def _connect(target: Target) -> ClientConnection:
    websocket = await connect(
        target.url,
        additional_headers={"Authorization": f"Bearer {target.api_key}"} if target.api_key else None,
        compression=None,  # speech does not compress
        proxy=None if _is_loopback(target.url) else True,
        open_timeout=OPEN_TIMEOUT_S,
        ping_timeout=PING_TIMEOUT_S,
        close_timeout=2,
        max_queue=None,  # bounded by the length of the transcript, and pongs are never behind a full queue
    )
    websocket.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    return websocket


def _is_loopback(url: str) -> bool:
    """A proxy that the environment names could not reach this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


# What to say.


def _retry_after(response: Response) -> float | None:
    """Seconds until the server may be ready; None if it does not say that it will be."""
    after = response.headers.get("Retry-After")
    if response.status_code != 503 or after is None:
        return None
    return min(max(float(after), 0.2), 10.0) if after.isdecimal() else 2.0


def _refusal(target: Target, response: Response) -> str:
    status, message = response.status_code, _message(response)
    said = f"HTTP {status}: {message}" if message else f"HTTP {status}"
    if status == 401 and not target.api_key:
        return f"The server wants a key ({said}): give it with --api-key or RESWHIS_API_KEY."
    if status == 401:
        return f"The server does not know this key ({said})."
    if status == 403:
        return f"The server refuses the connection ({said}): the key is wrong, or there is nothing at {target.url}."
    if status == 503:
        return f"The server takes no one now ({said})."
    return f"What answers at {target.url} is not a reswhis server ({said})."


def _message(response: Response) -> str:
    """The server's own sentence, wherever its JSON has it."""
    try:
        content = json.loads(bytes(response.body))
    except ValueError:
        return ""
    match content:
        case {"error": {"message": str(text)}} | {"error": str(text)} | {"message": str(text)} | {"detail": str(text)}:
            return text[:200]
    return ""


def _unreachable(target: Target, error: Exception) -> str:
    match error:
        case TimeoutError():
            return f"{target.url} does not answer within {OPEN_TIMEOUT_S:.0f} s."
        case ssl.SSLError():
            return f"{target.url} cannot be trusted, or does not speak TLS: {error.reason}."
        case OSError():
            return f"No server can be reached at {target.url} ({_reason(error)}); `reswhis` starts one."
        case InvalidHandshake():
            return f"What answers at {target.url} is not a reswhis server ({error})."
        case _:
            return f"{target.url} cannot be reached: {error}."


def _reason(error: OSError) -> str:
    # asyncio's words when it has tried several addresses of one name.
    if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
        return "connection refused"
    return error.strerror or str(error)


def _how(closed: ConnectionClosed) -> str:
    if closed.rcvd is None:
        return "The connection was lost"
    reason = f" {closed.rcvd.reason}" if closed.rcvd.reason else ""
    return f"The server has closed the connection ({closed.rcvd.code}{reason})"
