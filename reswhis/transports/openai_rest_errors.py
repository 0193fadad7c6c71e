"""Errors as OpenAI's API says them over HTTP: one object for all, and the status that clients act upon. Pure."""

from __future__ import annotations

from typing import TypedDict

RETRY_AFTER_S = 5

STATUS = {
    "invalid_api_key": 401,
    "foreign_origin": 403,
    "model_not_found": 404,
    "not_found": 404,
    "method_not_allowed": 405,
    "idle_timeout": 408,
    "upload_too_large": 413,
    "decode_failed": 500,
    "engine_stopped": 500,
    "internal_error": 500,
    "model_unavailable": 500,
    "no_space": 507,
    "overloaded": 503,
}
"""By our codes; what is not here is a wrong request: 400. Clients of OpenAI's try again after 408 and from 500 on."""


class ErrorObject(TypedDict):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(TypedDict):
    error: ErrorObject


def status_of(code: str) -> int:
    return STATUS.get(code, 400)


def error_body(code: str, message: str, param: str | None = None) -> ErrorBody:
    kind = "server_error" if status_of(code) >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_headers(code: str) -> dict[str, str]:
    match status_of(code):
        case 401:
            return {"WWW-Authenticate": "Bearer"}
        case 503:
            return {"Retry-After": str(RETRY_AFTER_S)}
        case 500 | 507:  # it would end as it did
            return {"X-Should-Retry": "false"}
        case _:
            return {}
