"""What the server says in the native protocol: a session's events as numbered messages, as JSON.

Does not decide what a client may have (:mod:`.native_choices`), nor hears it (:mod:`.native`, which calls this). The
messages themselves are described in :mod:`.native_server_messages`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import assert_never

from reswhis.core import events as ev
from reswhis.core.online import StreamOptions
from reswhis.core.types import SAMPLE_RATE, Word
from reswhis.server.limits import Limits

from . import native_server_messages as told
from .codec import Configured, Message, Nothing, Notice, Pong, Ready, Rejected, Reply
from .native_choices import Terms
from .native_endings import EXPLANATIONS

_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

RETRY_AFTER_S = 30
"""For a model to be loaded, or for another to be let go."""


class Encoder:
    """Plain mode has ``final`` alone, and answers to a client that has shown that it speaks JSON."""

    def __init__(self, terms: Terms, own_model: str, limits: Limits) -> None:
        self._terms = terms
        self._own_model = own_model
        self._limits = limits
        self._seq = 0
        self._finals = 0
        self._shows_partial = False

    def encode(self, event: ev.Event | Notice, audio: int) -> list[Message]:
        now = _audio_ms(audio)
        cleared = None
        if self._terms.full and isinstance(event, ev.UtteranceEnded):
            cleared = self._partial(ev.Tentative(event.utterance, ()), now)
        return [self._written(message) for message in (cleared, self._message(event, now)) if message is not None]

    def fail(self, code: str, message: str, param: str | None, audio: int) -> list[Message]:
        return [self._written(self._error(code, message, param, _audio_ms(audio), fatal=True))]

    def _written(self, message: told.ServerMessage) -> str:
        """In plain mode as a line: websocat, for one, prints messages as they are, one after the other."""
        return _write(message) if self._terms.full else _write(message) + "\n"

    def _numbered(self, now: int) -> told.Numbering:
        """What every message has. The type checker takes no ``**`` beside fields that a message may be without."""
        return {"seq": self._next(), "audio_ms": now}

    def _next(self) -> int:
        """The number of a message: to be asked for in the order in which they are sent, and for no other."""
        self._seq += 1
        return self._seq

    def _message(self, event: ev.Event | Notice, now: int) -> told.ServerMessage | None:
        """None: this client is not told."""
        match event:
            case ev.Committed():
                return self._final(event, now) if self._terms.full else self._plain_final(event, now)
            case ev.Closed(str(error)):
                return self._error(error, EXPLANATIONS.get(error, "the session has ended"), None, now, fatal=True)
            case ev.Flushed(str(id)):
                return {"type": "flushed", **self._numbered(now), "id": json.loads(id)}
            case ev.Flushed() | Nothing() | Reply():
                return None
            case ev.Closed() | ev.DecodeFailed() | Ready() | Configured() | Pong() | Rejected():
                return self._answer(event, now) if self._terms.speaks_json else None
            case _:
                return self._progress(event, now) if self._terms.full else None

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
                return {"type": "speech_start", **self._numbered(now), "at_ms": _ms(at)}
            case ev.SpeechStopped(utterance, at):
                return {"type": "speech_end", **self._numbered(now), "utterance": utterance, "at_ms": _ms(at)}
            case ev.UtteranceEnded():
                return self._utterance(event, now)
            case ev.LanguageDetected(language, probability):
                probability = round(probability, 3)
                return {"type": "language", **self._numbered(now), "language": language, "probability": probability}
            case ev.Suppressed(words, reason):
                return self._suppressed(words, reason, now) if self._terms.asked.diagnostics else None
            case ev.Lagging(lag):
                return self._warning(lag, now)
            case _:
                assert_never(event)

    def _answer(
        self, event: ev.Closed | ev.DecodeFailed | Ready | Configured | Pong | Rejected, now: int
    ) -> told.ServerMessage:
        match event:
            case ev.Closed():
                return {"type": "finished", **self._numbered(now), "finals": self._finals}
            case ev.DecodeFailed():
                return self._decode_failed(event, now)
            case Ready():
                return self._ready(event, now)
            case Configured(options):
                return {"type": "configured", **self._numbered(now), **self._in_force(options)}
            case Pong(id):
                return {"type": "pong", **self._numbered(now), "id": id}
            case Rejected(code, message, param):
                return self._error(code, message, param, now, fatal=False)
            case _:
                assert_never(event)

    def _final(self, event: ev.Committed, now: int) -> told.Final:
        self._finals += 1
        self._shows_partial = False
        final: told.Final = {
            "type": "final",
            **self._numbered(now),
            "id": self._finals,
            "start_ms": _ms(event.words[0].start),
            "end_ms": _ms(event.words[-1].end),
            "lag_ms": _lag(event, now),
            "text": _text(event.words),
            "words": [_word(word) for word in event.words] if self._terms.asked.words else [],
            "utterance": event.utterance,
            "reason": event.reason.value,
        }
        if not self._terms.asked.words:  # which have their place among the others
            del final["words"]
        return final

    def _plain_final(self, event: ev.Committed, now: int) -> told.PlainFinal:
        self._finals += 1
        return {
            "type": "final",
            **self._numbered(now),
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
        if not self._terms.partials or not (words or self._shows_partial):
            return None
        self._shows_partial = bool(words)
        if not words:
            return {"type": "partial", "seq": self._next(), "audio_ms": now, "text": ""}
        return {
            "type": "partial",
            **self._numbered(now),
            "start_ms": _ms(words[0].start),
            "end_ms": _ms(words[-1].end),
            "lag_ms": _lag(event, now),
            "text": _text(words),
        }

    def _utterance(self, event: ev.UtteranceEnded, now: int) -> told.Utterance:
        return {
            "type": "utterance",
            **self._numbered(now),
            "utterance": event.utterance,
            "start_ms": _ms(event.start),
            "end_ms": _ms(event.end),
            "text": event.text,
            "language": event.language,
        }

    def _suppressed(self, words: Sequence[Word], reason: str, now: int) -> told.Suppressed:
        return {"type": "suppressed", **self._numbered(now), "text": _text(words), "reason": reason}

    def _warning(self, lag: float, now: int) -> told.Warning:
        return {
            "type": "warning",
            **self._numbered(now),
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
        sharing = self._terms.open.sharing
        message: told.Ready = {
            "type": "ready",
            **self._numbered(now),
            "session_id": ready.session_id,
            "viewer_token": "" if sharing is None else sharing.viewer_token,
            "version": 1,
            "model": self._own_model if self._terms.model is None else self._terms.model.model,
            "audio": {
                "encoding": ready.audio.encoding,
                "sample_rate": ready.audio.sample_rate,
                "channels": ready.audio.channels,
            },
            **self._in_force(ready.options),
            "policy": self._terms.open.config.policy.name,
            "limits": {
                "max_frame_bytes": self._limits.max_frame_bytes,
                "idle_timeout_s": self._limits.idle_timeout_s,
                "max_session_s": self._limits.max_session_s,
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
            "partials": self._terms.partials,
        }


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
