"""One call to a gRPC server: makes it, waits for its place, moves the messages. What they mean is the session's."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress

import grpc
from grpc.aio import EOF, AioRpcError, Channel, StreamStreamCall

from reswhis.transports.grpc_door.stubs.speech_pb2 import StreamingRecognizeRequest, StreamingRecognizeResponse

from .display import Display
from .grpc_session import GrpcSession
from .grpc_target import GrpcTarget
from .patience import PATIENCE_S, Patience
from .session import Finished, ListenError
from .source import Source

METHOD = "/speech.SpeechToText/StreamingRecognize"
OPEN_TIMEOUT_S = 10.0
PLACE_TIMEOUT_S = 2.0
"""For the server to say that it takes the call. whisper_realtime_server says nothing before its first words."""
PUSHBACK = "grpc-retry-pushback-ms"

Call = StreamStreamCall[StreamingRecognizeRequest, StreamingRecognizeResponse]


class GrpcListener:
    """One run, from the connection to the last word; as :class:`.connection.Listener`."""

    def __init__(
        self,
        target: GrpcTarget,
        session: GrpcSession,
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
        self._ready = False

    async def run(self) -> None:
        """Returns when all has been said; raises ListenError. Cancelled, it leaves at once."""
        async with _channel(self._target) as channel:
            await self._connect(channel)
            call = await self._begin(channel)
            writer = asyncio.create_task(self._write(call))
            try:
                await self._read(call)
                await writer  # raises what went wrong with the source, now that all is shown
            except AioRpcError as error:
                raise self._refusal(error) from error
            finally:
                call.cancel()
                writer.cancel()
                await asyncio.gather(writer, return_exceptions=True)

    def stop(self) -> bool:
        """What was heard is finished; False if there is nothing to finish yet."""
        if self._ready:
            self._source.stop()
        return self._ready

    async def _connect(self, channel: Channel) -> None:
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                state = channel.get_state(try_to_connect=True)
                while state is not grpc.ChannelConnectivity.READY:
                    if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                        raise ListenError(self._unreachable())
                    await channel.wait_for_state_change(state)
                    state = channel.get_state()
        except TimeoutError:
            raise ListenError(f"{self._target.url} does not answer within {OPEN_TIMEOUT_S:g} s.") from None

    async def _begin(self, channel: Channel) -> Call:
        """Tries again while the server says that it will be ready later. Raises ListenError."""
        patience = Patience(self._display, self._patience_s)
        while True:
            call = self._call(channel)
            try:
                with suppress(asyncio.InvalidStateError):  # it is over already
                    await call.write(self._session.start())
                await _until_taken(call)
            except AioRpcError as error:
                if not await patience.wait(_retry_after_s(error), error.details() or ""):
                    raise self._refusal(error) from error
            else:
                self._ready = True
                if self._greeting:
                    self._display.notice(self._greeting)
                return call

    def _call(self, channel: Channel) -> Call:
        method = channel.stream_stream(
            METHOD,
            request_serializer=_serialized,
            response_deserializer=StreamingRecognizeResponse.FromString,
        )
        key = self._target.api_key
        return method(metadata=(("authorization", f"Bearer {key}"),) if key else None)

    async def _read(self, call: Call) -> None:
        while True:
            message = await call.read()
            if not isinstance(message, StreamingRecognizeResponse):
                assert message is EOF
                break
            for output in self._session.receive(message):
                self._display.show(output)
        self._display.show(Finished())

    async def _write(self, call: Call) -> None:
        """Beside the reader, so that neither waits for the other, however slow the server is."""
        with suppress(AioRpcError, asyncio.InvalidStateError):  # the reader says so
            try:
                async with aclosing(self._source.pieces()) as pieces:
                    async for samples in pieces:
                        await call.write(self._session.audio(samples))
            finally:  # also when the source fails: what it gave is to be read
                await call.done_writing()

    def _refusal(self, error: AioRpcError) -> ListenError:
        details = error.details() or "no reason given"
        match error.code():
            case grpc.StatusCode.UNAUTHENTICATED if not self._target.api_key:
                return ListenError(f"The server wants a key ({details}): give it with --api-key or RESWHIS_API_KEY.")
            case grpc.StatusCode.UNAUTHENTICATED:
                return ListenError(f"The server does not know this key ({details}).")
            case grpc.StatusCode.UNIMPLEMENTED:
                return ListenError(f"What answers at {self._target.url} has no speech.SpeechToText ({details}).")
            case code if not self._ready:
                return ListenError(f"The server refuses the session: {details} ({code.name}).")
            case code:
                return self._session.lost(f"The server has ended the session ({code.name}: {details})")

    def _unreachable(self) -> str:
        url = self._target.url
        if self._target.is_secure:
            return f"{url} cannot be reached: there is no server, none with TLS, or its certificate is not trusted."
        return f"There is no gRPC server at {url}; `reswhis --grpc` starts one. With TLS its --url begins with grpcs."


def _serialized(request: StreamingRecognizeRequest) -> bytes:
    return request.SerializeToString()


def _channel(target: GrpcTarget) -> Channel:
    options = [("grpc.enable_http_proxy", 0)] if target.is_loopback else []
    if target.is_secure:
        credentials = grpc.ssl_channel_credentials(target.trust)
        return grpc.aio.secure_channel(target.address, credentials, options)
    return grpc.aio.insecure_channel(target.address, options)


async def _until_taken(call: Call) -> None:
    """Raises AioRpcError if it is refused."""
    with suppress(TimeoutError):
        async with asyncio.timeout(PLACE_TIMEOUT_S):
            await asyncio.shield(asyncio.ensure_future(call.initial_metadata()))
    if call.done():
        await call.read()  # raises what there is to say


def _retry_after_s(error: AioRpcError) -> float | None:
    """Until the server may be ready; None if it does not say that it will be."""
    after = dict(error.trailing_metadata() or ()).get(PUSHBACK)
    if error.code() is not grpc.StatusCode.UNAVAILABLE or not isinstance(after, str) or not after.isdecimal():
        return None
    return int(after) / 1000
