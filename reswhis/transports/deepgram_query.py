"""What the address of Deepgram's ``/v1/listen`` asks for. Pure; :mod:`.deepgram` asks here once per connection.

What is not known there or has no counterpart here is passed over: its clients send all that they have a default for.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from reswhis.audio.pcm import AudioFormat
from reswhis.backends.base import BackendInfo
from reswhis.core.config import SessionConfig, StreamOptions
from reswhis.core.errors import ClientError
from reswhis.core.languages import LANGUAGES, language_code

from .codec import Defaults

RAW = {"linear16": "pcm_s16le", "linear32": "pcm_f32le", "mulaw": "mulaw", "alaw": "alaw"}
"""Its names for what comes without a header."""
CONTAINED = ("flac", "ogg-opus", "opus")
"""What says itself what it is, though it is named. The last as in Ogg or WebM, not as bare packets."""
LEAST_ENDPOINT_MS = 300
"""Its clients ask for 10 or 25: a recogniser that hears single words, cut at every plosive, hears them wrong."""
MOST_ENDPOINT_MS = 10_000
MAX_HOTWORDS = 1000
"""Characters."""
CODE_SWITCHING = "multi"
INTENSIFIER = re.compile(r":-?[\d.]+$")
"""What may follow one of its ``keywords``."""


@dataclass(frozen=True, slots=True)
class Query:
    audio: AudioFormat | None
    """None: in a container."""
    model: str
    """One of the further models, or empty for the server's own."""
    config: SessionConfig
    options: StreamOptions
    interim_results: bool
    vad_events: bool
    speech_final: bool
    """False: pauses are not to be told."""
    utterance_end_s: float | None
    """So long after the last word an utterance is said to have ended; None: it is not said."""
    code_switching: bool


def parse(items: Sequence[tuple[str, str]], defaults: Defaults) -> Query:
    """``items``: of the query, in order, with those that repeat. Raises ClientError."""
    one = dict(reversed(items))  # the first of several
    endpointing = _endpointing(one)
    utterance_end_ms = _whole(one, "utterance_end_ms", 0, 60_000) if "utterance_end_ms" in one else None
    code_switching = one.get("language") == CODE_SWITCHING
    options = defaults.options
    decode = replace(options.decode, language=_language(one, options.decode.language))
    if terms := key_terms(items):
        decode = replace(decode, hotwords=hotwords(terms))
    silence_ms = endpointing
    if endpointing is None:  # an end of an utterance is told of all the same
        silence_ms = None if utterance_end_ms is None else _kept(utterance_end_ms)
    if silence_ms:
        options = replace(options, endpointing=replace(options.endpointing, min_silence_s=silence_ms / 1000))
    return Query(
        audio=_audio(one),
        model=one["model"] if one.get("model") in defaults.further_models else "",
        config=replace(defaults.config, multilingual=True) if code_switching else defaults.config,
        options=replace(options, decode=decode, vad=endpointing is not None or silence_ms is not None),
        interim_results=_flag(one, "interim_results"),
        vad_events=_flag(one, "vad_events"),
        speech_final=endpointing is not None,
        utterance_end_s=None if utterance_end_ms is None else utterance_end_ms / 1000,
        code_switching=code_switching,
    )


def key_terms(items: Sequence[tuple[str, str]]) -> list[str]:
    return [INTENSIFIER.sub("", value).strip() for name, value in items if name in ("keyterm", "keywords")]


def hotwords(terms: Sequence[str]) -> str:
    """Raises ClientError if they are too many."""
    text = ", ".join(filter(None, terms))
    if len(text) > MAX_HOTWORDS:
        message = f"keyterm: {MAX_HOTWORDS} characters at most, together"
        raise ClientError(message, param="keyterm")
    return text


def require_language(model: BackendInfo, language: str | None) -> None:
    """Raises ClientError."""
    if language is not None and model.languages is not None and language not in model.languages:
        message = f"language: this model knows no {LANGUAGES[language]}"
        raise ClientError(message, code="unsupported_language", param="language")


def _language(query: dict[str, str], default: str | None) -> str | None:
    asked = query.get("language", "")
    if asked == CODE_SWITCHING or _flag(query, "detect_language"):
        return None
    if not asked:
        return default
    if (code := language_code(re.split("[-_]", asked)[0])) is None:  # BCP 47 from here on says where it is spoken
        message = "language: not a language that Whisper knows"
        raise ClientError(message, code="unsupported_language", param="language")
    return code


def _audio(query: dict[str, str]) -> AudioFormat | None:
    encoding = query.get("encoding", "")
    if not encoding or encoding in CONTAINED:
        return None
    if encoding not in RAW:
        known = ", ".join([*RAW, *CONTAINED])
        raise ClientError(f"encoding: one of {known}", code="unsupported_audio", param="encoding")
    if "sample_rate" not in query:
        raise ClientError("sample_rate is required with this encoding", param="sample_rate")
    channels = _whole(query, "channels", 1, 2) if "channels" in query else 1
    return AudioFormat(RAW[encoding], _whole(query, "sample_rate", 1, 1_000_000), channels)


def _endpointing(query: dict[str, str]) -> int | None:
    """Milliseconds, 0 for as the server has it; None: pauses end nothing."""
    match query.get("endpointing", "true").lower():
        case "false":
            return None
        case "true" | "":
            return 0
        case _:
            return _kept(_whole(query, "endpointing", 0, 1_000_000))


def _kept(ms: int) -> int:
    return min(max(ms, LEAST_ENDPOINT_MS), MOST_ENDPOINT_MS)


def _whole(query: dict[str, str], name: str, low: int, high: int) -> int:
    text = query[name]
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise ClientError(f"{name} must be {low} to {high}", param=name)
    return int(text)


def _flag(query: dict[str, str], name: str) -> bool:
    match query.get(name, "false").lower():
        case "true" | "1":
            return True
        case "false" | "0" | "":
            return False
    raise ClientError(f"{name} must be true or false", param=name)
