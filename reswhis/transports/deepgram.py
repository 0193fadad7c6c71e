"""``/v1/listen`` as Deepgram speaks it live: what is asked for in the address, audio, ``Results``. A pure codec.

A result that ends an utterance says so itself, and so does the answer to ``Finalize``: what is committed is held back
until the event behind it, which comes at once.
"""

from __future__ import annotations

import hashlib
import json
import math
import unicodedata
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from reswhis.audio.pcm import AudioFormat
from reswhis.backends.base import BackendInfo
from reswhis.core import events as ev
from reswhis.core.errors import ClientError
from reswhis.core.types import Word, join, seconds

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
    Packed,
    Pong,
    Ready,
    Rejected,
    Reply,
    UseModel,
)
from .deepgram_pauses import Pauses
from .deepgram_query import hotwords, parse, require_language
from .native_endings import CLOSE_CODES, EXPLANATIONS

_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

Fields = dict[str, object]

MAX_TEXT = 65_536
"""Characters: more than any message has."""
SHOWN = 200
"""Characters of a text that was not understood."""
FINALIZE = "Finalize"
CHANNEL = [0, 1]
"""The first of one: stereo is mixed down."""
REASONS = {"idle_timeout": "NET-0001", "undecodable_audio": "DATA-0000"}
"""Its names for why it closes; the others are ours."""
CLOSED_AS = CLOSE_CODES | {"idle_timeout": 1011}
Said = (
    ev.SpeechStarted | ev.Tentative | ev.Committed | ev.SpeechStopped | ev.UtteranceEnded | ev.Flushed
    | ev.LanguageDetected | ev.Suppressed | ev.DecodeFailed | ev.Lagging
)  # fmt: skip
"""Anything but the end."""
GOES_ON = (ev.Reason.CUT,)
"""Of an utterance, though no pause is the reason."""


@dataclass(frozen=True, slots=True)
class Request:
    """One connection, for its log and theirs."""

    id: str
    created: str
    """ISO 8601."""


@dataclass(slots=True)
class _Held:
    """What is final and not said yet."""

    words: tuple[Word, ...] = ()
    ended: ev.UtteranceEnded | None = None

    def __bool__(self) -> bool:
        return bool(self.words) or self.ended is not None


