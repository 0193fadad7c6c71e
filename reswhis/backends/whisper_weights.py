"""Makes openai-whisper's network from a model directory, in whichever of two forms the weights are.

Decides nothing; :mod:`.whisper_timestamped_choice` does. Called by :mod:`.whisper_timestamped`, in the worker.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import TYPE_CHECKING

from .memory import is_out_of_memory
from .model_formats import TRANSFORMERS
from .unloadable import cannot_be_loaded

if TYPE_CHECKING:
    from torch import Tensor
    from whisper import Whisper

_DIMENSIONS = {
    "n_mels": "num_mel_bins",
    "n_audio_ctx": "max_source_positions",
    "n_audio_state": "d_model",
    "n_audio_head": "encoder_attention_heads",
    "n_audio_layer": "encoder_layers",
    "n_vocab": "vocab_size",
    "n_text_ctx": "max_target_positions",
    "n_text_state": "d_model",
    "n_text_head": "decoder_attention_heads",
    "n_text_layer": "decoder_layers",
}
"""openai-whisper's names of a network's dimensions, and those in transformers' ``config.json``."""


def load(directory: Path, device: str, *, half: bool) -> Whisper:
    """The network, in evaluation mode.

    Args:
        half: its large matrices in half precision. The small rest stays in single, as openai-whisper expects.

    Raises:
        ConfigurationError: one sentence.
    """
    from safetensors import SafetensorError

    try:
        model = _from_openai(directory) if TRANSFORMERS.lacking(directory) else _from_transformers(directory)
        return _halved(model).to(device) if half else model.to(device)
    except (
        AttributeError, EOFError, KeyError, OSError, RuntimeError, TypeError, ValueError, SafetensorError,
        pickle.UnpicklingError,
    ) as error:  # fmt: skip
        # Its own words fill a page where weights are missing.
        reason = "its files are damaged, or of another kind of network"
        if is_out_of_memory(error):
            reason = "there is not enough memory for it"
        raise cannot_be_loaded(directory, reason) from error


def _from_openai(directory: Path) -> Whisper:
    import whisper

    (checkpoint,) = directory.glob("*.pt")
    return whisper.load_model(str(checkpoint), device="cpu").eval()


def _from_transformers(directory: Path) -> Whisper:
    import torch
    from safetensors.torch import load_file
    from whisper import ModelDimensions, Whisper
    from whisper_timestamped.transcribe import hf_to_whisper_states

    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    weights: dict[str, Tensor] = {
        hf_to_whisper_states(name): values for name, values in load_file(directory / "model.safetensors").items()
    }
    output = weights.pop("proj_out.weight", None)
    if output is not None and not torch.equal(output, weights["decoder.token_embedding.weight"]):
        raise ValueError("an output layer of its own")
    model = Whisper(ModelDimensions(**{ours: config[theirs] for ours, theirs in _DIMENSIONS.items()}))
    model.load_state_dict(weights)
    layers, heads = model.alignment_heads.shape
    named = _alignment_heads(directory)
    # Distilled models may name those of the model that they were made from.
    if named and all(layer < layers and head < heads for layer, head in named):
        mask = torch.zeros(layers, heads, dtype=torch.bool)
        for layer, head in named:
            mask[layer, head] = True
        model.register_buffer("alignment_heads", mask.to_sparse(), persistent=False)
    return model.eval()


def _alignment_heads(directory: Path) -> list[tuple[int, int]]:
    """Which heads of the decoder look where a word is; as they were chosen for a size, if anyone has chosen them."""
    path = directory / "generation_config.json"
    if not path.is_file():
        return []
    heads: list[tuple[int, int]] | None = json.loads(path.read_text(encoding="utf-8")).get("alignment_heads")
    return heads or []


def _halved(model: Whisper) -> Whisper:
    from torch import nn

    for module in model.modules():
        if isinstance(module, (nn.Conv1d, nn.Embedding, nn.Linear)):
            module.half()
    return model
