"""Whisper on MLX, on the GPU of Apple silicon or on a CPU, with mlx-whisper's network and vocabulary.

A window is decoded as :mod:`.faster_whisper` decodes it (without timestamp tokens, other temperatures for bad final
windows alone, times from the attention corrected by where it is quiet), so that the same weights give the same words
at the same times. mlx-whisper's own ``transcribe`` goes over long recordings and has other rules. Greedy: MLX has no
beam search, and a window that asks for one is refused.

What MLX computes is in :mod:`.mlx_network`; which model, device and number type is decided in :mod:`.mlx_choice`, which
also makes the factory.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reswhis.core.errors import BackendError
from reswhis.core.types import DecodeOptions, Hypothesis, Window, Word, seconds

from .decoding import Decoding
from .log_mel import FULL_FRAMES, LogMel, content_frames
from .memory import is_out_of_memory
from .mlx_network import MlxNetwork
from .temperature_fallback import Attempt, best
from .unloadable import cannot_be_loaded
from .whisper_tokens import Piece, words
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
    import mlx.core as mx

logger = logging.getLogger(__name__)

_QUICK = DecodeOptions(language="en", encoder_context="dynamic")


@dataclass(frozen=True, slots=True)
class MakeMlxWhisper:
    """Loads a model and decodes a little noise, so that the first words do not wait for what is set up on first use.

    Calling it raises ConfigurationError if the model cannot be loaded.
    """

    model: Path
    device: str
    """``gpu`` or ``cpu``."""
    compute_type: str
    """``float16`` or ``float32``."""
    decoding: Decoding = Decoding()
    knows_short_context: bool = False

    def __call__(self, worker: int) -> MlxWhisper:
        try:
            network = MlxNetwork(self.model, self.device, self.compute_type, self.decoding.suppress_tokens)
            backend = MlxWhisper(network, self.decoding, knows_short_context=self.knows_short_context)
            backend.decode(Window(0, 0, low_noise(0.5), _QUICK))
        except BackendError as error:
            raise cannot_be_loaded(self.model, str(error)) from error
        except (AttributeError, IndexError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
            # What the libraries raise for damaged files speaks of their insides, over several lines at times.
            damaged = "its files are damaged, or of another kind of network"
            reason = "there is too little memory" if is_out_of_memory(error) else damaged
            raise cannot_be_loaded(self.model, reason) from error
        return backend


class MlxWhisper:
    max_batch = 1

    def __init__(self, network: MlxNetwork, decoding: Decoding, *, knows_short_context: bool = False) -> None:
        """``knows_short_context``: whether it was trained on less than 30 s, too, so that ``auto`` gives it less."""
        self._network = network
        self._decoding = decoding
        self._knows_short_context = knows_short_context
        self._log_mel = LogMel(network.n_mels)

    def batch_key(self, window: Window) -> Hashable:
        return window.options

    def transcribe(self, windows: Sequence[Window]) -> list[Hypothesis | BackendError]:
        return [self._attempt(window) for window in windows]

    def close(self) -> None:
        self._network.close()

    def seconds_per_window(self, tokens: int = 40) -> float:
        """What a window of speech costs now, measured on noise, which is made to have this many tokens."""
        began = time.perf_counter()
        noise = low_noise(10.0)
        frames = short_context(noise) if self._knows_short_context else FULL_FRAMES
        encoded = self._network.encode(self._log_mel(noise, frames))
        prompt = [*self._task("en", "transcribe"), self._network.tokens.no_timestamps]
        self._network.generate(encoded, prompt, tokens, 0.0, until_end=False)
        return time.perf_counter() - began

    def _attempt(self, window: Window) -> Hypothesis | BackendError:
        try:
            return self.decode(window)
        except BackendError as error:
            return error
        except (RuntimeError, ValueError) as error:  # what MLX and the vocabulary raise
            logger.warning("window %d cannot be decoded", window.id, exc_info=True)
            return BackendError(str(error))

    def decode(self, window: Window) -> Hypothesis:
        if (error := too_long(window)) is not None:
            raise error
        duration = seconds(len(window.audio))
        options = window.options
        if options.beam_size > 1:
            raise BackendError("mlx-whisper has no beam search: set beam_size to 1, or take another backend")
        if duration == 0:
            return Hypothesis()
        features = self._log_mel(window.audio, context_frames(window, knows_short_context=self._knows_short_context))
        encoded = self._network.encode(features)
        language, certainty = self._language(encoded, options.language)
        task = self._task(language, options.task)
        heard = self._hear(encoded, window, [*self._prompt(window), *task, self._network.tokens.no_timestamps])
        pieces = words(self._network.tokens.decode, heard.tokens, language)
        loudness = Loudness(features, content_frames(window.audio))
        if pieces and options.word_times:
            found = self._align(encoded, task, heard.tokens, pieces, loudness, window)
        else:
            found = guessed_words(pieces, heard, loudness, duration)
        return hypothesis(found, heard, duration, language, certainty)

    def _language(self, encoded: mx.array, language: str | None) -> tuple[str, float]:
        if language is not None:
            return language, 1.0
        if not self._network.is_multilingual:
            return "en", 1.0
        return self._network.language(encoded)

    def _task(self, language: str, task: str) -> list[int]:
        """What follows the prompt, up to the task."""
        tokens = self._network.tokens
        if not self._network.is_multilingual:
            if language != "en" or task != "transcribe":
                raise BackendError(f"an English-only model cannot {task} {language!r}")
            return [tokens.sot]
        token = tokens.special_tokens.get(f"<|{language}|>")
        if token is None:
            raise BackendError(f"the model has no token <|{language}|>")
        return [tokens.sot, token, tokens.translate if task == "translate" else tokens.transcribe]

    def _prompt(self, window: Window) -> list[int]:
        tokens = prompt(window, partial(self._network.tokens.encode, disallowed_special=()))
        return [self._network.tokens.sot_prev, *tokens] if tokens else []

    def _hear(self, encoded: mx.array, window: Window, prompt: list[int]) -> Attempt:
        budget = min(token_budget(window.audio), MOST_TOKENS)
        most = min(budget, CONTEXT_TOKENS - len(prompt))

        def attempt(temperature: float) -> Attempt:
            tokens, total, no_speech = self._network.generate(encoded, prompt, most, temperature)
            text = tuple(token for token in tokens if token < self._network.tokens.eot)
            average, cost = total / (len(tokens) + 1), len(tokens) + 1
            return Attempt(text, self._network.tokens.decode(list(text)), average, no_speech, cost)

        first, *others = self._decoding.temperatures_for(window)
        return best(attempt(first), attempt, budget, others)

    def _align(
        self,
        encoded: mx.array,
        task: list[int],
        tokens: Sequence[int],
        pieces: Sequence[Piece],
        loudness: Loudness,
        window: Window,
    ) -> tuple[Word, ...]:
        path, certain = self._network.align(encoded, task, tokens, max(1, content_frames(window.audio) // 2))
        spans = aligned(pieces, path, loudness, seconds(len(window.audio)), is_final=window.is_final)
        return timed_words(pieces, spans, [sum(certain[p.first : p.last]) / (p.last - p.first) for p in pieces])
