"""Whisper on PyTorch, on a CPU or an NVIDIA GPU, with whisper-timestamped's word times and confidences.

A window is decoded by openai-whisper as :mod:`.faster_whisper` decodes it (without timestamp tokens, other temperatures
for bad final windows alone), so that the same weights give the same words. whisper-timestamped's own ``transcribe``
goes over long recordings and has other rules; its alignment is used, in :mod:`.timestamped_alignment`, and corrected by
where the window is quiet: a word after a pause would begin with the pause.

The network is made in :mod:`.whisper_weights`; which one, for which device, is decided in
:mod:`.whisper_timestamped_choice`, which also makes the factory.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from reswhis.core.errors import BackendError, ConfigurationError
from reswhis.core.languages import LANGUAGES
from reswhis.core.types import DecodeOptions, Hypothesis, Window, Word, seconds

from .decoding import Decoding
from .log_mel import Features, LogMel, content_frames
from .temperature_fallback import Attempt, best
from .timestamped_alignment import Token, in_order, placed
from .whisper_tokens import Piece, words
from .whisper_weights import load
from .whisper_window import context_frames, guessed_words, hypothesis, low_noise, prompt, token_budget, too_long
from .word_times import Loudness, sounding

if TYPE_CHECKING:
    from torch import Tensor
    from whisper import DecodingOptions, Whisper
    from whisper.tokenizer import Tokenizer

logger = logging.getLogger(__name__)

_FRAMES_PER_STEP = 2
"""The encoder halves them: a step is 20 ms."""

_QUICK = DecodeOptions(language="en", encoder_context="dynamic")


@dataclass(frozen=True, slots=True)
class MakeWhisperTimestamped:
    """Loads a model and decodes a little noise, so that the first words do not wait for what is set up on first use.

    Calling it raises ConfigurationError if the model cannot be loaded.
    """

    model: Path
    device: str
    """``cpu`` or ``cuda``."""
    device_indices: tuple[int, ...]
    """Worker n takes number n of them, and begins again at the end."""
    compute_type: str
    """``float32`` or ``float16``."""
    threads: int
    decoding: Decoding = Decoding()
    knows_short_context: bool = False

    def __call__(self, worker: int) -> WhisperTimestamped:
        prepare()
        import torch

        torch.set_num_threads(self.threads)
        index = self.device_indices[worker % len(self.device_indices)]
        half = self.compute_type == "float16"
        network = load(self.model, f"cuda:{index}" if self.device == "cuda" else self.device, half=half)
        known = self.knows_short_context
        backend = WhisperTimestamped(network, self.decoding, half=half, knows_short_context=known)
        try:
            backend.check_suppressed()
            backend.decode(Window(0, 0, low_noise(0.5), _QUICK))
        except (BackendError, RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            raise ConfigurationError(f"The model in {self.model} cannot be used: {reason}.") from error
        return backend


def prepare() -> None:
    """To be called before PyTorch is imported: its idle threads are to sleep.

    On two busy cores decoding takes two to six times as long while they spin.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


