"""What every WebSocket path does before its protocol begins: who is it, is there room, then a connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

from reswhis.core.errors import ClientError, Overloaded
from reswhis.core.online import SessionConfig, StreamOptions
from reswhis.server.service import Service

from .access import Access, key_of, subprotocol_of
from .codec import Codec, Defaults
from .connection import Connection
from .wire import WebSocketWire

RETRY_AFTER_S = 5


def problem_of(status: int, code: str, message: str) -> JSONResponse:
    """As reswhis's own paths say it."""
    return JSONResponse(
        {"type": "error", "code": code, "message": message, "fatal": True}, status, refusal_headers(status)
    )


def refusal_headers(status: int) -> dict[str, str]:
    """What HTTP has for some statuses."""
    return {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": str(RETRY_AFTER_S)}}.get(status, {})


@dataclass(frozen=True, slots=True)
class Door:
    """Shared by all WebSocket paths of one application."""

    service: Service
    access: Access
    config: SessionConfig
    options: StreamOptions

    async def serve(
        self,
        socket: WebSocket,
        make_codec: Callable[[Defaults], Codec],
        *,
        headers: Sequence[tuple[str, str]] = (),
        problem: Callable[[int, str, str], JSONResponse] = problem_of,
    ) -> None:
        """Refusals are HTTP answers with a JSON body: a close before the handshake would reach nobody.

        ``make_codec`` may raise ClientError for what was asked for in the address. ``headers`` go with the handshake,
        ``problem`` makes a refusal of its status, code and message.
        """
        if (refusal := self._refusal(socket)) is not None:
            await socket.send_denial_response(problem(*refusal))
            return
        try:
            place, info = self.service.admit()
        except Overloaded as exc:
            await socket.send_denial_response(problem(503, "overloaded", str(exc)))
            return
        async with place:
            service = self.service
            try:
                codec = make_codec(Defaults(self.config, self.options, info, service.limits, service.further_models))
            except ClientError as exc:
                await socket.send_denial_response(problem(400, exc.code, str(exc)))
                return
            await socket.accept(
                subprotocol=subprotocol_of(socket.scope.get("subprotocols", ())),
                headers=[(name.encode(), value.encode()) for name, value in headers],
            )
            await Connection(WebSocketWire(socket), codec, place, self.service.limits).serve()

    def _refusal(self, socket: WebSocket) -> tuple[int, str, str] | None:
        headers = socket.headers
        if not self.access.allows_origin(headers.get("origin"), headers.get("host")):
            self.service.metrics.session_refused("foreign_origin")
            return 403, "foreign_origin", "pages of this origin may not use this server: see --allowed-origins"
        key = key_of(headers, socket.query_params, socket.scope.get("subprotocols", ()))
        if not self.access.knows(key):
            self.service.metrics.session_refused("unauthorized")
            return 401, "unauthorized", "this server wants an API key: Authorization: Bearer KEY, or ?api_key=KEY"
        return None
