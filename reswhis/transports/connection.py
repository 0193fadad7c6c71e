"""The one shell of all live connections: carries any codec's messages between an open wire and a session.

Knows no protocol's words. Reading and each way of writing is a task of its own, so that a client
that writes everything before it reads anything, or reads nothing at all, holds up only itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from reswhis.core.errors import ClientError, ConfigurationError, Overloaded
from reswhis.core.events import Closed, Reason
from reswhis.server.host import Host
from reswhis.server.journal import Entry
from reswhis.server.limits import Limits
from reswhis.server.sessions import Place

from .codec import (
    AfterAudio,
    Audio,
    Codec,
    Command,
    Configure,
    End,
    Flush,
    Message,
    Notice,
    Notify,
    Open,
    Packed,
    UseModel,
)
from .incoming import Incoming
from .unpacking import Unpacking
from .wire import Gone, Wire

logger = logging.getLogger(__name__)

MAX_NOTICES = 256
"""Answers that a client has not taken yet; with more it is not read until it takes some."""
AHEAD = 65_536
"""Bytes taken in while a message is unpacked."""
GIVE_UP_S = 1.0
"""For the last word to a client that may take nothing."""


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why the connection ends; said after everything that the audio so far gives."""

    code: str
    message: str
    param: str | None = None


