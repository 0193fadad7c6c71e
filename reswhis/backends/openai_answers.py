"""What a server of OpenAI's API answers about a window, as a hypothesis.

Takes what servers leave out or add as it comes: word times, segments, probabilities, spaces and punctuation. Sends
nothing. Called by :mod:`.openai_whisper`.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from reswhis.core.errors import BackendError
from reswhis.core.languages import WITHOUT_SPACES, language_code
from reswhis.core.types import Hypothesis, Segment, Window, Word, seconds

from .guessed_times import guessed

CERTAIN_AFTER_S = 3.0
"""The API says a language and not how sure it is; of less audio it is often wrong."""
CERTAIN, UNCERTAIN = 1.0, 0.6

_SCRIPTS_WITHOUT_SPACES = ("CJK", "HIRAGANA", "KATAKANA", "LAO", "MYANMAR", "THAI")


def hypothesis(answer: object, window: Window) -> Hypothesis:
    """Of a JSON answer, in the form ``verbose_json`` or ``json``.

    Raises:
        BackendError: it is neither.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("text"), str):
        raise BackendError("the answer is not that of OpenAI's API: it has no text")
    duration = seconds(len(window.audio))
    language, certainty = _language(answer.get("language"), window)
    parts = [part for part in _objects(answer.get("segments")) if isinstance(part.get("text"), str)]
    segments = tuple(_segment(part, duration) for part in parts)
    text = answer["text"].strip()
    if not text:
        return Hypothesis((), segments, language, 0.0)
    spaced = language not in WITHOUT_SPACES if language else not _is_unspaced(text)
    listed = [word for word in _objects(answer.get("words")) if str(word.get("word", "")).strip()]
    if listed:
        words = _timed(listed, text, spaced, segments, duration)
    elif window.options.word_times and not window.is_final:
        words = (_in_one(text, spaced, segments, duration),)
    elif "".join(texts := [str(part["text"]) for part in parts]).split() == text.split():
        words = tuple(
            word
            for heard, segment in zip(texts, segments, strict=True)
            for word in _spread(heard, spaced, segment.start, segment.end, window, segment)
        )
    else:
        words = _spread(text, spaced, 0.0, duration, window, *segments[:1])
    return Hypothesis(words, segments, language, certainty)


def _objects(value: object) -> list[dict[str, object]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _number(value: object, low: float, high: float, otherwise: float) -> float:
    """Within the bounds; ``otherwise`` if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return otherwise
    return min(max(float(value), low), high)


def _language(name: object, window: Window) -> tuple[str | None, float]:
    if window.options.task == "translate":
        return window.options.language, 0.0  # it names the language that it has written
    if window.options.language is not None:
        return window.options.language, 1.0
    if not isinstance(name, str):
        return None, 0.0
    code = language_code(name)
    if code is None:
        return None, 0.0
    return code, CERTAIN if seconds(len(window.audio)) >= CERTAIN_AFTER_S else UNCERTAIN


def _segment(part: dict[str, object], duration: float) -> Segment:
    start = _number(part.get("start"), 0.0, duration, 0.0)
    return Segment(
        start=start,
        end=_number(part.get("end"), start, duration, duration),
        average_log_probability=_number(part.get("avg_logprob"), -100.0, 0.0, 0.0),
        no_speech_probability=_number(part.get("no_speech_prob"), 0.0, 1.0, 0.0),
        compression_ratio=_number(part.get("compression_ratio"), 0.0, 1000.0, 1.0),
    )


def _probability(segments: Sequence[Segment], middle: float) -> float:
    """Of a word, from what is said of its segment; 1 if nothing is."""
    around = (segment for segment in segments if segment.start <= middle <= segment.end)
    segment = next(around, None)
    return 1.0 if segment is None else math.exp(segment.average_log_probability)


def _timed(
    listed: Sequence[dict[str, object]], text: str, spaced: bool, segments: Sequence[Segment], duration: float
) -> tuple[Word, ...]:
    plain = [str(word["word"]).strip() for word in listed]
    written = _as_written(text, plain)
    if written is None:
        written = [f" {word}" for word in plain] if spaced else plain
    elif spaced:
        written[0] = f" {written[0]}"
    words: list[Word] = []
    start = end = 0.0
    for word, said in zip(listed, written, strict=True):
        start = _number(word.get("start"), start, duration, start)
        end = _number(word.get("end"), max(start, end), duration, max(start, end))
        derived = _probability(segments, (start + end) / 2)
        words.append(Word(start, end, said, _number(word.get("probability"), 0.0, 1.0, derived)))
    return tuple(words)


def _as_written(text: str, words: Sequence[str]) -> list[str] | None:
    """The words with their punctuation and the spaces before them, which are in the text alone.

    None if the text has other words than these.
    """
    spans: list[tuple[int, int]] = []
    at = 0
    for word in words:
        start = text.find(word, at)
        if start < 0 or any(c.isalnum() for c in text[at:start]):
            return None
        at = start + len(word)
        spans.append((start, at))
    if any(c.isalnum() for c in text[at:]):
        return None
    begins = [0]
    for (_, before), (start, _) in pairwise(spans):
        space = re.search(r"\s", text[before:start])
        begins.append(start if space is None else before + space.start())
    return [text[begin:end] for begin, end in pairwise([*begins, len(text)])]


def _in_one(text: str, spaced: bool, segments: Sequence[Segment], duration: float) -> Word:
    """A text of whose words nobody knows the places, as long as the audio: none of it is settled before the end.

    Places that are guessed would let words be committed that the next guess has elsewhere.
    """
    likely = [math.exp(segment.average_log_probability) for segment in segments]
    return Word(0.0, duration, f" {text}" if spaced else text, min(likely, default=1.0))


def _spread(
    text: str, spaced: bool, start: float, end: float, window: Window, segment: Segment | None = None
) -> tuple[Word, ...]:
    units = [f" {unit}" for unit in text.split()] if spaced else _units(text)
    probability = 1.0 if segment is None else math.exp(segment.average_log_probability)
    spans = guessed(units, window.audio, start, end)
    return tuple(Word(first, last, unit, probability) for unit, (first, last) in zip(units, spans, strict=True))


def _units(text: str) -> list[str]:
    """Letters with their marks and the punctuation after them."""
    units: list[str] = []
    for c in text.strip():
        if units and unicodedata.category(c)[0] in "MPZ":
            units[-1] += c
        else:
            units.append(c)
    return units


def _is_unspaced(text: str) -> bool:
    return any(unicodedata.name(c, "").startswith(_SCRIPTS_WITHOUT_SPACES) for c in text)
