"""What a window is to Whisper, whatever library runs the network: its context, its prompt, its budget, its answer.

Decodes nothing. Called by the recognisers that run Whisper here, so that the same weights get the same question.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from reswhis.core.errors import BackendError
from reswhis.core.types import Hypothesis, Samples, Segment, Window, Word, samples, seconds

from .log_mel import FRAMES_PER_S, FULL_FRAMES, content_frames
from .temperature_fallback import Attempt
from .whisper_tokens import Piece
from .word_times import Loudness, Span, spread

MAX_WINDOW_S = FULL_FRAMES / FRAMES_PER_S

DYNAMIC_MARGIN_FRAMES = 100
"""Silence that a shortened context keeps after the audio. With a fifth of it, words are repeated at the end."""

SHORT_CONTEXT_STEP = 250
"""Frames. Windows of one context can share a call: they meet more often, and the encoder is the smaller cost."""

CONTEXT_TOKENS = 448
MOST_TOKENS = CONTEXT_TOKENS // 2
"""Of the text, and of the prompt with its mark."""

_TOKENS_AT_LEAST = 30
_TOKENS_PER_S = 30
"""More than any language needs (Burmese and Amharic take several tokens a letter), less than a loop would take."""


def too_long(window: Window) -> BackendError | None:
    duration_s = seconds(len(window.audio))
    if duration_s <= MAX_WINDOW_S:
        return None
    return BackendError(f"a window of {duration_s:.3f} s: Whisper takes {MAX_WINDOW_S:.0f} s at most")


def context_frames(window: Window, *, knows_short_context: bool) -> int:
    """Of the context that the window is encoded with.

    Args:
        knows_short_context: whether the model was trained on less than 30 s, too, so that ``auto`` gives it less.
    """
    context = window.options.encoder_context
    is_short = context == "dynamic" or (context == "auto" and knows_short_context)
    return short_context(window.audio) if is_short else FULL_FRAMES


def short_context(audio: Samples) -> int:
    """How many frames of context a model needs that was trained on less than 30 s."""
    frames = content_frames(audio) + DYNAMIC_MARGIN_FRAMES
    return min(-(-frames // SHORT_CONTEXT_STEP) * SHORT_CONTEXT_STEP, FULL_FRAMES)


def prompt(window: Window, encode: Callable[[str], list[int]]) -> list[int]:
    """Hotwords and what was said before, the latest of it if it is too long, without the mark that begins a prompt.

    Args:
        encode: tokens of a text, also of one that looks like a special token.
    """

    def tokens(text: str) -> list[int]:
        text = text.strip()
        return encode(f" {text}") if text else []  # as a word that stands after others

    most = MOST_TOKENS - 1
    hotwords = tokens(window.options.hotwords)[: most // 2]
    before = tokens(window.prompt)
    return [*hotwords, *before[max(0, len(before) - most + len(hotwords)) :]]


def token_budget(audio: Samples) -> int:
    """How many tokens the text may have; no network gives more than ``MOST_TOKENS``."""
    return _TOKENS_AT_LEAST + round(_TOKENS_PER_S * seconds(len(audio)))


def timed_words(pieces: Sequence[Piece], spans: Sequence[Span], certain: Sequence[float]) -> tuple[Word, ...]:
    return tuple(
        Word(start, end, piece.text, min(max(probability, 0.0), 1.0))
        for piece, (start, end), probability in zip(pieces, spans, certain, strict=True)
    )


def guessed_words(pieces: Sequence[Piece], heard: Attempt, loudness: Loudness, duration_s: float) -> tuple[Word, ...]:
    """Where nobody asked for the words' own times and certainties, or there are none to be had."""
    spans = spread(pieces, loudness, duration_s) if pieces else []
    return timed_words(pieces, spans, [math.exp(heard.average_log_probability)] * len(pieces))


def hypothesis(
    words: tuple[Word, ...], heard: Attempt, duration_s: float, language: str, certainty: float
) -> Hypothesis:
    segment = Segment(
        start=words[0].start if words else 0.0,
        end=words[-1].end if words else duration_s,
        average_log_probability=heard.average_log_probability,
        no_speech_probability=heard.no_speech_probability,
        compression_ratio=heard.compression_ratio,
    )
    return Hypothesis(words, (segment,), language, certainty)


def low_noise(duration_s: float) -> Samples:
    """Hardly audible; the same every time."""
    return np.random.default_rng(0).normal(0, 10, samples(duration_s)).astype(np.int16)
