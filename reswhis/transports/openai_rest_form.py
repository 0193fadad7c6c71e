"""Receives the body of an upload: its fields, and its file on disk, within the server's limits.

Knows the fields' meaning as little as what is in the file. Called by :mod:`.openai_rest`.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from reswhis.core.errors import ClientError
from reswhis.server.limits import Limits

MAX_FIELDS = 64
MAX_FIELD_BYTES = 65_536
MAX_FILES = 4
"""One is asked for; others are let be."""
MAX_NAME = 100
"""Characters of a file's name that are repeated to whoever has sent it."""


@dataclass(frozen=True, slots=True)
class Upload:
    file: BinaryIO
    """Seekable; closed with the context."""
    name: str
    fields: list[tuple[str, str]]


@asynccontextmanager
async def receive_upload(request: Request, limits: Limits) -> AsyncIterator[Upload]:
    """Raises ClientError, and starlette's ClientDisconnect."""
    if int(request.headers.get("content-length", "0")) > limits.max_upload_bytes:
        raise _too_large(limits)  # before the client, which may wait to be let, has sent anything
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise ClientError("The request must be multipart/form-data with a file.", code="invalid_content_type")
    parser = MultiPartParser(
        request.headers,
        _bounded(request, limits),
        max_files=MAX_FILES,
        max_fields=MAX_FIELDS,
        max_part_size=MAX_FIELD_BYTES,
    )
    try:
        form = await parser.parse()
    except MultiPartException as exc:
        raise ClientError(f"The form cannot be read: {exc.message}", code="invalid_form") from exc
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ClientError("The server has no room for this file now.", code="no_space") from exc
        raise
    try:
        files = [value for name, value in form.multi_items() if name == "file" and isinstance(value, UploadFile)]
        if not files:
            raise ClientError("Missing required parameter: 'file'.", code="missing_required_parameter", param="file")
        fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
        name = "".join(c for c in files[-1].filename or "" if c.isprintable())[:MAX_NAME]
        yield Upload(files[-1].file, name, fields)
    finally:
        await form.close()


async def _bounded(request: Request, limits: Limits) -> AsyncGenerator[bytes]:
    received = 0
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(limits.idle_timeout_s):
                chunk = await anext(stream, None)
        except TimeoutError:
            message = f"Nothing was sent for {limits.idle_timeout_s:g} s."
            raise ClientError(message, code="idle_timeout") from None
        if chunk is None:
            return
        received += len(chunk)
        if received > limits.max_upload_bytes:
            raise _too_large(limits)
        yield chunk


def _too_large(limits: Limits) -> ClientError:
    message = f"The upload is too large: this server takes {limits.max_upload_bytes} bytes at most."
    return ClientError(message, code="upload_too_large", param="file")
