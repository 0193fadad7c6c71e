"""Wyoming's door: a TCP port beside the HTTP one, in the same event loop, before the same sessions.

Carries events between sockets and :mod:`.wyoming`; a stream of speech goes through the same shell as on WebSockets.
Started and stopped with the application.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import deque
from contextlib import suppress
from ipaddress import ip_address

from reswhis.core.errors import ClientError, ConfigurationError, Overloaded
from reswhis.core.online import SessionConfig, StreamOptions
from reswhis.engine.model_pool import Residence
from reswhis.server.service import Service

from .codec import Close, Defaults, Message
from .connection import Connection
from .wire import Gone
from .wyoming import LAST, REQUESTS, WyomingCodec, answer, error
from .wyoming_events import BROKEN, Frame, Frames, parse

logger = logging.getLogger(__name__)

PIECE = 64 * 1024
"""Bytes read at once."""
RECEIVE_BUFFER = 128 * 1024
"""Bytes the system holds for a client that is not read."""
LINGER_S = 5.0
"""For a client to take the last words and to hang up, before its connection is cut."""
HANG_UP_S = 3.0
"""The same, when the server stops."""


def listen(host: str, port: int, *, with_key: bool) -> socket.socket:
    """``with_key``: whether the other doors ask for one, which this protocol has no place for.

    Raises ConfigurationError.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as exc:
        reason = str(exc.strerror or exc).partition(" (while ")[0]  # Python names the address there, too
        raise ConfigurationError(
            f"{host} port {port} cannot be listened on for Wyoming ({reason}): "
            "is another server running? Choose another with --wyoming-port."
        ) from exc
    if with_key and not ip_address(listener.getsockname()[0]).is_loopback:
        listener.close()
        raise ConfigurationError(
            "Wyoming has no place for a key, so whoever reaches its port would be let in: with --api-key it is served "
            "to this machine alone (--host 127.0.0.1). Leave out --wyoming or --api-key, or run two servers."
        )
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)  # accepted sockets inherit it
    listener.setblocking(False)
    return listener


class WyomingServer:
    """Serves within ``async with``; at its end sessions are over, or are cut off."""

    def __init__(
        self, listener: socket.socket, service: Service, config: SessionConfig, options: StreamOptions
    ) -> None:
        self._listener = listener
        self._service = service
        self._config = config
        self._options = options
        self._clients: set[asyncio.Task[None]] = set()
        self._silent: set[asyncio.Task[None]] = set()
        """Those of them that have begun nothing."""

    async def __aenter__(self) -> WyomingServer:
        self._server = await asyncio.start_server(self._accept, sock=self._listener, limit=PIECE)
        host, port = self._listener.getsockname()[:2]
        logger.info("listening on tcp://%s:%d for Home Assistant", f"[{host}]" if ":" in host else host, port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._silent:
            task.cancel()
        if self._clients:
            await asyncio.wait(self._clients, timeout=HANG_UP_S)
        for task in self._clients:
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A coroutine would be a task of asyncio's own, which logs a traceback of one that is cancelled (Python 3.11).
        task = asyncio.create_task(self._serve(reader, writer))
        for tasks in (self._clients, self._silent):
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = _Client(reader, writer, self._service)
        try:
            first = await client.first_request()
            if (task := asyncio.current_task()) is not None:
                self._silent.discard(task)
            if first is not None:
                await self._open(client, first)
            await client.hang_up()
        except (OSError, TimeoutError):  # it has gone, or takes nothing
            pass
        finally:
            writer.transport.abort()

    async def _open(self, client: _Client, first: Frame) -> None:
        service = self._service
        try:
            place, info = service.admit()
        except Overloaded as exc:
            await client.say(error("overloaded", str(exc)))
            return
        async with place:
            client.put_back(first)
            codec = WyomingCodec(Defaults(self._config, self._options, info, service.limits, service.further_models))
            await Connection(client, codec, place, service.limits).serve()


class _Client:
    """A TCP connection as a :class:`.wire.Wire` whose messages are whole events."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, service: Service) -> None:
        self._reader = reader
        self._writer = writer
        self._service = service
        self._frames = Frames(service.limits.max_frame_bytes)
        self._put_back: deque[Frame] = deque()
        self._ended = False
        """Whether its stream has: who hangs up before that has gone, who does so after it may still be reading."""
        self._closed = False
        self._waiting: asyncio.Timeout | None = None

    async def first_request(self) -> Frame | None:
        """None: it has gone, or was told why it has to go."""
        idle_s = self._service.limits.idle_timeout_s
        try:
            while True:
                async with asyncio.timeout(idle_s):
                    frame = await self._next()
                if frame is None or frame.type in REQUESTS:
                    return frame
                if frame.type == BROKEN:
                    parse(frame.content, self._service.limits.max_frame_bytes)  # says why
        except ClientError as exc:
            await self.say(error(exc.code, str(exc)))
        except TimeoutError:
            await self.say(error("idle_timeout", f"nothing was sent for {idle_s:g} s"))
        return None

    async def say(self, event: bytes) -> None:
        """Raises OSError, and TimeoutError if it takes nothing."""
        async with asyncio.timeout(self._service.limits.write_timeout_s):
            await self._write(event)

    def put_back(self, frame: Frame) -> None:
        self._put_back.append(frame)

    async def hang_up(self) -> None:
        """So that the last words arrive: were it closed with something unread, the system would throw them away."""
        if self._writer.is_closing():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                self._writer.write_eof()
                while await self._reader.read(PIECE):
                    pass
                self._writer.close()
                await self._writer.wait_closed()

    # As a wire.

    async def receive(self) -> Message:
        if self._closed:
            raise Gone
        try:
            async with asyncio.timeout(None) as self._waiting:
                frame = await self._next()
                if frame is None and self._ended:
                    await asyncio.Event().wait()  # whether it still reads shows when it is written to
        except (OSError, TimeoutError) as exc:
            raise Gone from exc
        finally:
            self._waiting = None
        if frame is None:
            raise Gone
        self._ended = self._ended or frame.type == LAST
        return frame.content

    async def send(self, message: Message) -> None:
        assert isinstance(message, bytes)
        if self._closed:
            return
        try:
            await self._write(message)
        except OSError as exc:
            raise Gone from exc

    async def close(self, close: Close) -> None:
        """To the session the client has gone then. :meth:`hang_up` does it, when its place is free."""
        self._closed = True
        if self._waiting is not None:
            self._waiting.reschedule(0)

    async def _next(self) -> Frame | None:
        """The next event, answered if it needs no session; None at the end. Cancelling it loses nothing."""
        if self._put_back:
            return self._put_back.popleft()
        while (frame := self._frames.next()) is None:
            if not (data := await self._reader.read(PIECE)):
                return None
            self._frames.feed(data)
        if (answered := self._answer(frame)) is not None:
            await self._write(answered)
        return frame

    def _answer(self, frame: Frame) -> bytes | None:
        """Where it is no event, whoever it is for finds that out."""
        service = self._service
        further = {name: service.residences[name] is Residence.LOADED for name in service.further_models}
        try:
            return answer(frame, service.info, further)
        except ClientError:
            return None

    async def _write(self, event: bytes) -> None:
        """Raises OSError when it has gone."""
        if self._writer.is_closing():  # uvloop has another exception for that
            raise ConnectionResetError
        self._writer.write(event)
        await self._writer.drain()
