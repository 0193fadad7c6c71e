"""How long a server that is not ready is waited for, and what the user is told meanwhile. Asks no server itself.

Used by whatever opens a connection, whatever its protocol.
"""

from __future__ import annotations

import asyncio

from .display import Display

PATIENCE_S = 600.0
"""How long a model may load: it may have to be fetched first."""
SHORTEST_S, LONGEST_S = 0.2, 10.0
"""Between two attempts, whatever the server says."""


class Patience:
    """Begins when it is made, on the running loop."""

    def __init__(self, display: Display, patience_s: float) -> None:
        self._display = display
        self._deadline = asyncio.get_running_loop().time() + patience_s
        self._said = ""

    async def wait(self, after_s: float | None, reason: str) -> bool:
        """Whether to try again. ``after_s``: when the server may be ready, None if it does not say that it will be."""
        if after_s is None:
            return False
        after_s = min(max(after_s, SHORTEST_S), LONGEST_S)
        if asyncio.get_running_loop().time() + after_s > self._deadline:
            return False
        if (waiting := reason or "it is not ready yet") != self._said:
            self._said = waiting
            self._display.notice(f"waiting for the server: {waiting}")
        await asyncio.sleep(after_s)
        return True
