"""Whisper on CTranslate2, on a CPU or an NVIDIA GPU, from a converted model directory.

A window costs one encoding, one decoding and, where word times are wanted, one alignment; only a final one that comes
out badly is decoded again, at other temperatures (:mod:`.temperature_fallback`). Decodes without timestamp tokens,
unlike stock Whisper, which with them may end before the audio does and leave the rest to a second pass: in 20 windows
of several utterances whisper-micro left out 57 words with them and 21 without, and has no more wrong words overall.
Times come from the attention instead.

Which model, device and number type is decided in :mod:`.faster_whisper_choice`, which also makes the factory.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reswhis.core.errors import BackendError, ConfigurationError
from reswhis.core.types import DecodeOptions, Hypothesis, Samples, Segment, Window, Word, seconds

from .log_mel import FRAMES_PER_S, FULL_FRAMES, LogMel, content_frames
from .temperature_fallback import Attempt, best
from .whisper_tokens import Piece, WhisperTokens
from .word_times import Loudness, aligned, spread

if TYPE_CHECKING:
    from ctranslate2 import StorageView
    from ctranslate2.models import Whisper, WhisperGenerationResult

logger = logging.getLogger(__name__)

MAX_WINDOW_S = FULL_FRAMES / FRAMES_PER_S

DYNAMIC_MARGIN_FRAMES = 100
"""Silence that a shortened context keeps after the audio. With a fifth of it, words are repeated at the end."""

_CONTEXT_TOKENS = 448
_PROMPT_TOKENS = _CONTEXT_TOKENS // 2 - 1
_TOKENS_AT_LEAST = 30
_TOKENS_PER_S = 30
"""More than any language needs (Burmese and Amharic take several tokens a letter), less than a loop would take."""


@dataclass(frozen=True, slots=True)
class MakeFasterWhisper:
    """Loads a model and decodes a little noise, so that the first words do not wait for what is set up on first use.

    Calling it raises ConfigurationError if the model cannot be loaded.
    """

    model: Path
    device: str
    device_index: int
    compute_type: str
    threads: int

    def __call__(self, worker: int) -> FasterWhisper:
        from ctranslate2 import set_random_seed
        from ctranslate2.models import Whisper

        set_random_seed(0)  # of what is sampled; it counts until the first sample, so only the order of windows matters
        try:
            model = Whisper(
                str(self.model),
                device=self.device,
                device_index=self.device_index,
                compute_type=self.compute_type,
                intra_threads=self.threads,
                inter_threads=1,
            )
            backend = FasterWhisper(model, WhisperTokens(self.model, multilingual=model.is_multilingual))
            backend.decode(Window(0, 0, low_noise(0.5), DecodeOptions(language="en")))
        except (RuntimeError, ValueError, BackendError) as error:
            reason = str(error).rstrip(".")
            raise ConfigurationError(f"The model in {self.model} cannot be loaded: {reason}.") from error
        return backend


class FasterWhisper:
    max_batch = 1

    def __init__(self, model: Whisper, tokens: WhisperTokens) -> None:
        self._model = model
        self._tokens = tokens
        self._log_mel = LogMel(model.n_mels)

    def batch_key(self, window: Window) -> Hashable:
        return window.options

    def transcribe(self, windows: Sequence[Window]) -> list[Hypothesis | BackendError]:
        return [self._attempt(window) for window in windows]

    def close(self) -> None:
        self._model.unload_model()

    def seconds_per_window(self, tokens: int = 40) -> float:
        """What a window of speech costs now, measured on noise, which is made to have this many tokens."""
        began = time.perf_counter()
        encoded = self._encode(self._log_mel(low_noise(10.0)))
        self._model.generate(
            encoded,
            [[*self._tokens.task("en", "transcribe"), self._tokens.no_timestamps]],
            beam_size=1,
            max_length=2 * tokens,
            suppress_tokens=[-1, self._tokens.end],
        )
        return time.perf_counter() - began

    def _attempt(self, window: Window) -> Hypothesis | BackendError:
        try:
            return self.decode(window)
        except BackendError as error:
            return error
        except (RuntimeError, ValueError) as error:  # what CTranslate2 and tokenizers raise
            logger.warning("window %d cannot be decoded", window.id, exc_info=True)
            return BackendError(str(error))

    def decode(self, window: Window) -> Hypothesis:
        duration = seconds(len(window.audio))
        if duration > MAX_WINDOW_S:
            raise BackendError(f"a window of {duration:.3f} s: Whisper takes {MAX_WINDOW_S:.0f} s at most")
        if duration == 0:
            return Hypothesis()
        options = window.options
        features = self._log_mel(window.audio, _frames(window.audio, options.encoder_context))
        encoded = self._encode(features)
        language, certainty = self._language(encoded, options.language)
        task = self._tokens.task(language, options.task)
        heard = self._hear(encoded, window, [*self._prompt(window), *task, self._tokens.no_timestamps])
        tokens = list(heard.tokens)
        pieces = self._tokens.words(tokens, language)
        loudness = Loudness(features, content_frames(window.audio))
        if pieces and options.word_times:
            words = self._align(encoded, task, tokens, pieces, loudness, window.audio)
        else:
            spans = spread(pieces, loudness, duration) if pieces else []
            words = _words(pieces, spans, [math.exp(heard.average_log_probability)] * len(pieces))
        segment = Segment(
            start=words[0].start if words else 0.0,
            end=words[-1].end if words else duration,
            average_log_probability=heard.average_log_probability,
            no_speech_probability=heard.no_speech_probability,
            compression_ratio=heard.compression_ratio,
        )
        return Hypothesis(words, (segment,), language, certainty)

    def _encode(self, features: np.ndarray) -> StorageView:
        from ctranslate2 import StorageView

        return self._model.encode(StorageView.from_array(features[np.newaxis]))

    def _language(self, encoded: StorageView, language: str | None) -> tuple[str, float]:
        if language is not None:
            return language, 1.0
        if not self._model.is_multilingual:
            return "en", 1.0
        token, probability = self._model.detect_language(encoded)[0][0]
        return token.strip("<|>"), min(probability, 1.0)

    def _prompt(self, window: Window) -> list[int]:
        """Hotwords and what was said before, the latest of it if it is too long."""
        hotwords = self._tokens.encode(window.options.hotwords)[: _PROMPT_TOKENS // 2]
        before = self._tokens.encode(window.prompt)
        before = before[max(0, len(before) - _PROMPT_TOKENS + len(hotwords)) :]
        return [self._tokens.previous, *hotwords, *before] if hotwords or before else []

    def _hear(self, encoded: StorageView, window: Window, prompt: list[int]) -> Attempt:
        budget = _TOKENS_AT_LEAST + round(_TOKENS_PER_S * seconds(len(window.audio)))

        def sample(temperature: float) -> Attempt:
            return self._generate(encoded, prompt, budget, sampling_topk=0, sampling_temperature=temperature)

        first = self._generate(encoded, prompt, budget, beam_size=window.options.beam_size)
        return best(first, sample, min(budget, _CONTEXT_TOKENS // 2)) if window.is_final else first

    def _generate(
        self,
        encoded: StorageView,
        prompt: list[int],
        budget: int,
        *,
        beam_size: int = 1,
        sampling_topk: int = 1,
        sampling_temperature: float = 1.0,
    ) -> Attempt:
        result = self._model.generate(
            encoded,
            [prompt],
            beam_size=beam_size,
            sampling_topk=sampling_topk,
            sampling_temperature=sampling_temperature,
            # CTranslate2 generates at most half of this, and at most what it leaves beside the prompt.
            max_length=min(max(2 * budget, len(prompt) + budget), _CONTEXT_TOKENS),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=[-1, self._tokens.start, self._tokens.previous],
        )[0]
        tokens = tuple(token for token in result.sequences_ids[0] if token < self._tokens.end)
        no_speech = min(max(result.no_speech_prob, 0.0), 1.0)
        text, cost = self._tokens.decode(tokens), len(result.sequences_ids[0]) + 1
        return Attempt(tokens, text, _average_log_probability(result), no_speech, cost)

    def _align(
        self,
        encoded: StorageView,
        task: list[int],
        tokens: list[int],
        pieces: Sequence[Piece],
        loudness: Loudness,
        audio: Samples,
    ) -> tuple[Word, ...]:
        # Below two frames there is no step to align to.
        result = self._model.align(encoded, task, [tokens], [max(2, content_frames(audio))])[0]
        spans = aligned(pieces, result.alignments, loudness, seconds(len(audio)))
        certain = result.text_token_probs
        return _words(pieces, spans, [sum(certain[p.first : p.last]) / (p.last - p.first) for p in pieces])


def low_noise(duration_s: float) -> Samples:
    """Hardly audible; the same every time."""
    return np.random.default_rng(0).normal(0, 10, round(duration_s * 16_000)).astype(np.int16)


def _frames(audio: Samples, context: str) -> int:
    if context == "full":
        return FULL_FRAMES
    frames = content_frames(audio) + DYNAMIC_MARGIN_FRAMES
    return min(frames + frames % 2, FULL_FRAMES)


def _words(pieces: Sequence[Piece], spans: Sequence[tuple[float, float]], certain: Sequence[float]) -> tuple[Word, ...]:
    return tuple(
        Word(start, end, piece.text, min(max(probability, 0.0), 1.0))
        for piece, (start, end), probability in zip(pieces, spans, certain, strict=True)
    )


def _average_log_probability(result: WhisperGenerationResult) -> float:
    """Over all tokens and the end of the text, by which CTranslate2's score is not divided."""
    generated = max(len(result.sequences_ids[0]), 1)
    return float(result.scores[0]) * generated / (generated + 1)
