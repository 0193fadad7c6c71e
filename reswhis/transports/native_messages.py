"""What a client of the native protocol may send, field by field. No behaviour beyond validation.

Unknown fields are refused, so that a misspelt one is not silently without effect. What the server
says is in :mod:`.native_server_messages`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from reswhis.audio.pcm import HIGHEST_RATE, LOWEST_RATE, SAMPLE_BYTES
from reswhis.core.commit import POLICIES
from reswhis.core.errors import ClientError
from reswhis.core.types import ENCODER_CONTEXTS, MAX_BEAM_SIZE


def _whole(value: object) -> object:
    """JSON has one kind of number: 700.0 is an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_WHOLE = BeforeValidator(_whole)
"""After the range, which else would be no part of the schema."""
Prompt = Annotated[str, Field(max_length=1000)]
Threshold = Annotated[float, Field(gt=0, lt=1)]
EndpointMs = Annotated[int, Field(ge=50, le=10_000), _WHOLE]
BeamSize = Annotated[int, Field(ge=1, le=MAX_BEAM_SIZE), _WHOLE]
Id = Annotated[str, Field(max_length=200)] | Annotated[int, _WHOLE] | None


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


# Checked by reswhis.audio.pcm.AudioFormat, with an error code of its own; here for the schema.
_ENCODINGS = Field(description="How a sample is written.", json_schema_extra={"enum": [*SAMPLE_BYTES]})
_RATES = Field(description="In Hz.", json_schema_extra={"minimum": LOWEST_RATE, "maximum": HIGHEST_RATE})
_CHANNELS = Field(description="2 are mixed down.", json_schema_extra={"minimum": 1, "maximum": 2})


class AudioFields(_Strict):
    """What the binary frames are."""

    encoding: Annotated[str, _ENCODINGS] = "pcm_s16le"
    sample_rate: Annotated[int, _RATES, _WHOLE] = 16_000
    channels: Annotated[int, _CHANNELS, _WHOLE] = 1


class _Changeable(_Strict):
    """What a session may change while it runs. None: as it was, to begin with as the server is configured."""

    language: Annotated[
        str | None, Field(description="Code or English name of the language that is spoken; `auto`: detect it.")
    ] = None
    task: Annotated[Literal["transcribe", "translate"] | None, Field(description="`translate`: into English.")] = None
    prompt: Annotated[Prompt | None, Field(description="Text that the recogniser takes for what was said before.")] = (
        None
    )
    hotwords: Annotated[Prompt | None, Field(description="Words to be expected.")] = None
    beam_size: Annotated[
        BeamSize | None, Field(description="Alternatives that are followed: as many as the server's own, or fewer.")
    ] = None
    encoder_context: Annotated[
        Literal[ENCODER_CONTEXTS] | None,  # type: ignore[valid-type]
        Field(description="`dynamic`: encode no more than the audio, which is quicker and may cost words."),
    ] = None
    vad: Annotated[
        bool | None, Field(description="False: silence does not end an utterance, only the client does.")
    ] = None
    vad_threshold: Annotated[
        Threshold | None, Field(description="Probability of speech from which audio is speech.")
    ] = None
    endpoint_ms: Annotated[EndpointMs | None, Field(description="Milliseconds of silence that end an utterance.")] = (
        None
    )
    partials: Annotated[bool | None, Field(description="Whether to send `partial`; yes unless it is false.")] = None


class Start(_Changeable):
    """Switches to full mode. Comes before the first audio, at most once; answered by `ready`."""

    type: Literal["start"]
    version: Annotated[int, Field(ge=1, le=1, description="Of the protocol."), _WHOLE] = 1
    audio: Annotated[AudioFields, Field(description="What the binary frames will be.")] = AudioFields()
    model: Annotated[str, Field(description="One of those that `/info` names. Empty: the server's own.")] = ""
    policy: Annotated[
        Literal[tuple(POLICIES)] | None,  # type: ignore[valid-type]
        Field(description="When a word is final."),
    ] = None
    words: Annotated[bool, Field(description="Whether `final` has the times of its words.")] = True
    multilingual: Annotated[bool | None, Field(description="Detect the language of every utterance.")] = None
    diagnostics: Annotated[bool, Field(description="Whether to send `suppressed` as well.")] = False
    captions: Annotated[
        bool, Field(description="Whether others may read along: `ready` then has the `viewer_token` to do so.")
    ] = False


class Configure(_Changeable):
    """Changes what it names, from now on; answered by `configured`."""

    type: Literal["configure"]


class Flush(_Strict):
    """All audio so far becomes final, and the stream goes on. Always answered by `flushed`, after all it caused."""

    type: Literal["flush"]
    id: Annotated[Id, Field(description="Comes back in `flushed`.")] = None


class Finish(_Strict):
    """No more audio will come; an empty binary frame says the same. Answered by `finished`, when all is decoded."""

    type: Literal["finish"]


class Ping(_Strict):
    """Shows that the client is there; answered by `pong`."""

    type: Literal["ping"]
    id: Annotated[Id, Field(description="Comes back in `pong`.")] = None


ClientMessage = Annotated[Start | Configure | Flush | Finish | Ping, Field(discriminator="type")]
_MESSAGE: TypeAdapter[Start | Configure | Flush | Finish | Ping] = TypeAdapter(ClientMessage)

AUDIO_FIELDS = tuple(AudioFields.model_fields)
NOT_FIELDS = ("api_key",)


def parse(text: str) -> Start | Configure | Flush | Finish | Ping:
    """Raises ClientError. Strict, unlike a query: ``"700"`` is no number and ``1`` no truth value."""
    try:
        return _MESSAGE.validate_json(text, strict=True)
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
    return Start.model_validate({**fields, **change, "type": "start", "audio": audio})


def _said(message: Start | Configure) -> dict[str, Any]:
    return message.model_dump(exclude={"type"}, exclude_unset=True, exclude_none=True)


def parse_query(query: Mapping[str, str]) -> Start:
    """The fields of ``start``, flattened. Raises ClientError."""
    fields = {name: value for name, value in query.items() if name not in NOT_FIELDS}
    audio = {name: fields.pop(name) for name in AUDIO_FIELDS if name in fields}
    try:
        return Start.model_validate({"type": "start", **fields, "audio": audio})
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
