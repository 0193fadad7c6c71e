"""The native protocol of ``/ws/transcribe``: plain until a ``start`` comes, then full. A pure codec."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import assert_never

from reswhis.audio.pcm import AudioFormat
from reswhis.backends.base import BackendInfo
from reswhis.core import events as ev
from reswhis.core.errors import ClientError
from reswhis.core.languages import LANGUAGES, language_code
from reswhis.core.online import StreamOptions
from reswhis.core.types import SAMPLE_RATE, DecodeOptions, Word
from reswhis.server.sharing import Sharing

from . import native_messages as messages
from . import native_server_messages as told
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

_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

MAX_TEXT = 65_536
"""Characters of a text message: more than any that means something, few enough to be read on the event loop."""
CLOSE_CODES = {
    "idle_timeout": 4408,
    "session_limit": 4408,
    "overloaded": 1013,
    "model_unavailable": 1011,
    "frame_too_large": 1009,
    "slow_reader": 1013,
    "server_restart": 1012,
    "engine_stopped": 1011,
    "internal_error": 1011,
}
"""What is not here is the client's fault: 1008."""
RETRY_AFTER_S = 30
"""For a model to be loaded, or for another to be let go."""
EXPLANATIONS = {
    "engine_stopped": "the recogniser has stopped; the server's log says why",
    "internal_error": "an error inside the server; its log says more",
    "server_restart": "the server stops",
    "session_limit": "the session is as long as it may be",
}


