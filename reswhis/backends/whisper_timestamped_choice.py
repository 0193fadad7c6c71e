"""Which Whisper model whisper-timestamped runs here, on which device and with which numbers.

Decodes nothing. Called by :mod:`.selection` through the registry.
"""

from __future__ import annotations

import sys
from pathlib import Path

from reswhis.core.errors import ConfigurationError

from . import devices, memory, models, whisper_choice
from .base import BackendConfig, Choice
from .model_formats import OPENAI, TRANSFORMERS
from .nearest import no_such
from .registry import Report
from .whisper_timestamped import MakeWhisperTimestamped, prepare

ON_CUDA = {"transcribe": "large-v3-turbo", "translate": "large-v3"}
ON_CPU = "base"
"""What ``auto`` fetches; the turbo does not translate."""


def check(config: BackendConfig) -> None:
    prepare()
    _compute_type(config, _device(config))
    if config.decoding.length_penalty > 1:
        raise ConfigurationError("whisper-timestamped takes a length penalty of 0 to 1.")
    if config.model != "auto":
        models.check(config, _find(config.model))


def choose(config: BackendConfig, report: Report) -> Choice:
    check(config)
    device = _device(config)
    compute_type = _compute_type(config, device)
    named = _find(config.model) if config.model != "auto" else _auto(config, device)
    model = whisper_choice.fetch(config, named, report)
    info = model.info(config, "whisper-timestamped", device, compute_type)
    threads = devices.threads(config.cpu_threads, config.workers)
    make = MakeWhisperTimestamped(
        model.path,
        device,
        config.device_indices,
        compute_type,
        threads,
        config.decoding,
        knows_short_context=model.knows_short_context,
    )
    # Of the file, and of the network beside it while it is loaded.
    return Choice(info, make, weights_bytes=2 * memory.weights_bytes(model.path))


def _find(name: str) -> models.Model:
    """A directory may be in either form; the hub has the one.

    Raises:
        ConfigurationError
    """
    path = Path(name).expanduser()
    checkpoints = len(list(path.glob("*.pt"))) if path.is_dir() and TRANSFORMERS.lacking(path) else 0
    if checkpoints > 1:
        raise ConfigurationError(
            f"The model directory {name} has {checkpoints} files *.pt: leave the model's alone there."
        )
    return models.find(name, OPENAI if checkpoints else TRANSFORMERS)


def _auto(config: BackendConfig, device: str) -> models.Model:
    """The best for the device; if it is not here, the smallest of what is, before anything is fetched."""
    (best,) = whisper_choice.sized([ON_CUDA[config.task] if device == "cuda" else ON_CPU], TRANSFORMERS)
    for found in whisper_choice.cached(config, [best, *whisper_choice.every_size(TRANSFORMERS)]):
        return found.named
    if not whisper_choice.can(config, best):
        raise ConfigurationError(whisper_choice.NONE_KNOWS)
    return best


def _device(config: BackendConfig) -> str:
    """As PyTorch sees it, which brings its own CUDA libraries. Raises ConfigurationError."""
    import torch

    match config.device.strip().casefold():
        case "auto":
            return "cuda" if torch.cuda.is_available() else "cpu"
        case "cpu":
            return "cpu"
        case "cuda" if torch.cuda.is_available():
            return "cuda"
        case "cuda" if sys.platform == "darwin":
            raise ConfigurationError("There is no CUDA on a Mac; choose --device cpu.")
        case "cuda" if torch.version.cuda is None:
            raise ConfigurationError(
                "This PyTorch was made for CPUs alone: install one with CUDA (see pytorch.org), or choose --device cpu."
            )
        case "cuda":
            raise ConfigurationError("PyTorch can use no CUDA device: check `nvidia-smi`, or choose --device cpu.")
        case _:
            raise ConfigurationError(no_such("device", config.device, ("auto", "cpu", "cuda")))


def _compute_type(config: BackendConfig, device: str) -> str:
    """Raises ConfigurationError."""
    import torch

    count = torch.cuda.device_count() if device == "cuda" else 1
    if (last := max(config.device_indices)) >= count:
        raise ConfigurationError(f"There is no GPU {last} to use: leave --device-index away.")
    possible = ("float16", "float32") if device == "cuda" else ("float32",)
    asked = config.compute_type.strip().casefold()
    if asked == "auto":
        return possible[0]
    if asked not in possible:
        raise ConfigurationError(
            f"The compute type {asked!r} is not possible on {device} with whisper-timestamped; choose auto, "
            f"{', '.join(possible)}."
        )
    return asked