class Connection:
    """:meth:`serve` returns when the wire is closed. The place is the caller's to leave."""

    def __init__(self, wire: Wire, codec: Codec, place: Place, limits: Limits) -> None:
        self._wire = wire
        self._incoming = Incoming(wire)
        self._unpacking = Unpacking()
        self._codec = codec
        self._place = place
        self._limits = limits
        self._sending = asyncio.Lock()
        self._notices: deque[Notice] = deque()
        self._noticed = asyncio.Event()
        self._room = asyncio.Semaphore(MAX_NOTICES)
        self._opened = asyncio.Event()
        self._failure: _Failure | None = None
        self._finished = False
        self._unflushed = False
        self._loop = asyncio.get_running_loop()
        self._silent_since: float | None = None
        """None while something is done with what the client sent."""

    async def serve(self) -> None:
        works = (
            self._read,
            self._write_events,
            self._write_notices,
            self._watch_silence,
            self._watch_age,
            self._watch_drain,
        )
        tasks = [asyncio.create_task(work()) for work in works]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except Gone:
            pass
        except TimeoutError:
            logger.info("a client took nothing for %g s", self._limits.write_timeout_s)
            await self._give_up([], "slow_reader")
        except Exception:  # top of a connection: its client must hear of the end, in our words
            logger.exception("a connection fails")
            code, message = "internal_error", "an error inside the server; its log says more"
            await self._give_up(self._codec.fail(code, message, None, self._received), code)
        finally:
            self._unpacking.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # Reading.

    async def _read(self) -> None:
        """Goes on after a failure and after the end, taking nothing, to notice when the client goes."""
        await self._obey_all(self._codec.greet)
        while True:
            self._silent_since = self._loop.time()
            message = await self._incoming.next()
            self._silent_since = None
            if self._failure is None:
                await self._obey_all(partial(self._codec.decode, message))

    async def _obey_all(self, commands: Callable[[], Sequence[Command]]) -> None:
        try:
            for command in commands():
                if self._failure is None:  # it may come from elsewhere while one is obeyed
                    await self._obey(command)
        except ClientError as exc:
            await self._fail(exc.code, str(exc), exc.param)

    async def _obey(self, command: Command) -> None:
        match command:
            case Audio(data):
                self._unflushed = True
                await self._host.receive_audio(data)
            case Packed(data):
                self._unflushed = True
                await self._incoming.while_waiting(self._unpack(data), AHEAD)  # it may hold an hour, and its client go
            case _:
                if self._place.host is not None:  # what it says and does is so at its place in the audio
                    await self._place.host.heard()
                await self._obey_between(command)

    async def _obey_between(self, command: UseModel | Open | Configure | Flush | End | AfterAudio | Notify) -> None:
        match command:
            case UseModel():
                await self._use_model(command)
            case Open(audio, config, options, sharing):
                self._place.start(audio, config, options, sharing)
                self._opened.set()
            case Configure(options):
                self._host.receive_configure(options)
            case Flush(id):
                self._unflushed = False
                await self._host.receive_flush(id)
            case End():
                self._finished = True
                await self._finish_unpacking(self._host)
                await self._host.receive_end()
            case AfterAudio(then):
                for further in then():
                    if self._failure is None:
                        await self._obey(further)
            case Notify(notice):
                await self._room.acquire()
                self._notices.append(notice)
                self._noticed.set()

    async def _use_model(self, wanted: UseModel) -> None:
        """What the client sends while the model is loaded is taken in, as much as may wait to be decoded."""
        room = round(self._limits.max_backlog_s * wanted.audio.sample_rate) * wanted.audio.frame_bytes
        try:
            model = await self._incoming.while_waiting(self._place.use(wanted.name), room)
        except Overloaded as exc:
            raise ClientError(str(exc), code="overloaded") from exc
        except ConfigurationError as exc:
            raise ClientError(str(exc), code="model_unavailable", param="model") from exc
        for command in wanted.then(model):
            if self._failure is None:
                await self._obey(command)

    async def _unpack(self, data: bytes) -> None:
        async for samples in self._unpacking.push(data):
            await self._host.receive_audio(samples)

    async def _finish_unpacking(self, host: Host) -> None:
        async for samples in self._unpacking.finish():
            await host.receive_audio(samples)

    @property
    def _host(self) -> Host:
        assert self._place.host is not None  # a codec opens before anything else
        return self._place.host

    @property
    def _received(self) -> int:
        return 0 if self._place.host is None else self._place.host.received

    async def _fail(self, code: str, message: str, param: str | None = None) -> None:
        """End the connection by an error, which is said last: after the words of the audio that came before it."""
        if self._failure is not None:
            return
        self._failure = _Failure(code, message, param)
        if self._place.host is None:
            async with asyncio.timeout(self._limits.write_timeout_s), self._sending:
                await self._send_notices()
                await self._end(self._codec.fail(code, message, param, 0), code)
        else:
            with suppress(ClientError):
                await self._finish_unpacking(self._place.host)
            await self._place.host.receive_end(code=code)

    async def _watch_silence(self) -> None:
        """Looks now and then: a timer for each message would cost more than all else that is done with it."""
        limits = self._limits
        while not self._finished and self._failure is None:
            allowed_s = limits.idle_flush_s if self._unflushed else limits.idle_timeout_s
            since = self._loop.time() if self._silent_since is None else self._silent_since
            wait_s = since + allowed_s - self._loop.time()
            if wait_s > 0:
                await asyncio.sleep(min(wait_s, limits.idle_flush_s))
            elif self._unflushed:
                self._unflushed = False
                self._silent_since = self._loop.time()
                await self._host.receive_flush(None, Reason.IDLE)
            else:
                await self._fail("idle_timeout", f"nothing was sent for {limits.idle_timeout_s:g} s")
        await asyncio.Event().wait()

    async def _watch_age(self) -> None:
        await asyncio.sleep(self._limits.max_session_s)
        await self._fail("session_limit", f"a session lasts at most {self._limits.max_session_s:g} s")
        await asyncio.Event().wait()

    async def _watch_drain(self) -> None:
        """A client that has begun nothing has nothing to finish; one that has begun just now, the place did not see."""
        await self._place.draining.wait()
        if self._place.host is None:
            await self._fail("server_restart", "the server stops")
        else:
            with suppress(ClientError):
                await self._finish_unpacking(self._place.host)
            await self._place.host.receive_end(Reason.DRAIN)
        await asyncio.Event().wait()

    # Writing.

    async def _write_events(self) -> None:
        await self._opened.wait()
        await self._host.read(self._send_entry, write_timeout_s=self._limits.write_timeout_s)

    async def _send_entry(self, entry: Entry) -> None:
        async with self._sending:
            if not isinstance(entry.event, Closed):
                await self._send(self._codec.encode(entry.event, entry.audio))
                return
            await self._send_notices()  # nothing comes after the end
            if (failure := self._failure) is not None:
                messages = self._codec.fail(failure.code, failure.message, failure.param, entry.audio)
                await self._end(messages, failure.code)
            else:
                restarting = entry.event.error is None and self._place.draining.is_set()
                messages = self._codec.encode(entry.event, entry.audio)
                await self._end(messages, "server_restart" if restarting else entry.event.error)

    async def _write_notices(self) -> None:
        while True:
            await self._noticed.wait()
            self._noticed.clear()
            while self._notices:
                async with asyncio.timeout(self._limits.write_timeout_s), self._sending:
                    await self._send_notice()

    async def _send_notices(self) -> None:
        while self._notices:
            await self._send_notice()

    async def _send_notice(self) -> None:
        if self._notices:  # none, if all were sent before the end
            notice = self._notices.popleft()
            self._room.release()
            await self._send(self._codec.encode(notice, self._received))

    async def _end(self, messages: list[Message], error: str | None) -> None:
        await self._send(messages)
        await self._wire.close(self._codec.close(error))

    async def _give_up(self, messages: list[Message], error: str) -> None:
        with suppress(TimeoutError, Gone):
            async with asyncio.timeout(GIVE_UP_S):
                await self._end(messages, error)

    async def _send(self, messages: list[Message]) -> None:
        for message in messages:
            await self._wire.send(message)
