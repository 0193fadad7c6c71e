"""Composes settings, model and transports into one ASGI application. The only place that knows them all."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.types import Lifespan
from starlette.websockets import WebSocket

from reswhis import __version__
from reswhis.server.service import Service
from reswhis.settings import Settings
from reswhis.settings.layers import backend_config, further_models, limits, session_config, stream_options
from reswhis.transports import pages
from reswhis.transports.access import Access
from reswhis.transports.addresses import machine_names
from reswhis.transports.codec import Defaults
from reswhis.transports.door import Door
from reswhis.transports.legacy import LegacyCodec
from reswhis.transports.native import NativeCodec

LOCAL_PAGES = r"null|file://|https?://(localhost|.*\.localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?"


def make_service(settings: Settings) -> Service:
    return Service(
        backend_config(settings),
        limits(settings),
        further=further_models(settings),
        max_wait_s=settings.max_wait_ms / 1000,
        log_transcripts=settings.log_transcripts,
    )


def make_app(settings: Settings, service: Service) -> FastAPI:
    # FastAPI's own pages for reading /openapi.json load their scripts from elsewhere: without a network they are blank.
    app = FastAPI(title="reswhis", version=__version__, lifespan=_lifespan(service), docs_url=None, redoc_url=None)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.allowed_origins,
        allow_origin_regex=LOCAL_PAGES,
        allow_methods=["GET", "HEAD"],
    )
    access = _access(settings)
    app.include_router(pages.router(service, _configured(settings), access))
    door = Door(service, access, session_config(settings), stream_options(settings))

    @app.websocket("/ws/transcribe")
    async def transcribe(socket: WebSocket) -> None:
        def make_codec(defaults: Defaults) -> NativeCodec:
            return NativeCodec(secrets.token_urlsafe(12), socket.query_params, defaults)

        await door.serve(socket, make_codec)

    @app.websocket("/transcribe")
    async def transcribe_as_before(socket: WebSocket) -> None:
        await door.serve(socket, LegacyCodec)

    return app


def _lifespan(service: Service) -> Lifespan[FastAPI]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with service:
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
    )
