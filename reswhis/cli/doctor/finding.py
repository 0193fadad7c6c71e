"""What a check is given and what it finds. Used by all checks, and by what runs and prints them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from reswhis.settings import Settings


class State(enum.Enum):
    OK = "ok"
    WARNING = "warning"
    """The server starts, but something that people may count on does not work."""
    PROBLEM = "problem"
    """The server as it is configured does not start, or not with what was asked for."""
    SKIPPED = "skipped"
    """Does not matter here."""
    UNKNOWN = "unknown"
    """Could not be checked."""


@dataclass(frozen=True, slots=True)
class Remedy:
    sentence: str
    """What to do, up to the command."""
    command: str


@dataclass(frozen=True, slots=True)
class Finding:
    name: str
    """A word or two."""
    state: State
    what: str
    """A line, without a full stop."""
    remedy: Remedy | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """What is examined: this machine, for a server with these settings."""

    settings: Settings
    """The defaults where the real ones cannot be read."""
    refusal: str
    """Why they cannot be read; empty if they can."""
    environ: Mapping[str, str]


Check = Callable[[Case], Iterable[Finding]]
"""May block and may fail: it has a thread of its own. Whatever it waits for it waits for a few seconds."""
