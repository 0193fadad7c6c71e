"""A Whisper network on MLX: loads it, and encodes, generates and reads its attention for one window at a time.

Uses mlx-whisper's network and vocabulary, not its decoding, which takes 30 s of audio at a time and nothing less. Every
wait for MLX is a call of ``eval``, during which other threads run. Knows no windows: :mod:`.mlx_backend` does, and
calls this in the one thread that made it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reswhis.core.errors import BackendError

from .attention_path import attention_path
from .decoding import MODELS_OWN
from .log_mel import Features

if TYPE_CHECKING:
    import mlx.core as mx
    from mlx_whisper.tokenizer import Tokenizer
    from mlx_whisper.whisper import Whisper

_CACHED_BYTES = 1 << 28
"""Buffers that MLX keeps for reuse. Left to itself it keeps as much as the machine has."""


class MlxNetwork:
    """Calling any method after :meth:`close` is an error."""

    def __init__(self, model: Path, device: str, compute_type: str, suppress: tuple[int, ...]) -> None:
        """Raises what MLX and Python raise for a damaged model: OSError, RuntimeError, TypeError, ValueError …"""
        import mlx.core as mx
        from mlx_whisper.tokenizer import get_tokenizer
        from mlx_whisper.whisper import sinusoids

        # Of its own, since backends of several workers compute side by side.
        self._stream = mx.new_stream(mx.gpu if device == "gpu" else mx.cpu)
        self._type = mx.float16 if compute_type == "float16" else mx.float32
        with mx.stream(self._stream):
            mx.set_cache_limit(_CACHED_BYTES)
            self._network = _load(model, self._type)
            sizes = self._network.dims
            self._positions = sinusoids(sizes.n_audio_ctx, sizes.n_audio_state).astype(self._type)
            self.tokens: Tokenizer = get_tokenizer(
                self._network.is_multilingual, num_languages=self._network.num_languages
            )
            self._never = _mask(sizes.n_vocab, _suppressed(self.tokens, suppress))
            self._not_first = self._never + _mask(sizes.n_vocab, [*self.tokens.encode(" "), self.tokens.eot])
        self.n_mels: int = sizes.n_mels
        self.is_multilingual: bool = self._network.is_multilingual

    def close(self) -> None:
        import mlx.core as mx

        del self._network, self._positions, self._never, self._not_first
        mx.clear_cache()

    def encode(self, features: Features) -> mx.array:
        """Of any even number of frames; mlx-whisper's own encoder takes 3000 alone."""
        import mlx.core as mx
        from mlx import nn

        encoder = self._network.encoder
        with mx.stream(self._stream):
            hidden = mx.array(features.T[np.newaxis]).astype(self._type)
            hidden = nn.gelu(encoder.conv2(nn.gelu(encoder.conv1(hidden))))
            hidden = hidden + self._positions[: hidden.shape[1]]
            for block in encoder.blocks:
                hidden, _, _ = block(hidden)
            encoded = encoder.ln_post(hidden)
            mx.eval(encoded)
        return encoded

    def language(self, encoded: mx.array) -> tuple[str, float]:
        """The likeliest, and how likely among all languages."""
        import mlx.core as mx

        with mx.stream(self._stream):
            logits, _, _ = self._network.decoder(mx.array([[self.tokens.sot]]), encoded)
            likely = mx.softmax(logits[0, -1].astype(mx.float32)[mx.array(self.tokens.all_language_tokens)])
            best = mx.argmax(likely)
            mx.eval(likely, best)
        return self.tokens.all_language_codes[best.item()], float(likely[best].item())

    def generate(
        self, encoded: mx.array, prompt: Sequence[int], most: int, temperature: float, *, until_end: bool = True
    ) -> tuple[list[int], float, float]:
        """What follows the prompt.

        Args:
            most: after so many tokens it is left as it is.
            temperature: 0 takes the likeliest token each time; others draw, the same ones for the same window.
            until_end: without, there are ``most`` tokens in any case, which may mean nothing.

        Returns:
            Tokens, the log-probability of all of them and the end, and the probability that nothing is said.
        """
        import mlx.core as mx

        tokens: list[int] = []
        total = 0.0
        with mx.stream(self._stream):
            steps = self._steps(encoded, prompt, temperature)
            token, certain, no_speech = next(steps)
            mx.async_eval(token, certain, no_speech)
            while True:
                ahead = next(steps)
                mx.async_eval(*ahead)  # while this one is read; the last of them is in vain
                mx.eval(token, certain, no_speech)
                total += float(certain.item())
                if until_end and token.item() == self.tokens.eot:
                    break
                tokens.append(token.item())
                if len(tokens) == most:
                    break
                token, certain, _ = ahead
        return tokens, total, float(no_speech.item())

    def _steps(
        self, encoded: mx.array, prompt: Sequence[int], temperature: float
    ) -> Iterator[tuple[mx.array, mx.array, mx.array]]:
        """Token after token, not evaluated: it, its log-probability, and the probability that nothing is said."""
        import mlx.core as mx

        key = mx.random.key(0)
        inputs, cache, barred = mx.array([list(prompt)]), None, self._not_first
        no_speech: mx.array | None = None
        while True:
            logits, cache, _ = self._network.decoder(inputs, encoded, kv_cache=cache)
            if no_speech is None:
                start = logits[0, list(prompt).index(self.tokens.sot)].astype(mx.float32)
                no_speech = mx.softmax(start)[self.tokens.no_speech]
            scores = logits[0, -1].astype(mx.float32) + barred
            if temperature > 0:
                key, drawn = mx.random.split(key)
                token = mx.random.categorical(scores / temperature, key=drawn)
            else:
                token = mx.argmax(scores)
            yield token, scores[token] - mx.logsumexp(scores), no_speech
            inputs, barred = token.reshape(1, 1), self._never

    def align(
        self, encoded: mx.array, task: Sequence[int], tokens: Sequence[int], steps: int
    ) -> tuple[list[tuple[int, int]], list[float]]:
        """The path of the attention through tokens and steps of 20 ms, and how probable each token is."""
        import mlx.core as mx

        with mx.stream(self._stream):
            known = [*task, self.tokens.no_timestamps, *tokens, self.tokens.eot]
            logits, attention = self._attend(encoded, known, steps)
            text = mx.softmax(logits[len(task) : -2, : self.tokens.eot].astype(mx.float32), axis=-1)
            certain = mx.take_along_axis(text, mx.array(list(tokens))[:, None], axis=1)[:, 0]
            mx.eval(attention, certain)
        return attention_path(np.array(attention), len(task)), np.array(certain).tolist()

    def _attend(self, encoded: mx.array, known: Sequence[int], steps: int) -> tuple[mx.array, mx.array]:
        """Logits, and of the heads that follow the audio ``(heads, tokens, steps)``; the others' are let go of here."""
        import mlx.core as mx

        logits, _, scores = self._network.decoder(mx.array([list(known)]), encoded)
        heads = self._network.alignment_heads.tolist()
        attention = mx.stack([scores[layer][0, head, :, :steps] for layer, head in heads])
        return logits[0], mx.softmax(attention.astype(mx.float32), axis=-1)