class WhisperTimestamped:
    max_batch = 1

    def __init__(
        self, model: Whisper, decoding: Decoding, *, half: bool = False, knows_short_context: bool = False
    ) -> None:
        """``knows_short_context``: whether it was trained on less than 30 s, too, so that ``auto`` gives it less."""
        self._model = model
        self._decoding = decoding
        self._half = half
        self._knows_short_context = knows_short_context
        self._log_mel = LogMel(model.dims.n_mels)
        self._positions = model.encoder.positional_embedding

    def batch_key(self, window: Window) -> Hashable:
        return window.options

    def transcribe(self, windows: Sequence[Window]) -> list[Hypothesis | BackendError]:
        return [self._attempt(window) for window in windows]

    def close(self) -> None:
        import torch

        del self._model, self._positions
        torch.cuda.empty_cache()

    def check_suppressed(self) -> None:
        """Raises BackendError for tokens that are none, and for the end, without which no text has one."""
        count, end = self._model.dims.n_vocab, self._tokenizer("en", "transcribe").eot
        for token in self._decoding.suppress_tokens:
            if token == end or token >= count:
                raise BackendError(
                    f"suppress_tokens may not name {token}: it has tokens below {count}, and ends its texts with {end}"
                )

    def _attempt(self, window: Window) -> Hypothesis | BackendError:
        try:
            return self.decode(window)
        except BackendError as error:
            return error
        except (AssertionError, RuntimeError, ValueError) as error:  # what torch and the two libraries raise
            logger.warning("window %d cannot be decoded", window.id, exc_info=True)
            return BackendError(str(error))

    def decode(self, window: Window) -> Hypothesis:
        if (error := too_long(window)) is not None:
            raise error
        duration = seconds(len(window.audio))
        options = window.options
        if duration == 0:
            return Hypothesis()
        frames = content_frames(window.audio)
        features = self._log_mel(window.audio, context_frames(window, knows_short_context=self._knows_short_context))
        encoded = self._encode(features)
        language, certainty = self._language(encoded, options.language)
        tokenizer = self._tokenizer(language, options.task)
        heard = self._hear(encoded, window, language, tokenizer)
        pieces = words(tokenizer.decode, heard.tokens, language)
        loudness = Loudness(features, frames)
        timed = pieces and options.word_times and self._place(encoded, tokenizer, heard.tokens, frames)
        if timed:
            found = _words(pieces, timed, loudness, duration, is_final=window.is_final)
        else:
            found = guessed_words(pieces, heard, loudness, duration)
        return hypothesis(found, heard, duration, language, certainty)

    def _encode(self, features: Features) -> Tensor:
        """Shape ``(1, steps, width)``."""
        import torch

        # openai-whisper takes what is as long as the network's positions, and knows by ``dims`` what is encoded.
        steps = features.shape[1] // _FRAMES_PER_STEP
        self._model.encoder.positional_embedding = self._positions[:steps]
        self._model.dims.n_audio_ctx = steps
        given = torch.from_numpy(features[np.newaxis]).to(self._model.device)
        with torch.no_grad():
            encoded: Tensor = self._model.encoder(given.half() if self._half else given)
        return encoded

    def _language(self, encoded: Tensor, language: str | None) -> tuple[str, float]:
        if language is not None:
            return language, 1.0
        if not self._model.is_multilingual:
            return "en", 1.0
        probabilities: dict[str, float]
        _, (probabilities,) = self._model.detect_language(encoded)
        likeliest = max(probabilities, key=probabilities.__getitem__)
        return likeliest, min(probabilities[likeliest], 1.0)

    def _tokenizer(self, language: str, task: str) -> Tokenizer:
        from whisper.tokenizer import get_tokenizer

        multilingual, count = self._model.is_multilingual, self._model.num_languages
        if not multilingual and (language != "en" or task != "transcribe"):
            raise BackendError(f"an English-only model cannot {task} {language!r}")
        known = get_tokenizer(multilingual, num_languages=count).special_tokens
        if language not in LANGUAGES or f"<|{language}|>" not in known:
            raise BackendError(f"the model has no token <|{language}|>")
        return get_tokenizer(multilingual, num_languages=count, language=language, task=task)

    def _hear(self, encoded: Tensor, window: Window, language: str, tokenizer: Tokenizer) -> Attempt:
        import torch
        from whisper import decode

        budget = min(token_budget(window.audio), self._model.dims.n_text_ctx // 2)
        before = prompt(window, partial(tokenizer.encode, disallowed_special=()))
        suppressed = [*self._decoding.suppress_tokens, tokenizer.sot, tokenizer.sot_prev]

        def attempt(temperature: float) -> Attempt:
            result = decode(
                self._model,
                encoded[0],
                self._options(window, temperature),
                language=language,
                sample_len=budget,
                prompt=before,
                suppress_tokens=suppressed,
            )
            tokens = tuple(token for token in result.tokens if token < tokenizer.eot)
            text, cost = tokenizer.decode(list(tokens)), len(result.tokens) + 1
            return Attempt(tokens, text, result.avg_logprob, min(max(result.no_speech_prob, 0.0), 1.0), cost)

        # What is drawn does not depend on what was drawn for other windows; whisper-timestamped does the same.
        torch.manual_seed(0)
        first, *others = self._decoding.temperatures_for(window)
        return best(attempt(first), attempt, budget, others)

    def _options(self, window: Window, temperature: float) -> DecodingOptions:
        """How to search at temperature 0, how to draw at others."""
        from whisper import DecodingOptions

        own = self._decoding
        beam = window.options.beam_size if temperature == 0 else 1
        return DecodingOptions(
            task=window.options.task,
            temperature=temperature,
            beam_size=beam if beam > 1 else None,
            patience=own.patience if beam > 1 else None,
            best_of=own.best_of if temperature > 0 and own.best_of > 1 else None,
            length_penalty=None if own.length_penalty == 1 else own.length_penalty,
            without_timestamps=True,
            fp16=self._half,
        )

    def _place(self, encoded: Tensor, tokenizer: Tokenizer, tokens: Sequence[int], frames: int) -> list[Token] | None:
        steps = -(-frames // _FRAMES_PER_STEP)
        return placed(self._model, encoded, tokenizer, tokens, steps)


def _words(
    pieces: Sequence[Piece], tokens: Sequence[Token], loudness: Loudness, duration: float, *, is_final: bool
) -> tuple[Word, ...]:
    spoken = [tokens[piece.first : piece.last] for piece in pieces]
    # The mark before the text is not said: what it has of the time is silence, or the first word's.
    starts = [0.0 if piece.first == 0 else own[0].start for piece, own in zip(pieces, spoken, strict=True)]
    attended = [(start, own[-1].end) for start, own in zip(starts, spoken, strict=True)]
    spans = sounding(pieces, attended, loudness, duration, is_final=is_final)
    return tuple(
        Word(min(start, duration), min(end, duration), piece.text, math.exp(fmean(t.log_probability for t in own)))
        for piece, own, (start, end) in zip(pieces, spoken, in_order(spans), strict=True)
    )
