"""How a connection to OpenAI's paths begins: what its request says, and how it is refused. No JSON but a refusal's."""

from __future__ import annotations

import time

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

from .door import refusal_headers
from .openai_realtime import Opening

BETA_PROTOCOL = "openai-beta.realtime-v1"
"""A subprotocol, where a browser cannot set the header."""
CODES = {"unauthorized": "invalid_api_key"}
"""Where OpenAI calls it otherwise."""


def opening_of(socket: WebSocket, session_id: str, max_session_s: float) -> Opening:
    says_beta = "openai-beta" in socket.headers or BETA_PROTOCOL in socket.scope.get("subprotocols", ())
    return Opening(session_id, round(time.time() + max_session_s), socket.query_params, says_beta)


def openai_problem_of(status: int, code: str, message: str) -> JSONResponse:
    """As OpenAI's clients read it."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    error = {"message": message, "type": kind, "param": None, "code": CODES.get(code, code)}
    return JSONResponse({"error": error}, status, refusal_headers(status))
