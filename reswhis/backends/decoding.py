"""How a Whisper model searches for words, as set for the whole server. Values only.

What a session may choose for itself is in :class:`reswhis.core.types.DecodeOptions`. Read by the recognisers that run
Whisper here; one that cannot do something of it refuses that.
"""

from __future__ import annotations

from dataclasses import dataclass

from reswhis.core.types import Window, require_range

from .temperature_fallback import TEMPERATURES

MODELS_OWN = -1
"""Among tokens to suppress: those that the model's configuration names."""


@dataclass(frozen=True, slots=True)
class Decoding:
    temperatures: tuple[float, ...] = (0.0, *TEMPERATURES)
    """Of the decodes of a final window, until one comes out well; 0 searches, the others draw."""
    best_of: int = 1
    """How many are drawn at each temperature above 0."""
    patience: float = 1.0
    length_penalty: float = 1.0
    suppress_tokens: tuple[int, ...] = (MODELS_OWN,)

    def temperatures_for(self, window: Window) -> tuple[float, ...]:
        """Those at which a window is decoded, one after the other: what its session asks for, then hotter ones."""
        if not window.is_final:
            return (0.0,)
        first = window.options.temperature
        if first == 0:
            return self.temperatures
        return (first, *(temperature for temperature in self.temperatures if temperature > first))

    def __post_init__(self) -> None:
        if not self.temperatures:
            raise ValueError("temperatures must be one at least")
        for temperature in self.temperatures:
            require_range("temperature", temperature, 0, 1)
        require_range("best_of", self.best_of, 1, 10)
        require_range("patience", self.patience, 1, 10)
        require_range("length_penalty", self.length_penalty, 0, 2)
