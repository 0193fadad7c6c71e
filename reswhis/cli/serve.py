"""``reswhis``: serve until told to stop, then let every session finish. Called by the command line's dispatcher."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
from contextlib import suppress
from types import FrameType

import uvicorn

from reswhis.app import make_app, make_service
from reswhis.backends import selection
from reswhis.core.errors import ConfigurationError
from reswhis.observability.health import State
from reswhis.server.models import further_config
from reswhis.server.service import Service
from reswhis.settings import Settings
from reswhis.settings.catalogue import catalogue
from reswhis.settings.layers import backend_config
from reswhis.transports.certificate import router as certificate_router
from reswhis.transports.uvicorn_http import bounded_http
from reswhis.transports.uvicorn_socket import BoundedWebSocket

from .announcement import AUTHORITY_PATH, Announcement, announcement
from .process import WRONG_REQUEST, end_at_once, set_up_log
from .tls import Tls
from .tls import from_settings as tls_from_settings

logger = logging.getLogger(__name__)

RECEIVE_BUFFER = 128 * 1024
"""Bytes the system holds for a client that is not read: few, so that its pings are answered within seconds."""
WS_MAX_SIZE = 24 * 1024 * 1024
"""Above a door's own limit, so that the door can say what is wrong before it closes."""
HANG_UP_S = 3.0
"""For the clients to answer the close, when every session has finished: cut off before, some would lose the end."""
SHUTDOWN_S = 1
"""For what uvicorn still has to do after that."""
OF_AGREEMENT = ("agreement_n", "similarity", "fallback", "fallback_threshold")
"""Settings that only the policy local-agreement looks at."""
HTTPS_PORT = 443
"""The one that browsers leave out of an origin."""


def run(settings: Settings) -> int:
    """Return the exit code. Raises ConfigurationError."""
    set_up_log(settings)
    if idle := without_effect(settings):
        logger.warning("without effect, since --policy local-agreement alone looks at it: %s", ", ".join(idle))
    own = backend_config(settings)
    for model in (own, *(further_config(own, name) for name in settings.allowed_models)):
        selection.check(model)
    tls = tls_from_settings(settings)
    listener = _listen(settings.host, settings.port)
    with listener:
        bound, port = listener.getsockname()[:2]
        service = make_service(settings)
        trusting = settings if tls is None else _trusting_own_pages(settings, tls, port)
        app = make_app(trusting, service, None if tls is None else tls.credentials)
        if tls is not None and tls.authority is not None:
            app.include_router(certificate_router(AUTHORITY_PATH, tls.authority))
        config = uvicorn.Config(
            app,
            log_config=None,
            http=bounded_http(settings.write_timeout_s, settings.idle_timeout_s),
            ws=BoundedWebSocket,
            ws_ping_interval=None,
            ws_max_size=WS_MAX_SIZE,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=SHUTDOWN_S,
            ssl_context_factory=None if tls is None else lambda _config, _default: tls.context,
        )
        Server(config, service, announcement(settings.host, bound, port, tls)).run(sockets=[listener])
    code = 0 if service.failure is None else WRONG_REQUEST  # the model cannot be had; why has been logged
    if service.at_work:
        end_at_once(code)
    return code


def without_effect(settings: Settings) -> list[str]:
    """Flags of what was set, in whatever way, and belongs to a policy that was not chosen."""
    if settings.policy == "local-agreement":
        return []
    return [" or ".join(catalogue()[name].flags) for name in OF_AGREEMENT if name in settings.model_fields_set]


class Server(uvicorn.Server):
    """uvicorn, but its first signal drains the sessions before any socket is closed."""

    def __init__(self, config: uvicorn.Config, service: Service, announcement: Announcement) -> None:
        super().__init__(config)
        self._service = service
        self._announcement = announcement
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining: asyncio.Task[None] | None = None
        self._forced_by: int | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self._announcing = asyncio.create_task(self._announce())

    async def _announce(self) -> None:
        with suppress(OSError):  # a terminal that has gone
            self._announcement.say()
        await self._service.settled.wait()
        if self._service.failure is not None:
            self.should_exit = True
        elif (info := self._service.info) is not None and self._service.health.state is State.READY:
            if (reason := self._service.fallback_reason) is not None:
                logger.warning("%s", reason)
            logger.info("ready: %s, model %s, on %s (%s)", info.backend, info.model, info.device, info.compute_type)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        if self._forced_by is not None:
            end_at_once(128 + self._forced_by)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """In a signal handler: the first signal begins the drain, the second ends at once."""
        if self._loop is None or self._draining is not None:
            self.force_exit = self.should_exit = True
            self._forced_by = sig
        else:
            self._loop.call_soon_threadsafe(self._begin_drain)

    def _begin_drain(self) -> None:
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        if sessions := self._service.sessions:
            logger.info(
                "stopping after the last words of %d session%s; again to stop at once", sessions, "s"[: sessions > 1]
            )
        try:
            await self._service.drain()
            async with asyncio.timeout(HANG_UP_S):
                while any(isinstance(connection, BoundedWebSocket) for connection in self.server_state.connections):
                    await asyncio.sleep(0.02)  # uvicorn tells nobody
        except TimeoutError:
            logger.info("some clients did not hang up")
        finally:
            self.should_exit = True


def _listen(host: str, port: int) -> socket.socket:
    """Raises ConfigurationError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there it would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)  # accepted sockets inherit it
        listener.bind((host, port))
        listener.listen(1024)
    except (OSError, OverflowError) as exc:
        listener.close()
        advice = "--host must be an address of this machine, or 0.0.0.0 for all of them."
        if isinstance(exc, PermissionError) or getattr(exc, "errno", None) == errno.EADDRINUSE:
            advice = "is another server running? Choose another with --port."
        reason = getattr(exc, "strerror", None) or exc
        raise ConfigurationError(f"{host} port {port} cannot be listened on ({reason}): {advice}") from exc
    listener.setblocking(False)
    return listener


def _trusting_own_pages(settings: Settings, tls: Tls, port: int) -> Settings:
    """Pages that come from here under a name of the certificate may connect.

    Over plain HTTP only those under an address may, since a name could be somebody else's, made to point here;
    over TLS whoever has another's name has no certificate for it.
    """
    here = "" if port == HTTPS_PORT else f":{port}"
    own = tuple(f"https://{name}{here}" for name in tls.names if ":" not in name and "*" not in name)
    return settings.model_copy(update={"allowed_origins": (*settings.allowed_origins, *own)})
