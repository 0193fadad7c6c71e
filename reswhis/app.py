"""Composes settings, model and transports into one ASGI application. The only place that knows them all."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.exceptions import HTTPException
from starlette.types import Lifespan
from starlette.websockets import WebSocket

from reswhis import __version__
from reswhis.server.service import Service
from reswhis.settings import Settings
from reswhis.settings.layers import backend_config, further_models, limits, session_config, session_logs, stream_options
from reswhis.transports import pages, viewers
from reswhis.transports.access import Access
from reswhis.transports.addresses import machine_names
from reswhis.transports.codec import Defaults
from reswhis.transports.credentials import Credentials
from reswhis.transports.deepgram_door import serve_deepgram
from reswhis.transports.door import Door
from reswhis.transports.grpc_door.opening import Terms, grpc_server
from reswhis.transports.legacy import LegacyCodec
from reswhis.transports.native import NativeCodec
from reswhis.transports.openai_handshake import openai_problem_of, opening_of
from reswhis.transports.openai_realtime import RealtimeCodec
from reswhis.transports.openai_rest import OpenaiRest, http_problem
from reswhis.transports.swim import SwimCodec
from reswhis.transports.wyoming_server import WyomingServer, listen

LOCAL_PAGES = r"null|file://|https?://(localhost|.*\.localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?"

DOORS = ("native", "reswhis-0.1", "swim", "openai", "openai-realtime", "deepgram", "captions")
"""The protocols that are paths of the application, as ``/info`` names them."""


def make_service(settings: Settings) -> Service:
    return Service(
        backend_config(settings),
        limits(settings),
        further=further_models(settings),
        max_wait_s=settings.max_wait_ms / 1000,
        log_transcripts=settings.log_transcripts,
        log_sessions=session_logs(settings),
    )


def make_app(settings: Settings, service: Service, credentials: Credentials | None = None) -> FastAPI:
    """``credentials``: of the doors that uvicorn does not open. Raises ConfigurationError if one cannot be opened."""
    lifespan = _lifespan(service, [*_ports(settings, service, credentials)])
    # FastAPI's own pages for reading /openapi.json load their scripts from elsewhere: without a network they are blank.
    app = FastAPI(title="reswhis", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.allowed_origins,
        allow_origin_regex=LOCAL_PAGES,
        allow_methods=["GET", "HEAD", "POST"],
        allow_headers=["*"],  # OpenAI's client in a page sends some dozen of its own
    )
    access = _access(settings)
    app.include_router(pages.router(service, _configured(settings), access))
    app.include_router(viewers.router(service))
    rest = OpenaiRest(service, access, session_config(settings), stream_options(settings))
    app.router.routes.extend(rest.routes())
    app.add_exception_handler(HTTPException, http_problem)
    door = Door(service, access, session_config(settings), stream_options(settings))

    @app.websocket("/ws/transcribe")
    async def transcribe(socket: WebSocket) -> None:
        def make_codec(defaults: Defaults) -> NativeCodec:
            session_id, viewer_token = secrets.token_urlsafe(12), secrets.token_urlsafe(24)
            return NativeCodec(session_id, socket.query_params, defaults, viewer_token=viewer_token)

        await door.serve(socket, make_codec)

    @app.websocket("/transcribe")
    async def transcribe_as_before(socket: WebSocket) -> None:
        await door.serve(socket, LegacyCodec)

    @app.websocket("/v1/transcribe")
    async def transcribe_for_swim(socket: WebSocket) -> None:
        await door.serve(socket, partial(SwimCodec, max_chunk_s=settings.max_chunk_duration_seconds))

    @app.websocket("/v1/realtime")
    async def transcribe_for_openai(socket: WebSocket) -> None:
        opening = opening_of(socket, f"sess_{secrets.token_urlsafe(12)}", settings.max_session_s)
        await door.serve(socket, partial(RealtimeCodec, opening), problem=openai_problem_of)

    @app.websocket("/v1/listen")
    async def transcribe_for_deepgram(socket: WebSocket) -> None:
        await serve_deepgram(door, socket)

    return app


def _ports(
    settings: Settings, service: Service, credentials: Credentials | None
) -> Iterator[AbstractAsyncContextManager[object]]:
    """The doors that are no paths of this application: they serve as long as they are entered."""
    if settings.wyoming:
        listener = listen(settings.host, settings.wyoming_port, with_key=bool(settings.api_key))
        yield WyomingServer(listener, service, session_config(settings), stream_options(settings))
    if settings.grpc:
        terms = Terms(
            settings.host,
            settings.ports,
            max_streams=settings.max_workers,
            max_chunk_s=settings.max_chunk_duration_seconds,
            dialect=settings.grpc_dialect,
            credentials=credentials,
        )
        yield grpc_server(service, _access(settings), session_config(settings), stream_options(settings), terms)


def _lifespan(service: Service, ports: Sequence[AbstractAsyncContextManager[object]]) -> Lifespan[FastAPI]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(service)
            for port in ports:
                await stack.enter_async_context(port)
            yield

    return lifespan


def _access(settings: Settings) -> Access:
    keys = tuple(key.get_secret_value() for key in settings.api_key)
    return Access(keys, tuple(settings.allowed_origins), tuple(machine_names()))


def _configured(settings: Settings) -> pages.Configured:
    return pages.Configured(
        backend=settings.backend,
        model_size=backend_config(settings).model,
        language=settings.language or "auto",
        minimum_chunk_size=settings.minimum_chunk_size,
        voice_activity_controller=settings.use_voice_activity_controller,
        use_voice_activity_detection=settings.use_voice_activity_detection,
        device=settings.device,
        compute_type=settings.compute_type,
        policy=settings.policy,
        key_required=bool(settings.api_key),
        doors=[*DOORS, *_further_doors(settings)],
    )


def _further_doors(settings: Settings) -> Sequence[str]:
    return [name for name, is_open in (("grpc", settings.grpc), ("wyoming", settings.wyoming)) if is_open]
