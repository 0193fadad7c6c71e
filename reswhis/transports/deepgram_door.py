"""How Deepgram's path is opened and refused: its names for that, and the request's number in every answer."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from functools import partial

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

from .deepgram import DeepgramCodec, Request
from .door import Door, refusal_headers

CODES = {400: "INVALID_QUERY_PARAMETER", 401: "INVALID_AUTH", 403: "FORBIDDEN", 503: "SERVICE_UNAVAILABLE"}


async def serve_deepgram(door: Door, socket: WebSocket) -> None:
    request = Request(str(uuid.uuid4()), datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"))
    await door.serve(
        socket,
        partial(DeepgramCodec, request, socket.query_params.multi_items()),
        headers=[("dg-request-id", request.id)],
        problem=partial(_problem, request.id),
    )


def _problem(request_id: str, status: int, code: str, message: str) -> JSONResponse:
    body = {"err_code": CODES.get(status, code), "err_msg": message, "request_id": request_id}
    headers = refusal_headers(status) | {"dg-request-id": request_id, "dg-error": message}
    return JSONResponse(body, status, headers)
