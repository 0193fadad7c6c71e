"""Wyoming, as Home Assistant speaks it: one stream of speech, its transcript as it grows and as a whole. A pure codec.

Its messages are whole events. What a client may ask without a session, :func:`answer` answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from reswhis import __version__
from reswhis.audio.pcm import AudioFormat
from reswhis.backends.base import BackendInfo
from reswhis.core.errors import ClientError
from reswhis.core.events import (
    Closed,
    Committed,
    DecodeFailed,
    Event,
    Flushed,
    Lagging,
    LanguageDetected,
    SpeechStarted,
    SpeechStopped,
    Suppressed,
    Tentative,
    UtteranceEnded,
)
from reswhis.core.languages import LANGUAGES, language_code

from . import wyoming_events as wire
from .codec import (
    Audio,
    Close,
    Command,
    Configured,
    Defaults,
    End,
    Message,
    Nothing,
    Notice,
    Notify,
    Open,
    Pong,
    Ready,
    Rejected,
    Reply,
    UseModel,
)
from .native_endings import EXPLANATIONS

REQUESTS = frozenset({"transcribe", "audio-start", "audio-chunk", "audio-stop"})
"""What a session begins with; an event that is unknown is ignored, as the protocol wants."""
LAST = "audio-stop"
OTHER_CODES = {"fil": "tl", "iw": "he", "jv": "jw", "nb": "no"}
"""What is today, or was once, another code for what Whisper knows."""
MAX_HOTWORDS = 1000
"""Characters, as in every protocol."""
SAMPLE_BYTES = 2
"""What the session gets, whatever the client's width."""


@dataclass(frozen=True, slots=True)
class _Pcm:
    """Signed little-endian integers."""

    rate: int
    width: int
    channels: int

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 4:
            raise ClientError("width must be from 1 to 4 bytes", code="unsupported_audio", param="width")

    @property
    def format(self) -> AudioFormat:
        return AudioFormat("pcm_s16le", self.rate, self.channels)


