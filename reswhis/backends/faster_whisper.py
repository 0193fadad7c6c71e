"""Whisper on CTranslate2, on a CPU or an NVIDIA GPU, from a converted model directory.

A batch costs one encoding, one decoding and, where word times are wanted, one alignment, whatever languages and prompts
its windows have; only a final one that comes out badly is decoded again, at other temperatures
(:mod:`.temperature_fallback`). What is heard in a window does not depend on its company.

Decodes without timestamp tokens, unlike stock Whisper, which with them may end before the audio does and leave the rest
to a second pass: in 20 windows of several utterances whisper-micro left out 57 words with them and 21 without, and has
no more wrong words overall. Times come from the attention instead.

Which model, device and number type is decided in :mod:`.faster_whisper_choice`, which also makes the factory.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reswhis.core.errors import BackendError
from reswhis.core.types import DecodeOptions, Hypothesis, Window, Word, seconds

from .alignment_heads import corrected
from .decoding import Decoding
from .encoded import Encoded
from .log_mel import FULL_FRAMES, Features, LogMel, content_frames
from .temperature_fallback import Attempt, best, likeliest
from .unloadable import cannot_be_loaded
from .whisper_tokens import Piece, WhisperTokens
from .whisper_window import (
    CONTEXT_TOKENS,
    MOST_TOKENS,
    context_frames,
    guessed_words,
    hypothesis,
    low_noise,
    prompt,
    short_context,
    timed_words,
    token_budget,
    too_long,
)
from .word_times import Loudness, aligned

if TYPE_CHECKING:
    from ctranslate2 import StorageView
    from ctranslate2.models import Whisper, WhisperGenerationResult

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MakeFasterWhisper:
    """Loads a model and decodes a little noise, so that the first words do not wait for what is set up on first use.

    Calling it raises ConfigurationError if the model cannot be loaded.
    """

    model: Path
    device: str
    device_indices: tuple[int, ...]
    """Worker n takes number n of them, and begins again at the end."""
    compute_type: str
    threads: int
    decoding: Decoding = Decoding()
    max_batch: int = 1
    knows_short_context: bool = False

    def __call__(self, worker: int) -> FasterWhisper:
        from ctranslate2 import set_random_seed

        set_random_seed(0)  # of what is sampled; it counts until the first sample, so only the order of windows matters
        try:
            model = self._load(self.device_indices[worker % len(self.device_indices)])
            tokens = WhisperTokens(self.model, multilingual=model.is_multilingual)
            tokens.check_suppressed(self.decoding.suppress_tokens)
            backend = FasterWhisper(
                model,
                tokens,
                self.decoding,
                max_batch=self.max_batch,
                encodes_together=self.device == "cuda",
                knows_short_context=self.knows_short_context,
            )
            backend.decode(Window(0, 0, low_noise(0.5), DecodeOptions(language="en")))
        except (OSError, RuntimeError, ValueError, BackendError) as error:
            raise cannot_be_loaded(self.model, str(error)) from error
        return backend

    def _load(self, device_index: int) -> Whisper:
        from ctranslate2.models import Whisper

        config = corrected(self.model)
        files = None
        if config is not None:
            logger.warning(
                "%s: config.json names attention heads that the model has not, so word times come from the later half "
                "of its decoder",
                self.model,
            )
            # There is no other way to give CTranslate2 a part of a model.
            files = {path.name: path.read_bytes() for path in self.model.iterdir() if path.is_file()}
            files["config.json"] = config
        return Whisper(
            str(self.model),
            device=self.device,
            device_index=device_index,
            compute_type=self.compute_type,
            intra_threads=self.threads,
            inter_threads=1,
            files=files,
        )


@dataclass(frozen=True, slots=True)
class _Item:
    """A window on its way through the model."""

    window: Window
    features: Features
    language: str
    certainty: float
    heard: Attempt
    pieces: Sequence[Piece]

    @property
    def is_aligned(self) -> bool:
        return bool(self.pieces) and self.window.options.word_times

    @property
    def duration_s(self) -> float:
        return seconds(len(self.window.audio))

    @property
    def loudness(self) -> Loudness:
        return Loudness(self.features, content_frames(self.window.audio))


class FasterWhisper:
    def __init__(
        self,
        model: Whisper,
        tokens: WhisperTokens,
        decoding: Decoding,
        *,
        max_batch: int = 8,
        encodes_together: bool = False,
        knows_short_context: bool = False,
    ) -> None:
        """``knows_short_context``: whether it was trained on less than 30 s, too, so that ``auto`` gives it less."""
        self.max_batch = max_batch
        self._model = model
        self._tokens = tokens
        self._decoding = decoding
        self._knows_short_context = knows_short_context
        self._encodes_together = encodes_together
        self._log_mel = LogMel(model.n_mels)

    def batch_key(self, window: Window) -> Hashable:
        """What one call has in common: the context, where the text begins after the prompt, and how it is found."""
        return self._frames(window), len(self._prompt(window)), _beam_size(window), self._temperatures(window)[0]

    def transcribe(self, windows: Sequence[Window]) -> list[Hypothesis | BackendError]:
        """Windows that cannot share a call are decoded after one another."""
        results: list[Hypothesis | BackendError] = [Hypothesis()] * len(windows)
        groups: dict[Hashable, list[int]] = {}
        for i, window in enumerate(windows):
            if (error := self._refused(window)) is not None:
                results[i] = error
            elif len(window.audio):
                groups.setdefault(self.batch_key(window), []).append(i)
        for group in groups.values():
            for i, result in zip(group, self._attempt([windows[i] for i in group]), strict=True):
                results[i] = result
        return results

    def decode(self, window: Window) -> Hypothesis:
        """Raises BackendError."""
        (result,) = self.transcribe([window])
        if isinstance(result, BackendError):
            raise result
        return result

    def close(self) -> None:
        self._model.unload_model()

    def seconds_per_window(self, tokens: int = 40) -> float:
        """What a window of speech costs now, measured on noise, which is made to have this many tokens."""
        began = time.perf_counter()
        noise = low_noise(10.0)
        features = self._log_mel(noise, short_context(noise) if self._knows_short_context else FULL_FRAMES)
        self._model.generate(
            Encoded(self._model, [features], together=True).all(),
            [[*self._tokens.task("en", "transcribe"), self._tokens.no_timestamps]],
            beam_size=1,
            max_length=2 * tokens,
            suppress_tokens=[-1, self._tokens.end],
        )
        return time.perf_counter() - began

    def _refused(self, window: Window) -> BackendError | None:
        if (error := too_long(window)) is not None:
            return error
        try:
            self._tokens.task(window.options.language or "en", window.options.task)
        except BackendError as refusal:
            return refusal
        return None

    def _attempt(self, windows: Sequence[Window]) -> Sequence[Hypothesis | BackendError]:
        try:
            return self._decode(windows)
        except (RuntimeError, ValueError) as error:  # what CTranslate2 and tokenizers raise
            logger.warning("windows %s cannot be decoded", [window.id for window in windows], exc_info=True)
            return [BackendError(str(error))] * len(windows)

    def _decode(self, windows: Sequence[Window]) -> list[Hypothesis]:
        """All have the same key."""
        features = [self._log_mel(window.audio, self._frames(window)) for window in windows]
        encoded = Encoded(self._model, features, together=self._encodes_together)
        languages = self._languages(encoded, windows)
        items = [
            _Item(window, features[i], *languages[i], heard, self._tokens.words(heard.tokens, languages[i][0]))
            for i, (window, heard) in enumerate(zip(windows, self._hear(encoded, windows, languages), strict=True))
        ]
        aligned_words = self._align(encoded, items)
        return [_hypothesis(item, aligned_words.get(i)) for i, item in enumerate(items)]

    def _frames(self, window: Window) -> int:
        return context_frames(window, knows_short_context=self._knows_short_context)

    def _languages(self, encoded: Encoded, windows: Sequence[Window]) -> list[tuple[str, float]]:
        """Each window's, and how certain that is."""
        asked = [window.options.language for window in windows]
        if not self._model.is_multilingual:
            return [("en", 1.0)] * len(windows)
        unknown = [i for i, language in enumerate(asked) if language is None]
        found = iter(self._model.detect_language(encoded.only(unknown)) if unknown else ())
        languages = []
        for language in asked:
            if language is not None:
                languages.append((language, 1.0))
            else:
                token, probability = next(found)[0]
                languages.append((token.strip("<|>"), min(probability, 1.0)))
        return languages

    def _prompt(self, window: Window) -> list[int]:
        tokens = prompt(window, self._tokens.encode)
        return [self._tokens.previous, *tokens] if tokens else []

    def _hear(
        self, encoded: Encoded, windows: Sequence[Window], languages: Sequence[tuple[str, float]]
    ) -> list[Attempt]:
        prompts = [
            [*self._prompt(window), *self._tokens.task(language, window.options.task), self._tokens.no_timestamps]
            for window, (language, _) in zip(windows, languages, strict=True)
        ]
        budgets = [token_budget(window.audio) for window in windows]

        def sample(i: int, temperature: float) -> Attempt:
            return self._sample(encoded.only([i]), prompts[i], budgets[i], temperature)

        first, *others = self._temperatures(windows[0])
        if first > 0:
            heard = [sample(i, first) for i in range(len(windows))]
        else:
            heard = self._search(encoded.all(), prompts, budgets, _beam_size(windows[0]))
        return [
            best(attempt, partial(sample, i), min(budget, MOST_TOKENS), others) if window.is_final else attempt
            for i, (window, attempt, budget) in enumerate(zip(windows, heard, budgets, strict=True))
        ]

    def _temperatures(self, window: Window) -> tuple[float, ...]:
        return self._decoding.temperatures_for(window)

    def _search(
        self, encoded: StorageView, prompts: list[list[int]], budgets: Sequence[int], beam_size: int
    ) -> list[Attempt]:
        """In one call, as long as the longest may be. What that lets another loop on is cut off."""
        results = self._generate(encoded, prompts, max(budgets), beam_size=beam_size, patience=self._decoding.patience)
        return [
            self._attempts(result, _longest(budget, prompt))[0]
            for result, prompt, budget in zip(results, prompts, budgets, strict=True)
        ]

    def _sample(self, encoded: StorageView, prompt: list[int], budget: int, temperature: float) -> Attempt:
        """The likeliest of what is drawn at a temperature above 0."""
        (result,) = self._generate(
            encoded,
            [prompt],
            budget,
            num_hypotheses=self._decoding.best_of,
            sampling_topk=0,
            sampling_temperature=temperature,
        )
        return likeliest(self._attempts(result, _longest(budget, prompt)))

    def _generate(
        self,
        encoded: StorageView,
        prompts: list[list[int]],
        budget: int,
        *,
        beam_size: int = 1,
        patience: float = 1.0,
        num_hypotheses: int = 1,
        sampling_topk: int = 1,
        sampling_temperature: float = 1.0,
    ) -> list[WhisperGenerationResult]:
        """All prompts are of the same length."""
        results: list[WhisperGenerationResult] = self._model.generate(
            encoded,
            prompts,
            beam_size=beam_size,
            patience=patience,
            length_penalty=self._decoding.length_penalty,
            num_hypotheses=num_hypotheses,
            sampling_topk=sampling_topk,
            sampling_temperature=sampling_temperature,
            # CTranslate2 generates at most half of this, and at most what it leaves beside the prompt.
            max_length=min(max(2 * budget, len(prompts[0]) + budget), CONTEXT_TOKENS),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_blank=True,
            suppress_tokens=[*self._decoding.suppress_tokens, self._tokens.start, self._tokens.previous],
        )
        return results

    def _attempts(self, result: WhisperGenerationResult, longest: int) -> list[Attempt]:
        no_speech = min(max(result.no_speech_prob, 0.0), 1.0)
        cost = max(map(len, result.sequences_ids)) + 1  # all go on step by step together
        attempts = []
        for score, ids in zip(result.scores, result.sequences_ids, strict=True):
            tokens = tuple(token for token in ids[:longest] if token < self._tokens.end)
            likelihood = _average_log_probability(score, len(ids), self._decoding.length_penalty)
            attempts.append(Attempt(tokens, self._tokens.decode(tokens), likelihood, no_speech, cost))
        return attempts

    def _align(self, encoded: Encoded, items: Sequence[_Item]) -> dict[int, tuple[Word, ...]]:
        """The words of those items that are to have their own times, by index: one call for each language and task."""
        groups: dict[tuple[str, str], list[int]] = {}
        for i, item in enumerate(items):
            if item.is_aligned:
                groups.setdefault((item.language, item.window.options.task), []).append(i)
        found: dict[int, tuple[Word, ...]] = {}
        for (language, task), group in groups.items():
            results = self._model.align(
                encoded.only(group),
                self._tokens.task(language, task),
                [list(items[i].heard.tokens) for i in group],
                [
                    max(2, content_frames(items[i].window.audio)) for i in group
                ],  # below that there is nothing to align to
            )
            for i, result in zip(group, results, strict=True):
                item, certain = items[i], result.text_token_probs
                is_final = item.window.is_final
                spans = aligned(item.pieces, result.alignments, item.loudness, item.duration_s, is_final=is_final)
                sure = [sum(certain[p.first : p.last]) / (p.last - p.first) for p in item.pieces]
                found[i] = timed_words(item.pieces, spans, sure)
        return found


def _beam_size(window: Window) -> int:
    """What is decoded while it is spoken is decoded often."""
    return window.options.beam_size if window.is_final else 1


def _longest(budget: int, prompt: list[int]) -> int:
    """Tokens that are generated after this prompt at most."""
    return min(budget, MOST_TOKENS, CONTEXT_TOKENS - len(prompt))


def _hypothesis(item: _Item, words: tuple[Word, ...] | None) -> Hypothesis:
    if words is None:
        words = guessed_words(item.pieces, item.heard, item.loudness, item.duration_s)
    return hypothesis(words, item.heard, item.duration_s, item.language, item.certainty)


def _average_log_probability(score: float, generated: int, length_penalty: float) -> float:
    """Over all tokens and the end of the text, by which CTranslate2's score is not divided."""
    generated = max(generated, 1)
    return score * math.pow(generated, length_penalty) / (generated + 1)
