"""Which number of streams `capacity.py` is to try next, to find the largest that each limit allows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

Outcome = TypeVar("Outcome")
Limit = Callable[[Outcome], bool]
"""Whether an outcome is within it."""


def largest(tried: Mapping[int, Outcome], limit: Limit[Outcome]) -> int:
    """The last number before the first that is beyond the limit; 0: none."""
    held = 0
    for streams in sorted(tried):
        if not limit(tried[streams]):
            break
        held = streams
    return held


def next_to_try(
    tried: Mapping[int, Outcome], limits: Sequence[Limit[Outcome]], *, most: int, first: int = 1
) -> int | None:
    """Doubles until nothing is held, then bisects, for each limit in turn; None: all is known."""
    if not tried:
        return first
    for limit in limits:
        held = largest(tried, limit)
        beyond = [streams for streams in sorted(tried) if streams > held]
        if not beyond:
            if held < most:
                return min(2 * held, most)
        elif beyond[0] > held + 1 and held + (beyond[0] - held) // 2 not in tried:
            return held + (beyond[0] - held) // 2
    return None
