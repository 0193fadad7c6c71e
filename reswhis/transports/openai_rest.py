"""OpenAI's API for files: ``/v1/audio/transcriptions``, ``/v1/audio/translations`` and ``/v1/models``.

A client with a file holds a place like one with a stream, from before its upload until it has its answer; its windows
wait behind those of streams. One that goes has its window taken out of the queue. Nothing here decodes, parses or
renders. Its routes are added by the application.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from reswhis.audio.file_pieces import AudioFile
from reswhis.audio.files import AudioFileError
from reswhis.backends.base import BackendInfo
from reswhis.core.config import SessionConfig, StreamOptions
from reswhis.core.errors import ClientError, ConfigurationError, EngineDead, Overloaded
from reswhis.core.transcript import FinalUtterance, Transcript
from reswhis.server.service import Service
from reswhis.server.sessions import Place

from .access import Access, key_of
from .openai_rest_answers import Deltas, answer, lost_header, sse
from .openai_rest_errors import error_body, error_headers, status_of
from .openai_rest_form import Upload, receive_upload
from .openai_rest_request import Asked, fields_of, known_model, model_names, parse, require_able

logger = logging.getLogger(__name__)
T = TypeVar("T")

OWNER = "reswhis"


@dataclass(frozen=True, slots=True)
class OpenaiRest:
    service: Service
    access: Access
    config: SessionConfig
    options: StreamOptions
    started: int = field(default_factory=lambda: int(time.time()))
    """What the list of models has for when they were made, which nobody knows."""

    def routes(self) -> list[Route]:
        transcriptions, translations = _Files(self, "transcribe"), _Files(self, "translate")
        return [
            Route("/v1/audio/transcriptions", transcriptions, methods=["POST"], include_in_schema=False),
            Route("/v1/audio/translations", translations, methods=["POST"], include_in_schema=False),
            Route("/v1/models", self.list_models, methods=["GET"], include_in_schema=False),
            # A name may be that of a hub's repository or of a directory, with slashes.
            Route("/v1/models/{name:path}", self.show_model, methods=["GET"], include_in_schema=False),
        ]

    async def list_models(self, request: Request) -> Response:
        try:
            self.check_access(request)
        except ClientError as exc:
            return problem(exc.code, str(exc), exc.param)
        own, *further = self.service.residences
        return JSONResponse(
            {"object": "list", "data": [self._model(name) for name in model_names(own, tuple(further))]}
        )

    async def show_model(self, request: Request) -> Response:
        name = request.path_params["name"]
        own, *further = self.service.residences
        try:
            self.check_access(request)
            known_model(name, own, tuple(further))
        except ClientError as exc:
            return problem(exc.code, str(exc), exc.param)
        return JSONResponse(self._model(name))

    def check_access(self, request: Request) -> None:
        """Raises ClientError."""
        headers = request.headers
        if not self.access.allows_origin(headers.get("origin"), headers.get("host")):
            self.service.metrics.session_refused("foreign_origin")
            message = "Pages of this origin may not use this server: see --allowed-origins."
            raise ClientError(message, code="foreign_origin")
        if not self.access.knows(key_of(headers, request.query_params, ())):
            self.service.metrics.session_refused("unauthorized")
            message = "This server wants an API key: Authorization: Bearer KEY."
            raise ClientError(message, code="invalid_api_key")

    def _model(self, name: str) -> dict[str, str | int]:
        return {"id": name, "object": "model", "created": self.started, "owned_by": OWNER}


@dataclass(frozen=True, slots=True)
class _Files:
    """One path, as an ASGI application: whoever holds a place must see to it until the answer has gone."""

    rest: OpenaiRest
    task: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        reply = _Reply(request, send, self.rest.service.limits.write_timeout_s)
        try:
            await self._serve(request, reply)
        except (ClientDisconnect, _Gone):
            logger.info("a client left before its file was transcribed")
        except _Stalled:
            logger.info("a client took nothing of its answer")
        except ClientError as exc:
            await reply.fail(exc.code, str(exc), exc.param)
        except AudioFileError as exc:
            await reply.fail("invalid_audio", str(exc), "file")
        except Overloaded as exc:
            await reply.fail("overloaded", _sentence(exc))
        except ConfigurationError as exc:
            await reply.fail("model_unavailable", _sentence(exc), "model")
        except EngineDead:
            await reply.fail("engine_stopped", "The recogniser has stopped; the server's log says why.")
        except Exception:  # top of a request: its client must hear of the end, in our words
            logger.exception("a request fails")
            await reply.fail("internal_error", "An error inside the server; its log says more.")

    async def _serve(self, request: Request, reply: _Reply) -> None:
        rest = self.rest
        rest.check_access(request)
        place, info = rest.service.admit()
        async with place:
            await place.run(self._receive(request, place, info, reply))

    async def _receive(self, request: Request, place: Place, info: BackendInfo, reply: _Reply) -> None:
        rest = self.rest
        async with receive_upload(request, rest.service.limits) as upload:
            asked = parse(fields_of(upload.fields), self.task, rest.options, info.model, rest.service.further_models)
            await _unless_gone(request, self._answer(place, upload, asked, reply))

    async def _answer(self, place: Place, upload: Upload, asked: Asked, reply: _Reply) -> None:
        info = await place.use(asked.model) if asked.model else self.rest.service.info
        assert info is not None
        require_able(info, asked.options.decode)
        audio = AudioFile(upload.file, upload.name or "sent")
        try:
            if asked.streams:
                await self._stream(place, audio, asked, reply)
                return
            transcript = await place.transcribe(audio, self.rest.config, asked.options, _Nobody())
        finally:
            await asyncio.to_thread(audio.close)
        _require_any(transcript)
        content, content_type = answer(transcript, asked)
        await reply.whole(Response(content, headers={"Content-Type": content_type, **lost_header(transcript)}))

    async def _stream(self, place: Place, audio: AudioFile, asked: Asked, reply: _Reply) -> None:
        """Begins with the first words: what goes wrong before is an error like any other."""
        deltas = Deltas(asked)
        said = _Said()
        decoding = asyncio.create_task(place.transcribe(audio, self.rest.config, asked.options, said))
        decoding.add_done_callback(said.end)
        try:
            while (utterance := await said.utterances.get()) is not None:
                await reply.event(deltas.said(utterance))
            transcript = await decoding
        finally:
            decoding.cancel()
            await asyncio.wait([decoding])
        _require_any(transcript)
        await reply.event(deltas.done(transcript))
        await reply.end()


class _Gone(Exception):
    """The client has left."""


class _Stalled(Exception):
    """The client takes nothing."""


async def _unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Raises _Gone when the client leaves first; the work is then cancelled."""
    working, watching = asyncio.create_task(work), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait([working, watching], return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise _Gone
        return working.result()
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.wait([working, watching])


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


class _Nobody:
    """Whoever waits for the whole."""

    def said(self, utterance: FinalUtterance) -> None: ...

    def lost(self, start: float, end: float) -> None: ...

    def reached(self, second: float) -> None: ...


class _Said(_Nobody):
    """Utterances for whoever reads along; None at the end. Text alone waits here, so it needs no bound."""

    def __init__(self) -> None:
        self.utterances = asyncio.Queue[FinalUtterance | None]()

    def said(self, utterance: FinalUtterance) -> None:
        self.utterances.put_nowait(utterance)

    def end(self, _: object) -> None:
        self.utterances.put_nowait(None)


class _Reply:
    """One answer: as a whole, as events, or an error in whichever of the two forms has been begun."""

    def __init__(self, request: Request, send: Send, write_timeout_s: float) -> None:
        self._request = request
        self._send_message = send
        self._write_timeout_s = write_timeout_s
        self._streams = False

    async def whole(self, response: Response) -> None:
        await response(self._request.scope, self._request.receive, self._send)

    async def event(self, event: object) -> None:
        if not self._streams:
            headers = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
            headers.append((b"x-accel-buffering", b"no"))  # nginx would wait for the end
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})
            self._streams = True
        await self._send({"type": "http.response.body", "body": sse(event), "more_body": True})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def fail(self, code: str, message: str, param: str | None = None) -> None:
        try:
            if self._streams:
                await self.event(error_body(code, message, param))
                await self.end()
            else:
                await self.whole(problem(code, message, param))
        except _Stalled:
            logger.info("a client took nothing of its answer")

    async def _send(self, message: Message) -> None:
        try:
            async with asyncio.timeout(self._write_timeout_s):
                await self._send_message(message)
        except TimeoutError:
            raise _Stalled from None


def problem(code: str, message: str, param: str | None = None) -> JSONResponse:
    return JSONResponse(error_body(code, message, param), status_of(code), error_headers(code))


async def http_problem(request: Request, exc: Exception) -> Response:
    """A path or a method that is not there, which OpenAI's clients are told in their words."""
    assert isinstance(exc, HTTPException)
    if not request.url.path.startswith("/v1/"):
        return await http_exception_handler(request, exc)
    code = {404: "not_found", 405: "method_not_allowed"}.get(exc.status_code, "invalid_request")
    message = f"{exc.detail}: {request.method} {request.url.path[:200]}"
    return JSONResponse(error_body(code, message), exc.status_code, exc.headers)


def _require_any(transcript: Transcript) -> None:
    """Raises ClientError if nothing at all could be decoded of what was said."""
    if transcript.lost and not transcript.utterances:
        raise ClientError("The recogniser failed on this file; the server's log says why.", code="decode_failed")


def _sentence(exc: Exception) -> str:
    text = str(exc)
    return text[:1].upper() + text[1:].removesuffix(".") + "."
