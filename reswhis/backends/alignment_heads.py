"""The attention heads by which a converted model (CTranslate2) places words in time, where its configuration is wrong.

Distilled models are at times published with the heads of the model that they were made from, whose decoder has more
layers. Asked to align with those, CTranslate2 reads beyond its memory, and the process is gone; asked without any, it
refuses. Loads no model. Called by :mod:`.faster_whisper` before it does.
"""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import BinaryIO

_LAYER = re.compile(r"decoder/layer_(\d+)/")
_OLDEST_FORMAT = 4
"""Of ``model.bin``; in older ones sizes are written otherwise."""


def corrected(model: Path) -> bytes | None:
    """The content for ``config.json`` with heads that the decoder has; None if it names such, or nobody can tell.

    They are all those of the later half of its layers, as CTranslate2's converter has it for models that it does not
    know. Raises OSError or ValueError if the configuration is damaged.
    """
    config = json.loads((model / "config.json").read_bytes())
    if not isinstance(config, dict):
        raise ValueError("config.json is no object")
    try:
        with (model / "model.bin").open("rb") as file:
            layers, heads = _decoder(file)
    except (EOFError, LookupError, UnicodeDecodeError):
        return None
    if _exist(config.get("alignment_heads"), layers, heads):
        return None
    config["alignment_heads"] = [[layer, head] for layer in range(layers // 2, layers) for head in range(heads)]
    return json.dumps(config).encode()


def _exist(named: object, layers: int, heads: int) -> bool:
    there = [[layer, head] for layer in range(layers) for head in range(heads)]
    return isinstance(named, list) and len(named) > 0 and all(pair in there for pair in named)


def _decoder(file: BinaryIO) -> tuple[int, int]:
    """How many layers it has, and how many heads each: by the names of the weights, which themselves are not read.

    Raises:
        EOFError, LookupError or UnicodeDecodeError: this is none, or one in another format.
    """
    (version,) = _numbers(file, "I")
    _name(file)
    _, count = _numbers(file, "II")
    if version < _OLDEST_FORMAT:
        raise LookupError(version)
    layers: set[str] = set()
    heads = 0
    for _ in range(count):
        name = _name(file)
        (rank,) = _numbers(file, "B")
        *_, size = _numbers(file, f"{rank}IBI")
        if layer := _LAYER.match(name):
            layers.add(layer[1])
        if name == "decoder/num_heads":
            heads = int.from_bytes(_read(file, size), "little")
        else:
            file.seek(size, 1)
    if not layers or not heads:
        raise LookupError(len(layers), heads)
    return len(layers), heads


def _name(file: BinaryIO) -> str:
    (length,) = _numbers(file, "H")
    return _read(file, length).rstrip(b"\0").decode()


def _numbers(file: BinaryIO, form: str) -> tuple[int, ...]:
    numbers: tuple[int, ...] = struct.unpack(f"<{form}", _read(file, struct.calcsize(f"<{form}")))
    return numbers


def _read(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError(size)
    return data
