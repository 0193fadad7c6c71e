"""``/v1/transcribe`` as whisper_realtime_server (swim) speaks it: ``start``, frames, ``finish``. A pure codec.

Its words for what went wrong are three, none of them for what the session survives: that is left to the log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from reswhis.audio.pcm import SAMPLE_BYTES, AudioFormat
from reswhis.core.errors import ClientError
from reswhis.core.events import Closed, Committed, Event, Tentative
from reswhis.core.types import SAMPLE_RATE, Word

from .codec import Audio, Close, Command, Defaults, End, Message, Notice, Open
from .native_endings import CLOSE_CODES, EXPLANATIONS

_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

PATH = "/v1/transcribe"
ENCODINGS = ("pcm_s16le", "pcm_f32le")
MAX_CHUNK_S = 1.0
"""The server's own bound for ``chunk_duration_millis``, unless it is set otherwise."""
LEAST_STEP_S = 0.1
"""As of the setting: a client that sends tiny chunks does not get a decode for each."""
MAX_TEXT = 65_536
"""Characters: more than any ``start`` has."""
MAX_REASON = 123
"""Bytes, by RFC 6455."""
NAMES = {
    "idle_timeout": "deadline_exceeded",
    "session_limit": "deadline_exceeded",
    "engine_stopped": "internal_error",
    "internal_error": "internal_error",
    "server_restart": "internal_error",
}
"""Its names for our codes; what is not here is the client's fault, an ``invalid_argument``."""
CLOSED_AS = CLOSE_CODES | {"idle_timeout": 1008, "session_limit": 1008}
"""It has no codes of its own for these."""


@dataclass(frozen=True, slots=True)
class Start:
    """What the first message says."""

    chunk_millis: int
    encoding: str

    @property
    def chunk_bytes(self) -> int:
        """Of the longest frame."""
        return self.chunk_millis * SAMPLE_RATE // 1000 * SAMPLE_BYTES[self.encoding]


class SwimCodec:
    """A session's step is its client's chunk: there, one chunk of every client was decoded at a time."""

    def __init__(self, defaults: Defaults, *, max_chunk_s: float = MAX_CHUNK_S) -> None:
        self._defaults = defaults
        self._max_chunk_millis = round(max_chunk_s * 1000)
        self._start: Start | None = None
        self._ended = False
        self._last_words = ""
        """What the last ``error`` said: it is the reason of the close, too."""

    # What the client says.

    def greet(self) -> Sequence[Command]:
        return []

    def decode(self, message: Message) -> Sequence[Command]:
        if self._ended:
            return []
        if self._start is None:
            if isinstance(message, bytes):
                raise ClientError("the first message must be start")
            self._start = parse_start(_parse(message), self._max_chunk_millis)
            return [self._open(self._start)]
        if isinstance(message, str):
            return self._decode_text(message)
        return self._decode_audio(message, self._start)

    def _decode_text(self, text: str) -> Sequence[Command]:
        if _parse(text).get("type") != "finish":
            raise ClientError("after start there is audio, in binary frames, or finish")
        self._ended = True
        return [End()]

    def _decode_audio(self, data: bytes, start: Start) -> Sequence[Command]:
        limit = self._defaults.limits.max_frame_bytes
        if len(data) > limit:
            raise ClientError(f"a frame has at most {limit} bytes", code="frame_too_large")
        if len(data) > start.chunk_bytes:
            raise ClientError(f"a frame is longer than the chunk_duration_millis of start, {start.chunk_millis}")
        return [Audio(data)] if data else []

    def _open(self, start: Start) -> Open:
        defaults = self._defaults
        longest = defaults.limits.max_backlog_s / 2  # of a step: a window must fit into the backlog
        step_s = min(max(start.chunk_millis / 1000, LEAST_STEP_S), longest)
        return Open(AudioFormat(start.encoding), replace(defaults.config, step_s=step_s), defaults.options)

    # What the client is told.

    def encode(self, event: Event | Notice, audio: int) -> list[Message]:
        match event:
            case Committed(words=words):
                return [_write({"type": "transcript", "confirmed": _transcript(words)})]
            case Tentative(words=words) if words:  # one without words cannot be said: the next replaces what is shown
                return [_write({"type": "transcript", "interim": _transcript(words)})]
            case Closed(None):
                return [_write({"type": "completed"})]
            case Closed(str(code)):
                return self.fail(code, EXPLANATIONS.get(code, "the session has ended"), None, audio)
            case _:
                return []

    def fail(self, code: str, message: str, param: str | None, audio: int) -> list[Message]:
        self._last_words = message
        return [_write({"type": "error", "code": NAMES.get(code, "invalid_argument"), "message": message})]

    def close(self, error: str | None) -> Close:
        if error is None:
            return Close(1000, "completed")
        reason = (self._last_words or error).encode()[:MAX_REASON].decode(errors="ignore")
        return Close(CLOSED_AS.get(error, 1008), reason)


def parse_start(said: Mapping[str, Any], max_chunk_millis: int) -> Start:
    """Raises ClientError. What it does not know it ignores, as swim does."""
    if said.get("type") != "start":
        raise ClientError("the first message must be start")
    millis, audio = said.get("chunk_duration_millis"), said.get("audio_format")
    if type(millis) is not int or not 0 < millis <= max_chunk_millis:
        raise ClientError(f"chunk_duration_millis must be an integer > 0 and <= {max_chunk_millis}")
    if not isinstance(audio, dict):
        raise ClientError("audio_format must be an object")
    encoding = audio.get("encoding")
    if not isinstance(encoding, str) or encoding not in ENCODINGS:
        raise ClientError(f"audio_format.encoding must be {' or '.join(ENCODINGS)}")
    for field, only in (("sample_rate_hz", SAMPLE_RATE), ("channels", 1)):
        if type(audio.get(field)) is not int or audio[field] != only:
            raise ClientError(f"audio_format.{field} must be {only}")
    return Start(millis, encoding)


def _parse(text: str) -> Mapping[str, Any]:
    if len(text) > MAX_TEXT:
        raise ClientError(f"a text has at most {MAX_TEXT} characters", code="frame_too_large")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise ClientError("a text message must be a JSON object")
    return said


def _transcript(words: Sequence[Word]) -> Mapping[str, object]:
    return {
        "start_time_millis": round(words[0].start * 1000),
        "end_time_millis": round(words[-1].end * 1000),
        "text": "".join(word.text for word in words),
    }
