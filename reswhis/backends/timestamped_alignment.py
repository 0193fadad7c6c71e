"""When each token was said and how certain it is, by whisper-timestamped's alignment of a decoder's attention.

Decodes nothing: the tokens of one window are given. Called by :mod:`.whisper_timestamped`, in the worker.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from .word_times import Span

if TYPE_CHECKING:
    from torch import Tensor, nn
    from whisper import Whisper
    from whisper.tokenizer import Tokenizer

_SHORTEST_WORD_S = 0.02
"""whisper-timestamped's own."""
_SMOOTHING = 7
"""Steps of which the median is taken, as in openai-whisper and CTranslate2: with whisper-timestamped's 9, the time of a
short word goes to its neighbour."""


class Token(NamedTuple):
    start: float
    end: float
    log_probability: float


def placed(
    model: Whisper, encoded: Tensor, tokenizer: Tokenizer, tokens: Sequence[int], steps: int
) -> list[Token] | None:
    """The tokens with their times in seconds; None where there are none to be had, as of a broken character.

    Args:
        encoded: shape ``(1, steps or more, width)``.
        steps: how many of them are of audio, not of the silence after it.
    """
    import torch

    library = _library()
    task, begin = list(tokenizer.sot_sequence), tokenizer.timestamp_begin
    # Not the first timestamp, as whisper-timestamped has it here: after it, a new sentence is hardly likely to a model
    # without another one, and the confidence in its first word next to nothing.
    given = torch.tensor([[*task, tokenizer.no_timestamps, *tokens]], device=encoded.device)
    with torch.no_grad(), ExitStack() as until_seen:
        attention = _Attention(model, until_seen)
        logits = model.logits(given, encoded)[0, len(task) : -1]
    likely = logits.log_softmax(-1).gather(1, given[0, len(task) + 1 :, None])[:, 0].tolist()
    characters = library.perform_word_alignment(
        [begin, *tokens, begin + steps],
        [attention.weights()[:, :, len(task) - 1 :]],
        tokenizer,
        use_space=False,
        # With 0 the last word would last to the end of the audio.
        refine_whisper_precision_nframes=1,
        medfilt_width=_SMOOTHING,
        detect_disfluencies=False,
    )
    spans = [(each["start"], each["end"]) for each in characters for _ in each["tokens_indices"]]
    if len(spans) != len(tokens):
        return None
    return [Token(float(start), float(end), value) for (start, end), value in zip(spans, likely, strict=True)]


def in_order(spans: Sequence[Span]) -> list[Span]:
    """Each at least whisper-timestamped's shortest word, none beginning before the end of the one before."""
    times = [{"start": start, "end": end} for start, end in spans]
    _library().ensure_increasing_positions(times, min_duration=_SHORTEST_WORD_S)
    return [(float(each["start"]), float(each["end"])) for each in times]


class _Library(Protocol):
    num_alignment_for_plot: int

    def perform_word_alignment(
        self,
        tokens: list[int],
        attention_weights: list[Tensor],
        tokenizer: Tokenizer,
        *,
        use_space: bool,
        refine_whisper_precision_nframes: int,
        medfilt_width: int,
        detect_disfluencies: bool,
    ) -> list[dict[str, Any]]: ...

    def ensure_increasing_positions(self, segments: list[dict[str, float]], min_duration: float) -> object: ...


def _library() -> _Library:
    # The package has a function of this name, which an import statement would give instead.
    library = cast(_Library, importlib.import_module("whisper_timestamped.transcribe"))
    library.num_alignment_for_plot = 0  # counted by the alignment; made by that function, which is not called here
    return library


class _Attention:
    """Where those heads of a decoder look that follow the audio.

    The network's own answer is not asked: it has one only while a setting of the whole process, so of all workers, is
    changed.
    """

    def __init__(self, model: Whisper, until_seen: ExitStack) -> None:
        self._heads: list[tuple[int, int]] = model.alignment_heads.indices().T.tolist()
        self._attention: list[Any] = [block.cross_attn for block in model.decoder.blocks]
        self._seen: dict[nn.Module, Tensor] = {}
        for layer in {layer for layer, _ in self._heads}:
            for part in (self._attention[layer].query, self._attention[layer].key):
                until_seen.callback(part.register_forward_hook(self._see).remove)

    def _see(self, part: nn.Module, _: object, output: Tensor) -> None:
        self._seen[part] = output[0].float()

    def weights(self) -> Tensor:
        """Before the softmax, shape ``(1, heads, tokens, steps)``."""
        import torch

        rows = []
        for layer, head in self._heads:
            attention = self._attention[layer]
            queries, keys = self._seen[attention.query], self._seen[attention.key]
            width = queries.shape[-1] // attention.n_head
            own = slice(head * width, (head + 1) * width)
            rows.append(queries[:, own] @ keys[:, own].T / width**0.5)
        return torch.stack(rows)[None]
