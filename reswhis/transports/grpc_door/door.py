"""What every gRPC stream goes through before its protocol begins: who is it, is there room, then a connection."""

from __future__ import annotations

import grpc
from grpc.aio import ServicerContext

from reswhis.core.errors import Overloaded
from reswhis.core.online import SessionConfig, StreamOptions
from reswhis.observability.metrics import FULL
from reswhis.server.service import Service

from ..access import Access, key_of
from ..codec import Defaults
from ..connection import Connection
from ..door import RETRY_AFTER_S
from .codec import SpeechCodec
from .dialects import Path
from .opening import Terms
from .wire import GrpcWire

Context = ServicerContext[bytes, bytes]
"""Of a call whose messages come and go as they are on the wire."""


class GrpcDoor:
    def __init__(
        self, service: Service, access: Access, config: SessionConfig, options: StreamOptions, terms: Terms
    ) -> None:
        self.service = service
        self._access = access
        self._config = config
        self._options = options
        self._terms = terms
        self._streams = 0

    async def serve(self, context: Context, path: Path) -> None:
        await self._refuse_strangers(context)
        if 0 < self._terms.max_streams <= self._streams:
            self.service.metrics.session_refused(FULL)
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "this server has as many streams as it takes")
        self._streams += 1
        try:
            await self._serve(context, path)
        finally:
            self._streams -= 1

    async def _serve(self, context: Context, path: Path) -> None:
        service = self.service
        try:
            place, info = service.admit()
        except Overloaded as exc:
            pushback = (("grpc-retry-pushback-ms", str(RETRY_AFTER_S * 1000)),)
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(exc), pushback)
        async with place:
            await context.send_initial_metadata(())  # so that a client knows that it has a place
            defaults = Defaults(self._config, self._options, info, service.limits, service.further_models)
            terms = self._terms
            codec = SpeechCodec(defaults, path, max_chunk_s=terms.max_chunk_s, prefer=terms.dialect)
            await Connection(GrpcWire(context), codec, place, service.limits).serve()

    async def _refuse_strangers(self, context: Context) -> None:
        metadata = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        if not self._access.allows_origin(metadata.get("origin"), None):
            self.service.metrics.session_refused("foreign_origin")
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "pages of this origin may not use this server")
        if not self._access.knows(key_of(metadata, {}, ())):
            self.service.metrics.session_refused("unauthorized")
            wanted = "this server wants an API key, in the metadata: authorization: Bearer KEY"
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, wanted)
