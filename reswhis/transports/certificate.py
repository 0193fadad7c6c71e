"""Gives devices the authority of the server's own certificate, so that they can install it. Holds no secret."""

from __future__ import annotations

from fastapi import APIRouter, Response

MEDIA_TYPE = "application/x-x509-ca-cert"
"""At which phones offer to install it."""


def router(path: str, pem: bytes) -> APIRouter:
    pages = APIRouter()

    @pages.get(path, response_class=Response, responses={200: {"content": {MEDIA_TYPE: {}}}})
    @pages.head(path, include_in_schema=False)
    async def certificate() -> Response:
        return Response(pem, media_type=MEDIA_TYPE)

    return pages