class DeepgramCodec:
    """The session opens with the connection: all that there is to ask for is in the address."""

    def __init__(self, request: Request, query: Sequence[tuple[str, str]], defaults: Defaults) -> None:
        """Raises ClientError for a query that asks for what cannot be had."""
        self._request = request
        self._asked = parse(query, defaults)
        self._defaults = defaults
        self._options = self._asked.options
        if not self._asked.model:
            require_language(defaults.info, self._options.decode.language)
        self._metadata = _metadata(request, defaults.info)
        self._heard = hashlib.sha256()
        self._ended = False
        self._held = _Held()
        self._pauses = Pauses(self._asked.utterance_end_s)
        self._said_until = 0.0
        """The ranges of final results tile the stream up to here."""
        self._shows_interim = False
        self._language: str | None = None

    # What the client says.

    def greet(self) -> Sequence[Command]:
        if self._asked.model:
            return [UseModel(self._asked.model, self._asked.audio or AudioFormat(), self._begin_on)]
        return [self._open()]

    def _begin_on(self, model: BackendInfo) -> Sequence[Command]:
        require_language(model, self._options.decode.language)
        self._metadata = _metadata(self._request, model)
        return [self._open()]

    def _open(self) -> Open:
        return Open(self._asked.audio or AudioFormat(), self._asked.config, self._options)

    def decode(self, message: Message) -> Sequence[Command]:
        if self._ended:
            return []
        if isinstance(message, str):
            return self._decode_text(message)
        limit = self._defaults.limits.max_frame_bytes
        if len(message) > limit:
            raise ClientError(f"a frame has at most {limit} bytes", code="frame_too_large")
        if not message:  # of a recorder that has nothing yet: no end
            return []
        self._heard.update(message)
        audio = Packed(message) if self._asked.audio is None else Audio(message)
        return [audio, Notify(Nothing())] if self._pauses.waits else [audio]

    def _decode_text(self, text: str) -> Sequence[Command]:
        if len(text) > MAX_TEXT:
            raise ClientError(f"a text has at most {MAX_TEXT} characters", code="frame_too_large")
        try:
            message = json.loads(text)
        except (ValueError, RecursionError):
            return [_schema_error("not JSON", text)]
        match message:
            case {"type": "KeepAlive"}:
                return []
            case {"type": "Finalize"}:
                return [Flush(FINALIZE)]
            case {"type": "CloseStream"}:
                self._ended = True
                return [End()]
            case {"type": "Configure"}:
                return self._configure(message, text)
            case _:
                return [_schema_error("type: one of KeepAlive, Finalize, CloseStream, Configure", text)]

    def _configure(self, message: Mapping[str, object], text: str) -> Sequence[Command]:
        success: Fields = {"type": "ConfigureSuccess", "request_id": self._request.id}
        terms = message.get("keyterms")
        if terms is None:
            return [Notify(Reply(success))]
        if not isinstance(terms, list) or not all(isinstance(term, str) and _is_text(term) for term in terms):
            return [_schema_error("keyterms: a list of texts", text)]
        try:
            decode = replace(self._options.decode, hotwords=hotwords(terms))
        except ClientError as exc:
            return [Notify(Reply(self._configure_failure(str(exc))))]
        self._options = replace(self._options, decode=decode)
        return [Configure(self._options), Notify(Reply(success | {"keyterms": terms}))]

    def _configure_failure(self, description: str) -> Fields:
        return {
            "type": "ConfigureFailure",
            "request_id": self._request.id,
            "code": "CONFIGURE_KEYTERM_LIMIT_EXCEEDED",
            "description": description,
        }

    # What the client is told.

    def encode(self, event: ev.Event | Notice, audio: int) -> list[Message]:
        now = seconds(audio)
        match event:
            case Nothing():
                told = self._pause(now)
            case Reply(what):
                return [_write(what)]
            case Ready() | Configured() | Pong() | Rejected():
                return []  # of other protocols
            case ev.Closed():
                told = [*self._released(), self._last_word(event, now)]
            case _:
                told = self._told(event) + self._pause(now)
        return [_write(fields) for fields in told]

    def fail(self, code: str, message: str, param: str | None, audio: int) -> list[Message]:
        return [_write(fields) for fields in [*self._released(), _error(REASONS.get(code, code), message)]]

    def close(self, error: str | None) -> Close:
        return Close(1000, "") if error is None else Close(CLOSED_AS.get(error, 1008), REASONS.get(error, error))

    def _told(self, event: Said) -> list[Fields]:
        match event:
            case ev.Committed(words=words):
                told = self._released()
                self._held.words = words
                return told
            case ev.UtteranceEnded():
                return self._utterance_ended(event)
            case ev.Flushed(str()):
                return [self._final(from_finalize=True)]
        told = self._released()
        match event:
            case ev.Tentative():
                return told + self._interim(event)
            case ev.SpeechStarted(utterance, at):
                self._pauses.begun(utterance, at)
                if self._asked.vad_events:
                    told.append({"type": "SpeechStarted", "channel": CHANNEL, "timestamp": _s(at)})
            case ev.LanguageDetected(language):
                self._language = language
            case ev.DecodeFailed(start=start, end=end, is_final=True):
                told.append(_error("decode_failed", f"{_s(start)} to {_s(end)} s could not be decoded"))
            case ev.DecodeFailed() | ev.SpeechStopped() | ev.Suppressed() | ev.Lagging() | ev.Flushed():
                pass
            case _:
                assert_never(event)
        return told

    def _utterance_ended(self, event: ev.UtteranceEnded) -> list[Fields]:
        told = self._released() if self._held.ended is not None else []
        self._held.ended = event
        if self._asked.code_switching and event.language is not None:
            self._language = event.language
        if event.reason is ev.Reason.FLUSH:
            return told  # whose end comes next, and is the same result
        told += self._released()
        # Where nothing is sent there is nothing to wait for.
        return told + (self._pause(math.inf) if event.reason is ev.Reason.IDLE else [])

    def _released(self) -> list[Fields]:
        ended = self._held.ended
        if self._held.words or (ended is not None and ended.reason not in GOES_ON):
            return [self._final()]
        self._forget_held()
        return []

    def _final(self, *, from_finalize: bool = False) -> Fields:
        words, ended = self._held.words, self._held.ended
        end = max(self._said_until, words[-1].end if words else 0.0, ended.end if ended is not None else 0.0)
        speech_final = self._asked.speech_final and ended is not None and ended.reason not in GOES_ON
        result = self._result(words, end, is_final=True, speech_final=speech_final, from_finalize=from_finalize)
        self._said_until = end
        self._shows_interim = False
        self._forget_held()
        return result

    def _forget_held(self) -> None:
        if self._held.words:
            self._pauses.said(self._held.words[-1].end)
        if self._held.ended is not None:
            self._pauses.ended(self._held.ended.utterance)
        self._held = _Held()

    def _interim(self, event: ev.Tentative) -> list[Fields]:
        words = event.words
        if not self._asked.interim_results or not (words or self._shows_interim):
            return []
        self._shows_interim = bool(words)
        end = max(self._said_until, event.heard_until, words[-1].end if words else 0.0)
        return [self._result(words, end, is_final=False, speech_final=False, from_finalize=False)]

    def _result(
        self, words: Sequence[Word], end: float, *, is_final: bool, speech_final: bool, from_finalize: bool
    ) -> Fields:
        alternative: Fields = {
            "transcript": join(words),
            "confidence": round(sum(word.probability for word in words) / len(words), 4) if words else 0.0,
        }
        if self._asked.code_switching and self._language is not None and words:
            alternative["languages"] = [self._language]
        alternative["words"] = [_word(word) for word in words]
        start = _s(self._said_until)
        return {
            "type": "Results",
            "channel_index": CHANNEL,
            "duration": _s(_s(end) - start),
            "start": start,
            "is_final": is_final,
            "speech_final": speech_final,
            "from_finalize": from_finalize,
            "channel": {"alternatives": [alternative]},
            "metadata": self._metadata,
        }

    def _pause(self, now: float) -> list[Fields]:
        last_word = self._pauses.due(now)
        return [] if last_word is None else [_utterance_end(last_word)]

    def _last_word(self, event: ev.Closed, now: float) -> Fields:
        if event.error is not None:
            return _error(event.error, EXPLANATIONS.get(event.error, "the session has ended"))
        return {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self._request.id,
            "sha256": self._heard.hexdigest(),
            "created": self._request.created,
            "duration": _s(now),
            "channels": 1 if self._asked.audio is None else self._asked.audio.channels,
        }