def _load(model: Path, type: mx.Dtype) -> Whisper:
    import mlx.core as mx
    from mlx.utils import tree_flatten
    from mlx_whisper.load_models import load_model

    network: Whisper = load_model(str(model), dtype=type)
    (file,) = sorted(model.glob("weights.safetensors")) or [model / "weights.npz"]
    # What a file lacks is left at random.
    if missing := {name for name, _ in tree_flatten(network.parameters())} - {"alignment_heads", *mx.load(str(file))}:
        raise ValueError(f"{min(missing)} missing")
    network.set_dtype(type)
    mx.eval(network.parameters())
    return network


def _suppressed(tokens: Tokenizer, asked: tuple[int, ...]) -> set[int]:
    barred = {tokens.sot, tokens.sot_prev, tokens.sot_lm, tokens.transcribe, tokens.translate, tokens.no_speech}
    barred |= {token for token in asked if token != MODELS_OWN}
    return barred | set(tokens.non_speech_tokens) if MODELS_OWN in asked else barred


def _mask(size: int, barred: Sequence[int] | set[int]) -> mx.array:
    import mlx.core as mx

    mask = np.zeros(size, np.float32)
    beyond = [token for token in barred if not 0 <= token < size]
    if beyond:
        raise BackendError(f"the model has no token {min(beyond)}")
    mask[list(barred)] = -np.inf
    return mx.array(mask)
