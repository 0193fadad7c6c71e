"""What can be asked over plain HTTP: the web page, what this server is, and whether it can serve."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from pydantic import BaseModel, Field

import reswhis
from reswhis import __version__
from reswhis.core.types import SAMPLE_RATE
from reswhis.engine.model_pool import Residence
from reswhis.observability.health import State
from reswhis.server.service import Service

from .access import Access, key_of

PACKAGE = Path(reswhis.__file__).parent
WEB_CLIENT = "web_client.html"
CAPTION_PAGE = "caption_page.html"
PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the rest of it is in the page, also where that is a file
}


class Configured(BaseModel):
    """The settings that ``/info`` repeats; those that the model decides are overwritten when it is there."""

    backend: str
    model_size: str
    language: str
    minimum_chunk_size: float
    voice_activity_controller: bool
    use_voice_activity_detection: bool
    device: str
    compute_type: str
    policy: str
    key_required: bool = Field(description="whether a session wants an API key")
    doors: list[str] = Field(description="protocols that are spoken here")


class Model(BaseModel):
    name: str
    state: str = Field(description="loaded, loading or not loaded: it is when a session asks for it")


class Info(Configured):
    """The first seven are those of reswhis 0.1, with the values in force."""

    sampling_rate: int = SAMPLE_RATE
    version: str = __version__
    state: str = Field(description="loading, ready, failed or draining")
    fallback_reason: str | None = Field(description="why the server has no Whisper model although none was refused")
    models: list[Model] = Field(description="those that a session may ask for, the server's own first")
    sessions: int
    max_sessions: int
    endpoints: list[str] = [
        "/ws/transcribe",
        "/transcribe",
        "/v1/audio/transcriptions",
        "/v1/audio/translations",
        "/v1/models",
        "/",
        "/captions",
        "/info",
        "/health/live",
        "/health/ready",
        "/metrics",
    ]


class Live(BaseModel):
    status: str = "alive"


class Readiness(BaseModel):
    status: str = Field(description="loading, ready, failed or draining")
    message: str
    progress: float | None = Field(description="0 to 1 where it is known")
    models: list[str] = Field(description="those that are loaded")


def router(service: Service, configured: Configured, access: Access) -> APIRouter:
    pages = APIRouter()

    @pages.get("/", include_in_schema=False)
    @pages.head("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(page_file(WEB_CLIENT), headers=PAGE_HEADERS)

    @pages.get("/captions", include_in_schema=False)
    @pages.head("/captions", include_in_schema=False)
    async def captions() -> FileResponse:
        """For a session's viewers: it holds nothing of any session."""
        return FileResponse(page_file(CAPTION_PAGE), headers=PAGE_HEADERS)

    @pages.get("/info")
    @pages.head("/info", include_in_schema=False)
    async def info() -> Info:
        fields = configured.model_dump()
        if (decided := service.info) is not None:
            fields |= {
                "backend": decided.backend,
                "model_size": decided.model,
                "device": decided.device,
                "compute_type": decided.compute_type,
            }
        return Info(
            **fields,
            state=service.health.state.value,
            fallback_reason=service.fallback_reason,
            models=[Model(name=name, state=residence.value) for name, residence in service.residences.items()],
            sessions=service.sessions,
            max_sessions=service.limits.max_sessions,
        )

    @pages.get("/health/live")
    @pages.head("/health/live", include_in_schema=False)
    async def live() -> Live:
        return Live()

    @pages.get("/health/ready", responses={503: {"model": Readiness}})
    @pages.head("/health/ready", include_in_schema=False)
    async def ready(response: Response) -> Readiness:
        health = service.health
        response.status_code = 200 if health.state is State.READY else 503
        loaded = [name for name, residence in service.residences.items() if residence is Residence.LOADED]
        return Readiness(status=health.state.value, message=health.message, progress=health.progress, models=loaded)

    @pages.get("/metrics", response_class=PlainTextResponse, responses={401: {"description": "without an API key"}})
    @pages.head("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> Response:
        """For Prometheus, in its text format or, where that is asked for, in OpenMetrics's."""
        # Unlike /info it tells how much is said, and when: who has made a session's door private means that too.
        if not access.knows(key_of(request.headers, request.query_params, ())):
            message = "this server wants an API key: Authorization: Bearer KEY, or ?api_key=KEY"
            problem = {"type": "error", "code": "unauthorized", "message": message, "fatal": True}
            return JSONResponse(problem, 401, {"WWW-Authenticate": "Bearer"})
        content, content_type = service.metrics.page(request.headers.get("accept", ""), service.snapshot)
        return Response(content, headers={"Content-Type": content_type, "Cache-Control": "no-store"})

    return pages


def page_file(name: str) -> Path:
    """A page, where an installation has it or, in a checkout, where people look for it."""
    installed = PACKAGE / name
    return installed if installed.exists() else PACKAGE.parent / "clients" / name
