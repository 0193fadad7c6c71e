"""The messages of ``speech.proto``, and of its older forms, to commands and from events. A pure codec.

A text among the messages is :data:`HALF_CLOSED`: the client has sent its last.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import replace

from reswhis.audio.pcm import SAMPLE_BYTES, AudioFormat
from reswhis.core.errors import ClientError
from reswhis.core.events import Committed, Event, Tentative, UtteranceEnded
from reswhis.core.types import SAMPLE_RATE

from ..codec import Audio, Close, Command, Defaults, End, Message, Notice, Open
from ..native_endings import EXPLANATIONS
from .answers import Answers
from .dialects import Dialect, Path, dialect_of, first_form_of, request_of
from .stubs.speech_pb2 import (
    AUDIO_ENCODING_PCM_F32LE,
    AUDIO_ENCODING_PCM_S16LE,
    AUDIO_ENCODING_UNSPECIFIED,
    StreamingConfig,
)

HALF_CLOSED = "half-closed"
MAX_CHUNK_S = 1.0
"""The server's own bound for ``chunk_duration_millis``, unless it is set otherwise."""
LEAST_STEP_S = 0.1
"""As of the setting: a client that sends tiny chunks does not get a decode for each."""
ENCODINGS: dict[int, str] = {
    AUDIO_ENCODING_UNSPECIFIED: "pcm_f32le",
    AUDIO_ENCODING_PCM_F32LE: "pcm_f32le",
    AUDIO_ENCODING_PCM_S16LE: "pcm_s16le",
}


class Status(enum.IntEnum):
    """gRPC's own codes."""

    OK = 0
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    RESOURCE_EXHAUSTED = 8
    INTERNAL = 13
    UNAVAILABLE = 14


STATUSES = {
    "idle_timeout": Status.DEADLINE_EXCEEDED,
    "session_limit": Status.DEADLINE_EXCEEDED,
    "slow_reader": Status.DEADLINE_EXCEEDED,
    "frame_too_large": Status.RESOURCE_EXHAUSTED,
    "overloaded": Status.UNAVAILABLE,
    "server_restart": Status.UNAVAILABLE,
    "engine_stopped": Status.INTERNAL,
    "internal_error": Status.INTERNAL,
}
"""What is not here is the client's fault, an INVALID_ARGUMENT."""


class SpeechCodec:
    """A session's step is its client's chunk, where it names one: there, a chunk was decoded at a time."""

    def __init__(
        self, defaults: Defaults, path: Path, *, max_chunk_s: float = MAX_CHUNK_S, prefer: str = "0.3"
    ) -> None:
        """``prefer``: see :func:`.dialects.dialect_of`."""
        self._defaults = defaults
        self._path = path
        self._prefer = prefer
        self._max_chunk_millis = round(max_chunk_s * 1000)
        self._dialect: Dialect | None = None
        self._max_chunk_bytes = defaults.limits.max_frame_bytes
        self._shows_interim = False
        self._last_words = ""

    # What the client says.

    def greet(self) -> Sequence[Command]:
        return []

    def decode(self, message: Message) -> Sequence[Command]:
        if isinstance(message, str):
            return [End()] if self._dialect is not None else [self._open(None), End()]
        if self._dialect is None:
            return self._begin(message)
        return self._audio(message, self._dialect)

    def _begin(self, first: bytes) -> Sequence[Command]:
        self._dialect = dialect = dialect_of(first, self._path, self._prefer)
        if dialect is None:
            return []
        opening = self._open(dialect.config)
        if dialect.config is None:
            return [opening, *self._audio(first, dialect)]
        millis = dialect.config.chunk_duration_millis
        self._max_chunk_bytes = millis * SAMPLE_RATE // 1000 * SAMPLE_BYTES[opening.audio.encoding]
        return [opening]

    def _open(self, config: StreamingConfig | None) -> Open:
        """Raises ClientError."""
        defaults = self._defaults
        if config is None:
            return Open(AudioFormat("pcm_f32le"), defaults.config, defaults.options)
        millis = config.chunk_duration_millis
        if not 0 < millis <= self._max_chunk_millis:
            raise ClientError(f"chunk_duration_millis must be > 0 and <= {self._max_chunk_millis}")
        encoding = ENCODINGS.get(config.encoding)
        if encoding is None:
            raise ClientError("encoding must be AUDIO_ENCODING_PCM_F32LE or AUDIO_ENCODING_PCM_S16LE")
        longest = defaults.limits.max_backlog_s / 2  # of a step: a window must fit into the backlog
        step_s = min(max(millis / 1000, LEAST_STEP_S), longest)
        return Open(AudioFormat(encoding), replace(defaults.config, step_s=step_s), defaults.options)

    def _audio(self, message: bytes, dialect: Dialect) -> Sequence[Command]:
        data = first_form_of(message).f32le if dialect.config is None else _chunk_of(message)
        limit = self._defaults.limits.max_frame_bytes
        if len(data) > limit:
            raise ClientError(f"An audio chunk has at most {limit} bytes", code="frame_too_large")
        if len(data) > self._max_chunk_bytes:
            raise ClientError("Audio chunk exceeds the configured chunk_duration_ms")
        return [Audio(data)] if data else []

    # What the client is told.

    def encode(self, event: Event | Notice, audio: int) -> list[Message]:
        if self._dialect is None:  # who has said nothing can be told nothing
            return []
        message = self._message(event, self._dialect.answers)
        return [] if message is None else [message]

    def _message(self, event: Event | Notice, answers: Answers) -> bytes | None:
        match event:
            case Committed(words=words):
                self._shows_interim = False
                return answers.confirmed(words)
            case Tentative(words=words) if words:
                self._shows_interim = True
                return answers.interim(words)
            case Tentative() | UtteranceEnded() if self._shows_interim:
                self._shows_interim = False
                return answers.no_interim()
            case _:
                return None

    def fail(self, code: str, message: str, param: str | None, audio: int) -> list[Message]:
        self._last_words = message
        return []

    def close(self, error: str | None) -> Close:
        if error is None:
            return Close(Status.OK, "")
        reason = self._last_words or EXPLANATIONS.get(error, "the session has ended")
        return Close(STATUSES.get(error, Status.INVALID_ARGUMENT), reason)


def _chunk_of(message: bytes) -> bytes:
    """Raises ClientError."""
    request = request_of(message)
    if request.WhichOneof("payload") != "audio_chunk":
        raise ClientError("Only audio_chunk messages are allowed after the initial config")
    return request.audio_chunk.audio_bytes
