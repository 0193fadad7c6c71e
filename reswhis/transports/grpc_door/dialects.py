"""Which of whisper_realtime_server's forms a client speaks, told by its path and its first message. Pure.

The three have their paths in common, and none names its version.
"""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from reswhis.core.errors import ClientError

from .answers import Answers, Responses, WordsAlone, WordsAndHypothesis
from .stubs.earlier_pb2 import Audio
from .stubs.speech_pb2 import AUDIO_ENCODING_UNSPECIFIED, StreamingConfig, StreamingRecognizeRequest

SERVICE, METHOD = "speech.SpeechToText", "StreamingRecognize"
MAX_CONFIG = 16
"""Bytes: more than two numbers take. The audio of a first message is hardly ever so short, nor made of fields."""
CONFIG_FIRST = "The first streaming message must be a config"
NOT_OURS = "This is not a message of speech.proto"


@dataclass(frozen=True, slots=True)
class Path:
    """A method, as ``SERVICE/METHOD`` in the address of the call."""

    service: str
    method: str
    with_hypothesis: bool = False


PATHS = (
    Path(SERVICE, METHOD),
    Path("speech.SpeechToTextWithHypothesis", METHOD, with_hypothesis=True),
    Path("speech.SpeechToTextWithHypothesis", "StreamingRecognizeWithHypothesis", with_hypothesis=True),
)
"""The second is of v0.1 and v0.2, the third of what came before them."""


@dataclass(frozen=True, slots=True)
class Dialect:
    config: StreamingConfig | None
    """None: v0.1, all of whose messages are audio."""
    answers: Answers


def dialect_of(first: bytes, path: Path, preferred: str) -> Dialect | None:
    """None: the message is empty, and says nothing. Raises ClientError.

    ``preferred`` is v0.2 or v0.3, for who calls ``SpeechToText`` and leaves the encoding to the server.
    """
    if not first:
        return None
    config = _config(first)
    if path.with_hypothesis:
        return Dialect(config, WordsAndHypothesis())
    if config is None:
        return Dialect(None, WordsAlone())
    is_former = preferred == "0.2" and config.encoding == AUDIO_ENCODING_UNSPECIFIED
    return Dialect(config, WordsAlone() if is_former else Responses())


def _config(first: bytes) -> StreamingConfig | None:
    """None where field 1 is audio."""
    content = first_form_of(first).f32le
    if not content:
        return _empty_config(first)
    if len(content) > MAX_CONFIG:
        return None
    try:
        config = StreamingConfig.FromString(content)
    except DecodeError:
        return None
    return None if len(UnknownFieldSet(config)) else config


def _empty_config(first: bytes) -> StreamingConfig:
    """Of v0.3: in v0.1 nothing is sent of a chunk without audio. Raises ClientError."""
    request = request_of(first)
    if request.WhichOneof("payload") != "config":
        raise ClientError(CONFIG_FIRST)
    return request.config


def request_of(message: bytes) -> StreamingRecognizeRequest:
    """Raises ClientError."""
    try:
        return StreamingRecognizeRequest.FromString(message)
    except DecodeError:
        raise ClientError(NOT_OURS) from None


def first_form_of(message: bytes) -> Audio:
    """Raises ClientError."""
    try:
        return Audio.FromString(message)
    except DecodeError:
        raise ClientError(NOT_OURS) from None