def _metadata(request: Request, model: BackendInfo) -> Fields:
    info = {"name": model.model, "version": "1", "arch": model.backend}
    return {
        "request_id": request.id,
        "model_info": info,
        "model_uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, model.model)),
    }


def _word(word: Word) -> Fields:
    text = word.text.strip()
    return {
        "word": _bare(text),
        "start": _s(word.start),
        "end": _s(word.end),
        "confidence": round(word.probability, 4),
        "punctuated_word": text,
    }


def _bare(text: str) -> str:
    """Lower case, without the punctuation around it; all of it if there is nothing else."""
    inside = [n for n, character in enumerate(text) if not unicodedata.category(character).startswith("P")]
    return text[inside[0] : inside[-1] + 1].lower() if inside else text


def _utterance_end(last_word: float) -> Fields:
    return {"type": "UtteranceEnd", "channel": CHANNEL, "last_word_end": _s(last_word)}


def _error(variant: str, description: str, message: str = "") -> Fields:
    return {"type": "Error", "variant": variant, "description": description, "message": message}


def _schema_error(description: str, text: str) -> Notify:
    return Notify(Reply(_error("SchemaError", description, text[:SHOWN])))


def _is_text(term: str) -> bool:
    """Half a character is none: JSON can say it, and nothing can write it."""
    return not any("\ud800" <= character <= "\udfff" for character in term)


def _s(seconds: float) -> float:
    return round(seconds, 3)
