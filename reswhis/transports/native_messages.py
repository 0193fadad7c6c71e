"""What a client of the native protocol may send, field by field. No behaviour beyond validation.

Unknown fields are refused, so that a misspelt one is not silently without effect.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from reswhis.core.commit import POLICIES
from reswhis.core.errors import ClientError

Prompt = Annotated[str, Field(max_length=1000)]
Threshold = Annotated[float, Field(gt=0, lt=1)]
EndpointMs = Annotated[int, Field(ge=50, le=10_000)]
Id = Annotated[str, Field(max_length=200)] | int | None


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AudioFields(_Strict):
    """Ranges are checked by :class:`reswhis.audio.pcm.AudioFormat`, which knows them."""

    encoding: str = "pcm_s16le"
    sample_rate: int = 16_000
    channels: int = 1


class _Changeable(_Strict):
    """None: as it was. What a session may change while it runs."""

    language: str | None = None
    """Code or English name; ``auto``: detected."""
    task: Literal["transcribe", "translate"] | None = None
    prompt: Prompt | None = None
    hotwords: Prompt | None = None
    vad: bool | None = None
    vad_threshold: Threshold | None = None
    endpoint_ms: EndpointMs | None = None
    partials: bool | None = None


class Start(_Changeable):
    type: Literal["start"] = "start"
    version: Annotated[int, Field(ge=1, le=1)] = 1
    audio: AudioFields = AudioFields()
    model: str = ""
    policy: Literal[tuple(POLICIES)] | None = None  # type: ignore[valid-type]
    words: bool = True
    multilingual: bool | None = None
    diagnostics: bool = False


class Configure(_Changeable):
    type: Literal["configure"]


class Flush(_Strict):
    type: Literal["flush"]
    id: Id = None


class Finish(_Strict):
    type: Literal["finish"]


class Ping(_Strict):
    type: Literal["ping"]
    id: Id = None


ClientMessage = Start | Configure | Flush | Finish | Ping
_MESSAGE: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])

AUDIO_FIELDS = tuple(AudioFields.model_fields)
NOT_FIELDS = ("api_key",)


def parse(text: str) -> ClientMessage:
    """Raises ClientError."""
    try:
        return _MESSAGE.validate_json(text)
    except ValidationError as exc:
        raise _error(exc) from exc


def wants_start(text: str) -> bool:
    """Whether a text that :func:`parse` refuses was to be a start."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and fields.get("type") == "start"


def merged(first: Start, then: Start | Configure) -> Start:
    """What both ask for together, field by field."""
    fields, change = _said(first), _said(then)
    audio = {**fields.pop("audio", {}), **change.pop("audio", {})}
    return Start.model_validate({**fields, **change, "audio": audio})


def _said(message: Start | Configure) -> dict[str, Any]:
    return message.model_dump(exclude={"type"}, exclude_unset=True, exclude_none=True)


def parse_query(query: Mapping[str, str]) -> Start:
    """The fields of ``start``, flattened. Raises ClientError."""
    fields = {name: value for name, value in query.items() if name not in NOT_FIELDS}
    audio = {name: fields.pop(name) for name in AUDIO_FIELDS if name in fields}
    try:
        return Start.model_validate({**fields, "audio": audio})
    except ValidationError as exc:
        raise _error(exc) from exc


def _error(exc: ValidationError) -> ClientError:
    """The first thing that is wrong, without the client's own text in it."""
    first = exc.errors(include_url=False, include_input=False, include_context=True)[0]
    match first["type"]:
        case "json_invalid":
            return ClientError("this text is not JSON", code="bad_json")
        case "union_tag_invalid" | "union_tag_not_found" | "model_attributes_type" | "dict_type":
            return ClientError(
                "a message is an object whose type is start, configure, flush, finish or ping",
                code="unknown_type",
                param="type",
            )
    # The first part of a message's location is its type.
    path = [str(part) for part in first["loc"]]
    param = ".".join(path[1:] if path and path[0] in {"start", "configure", "flush", "finish", "ping"} else path)
    text = "unknown field" if first["type"] == "extra_forbidden" else first["msg"]
    return ClientError(f"{param}: {text}", param=param)
