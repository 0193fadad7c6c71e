"""Which Whisper model whisper-timestamped runs here, on which device and with which numbers.

Decodes nothing. Called by :mod:`.selection` through the registry.
"""

from __future__ import annotations

import sys
from pathlib import Path

from reswhis.core.errors import ConfigurationError
from reswhis.core.languages import LANGUAGES

from . import devices, hub, memory, models
from .base import BackendConfig, BackendInfo, Choice
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
    path = hub.resolve(named, config.model_cache_dir, report)
    fetched = models.LocalModel(named.name, path, named.format)
    models.check(config, fetched)  # of a model of the hub nothing is known before it is here
    languages = models.languages(named) & models.languages(fetched)
    info = BackendInfo(
        backend="whisper-timestamped",
        model=named.name,
        device=device,
        compute_type=compute_type,
        languages=None if languages == LANGUAGES.keys() else languages,
        translates=languages != {"en"} and models.translates(named),
    )
    threads = devices.threads(config.cpu_threads, config.workers)
    make = MakeWhisperTimestamped(
        path,
        device,
        config.device_indices,
        compute_type,
        threads,
        config.decoding,
        knows_short_context=models.knows_short_context(named) or models.knows_short_context(fetched),
    )
    # Of the file, and of the network beside it while it is loaded.
    return Choice(info, make, weights_bytes=2 * memory.weights_bytes(path))


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


def _auto(config: BackendConfig, device: str) -> models.HubModel:
    """The best for the device; if it is not here, the smallest of what is, before anything is fetched."""
    best = _sized(ON_CUDA[config.task] if device == "cuda" else ON_CPU)
    for model in [best, *sorted(map(_sized, TRANSFORMERS.sizes), key=models.english_only)]:
        if _can(config, model) and hub.cached(model, config.model_cache_dir):
            return model
    if not _can(config, best):
        raise ConfigurationError(
            "No model that auto takes here knows this language: choose one with --model, such as large-v3."
        )
    return best


def _sized(name: str) -> models.HubModel:
    return models.HubModel(name, TRANSFORMERS.sizes[name], TRANSFORMERS)


def _can(config: BackendConfig, model: models.Model) -> bool:
    try:
        models.check(config, model)
    except ConfigurationError:
        return False
    return True


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