class WyomingCodec:
    """A connection has one stream: it is closed after its transcript, as the protocol's own server does."""

    def __init__(self, defaults: Defaults) -> None:
        self._defaults = defaults
        self._info: BackendInfo | None = defaults.info
        self._model = ""
        self._options = defaults.options
        self._pcm: _Pcm | None = None
        self._carried = b""
        """Of a sample that is not whole."""
        self._opened = False
        self._ended = False
        self._text = ""
        self._language = defaults.options.decode.language
        self._started = False

    # What the client says.

    def greet(self) -> Sequence[Command]:
        return []

    def decode(self, message: Message) -> Sequence[Command]:
        if isinstance(message, str):
            raise ClientError("an event is bytes", code="invalid_event")
        event = wire.parse(message, self._defaults.limits.max_frame_bytes)
        if self._ended:
            return []
        match event.type:
            case "transcribe" if self._opened:
                return [Notify(Rejected("late_transcribe", "transcribe comes before the audio"))]
            case "transcribe":
                self._ask(event.data)
                return []
            case "audio-start":
                self._use(_pcm(event.data, self._pcm))
                return []
            case "audio-chunk":
                self._use(_pcm(event.data, self._pcm))
                return [*self._ensure_open(), Audio(self._narrowed(event.payload))]
            case "audio-stop":
                self._ended = True
                return [*self._ensure_open(), End()]
            case _:
                return []

    def _ask(self, data: Mapping[str, object]) -> None:
        defaults = self._defaults
        self._model = _text(data, "name")
        self._info = self._info_of(self._model)
        decode = defaults.options.decode
        if asked := _text(data, "language"):
            decode = replace(decode, language=_language(asked))
        names = [*_texts(data, "transcript_names"), *_texts(data, "transcript_terms")]
        decode = replace(decode, hotwords=_hotwords(decode.hotwords, names))
        self._options = replace(defaults.options, decode=decode)
        self._language = decode.language
        if self._info is not None:
            self._check(self._info)

    def _info_of(self, model: str) -> BackendInfo | None:
        """None as long as nobody knows."""
        own, further = self._defaults.info, self._defaults.further_models
        if model in {"", own.model}:
            return own
        if model in further:
            return None
        raise ClientError(f"this server has {', '.join([own.model, *further])}", code="unknown_model", param="name")

    def _check(self, model: BackendInfo) -> None:
        decode = self._options.decode
        if decode.language is not None and model.languages is not None and decode.language not in model.languages:
            known = ", ".join(sorted(model.languages))
            raise ClientError(f"this model knows only {known}", code="unsupported_language", param="language")
        if decode.task == "translate" and not model.translates:
            raise ClientError("this model does not translate", code="unsupported", param="name")

    def _use(self, pcm: _Pcm) -> None:
        if self._opened and pcm != self._pcm:
            raise ClientError("the audio's format changes within a stream", code="unsupported_audio", param="rate")
        self._pcm = pcm

    def _ensure_open(self) -> Sequence[Command]:
        if self._opened:
            return []
        self._opened = True
        audio = AudioFormat() if self._pcm is None else self._pcm.format
        opening = Open(audio, self._defaults.config, self._options)
        if self._info is None:
            return [UseModel(self._model, audio, lambda model: self._begin_on(model, opening))]
        return [opening]

    def _begin_on(self, model: BackendInfo, opening: Open) -> Sequence[Command]:
        """The model has been loaded: only now it is known whether it can do what is asked."""
        self._check(model)
        return [opening]

    def _narrowed(self, payload: bytes) -> bytes:
        """The upper 16 bits of every sample."""
        assert self._pcm is not None
        width = self._pcm.width
        if width == SAMPLE_BYTES:
            return payload
        data = self._carried + payload
        whole = len(data) - len(data) % width
        self._carried = data[whole:]
        narrow = bytearray(whole // width * SAMPLE_BYTES)
        narrow[1::2] = data[width - 1 : whole : width]
        if width > 1:
            narrow[::2] = data[width - 2 : whole : width]
        return bytes(narrow)

    # What the client is told.

    def encode(self, event: Event | Notice, audio: int) -> list[Message]:
        match event:
            case Committed(words=words):
                return self._chunk("".join(word.text for word in words))
            case LanguageDetected(language=language):
                self._language = language
                return []
            case UtteranceEnded(language=str(language)):
                self._language = language
                return []
            case DecodeFailed(is_final=True):
                return [error("decode_failed", "a stretch of audio could not be decoded")]
            case Rejected(code, message):
                return [error(code, message)]
            case Closed(None):
                return [*self._start(), *self._whole()]
            case Closed(error=code):
                assert code is not None
                return self.fail(code, EXPLANATIONS.get(code, "the session has ended"), None, audio)
            case (
                Tentative() | SpeechStarted() | SpeechStopped() | UtteranceEnded() | Flushed() | Suppressed()
                | Lagging() | DecodeFailed() | Ready() | Configured() | Pong() | Nothing() | Reply()
            ):  # fmt: skip
                return []

    def _start(self) -> list[Message]:
        if self._started:
            return []
        self._started = True
        return [wire.written("transcript-start", self._with_language({}))]

    def _chunk(self, text: str) -> list[Message]:
        """The chunks together are the transcript, which begins with no space."""
        text = text if self._text else text.lstrip()
        self._text += text
        return [*self._start(), wire.written("transcript-chunk", {"text": text})] if text else []

    def _whole(self) -> list[Message]:
        return [
            wire.written("transcript", self._with_language({"text": self._text})),
            wire.written("transcript-stop"),
        ]

    def _with_language(self, data: Mapping[str, object]) -> Mapping[str, object]:
        return data if self._language is None else {**data, "language": self._language}

    def fail(self, code: str, message: str, param: str | None, audio: int) -> list[Message]:
        return [error(code, message if param is None else f"{param}: {message}")]

    def close(self, error: str | None) -> Close:
        return Close(1000, "finished") if error is None else Close(1008, error)


def answer(frame: wire.Frame, info: BackendInfo | None, further: Mapping[str, bool]) -> bytes | None:
    """To what needs no session; None to what does. ``further``: models, and whether they are loaded.

    Raises ClientError.
    """
    match frame.type:
        case "describe":
            if info is None:
                return error("overloaded", "the server is loading its model")
            return described(info, further)
        case "ping":
            text = wire.parse(frame.content, 0).data.get("text")
            return wire.written("pong", {"text": text if isinstance(text, str) else None})
        case _:
            return None


def described(info: BackendInfo, further: Mapping[str, bool]) -> bytes:
    """What the server has. Of a model that is not loaded nobody knows the languages: all of Whisper's are named."""
    own = _model(info.model, info.backend, info.languages, installed=True)
    others = [_model(name, info.backend, None, installed=loaded) for name, loaded in further.items()]
    program = {
        "name": "reswhis",
        "attribution": {"name": "reswhis", "url": ""},
        "installed": True,
        "description": "Live speech-to-text",
        "version": __version__,
        "models": [own, *others],
        "supports_transcript_streaming": True,
    }
    nothing: dict[str, object] = {name: [] for name in ("tts", "handle", "intent", "wake", "mic", "snd")}
    return wire.written("info", {"asr": [program], **nothing})


def _model(name: str, backend: str, languages: frozenset[str] | None, *, installed: bool) -> Mapping[str, object]:
    return {
        "name": name,
        "attribution": {"name": backend, "url": ""},
        "installed": installed,
        "description": f"{name} ({backend})",
        "version": None,
        "languages": sorted(LANGUAGES if languages is None else languages),
    }


def error(code: str, message: str) -> bytes:
    return wire.written("error", {"text": message, "code": code})


def _pcm(data: Mapping[str, object], said: _Pcm | None) -> _Pcm:
    """What is left out is as it was said before."""
    fields = {name: data.get(name) for name in ("rate", "width", "channels")}
    if said is not None and all(value is None for value in fields.values()):
        return said
    numbers: list[int] = []
    for name, value in fields.items():
        if not isinstance(value, int) or isinstance(value, bool):
            raise ClientError("must be a number", code="invalid_event", param=name)
        numbers.append(value)
    pcm = _Pcm(*numbers)
    _ = pcm.format  # which refuses what cannot be heard
    return pcm


def _text(data: Mapping[str, object], name: str) -> str:
    value = data.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ClientError("must be a text", code="invalid_event", param=name)
    return value


def _texts(data: Mapping[str, object], name: str) -> list[str]:
    value = data.get(name) or []
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise ClientError("must be a list of texts", code="invalid_event", param=name)
    return value


def _language(asked: str) -> str | None:
    """A code, also one with a region such as ``pt-BR``."""
    asked = asked.strip().lower()
    if asked == "auto":
        return None
    first = asked.replace("_", "-").partition("-")[0]
    code = language_code(asked) or language_code(OTHER_CODES.get(first, first))
    if code is None:
        raise ClientError("not a language that Whisper knows", code="unsupported_language", param="language")
    return code


def _hotwords(own: str, names: Sequence[str]) -> str:
    """As many whole names as there is room for, the first ones first."""
    text = own
    for name in names:
        longer = f"{text}, {name}" if text else name
        if len(longer) > MAX_HOTWORDS:
            break
        text = longer
    return text
