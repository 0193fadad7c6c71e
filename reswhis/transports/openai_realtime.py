"""OpenAI's Realtime protocol for transcription, ``/v1/realtime``, in its GA and in its beta dialect. A pure codec.

What a client may say is in :mod:`.openai_realtime_messages`, what it is set to in :mod:`.openai_realtime_session`, and
what it is told of its audio in :mod:`.openai_realtime_items`. Clients take an ``error`` for the end, so there is none
for what does no harm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from reswhis.audio.pcm import AudioFormat
from reswhis.backends.base import BackendInfo
from reswhis.core import events as ev
from reswhis.core.errors import ClientError

from . import openai_realtime_messages as messages
from . import openai_realtime_session as session
from .codec import (
    AfterAudio,
    Audio,
    Close,
    Command,
    Configure,
    Defaults,
    Flush,
    Message,
    Notice,
    Notify,
    Open,
    Reply,
    UseModel,
)
from .native_endings import CLOSE_CODES as NATIVE_CLOSE_CODES
from .native_endings import EXPLANATIONS
from .openai_realtime_items import Asked, Event, Item, Items
from .openai_realtime_session import Session

_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

HELD_S = 0.5
"""Of audio that comes before the first update, which may be on its way: less than a turn with its silence."""
CLOSE_CODES: Mapping[str, int] = {
    **NATIVE_CLOSE_CODES,
    "idle_timeout": 1008,
    "session_limit": 1008,
    "binary_frame": 1003,
}
"""OpenAI has none of its own."""
ERROR_CODES = {"session_limit": "session_expired"}
"""Where OpenAI calls it otherwise."""
SERVERS_FAULT = (1011, 1012, 1013)
FATAL = frozenset({"frame_too_large", "binary_frame", "audio_format_fixed"})
"""Who streams on after these loses words, or has noise transcribed."""
EMPTY = (
    "Error committing input audio buffer: buffer too small. Expected at least 100ms of audio, but buffer only has "
    "0.00ms of audio."
)


@dataclass(frozen=True, slots=True)
class Opening:
    """What is known of a connection when it begins."""

    session_id: str
    expires_at: int
    """In seconds since 1970."""
    query: Mapping[str, str]
    says_beta: bool
    """In its headers. Only its first update tells."""


@dataclass(frozen=True, slots=True)
class _Said:
    """A message that is ready."""

    event: Event


@dataclass(frozen=True, slots=True)
class _Committed:
    """By the client. What else is said of the item may overtake this."""

    item: Item


class RealtimeCodec:
    def __init__(self, opening: Opening, defaults: Defaults) -> None:
        self._opening = opening
        self._defaults = defaults
        self._info = defaults.info
        self._session = session.initial(opening.query, defaults)
        self._items = Items(opening.says_beta)
        self._is_settled = "input_audio_format" in opening.query
        """Whether it has said what it wants; until then a little audio is held."""
        self._knows_dialect = False
        self._is_beta = opening.says_beta
        self._held = b""
        self._opened = False
        self._buffered = 0
        """Bytes of audio since the last commit of the client's."""
        self._events = 0

    # What the client says.

    def greet(self) -> Sequence[Command]:
        word = "session"
        if self._is_beta and self._opening.query.get("intent") == "transcription":
            word = "transcription_session"
        return [_say({"type": f"{word}.created", "session": self._described()})]

    def decode(self, message: Message) -> Sequence[Command]:
        if isinstance(message, bytes):
            raise ClientError("this path takes JSON in text frames alone", code="binary_frame")
        limit = self._defaults.limits.max_frame_bytes
        if len(message) > limit * 4 / 3 + messages.MAX_TEXT:
            raise ClientError(f"a frame has at most {limit} bytes of audio", code="frame_too_large")
        try:
            said = messages.parse(message)
        except ClientError as exc:
            return [_say(_error(exc.code, str(exc), exc.param, None))]
        if said.type == messages.APPEND or not self._opened:
            return self._answer(said)
        return [AfterAudio(partial(self._answer, said))]  # turns that the server has found are the server's still

    def _answer(self, said: messages.Envelope) -> Sequence[Command]:
        try:
            return self._obey(said)
        except ClientError as exc:
            if exc.code in FATAL:
                raise
            return [_say(_error(exc.code, str(exc), exc.param, said.id))]

    def _obey(self, said: messages.Envelope) -> Sequence[Command]:
        match said.type:
            case messages.APPEND:
                return self._append(messages.parse_audio(said))
            case messages.COMMIT:
                return self._commit()
            case messages.CLEAR:
                return self._clear()
            case messages.UPDATE | messages.BETA_UPDATE:
                return self._update(messages.parse_change(said), said.type)
            case _:
                return []

    def _append(self, data: bytes) -> Sequence[Command]:
        limit = self._defaults.limits.max_frame_bytes
        if len(data) > limit:
            raise ClientError(f"a frame has at most {limit} bytes of audio", code="frame_too_large")
        if not data:
            return []
        self._buffered += len(data)
        if self._opened:
            return [Audio(data)]
        self._held += data
        is_brief = len(self._held) < HELD_S * _bytes_per_s(self._session.audio)
        return [] if is_brief and not self._is_settled else self._begin()

    def _commit(self) -> Sequence[Command]:
        if not self._buffered:
            if self._session.options.vad:  # its turn has just been found to be over
                return []
            raise ClientError(EMPTY, code="input_audio_buffer_commit_empty")
        begin = self._begin()
        if self._session.options.vad:
            return [*begin, self._flush(Asked.COMMIT_BETWEEN_TURNS)[0]]
        flush, item = self._flush(Asked.COMMIT)
        return [*begin, Notify(Reply(_Committed(item))), flush]

    def _clear(self) -> Sequence[Command]:
        cleared = _say({"type": "input_audio_buffer.cleared"})
        if not self._opened:
            self._held, self._buffered = b"", 0
        return [self._flush(Asked.CLEAR)[0], cleared] if self._buffered else [cleared]

    def _flush(self, asked: Asked) -> tuple[Flush, Item]:
        item = self._items.end(asked, self._buffered_s)
        self._buffered = 0
        return Flush(asked.value), item

    @property
    def _buffered_s(self) -> float:
        return self._buffered / _bytes_per_s(self._session.audio)

    def _update(self, change: messages.Change, word: str) -> Sequence[Command]:
        asked = session.updated(self._session, change, self._defaults)
        self._require_possible(asked, change)
        if change.is_beta is not None and not self._knows_dialect:
            self._knows_dialect = True
            self._is_beta = self._items.is_beta = change.is_beta
        commands: list[Command] = []
        if self._opened and asked.options.vad != self._session.options.vad:
            commands.append(self._flush(Asked.SWITCH)[0])
        if self._opened and asked.options != self._session.options:
            commands.append(Configure(asked.options))
        self._session, self._is_settled = asked, True
        answer = _say({"type": f"{word}d", "session": self._described()})
        return [*commands, answer, *(self._begin() if self._held else [])]

    def _require_possible(self, asked: Session, change: messages.Change) -> None:
        if (self._opened or self._held) and asked.audio != self._session.audio:
            message = "the format cannot change once there is audio"
            raise ClientError(message, code="audio_format_fixed", param=change.path("format"))
        if self._opened and asked.further_model != self._session.further_model:
            message = "the model cannot change once there is audio"
            raise ClientError(message, code="invalid_value", param=f"{change.path('transcription')}.model")
        if self._opened:
            session.require_language(self._info, asked, f"{change.path('transcription')}.language")

    def _begin(self) -> Sequence[Command]:
        """Open the session, if it is not, with the audio that has been held."""
        if self._opened:
            return []
        self._opened = True
        held, self._held = Audio(self._held), b""
        if name := self._session.further_model:
            return [UseModel(name, self._session.audio, self._begin_on), held]
        return [self._opening_command(), held]

    def _begin_on(self, model: BackendInfo) -> Sequence[Command]:
        self._info = model
        session.require_language(model, self._session, "language")
        return [self._opening_command()]

    def _opening_command(self) -> Open:
        config = replace(self._defaults.config, preroll_s=self._session.padding_s)
        return Open(self._session.audio, config, self._session.options)

    # What the client is told.

    def encode(self, event: ev.Event | Notice, audio: int) -> list[Message]:
        return self._written(self._said(event))

    def fail(self, code: str, message: str, param: str | None, audio: int) -> list[Message]:
        kind = "server_error" if CLOSE_CODES.get(code) in SERVERS_FAULT else "invalid_request_error"
        error = _error(ERROR_CODES.get(code, code), message, param, None, kind)
        return self._written([*self._items.close(self._buffered_s), error])

    def close(self, error: str | None) -> Close:
        return Close(1000, "finished") if error is None else Close(CLOSE_CODES.get(error, 1008), error)

    def _said(self, event: ev.Event | Notice) -> Sequence[Event]:
        items = self._items
        match event:
            case Reply(_Said(said)):
                return [said]
            case Reply(_Committed(item)):
                return items.commit(item)
            case ev.SpeechStarted(utterance, at) if self._session.options.vad:
                return items.start_turn(utterance, _ms(at))
            case ev.SpeechStopped(utterance, at):
                return items.stop_turn(utterance, _ms(at))
            case ev.Committed(utterance, words):
                return items.say(utterance, words)
            case ev.DecodeFailed(utterance, is_final=True):
                items.fail(utterance)
                return []
            case ev.UtteranceEnded():
                return items.end_utterance(event.utterance, event.end - event.start, event.language)
            case ev.Flushed(str()):
                return items.flushed()
            case ev.Closed(error):
                left = items.close(self._buffered_s)
                return left if error is None else [*left, _ending(error)]
            case _:  # an append-only protocol has no word for what may change
                return []

    def _written(self, events: Sequence[Event]) -> list[Message]:
        first = self._events + 1
        self._events += len(events)
        return [_write({"event_id": f"event_{n}", **event}) for n, event in enumerate(events, first)]

    # What is in force.

    def _described(self) -> Event:
        opening, asked = self._opening, self._session
        about: Event = {
            "id": opening.session_id,
            "object": "realtime.transcription_session",
            "expires_at": opening.expires_at,
        }
        options = asked.options
        transcription = {
            "model": asked.further_model or self._defaults.info.model,
            "language": options.decode.language,
            "prompt": options.prompt,
        }
        turns = None
        if options.vad:
            turns = {
                "type": "server_vad",
                "threshold": options.endpointing.threshold,
                "prefix_padding_ms": _ms(asked.padding_s),
                "silence_duration_ms": _ms(options.endpointing.min_silence_s),
            }
        if self._is_beta:
            return about | {
                "input_audio_format": _BETA_NAMES.get(asked.audio.encoding, "pcm16"),
                "input_audio_transcription": transcription,
                "turn_detection": turns,
                "input_audio_noise_reduction": None,
                "include": None,
            }
        heard = {
            "format": _ga_format(asked.audio),
            "transcription": transcription,
            "noise_reduction": None,
            "turn_detection": turns,
        }
        return about | {"type": "transcription", "audio": {"input": heard}, "include": None}


_BETA_NAMES = {"mulaw": "g711_ulaw", "alaw": "g711_alaw"}


def _ga_format(audio: AudioFormat) -> Event:
    match audio.encoding:
        case "mulaw":
            return {"type": "audio/pcmu"}
        case "alaw":
            return {"type": "audio/pcma"}
        case _:
            return {"type": "audio/pcm", "rate": audio.sample_rate}


def _say(event: Event) -> Notify:
    return Notify(Reply(_Said(event)))


def _error(
    code: str, message: str, param: str | None, event_id: str | None, kind: str = "invalid_request_error"
) -> Event:
    error = {"type": kind, "code": code, "message": message, "param": param, "event_id": event_id}
    return {"type": "error", "error": error}


def _ending(code: str) -> Event:
    message = EXPLANATIONS.get(code, "the session has ended")
    return _error(ERROR_CODES.get(code, code), message, None, None, "server_error")


def _bytes_per_s(audio: AudioFormat) -> int:
    return audio.frame_bytes * audio.sample_rate


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
