"""The native protocol of ``/ws/transcribe``: plain until a ``start`` comes, then full. A pure codec.

Keeps in which order things may be said. What may be chosen is in :mod:`.native_choices`, what the server says in
:mod:`.native_encoding`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import assert_never

from reswhis.audio.pcm import AudioFormat
from reswhis.backends.base import BackendInfo
from reswhis.core import events as ev
from reswhis.core.errors import ClientError
from reswhis.server.sharing import Sharing

from . import native_messages as messages
from .codec import (
    Audio,
    Close,
    Command,
    Configure,
    Configured,
    Defaults,
    End,
    Flush,
    Message,
    Notice,
    Notify,
    Open,
    Pong,
    Ready,
    Rejected,
    UseModel,
)
from .native_choices import Offer, Terms
from .native_encoding import Encoder
from .native_endings import CLOSE_CODES

MAX_TEXT = 65_536
"""Characters of a text message: more than any that means something, few enough to be read on the event loop."""


class NativeCodec:
    """Plain mode sends ``final`` alone, and what a client asks for that has shown that it speaks JSON."""

    def __init__(
        self, session_id: str, query: Mapping[str, str], defaults: Defaults, *, viewer_token: str | None = None
    ) -> None:
        """``viewer_token``: for those who are to read along, if the client asks for that; None: nobody can."""
        self._session_id = session_id
        self._query = query
        self._max_frame_bytes = defaults.limits.max_frame_bytes
        self._offer = Offer(defaults, None if viewer_token is None else Sharing(session_id, viewer_token))
        self._terms = Terms(
            asked=messages.Start(type="start"),
            open=Open(AudioFormat(), defaults.config, defaults.options),
            model=defaults.info,
            options=defaults.options,
        )
        self._encoder = Encoder(self._terms, defaults.info.model, defaults.limits)
        self._opened = False
        self._ended = False

    # What the client says.

    def greet(self) -> Sequence[Command]:
        self._ask(messages.parse_query(self._query))
        return []

    def decode(self, message: Message) -> Sequence[Command]:
        if isinstance(message, bytes):
            return self._decode_audio(message)
        self._terms.speaks_json = True
        if len(message) > MAX_TEXT:
            raise ClientError(f"a text has at most {MAX_TEXT} characters", code="frame_too_large")
        try:
            parsed = messages.parse(message)
        except ClientError as exc:
            if not self._opened and messages.wants_start(message):
                raise  # a client that is told no and streams on would get the wrong language or noise
            return [Notify(Rejected(exc.code, str(exc), exc.param))]
        match parsed:
            case messages.Ping(id=id):
                return [Notify(Pong(id))]
            case _ if self._ended:
                return [Notify(Rejected("already_finished", "the stream has been finished"))]
            case messages.Start():
                return self._start(parsed)
            case messages.Configure():
                return self._configure(parsed)
            case messages.Flush(id=id):
                # The id goes through the session as text, and comes back as it was.
                text = json.dumps(id)
                return [Flush(text) if self._opened else Notify(ev.Flushed(text))]
            case messages.Finish():
                return self._finish()
            case _:
                assert_never(parsed)

    def _decode_audio(self, data: bytes) -> Sequence[Command]:
        if len(data) > self._max_frame_bytes:
            raise ClientError(f"a frame has at most {self._max_frame_bytes} bytes", code="frame_too_large")
        if self._ended:
            if not data:
                return []
            raise ClientError("audio after the end of the stream", code="audio_after_finish")
        return [*self._ensure_open(), Audio(data)] if data else self._finish()

    def _start(self, start: messages.Start) -> Sequence[Command]:
        if self._terms.full:
            return [Notify(Rejected("already_started", "a stream is started once; use configure"))]
        if self._opened:
            return [Notify(Rejected("start_after_audio", "start comes before the first audio"))]
        self._ask(messages.merged(self._terms.asked, start))  # what it does not say is as the query says
        self._terms.full = True
        return self._ensure_open()

    def _configure(self, change: messages.Configure) -> Sequence[Command]:
        terms = self._terms
        try:
            if not self._opened:  # a start may yet come, and say more
                self._ask(messages.merged(terms.asked, change))
                return [Notify(Configured(terms.options))]
            terms.options = self._offer.changed(terms.options, change, terms.model)
        except ClientError as exc:
            return [Notify(Rejected(exc.code, str(exc), exc.param))]
        if change.partials is not None:
            terms.partials = change.partials
        return [Configure(terms.options), Notify(Configured(terms.options))]

    def _finish(self) -> Sequence[Command]:
        self._ended = True
        return [*self._ensure_open(), End()]

    def _ask(self, asked: messages.Start) -> None:
        terms = self._terms
        terms.model = self._offer.model(asked.model)
        terms.open = self._offer.opening(asked, terms.model)
        terms.asked, terms.options = asked, terms.open.options
        terms.partials = asked.partials is not False

    def _ensure_open(self) -> Sequence[Command]:
        if self._opened:
            return []
        self._opened = True
        if self._terms.model is None:
            return [UseModel(self._terms.asked.model, self._terms.open.audio, self._begin_on)]
        return self._begin()

    def _begin_on(self, model: BackendInfo) -> Sequence[Command]:
        """The model has been loaded: only now it is known whether it can do what is asked."""
        self._terms.model = model
        self._offer.check(self._terms.options.decode, model)
        return self._begin()

    def _begin(self) -> Sequence[Command]:
        terms = self._terms
        if terms.full:
            return [terms.open, Notify(Ready(self._session_id, terms.open.audio, terms.options))]
        if terms.open.sharing is not None:
            message = "captions: only with a start message, whose answer has the token that others need"
            raise ClientError(message, param="captions")
        return [terms.open]

    # What the client is told.

    def encode(self, event: ev.Event | Notice, audio: int) -> list[Message]:
        return self._encoder.encode(event, audio)

    def fail(self, code: str, message: str, param: str | None, audio: int) -> list[Message]:
        return self._encoder.fail(code, message, param, audio)

    def close(self, error: str | None) -> Close:
        return Close(1000, "finished") if error is None else Close(CLOSE_CODES.get(error, 1008), error)
