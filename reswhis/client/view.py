"""What of the text is shown and how: the choice of a display. Called by the command line."""

from __future__ import annotations

from enum import Enum, auto
from typing import TextIO, assert_never

from .display import Display
from .plain_displays import LineDisplay, RunningDisplay, UpdateDisplay

CANNOT_REDRAW = ("dumb", "unknown")
"""Terminals, by their names in ``TERM``."""


class View(Enum):
    LINES = auto()
    """A line with times for each committed text."""
    UPDATES = auto()
    """A block with times for each update, tentative text included."""
    RUNNING = auto()
    """Committed text in a row."""
    LIVE = auto()
    """The same and how it may go on, which changes in place: for what :func:`can_redraw` accepts."""

    @property
    def wants_partials(self) -> bool:
        return self in (View.UPDATES, View.LIVE)


def can_redraw(out: TextIO, term: str) -> bool:
    """``term`` is the terminal's name."""
    return out.isatty() and term not in CANNOT_REDRAW


def make_display(view: View, out: TextIO, remarks: TextIO) -> Display:
    match view:
        case View.LINES:
            return LineDisplay(out, remarks)
        case View.UPDATES:
            return UpdateDisplay(out, remarks)
        case View.RUNNING:
            return RunningDisplay(out, remarks)
        case View.LIVE:
            from rich.console import Console

            from .live_display import LiveDisplay

            return LiveDisplay(Console(file=out, highlight=False))
        case _:
            assert_never(view)
