"""The seam between a connection and what shows its text, and what all displays share. Shows nothing itself."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from .session import Output

CONTROLS = {code: " " for code in (*range(32), *range(127, 160))}
"""What a terminal would obey, and what would break a line in two."""


class Display(AbstractContextManager["Display"], Protocol):
    """Entered before the first output, left after the last."""

    def show(self, output: Output) -> None: ...

    def notice(self, text: str) -> None:
        """A remark that is no part of the text."""
        ...


def printable(text: str) -> str:
    return text.translate(CONTROLS)


def line(start_ms: float, end_ms: float, text: str) -> str:
    """``BEG END text``, times in whole milliseconds of at least four digits."""
    return f"{round(start_ms):04d} {round(end_ms):04d} {printable(text).strip()}"
