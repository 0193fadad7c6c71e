"""Transcripts as OpenAI's API answers with them: five forms, and the events of a stream. Pure.

Subtitles are written by :mod:`.subtitles`. Source: OpenAI's API reference and the types of its Python client.
"""

from __future__ import annotations

import json
import math
import string
import zlib
from collections.abc import Callable, Mapping, Sequence

from reswhis.core.languages import LANGUAGES, WITHOUT_SPACES
from reswhis.core.transcript import FinalUtterance, Transcript
from reswhis.core.types import Word

from . import subtitles
from .openai_rest_request import Asked

_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode

JSON = "application/json"
PLAIN = "text/plain; charset=utf-8"
PUNCTUATION = string.punctuation + "…–—“”‘’«»„‚‹›¿¡、。，．！？：；「」『』（）"
LEAST_PROBABILITY = 1e-10
FRAMES_PER_S = 100

Json = Mapping[str, object]


def answer(transcript: Transcript, asked: Asked) -> tuple[str, str]:
    """The body and its content type."""
    render, content_type = FORMS[asked.form]
    return render(transcript, asked), content_type


def _json(transcript: Transcript, asked: Asked) -> str:
    said: Json = {"logprobs": logprobs(_words(transcript))} if asked.logprobs else {}
    return _write({"text": transcript.text, **said, "usage": _usage(transcript), **_lost(transcript)})


def _verbose(transcript: Transcript, asked: Asked) -> str:
    translated = asked.task == "translate"
    language = "en" if translated else transcript.language
    document: dict[str, object] = {
        "task": asked.task,
        "language": LANGUAGES[language].lower() if language else "",
        "duration": _rounded(transcript.duration),
        "text": transcript.text,
    }
    if "segment" in asked.granularities:
        temperature = asked.options.decode.temperature
        document["segments"] = [_segment(i, u, temperature) for i, u in enumerate(transcript.utterances)]
    if "word" in asked.granularities:
        document["words"] = [_word(word) for word in _words(transcript)]
    return _write({**document, "usage": _usage(transcript), **_lost(transcript)})


FORMS: Mapping[str, tuple[Callable[[Transcript, Asked], str], str]] = {
    "json": (_json, JSON),
    "verbose_json": (_verbose, JSON),
    "text": (lambda transcript, asked: transcript.text + "\n", PLAIN),
    "srt": (lambda transcript, asked: subtitles.srt(transcript), PLAIN),
    "vtt": (lambda transcript, asked: subtitles.vtt(transcript), "text/vtt; charset=utf-8"),
}


class Deltas:
    """The events of a stream, whose deltas join to the text that it ends with."""

    def __init__(self, asked: Asked) -> None:
        self._logprobs = asked.logprobs
        self._text = ""
        self._space = ""
        """At the end of what has been said: whether it is part of the text is seen when something follows."""

    def said(self, utterance: FinalUtterance) -> Json:
        said = "".join(word.text for word in utterance.words)
        if not said[:1].isspace() and utterance.language not in WITHOUT_SPACES:
            said = " " + said
        spaced = self._space + said
        text = spaced.rstrip()
        self._space = spaced[len(text) :]
        if not self._text:
            text = text.lstrip()
        self._text += text
        event: Json = {"type": "transcript.text.delta", "delta": text}
        return {**event, "logprobs": logprobs(utterance.words)} if self._logprobs else event

    def done(self, transcript: Transcript) -> Json:
        event: Json = {"type": "transcript.text.done", "text": self._text, **_lost(transcript)}
        return {**event, "logprobs": logprobs(_words(transcript))} if self._logprobs else event


def sse(event: object) -> bytes:
    return f"data: {_write(event)}\n\n".encode()


def lost_header(transcript: Transcript) -> dict[str, str]:
    """For the forms that are no JSON."""
    spans = ", ".join(f"{start:.3f}-{end:.3f}" for start, end in transcript.lost)
    return {"X-Reswhis-Lost": spans} if spans else {}


def logprobs(words: Sequence[Word]) -> list[Json]:
    """A token is a word here."""
    return [
        {"token": word.text, "bytes": list(word.text.encode()), "logprob": _log_probability(word)} for word in words
    ]


def _words(transcript: Transcript) -> list[Word]:
    return [word for utterance in transcript.utterances for word in utterance.words]


def _word(word: Word) -> Json:
    """Without its punctuation, as OpenAI has it: with it, it is in the text. The probability OpenAI does not tell."""
    text = word.text.strip()
    return {
        "word": text.strip(PUNCTUATION) or text,
        "start": _rounded(word.start),
        "end": _rounded(word.end),
        "probability": _rounded(word.probability),
    }


def _segment(number: int, utterance: FinalUtterance, temperature: float) -> Json:
    """An utterance. What of Whisper's inside is not kept so long is neutral: tokens, probability of silence."""
    text = "".join(word.text for word in utterance.words)
    encoded = text.encode()
    return {
        "id": number,
        "seek": round(utterance.start * FRAMES_PER_S),
        "start": _rounded(utterance.start),
        "end": _rounded(utterance.end),
        "text": text,
        "tokens": [],
        "temperature": temperature,
        "avg_logprob": round(sum(map(_log_probability, utterance.words)) / len(utterance.words), 4),
        "compression_ratio": round(len(encoded) / len(zlib.compress(encoded)), 3),
        "no_speech_prob": 0.0,
    }


def _log_probability(word: Word) -> float:
    probability = word.probability if math.isfinite(word.probability) else 0.0
    return round(math.log(min(1.0, max(LEAST_PROBABILITY, probability))), 4)


def _usage(transcript: Transcript) -> Json:
    return {"type": "duration", "seconds": math.ceil(transcript.duration)}


def _lost(transcript: Transcript) -> Json:
    """Which OpenAI has no word for."""
    if not transcript.lost:
        return {}
    return {"lost": [{"start": _rounded(start), "end": _rounded(end)} for start, end in transcript.lost]}


def _rounded(number: float) -> float:
    """To thousandths. JSON has no word for what is not finite."""
    return round(number, 3) if math.isfinite(number) else 0.0
