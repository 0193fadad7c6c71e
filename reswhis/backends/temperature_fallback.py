"""What to make of a decoding that came out badly: sample others, warmer and warmer, and take the first that is good.

Source: Whisper's own decoding. Unlike there, what the samples may cost is bounded, in tokens and not in time, so that
it does not depend on the machine what is heard. Called by the recognisers that decode themselves, for final windows
only: what is heard in a partial one is decoded again soon.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from reswhis.core.guard import GUESSED_BELOW, NO_SPEECH_ABOVE, REPETITIVE_ABOVE

TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class Attempt:
    tokens: tuple[int, ...]
    """Of the text alone."""
    text: str
    average_log_probability: float
    no_speech_probability: float
    cost: int
    """Steps of decoding that it took: a token each, also its end, and those that are no text."""

    @property
    def compression_ratio(self) -> float:
        raw = self.text.strip().encode()
        return len(raw) / len(zlib.compress(raw))

    @property
    def is_repetitive(self) -> bool:
        return self.compression_ratio > REPETITIVE_ABOVE

    @property
    def is_good(self) -> bool:
        return not self.is_repetitive and self.average_log_probability >= GUESSED_BELOW

    @property
    def is_silence(self) -> bool:
        """Nothing is said there, and so nothing to be found by trying."""
        return self.no_speech_probability > NO_SPEECH_ABOVE and self.average_log_probability < GUESSED_BELOW


def best(
    first: Attempt,
    sample: Callable[[float], Attempt],
    budget: int,
    temperatures: Iterable[float] = TEMPERATURES,
) -> Attempt:
    """The first good one of ``first`` and samples at these temperatures, or else the best of them.

    Once the samples have cost ``budget`` tokens together, no other is made.
    """
    tried = [first]
    for temperature in temperatures:
        if tried[-1].is_good or tried[-1].is_silence or sum(each.cost for each in tried[1:]) >= budget:
            break
        tried.append(sample(temperature))
    return likeliest(tried)


def likeliest(attempts: Iterable[Attempt]) -> Attempt:
    """Of those that are good, if there are any; of loops last."""
    return max(attempts, key=lambda each: (each.is_good, not each.is_repetitive, each.average_log_probability))
