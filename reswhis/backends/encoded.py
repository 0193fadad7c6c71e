"""What the encoder of a CTranslate2 model makes of a batch, of which any part can be taken.

Together, as a GPU wants it, or each by itself: on a CPU a batch is no faster, and with 30 s of context slower, since it
falls out of the processor's caches. Called by :mod:`.faster_whisper`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from .log_mel import Features

if TYPE_CHECKING:
    from ctranslate2 import StorageView
    from ctranslate2.models import Whisper


class Encoded:
    """``features`` all have the same shape. Raises what CTranslate2 raises, such as RuntimeError without memory."""

    def __init__(self, model: Whisper, features: Sequence[Features], *, together: bool) -> None:
        from ctranslate2 import StorageView

        parts = [list(features)] if together else [[each] for each in features]
        self._parts = [model.encode(StorageView.from_array(np.stack(part))) for part in parts]
        self._count = len(features)
        self._outputs: np.ndarray | None = None

    def all(self) -> StorageView:
        return self.only(range(self._count))

    def only(self, items: Sequence[int]) -> StorageView:
        """Those items in this order."""
        from ctranslate2 import StorageView

        if len(self._parts) == 1 and len(items) == self._count:
            return self._parts[0]
        if len(self._parts) == self._count and len(items) == 1:
            return self._parts[items[0]]
        if self._outputs is None:
            self._outputs = np.concatenate([_on_cpu(part) for part in self._parts])
        return StorageView.from_array(self._outputs[list(items)])


def _on_cpu(view: StorageView) -> np.ndarray:
    from ctranslate2 import Device

    return np.array(view if view.device == "cpu" else view.to_device(Device.cpu))