class NativeCodec:
    """Plain mode sends ``final`` alone, and what a client asks for that has shown that it speaks JSON."""

    def __init__(
        self, session_id: str, query: Mapping[str, str], defaults: Defaults, *, viewer_token: str | None = None
    ) -> None:
        """``viewer_token``: for those who are to read along, if the client asks for that; None: nobody can."""
        self._session_id = session_id
        self._viewer_token = viewer_token
        self._query = query
        self._defaults = defaults
        self._info: BackendInfo | None = defaults.info
        self._asked = messages.Start(type="start")
        self._open = Open(AudioFormat(), defaults.config, defaults.options)
        self._options = defaults.options
        self._partials = True
        self._opened = False
        self._full = False
        self._speaks_json = False
        self._ended = False
        self._seq = 0
        self._finals = 0
        self._shows_partial = False

    # What the client says.

    def greet(self) -> Sequence[Command]:
        self._ask(messages.parse_query(self._query))
        return []

    def decode(self, message: Message) -> Sequence[Command]:
        if isinstance(message, bytes):
            return self._decode_audio(message)
        self._speaks_json = True
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
        limit = self._defaults.limits.max_frame_bytes
        if len(data) > limit:
            raise ClientError(f"a frame has at most {limit} bytes", code="frame_too_large")
        if self._ended:
            if not data:
                return []
            raise ClientError("audio after the end of the stream", code="audio_after_finish")
        return [*self._ensure_open(), Audio(data)] if data else self._finish()

    def _start(self, start: messages.Start) -> Sequence[Command]:
        if self._full:
            return [Notify(Rejected("already_started", "a stream is started once; use configure"))]
        if self._opened:
            return [Notify(Rejected("start_after_audio", "start comes before the first audio"))]
        self._ask(messages.merged(self._asked, start))  # what it does not say is as the query says
        self._full = True
        return self._ensure_open()

    def _configure(self, change: messages.Configure) -> Sequence[Command]:
        try:
            if not self._opened:  # a start may yet come, and say more
                self._ask(messages.merged(self._asked, change))
                return [Notify(Configured(self._options))]
            self._options = self._changed(self._options, change)
        except ClientError as exc:
            return [Notify(Rejected(exc.code, str(exc), exc.param))]
        if change.partials is not None:
            self._partials = change.partials
        return [Configure(self._options), Notify(Configured(self._options))]

    def _finish(self) -> Sequence[Command]:
        self._ended = True
        return [*self._ensure_open(), End()]

    def _ask(self, asked: messages.Start) -> None:
        self._info = self._info_of(asked.model)
        self._asked, self._open = asked, self._opening(asked)
        self._options = self._open.options
        self._partials = asked.partials is not False

    def _ensure_open(self) -> Sequence[Command]:
        if self._opened:
            return []
        self._opened = True
        if self._info is None:
            return [UseModel(self._asked.model, self._open.audio, self._begin_on)]
        return self._begin()

    def _begin_on(self, model: BackendInfo) -> Sequence[Command]:
        """The model has been loaded: only now it is known whether it can do what is asked."""
        self._info = model
        self._check(self._options.decode)
        return self._begin()

    def _begin(self) -> Sequence[Command]:
        if self._full:
            return [self._open, Notify(Ready(self._session_id, self._open.audio, self._options))]
        if self._open.sharing is not None:
            message = "captions: only with a start message, whose answer has the token that others need"
            raise ClientError(message, param="captions")
        return [self._open]

    def _info_of(self, model: str) -> BackendInfo | None:
        """None as long as nobody knows."""
        own, further = self._defaults.info, self._defaults.further_models
        if model in {"", own.model}:
            return own
        if model in further:
            return None
        raise ClientError(
            f"model: this server has {', '.join([own.model, *further])}", code="unknown_model", param="model"
        )

    def _opening(self, asked: messages.Start) -> Open:
        defaults = self._defaults
        config = defaults.config
        if asked.policy is not None:
            config = replace(config, policy=replace(config.policy, name=asked.policy))
        if asked.multilingual is not None:
            config = replace(config, multilingual=asked.multilingual)
        audio = AudioFormat(asked.audio.encoding, asked.audio.sample_rate, asked.audio.channels)
        return Open(audio, config, self._changed(defaults.options, asked), self._sharing(asked))

    def _sharing(self, asked: messages.Start) -> Sharing | None:
        if not asked.captions:
            return None
        if self._viewer_token is None:
            raise ClientError("captions: this server has none", code="unsupported", param="captions")
        return Sharing(self._session_id, self._viewer_token)

    def _changed(self, options: StreamOptions, change: messages.Start | messages.Configure) -> StreamOptions:
        decode, endpointing = options.decode, options.endpointing
        if change.language is not None:
            decode = replace(decode, language=_language(change.language))
        if change.task is not None:
            decode = replace(decode, task=change.task)
        if change.hotwords is not None:
            decode = replace(decode, hotwords=change.hotwords)
        if change.beam_size is not None:
            decode = replace(decode, beam_size=change.beam_size)
        if change.encoder_context is not None:
            decode = replace(decode, encoder_context=change.encoder_context)
        self._check(decode)
        if change.vad_threshold is not None:
            endpointing = replace(endpointing, threshold=change.vad_threshold)
        if change.endpoint_ms is not None:
            endpointing = replace(endpointing, min_silence_s=change.endpoint_ms / 1000)
        return replace(
            options,
            decode=decode,
            endpointing=endpointing,
            prompt=options.prompt if change.prompt is None else change.prompt,
            vad=options.vad if change.vad is None else change.vad,
        )

    def _check(self, decode: DecodeOptions) -> None:
        """Raises ClientError for what the model cannot do, and for what costs more than the server is set to."""
        own = self._defaults.options.decode
        if self._info is not None:
            _require_able(self._info, decode)
        if decode.beam_size > own.beam_size:
            message = f"beam_size: this server has {own.beam_size} at most"
            raise ClientError(message, code="unsupported", param="beam_size")
        if own.encoder_context == "dynamic" != decode.encoder_context:
            message = f"encoder_context: this server has {own.encoder_context} alone"
            raise ClientError(message, code="unsupported", param="encoder_context")

    # What the client is told.

    def encode(self, event: ev.Event | Notice, audio: int) -> list[Message]:
        now = _audio_ms(audio)
        cleared = None
        if self._full and isinstance(event, ev.UtteranceEnded):
            cleared = self._partial(ev.Tentative(event.utterance, ()), now)
        return [self._written(message) for message in (cleared, self._message(event, now)) if message is not None]

    def fail(self, code: str, message: str, param: str | None, audio: int) -> list[Message]:
        return [self._written(self._error(code, message, param, _audio_ms(audio), fatal=True))]

    def close(self, error: str | None) -> Close:
        return Close(1000, "finished") if error is None else Close(CLOSE_CODES.get(error, 1008), error)

    def _written(self, message: told.ServerMessage) -> str:
        """In plain mode as a line: websocat, for one, prints messages as they are, one after the other."""
        return _write(message) if self._full else _write(message) + "\n"

    def _next(self) -> int:
        """The number of a message: to be asked for in the order in which they are sent, and for no other."""
        self._seq += 1
        return self._seq

    def _message(self, event: ev.Event | Notice, now: int) -> told.ServerMessage | None:
        """None: this client is not told."""
        match event:
            case ev.Committed():
                return self._final(event, now) if self._full else self._plain_final(event, now)
            case ev.Closed(str(error)):
                return self._error(error, EXPLANATIONS.get(error, "the session has ended"), None, now, fatal=True)
            case ev.Flushed(str(id)):
                return {"type": "flushed", "seq": self._next(), "audio_ms": now, "id": json.loads(id)}
            case ev.Flushed() | Nothing() | Reply():
                return None
            case ev.Closed() | ev.DecodeFailed() | Ready() | Configured() | Pong() | Rejected():
                return self._answer(event, now) if self._speaks_json else None
            case _:
                return self._progress(event, now) if self._full else None

    def _progress(
        self,
        event: ev.SpeechStarted | ev.SpeechStopped | ev.Tentative | ev.UtteranceEnded
        | ev.LanguageDetected | ev.Suppressed | ev.Lagging,
        now: int,
    ) -> told.ServerMessage | None:  # fmt: skip
        match event:
            case ev.Tentative():
                return self._partial(event, now)
            case ev.SpeechStarted(_, at):
                return {"type": "speech_start", "seq": self._next(), "audio_ms": now, "at_ms": _ms(at)}
            case ev.SpeechStopped(utterance, at):
                return {
                    "type": "speech_end",
                    "seq": self._next(),
                    "audio_ms": now,
                    "utterance": utterance,
                    "at_ms": _ms(at),
                }
            case ev.UtteranceEnded():
                return self._utterance(event, now)
            case ev.LanguageDetected(language, probability):
                probability = round(probability, 3)
                return {
                    "type": "language",
                    "seq": self._next(),
                    "audio_ms": now,
                    "language": language,
                    "probability": probability,
                }
            case ev.Suppressed(words, reason):
                return self._suppressed(words, reason, now) if self._asked.diagnostics else None
            case ev.Lagging(lag):
                return self._warning(lag, now)
            case _:
                assert_never(event)

    def _answer(
        self, event: ev.Closed | ev.DecodeFailed | Ready | Configured | Pong | Rejected, now: int
    ) -> told.ServerMessage:
        match event:
            case ev.Closed():
                return {"type": "finished", "seq": self._next(), "audio_ms": now, "finals": self._finals}
            case ev.DecodeFailed():
                return self._decode_failed(event, now)
            case Ready():
                return self._ready(event, now)
            case Configured(options):
                return {"type": "configured", "seq": self._next(), "audio_ms": now, **self._in_force(options)}
            case Pong(id):
                return {"type": "pong", "seq": self._next(), "audio_ms": now, "id": id}
            case Rejected(code, message, param):
                return self._error(code, message, param, now, fatal=False)
            case _:
                assert_never(event)

    def _final(self, event: ev.Committed, now: int) -> told.Final:
        self._finals += 1
        self._shows_partial = False
        final: told.Final = {
            "type": "final",
            "seq": self._next(),
            "audio_ms": now,
            "id": self._finals,
            "start_ms": _ms(event.words[0].start),
            "end_ms": _ms(event.words[-1].end),
            "lag_ms": _lag(event, now),
            "text": _text(event.words),
            "words": [_word(word) for word in event.words] if self._asked.words else [],
            "utterance": event.utterance,
            "reason": event.reason.value,
        }
        if not self._asked.words:  # which have their place among the others
            del final["words"]
        return final

    def _plain_final(self, event: ev.Committed, now: int) -> told.PlainFinal:
        self._finals += 1
        return {
            "type": "final",
            "seq": self._next(),
            "audio_ms": now,
            "id": self._finals,
            "from": round(event.words[0].start * 1000, 1),
            "to": round(event.words[-1].end * 1000, 1),
            "lag_ms": _lag(event, now),
            "content": _text(event.words),
            "utterance": event.utterance,
            "reason": event.reason.value,
        }

    def _partial(self, event: ev.Tentative, now: int) -> told.Partial | None:
        words = event.words
        if not self._partials or not (words or self._shows_partial):
            return None
        self._shows_partial = bool(words)
        if not words:
            return {"type": "partial", "seq": self._next(), "audio_ms": now, "text": ""}
        return {
            "type": "partial",
            "seq": self._next(),
            "audio_ms": now,
            "start_ms": _ms(words[0].start),
            "end_ms": _ms(words[-1].end),
            "lag_ms": _lag(event, now),
            "text": _text(words),
        }

    def _utterance(self, event: ev.UtteranceEnded, now: int) -> told.Utterance:
        return {
            "type": "utterance",
            "seq": self._next(),
            "audio_ms": now,
            "utterance": event.utterance,
            "start_ms": _ms(event.start),
            "end_ms": _ms(event.end),
            "text": event.text,
            "language": event.language,
        }

    def _suppressed(self, words: Sequence[Word], reason: str, now: int) -> told.Suppressed:
        return {"type": "suppressed", "seq": self._next(), "audio_ms": now, "text": _text(words), "reason": reason}

    def _warning(self, lag: float, now: int) -> told.Warning:
        return {
            "type": "warning",
            "seq": self._next(),
            "audio_ms": now,
            "code": "lagging",
            "message": "the server is behind; nothing is lost",
            "lag_ms": _ms(lag),
        }

    def _error(self, code: str, message: str, param: str | None, now: int, *, fatal: bool) -> told.Error:
        error: told.Error = {
            "type": "error",
            "seq": self._next(),
            "audio_ms": now,
            "code": code,
            "message": message,
            "fatal": fatal,
        }
        if param is not None:
            error["param"] = param
        if code == "overloaded":
            error["retry_after_s"] = RETRY_AFTER_S
        return error

    def _decode_failed(self, event: ev.DecodeFailed, now: int) -> told.Error:
        again = "" if event.is_final else "; it will be tried again"
        message = f"a stretch of audio could not be decoded{again}"
        error = self._error("decode_failed", message, None, now, fatal=False)
        error |= {"start_ms": _ms(event.start), "end_ms": _ms(event.end), "lost": event.is_final}
        return error

    def _ready(self, ready: Ready, now: int) -> told.Ready:
        limits = self._defaults.limits
        sharing = self._open.sharing
        message: told.Ready = {
            "type": "ready",
            "seq": self._next(),
            "audio_ms": now,
            "session_id": ready.session_id,
            "viewer_token": "" if sharing is None else sharing.viewer_token,
            "version": 1,
            "model": (self._info or self._defaults.info).model,
            "audio": {
                "encoding": ready.audio.encoding,
                "sample_rate": ready.audio.sample_rate,
                "channels": ready.audio.channels,
            },
            **self._in_force(ready.options),
            "policy": self._open.config.policy.name,
            "limits": {
                "max_frame_bytes": limits.max_frame_bytes,
                "idle_timeout_s": limits.idle_timeout_s,
                "max_session_s": limits.max_session_s,
            },
        }
        if sharing is None:  # which has its place among the others
            del message["viewer_token"]
        return message

    def _in_force(self, options: StreamOptions) -> told.InForce:
        return {
            "language": options.decode.language or "auto",
            "task": options.decode.task,
            "prompt": options.prompt,
            "hotwords": options.decode.hotwords,
            "beam_size": options.decode.beam_size,
            "encoder_context": options.decode.encoder_context,
            "vad": options.vad,
            "vad_threshold": options.endpointing.threshold,
            "endpoint_ms": _ms(options.endpointing.min_silence_s),
            "partials": self._partials,
        }


