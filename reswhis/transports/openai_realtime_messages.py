"""What a client of OpenAI's Realtime protocol may say, in its GA and in its beta dialect. Validation and no more.

Unknown fields and unknown kinds of messages are let pass: clients send what other servers know, and take an error for
the end. Called by :mod:`.openai_realtime` alone.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reswhis.core.errors import ClientError

MAX_TEXT = 65_536
"""Characters of a message beside its audio: few enough to be read on the event loop."""
MAX_PARTS = 100
"""Of a message that is longer, which has little else than audio in it."""
MAX_ID = 512

APPEND = "input_audio_buffer.append"
COMMIT = "input_audio_buffer.commit"
CLEAR = "input_audio_buffer.clear"
UPDATE = "session.update"
BETA_UPDATE = "transcription_session.update"


class _Lenient(BaseModel):
    model_config = ConfigDict(frozen=True)


class Envelope(_Lenient):
    """Any message; what else is in it is looked at when its type is known."""

    type: str
    event_id: Any = None
    audio: Any = None
    session: Any = None

    @property
    def id(self) -> str | None:
        """What an error about it is to name."""
        return self.event_id if isinstance(self.event_id, str) and len(self.event_id) <= MAX_ID else None


class Format(_Lenient):
    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
    rate: int | None = None


class Transcription(_Lenient):
    model: str | None = None
    language: str | None = None
    languages: list[str] | None = None
    prompt: str | None = None
    keywords: list[str] | None = None


class TurnDetection(_Lenient):
    type: Literal["server_vad", "semantic_vad"] = "server_vad"
    threshold: Annotated[float | None, Field(ge=0, le=1)] = None
    prefix_padding_ms: Annotated[int | None, Field(ge=0)] = None
    silence_duration_ms: Annotated[int | None, Field(ge=0)] = None
    eagerness: Literal["low", "medium", "high", "auto"] | None = None


class Input(_Lenient):
    format: Format | None = None
    transcription: Transcription | None = None
    turn_detection: TurnDetection | None = None


class Audio(_Lenient):
    input: Input | None = None


class GaSession(_Lenient):
    audio: Audio | None = None


class BetaSession(_Lenient):
    input_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | None = None
    input_audio_transcription: Transcription | None = None
    turn_detection: TurnDetection | None = None


BETA_FIELDS = frozenset(BetaSession.model_fields)
BETA_FORMATS: Mapping[str, Format] = {
    "pcm16": Format(type="audio/pcm"),
    "g711_ulaw": Format(type="audio/pcmu"),
    "g711_alaw": Format(type="audio/pcma"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """What a session is to be from now on, whatever the dialect it was said in."""

    is_beta: bool | None
    """None: nothing in it tells."""
    format: Format | None
    transcription: Transcription | None
    turn_detection: TurnDetection | None
    named: frozenset[str]
    """Which of the three are there, be it as null."""

    def path(self, field: str) -> str:
        """Where the client finds what is wrong, of ``format``, ``transcription`` and so on."""
        return f"session.{_BETA_PATHS.get(field, field)}" if self.is_beta else f"session.audio.input.{field}"


_BETA_PATHS = {"format": "input_audio_format", "transcription": "input_audio_transcription"}


def parse(text: str) -> Envelope:
    """Raises ClientError for what is no message at all."""
    if len(text) > MAX_TEXT and sum(map(text.count, ",[{")) > MAX_PARTS:
        raise ClientError(f"a message has at most {MAX_TEXT} characters beside its audio", code="message_too_long")
    try:
        return Envelope.model_validate_json(text)
    except ValidationError as exc:
        if exc.errors(include_url=False, include_input=False)[0]["type"] == "json_invalid":
            raise ClientError("this text is not JSON", code="invalid_json") from exc
        raise ClientError(
            "a message is an object that has a type", code="missing_required_parameter", param="type"
        ) from exc


def parse_audio(message: Envelope) -> bytes:
    """Raises ClientError."""
    if not isinstance(message.audio, str):
        raise ClientError("audio: bytes in base64", code="missing_required_parameter", param="audio")
    text = "".join(message.audio.split())  # some encoders break lines
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as exc:
        raise ClientError("audio: bytes in base64, which this is not", code="invalid_value", param="audio") from exc


def parse_change(message: Envelope) -> Change:
    """Raises ClientError for the first thing that is wrong, without the client's own text in it."""
    fields = message.session
    if not isinstance(fields, dict):
        raise ClientError("session: an object", code="missing_required_parameter", param="session")
    is_beta = None
    if "audio" in fields:
        is_beta = False
    elif message.type == BETA_UPDATE or not BETA_FIELDS.isdisjoint(fields):
        is_beta = True
    try:
        return _beta_change(fields) if is_beta else _ga_change(fields, is_beta)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        param = ".".join(["session", *(str(part) for part in first["loc"])])
        raise ClientError(f"{param}: {first['msg']}", code="invalid_value", param=param) from exc


def _ga_change(fields: Mapping[str, object], is_beta: bool | None) -> Change:
    audio = GaSession.model_validate(fields).audio
    asked = (audio and audio.input) or Input()
    named = frozenset(asked.model_fields_set)
    return Change(is_beta, asked.format, asked.transcription, asked.turn_detection, named)


def _beta_change(fields: Mapping[str, object]) -> Change:
    asked = BetaSession.model_validate(fields)
    named = {name.removeprefix("input_audio_") for name in asked.model_fields_set}
    audio = None if asked.input_audio_format is None else BETA_FORMATS[asked.input_audio_format]
    return Change(True, audio, asked.input_audio_transcription, asked.turn_detection, frozenset(named))
