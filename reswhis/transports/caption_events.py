"""What viewers of a session are told, as server-sent events: a name, a number to resume from, and JSON. Pure.

Every reader gets the same, whenever it comes. Encoded for :mod:`.viewers`; described in ``docs/captions.md``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reswhis.core import events as ev
from reswhis.core.types import Word

_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class CaptionEvent:
    name: str
    data: str
    number: int | None
    """Of the journal's entry; None: it does not last, and who resumes gets the one that holds then."""


def caption_event(number: int, event: ev.Event) -> CaptionEvent | None:
    """None: viewers are not told."""
    match event:
        case ev.Tentative(utterance, words):
            return _event("partial", None, {"utterance": utterance, "text": _text(words), **_span(words)})
        case ev.Committed(utterance, words):
            return _event("final", number, {"utterance": utterance, "text": _text(words), **_span(words)})
        case ev.UtteranceEnded():
            return _event("utterance", number, _utterance(event))
        case ev.LanguageDetected(language, probability):
            return _event("language", number, {"language": language, "probability": round(probability, 3)})
        case ev.DecodeFailed(utterance, start, end, is_final=True):
            return _event("lost", number, {"utterance": utterance, "start_ms": _ms(start), "end_ms": _ms(end)})
        case ev.Closed(error):
            return _event("finished", number, {"error": error})
        case _:
            return None


def _event(name: str, number: int | None, fields: Mapping[str, object]) -> CaptionEvent:
    return CaptionEvent(name, _write(fields), number)


def _utterance(event: ev.UtteranceEnded) -> Mapping[str, object]:
    return {
        "utterance": event.utterance,
        "text": event.text,
        "start_ms": _ms(event.start),
        "end_ms": _ms(event.end),
        "language": event.language,
    }


def _text(words: Sequence[Word]) -> str:
    return "".join(word.text for word in words)


def _span(words: Sequence[Word]) -> Mapping[str, int]:
    return {"start_ms": _ms(words[0].start), "end_ms": _ms(words[-1].end)} if words else {}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