def _language(asked: str) -> str | None:
    if asked.strip().lower() in {"", "auto"}:
        return None
    code = language_code(asked)
    if code is None:
        raise ClientError(
            "language: not a language that Whisper knows, by code or English name",
            code="unsupported_language",
            param="language",
        )
    return code


def _require_able(model: BackendInfo, decode: DecodeOptions) -> None:
    languages = model.languages
    if decode.language is not None and languages is not None and decode.language not in languages:
        known = f"only {LANGUAGES['en']}" if languages == {"en"} else f"no {LANGUAGES[decode.language]}"
        raise ClientError(f"language: this model knows {known}", code="unsupported_language", param="language")
    if decode.task == "translate" and not model.translates:
        raise ClientError("task: this model does not translate", code="unsupported", param="task")


def _audio_ms(samples: int) -> int:
    return samples * 1000 // SAMPLE_RATE


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _lag(event: ev.Committed | ev.Tentative, now: int) -> int:
    return max(0, now - _ms(event.heard_until))


def _text(words: Sequence[Word]) -> str:
    return "".join(word.text for word in words)


def _word(word: Word) -> told.Word:
    return {
        "word": word.text,
        "start_ms": _ms(word.start),
        "end_ms": _ms(word.end),
        "prob": round(word.probability, 3),
    }
