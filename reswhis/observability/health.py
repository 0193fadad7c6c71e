"""Whether this process can serve: what `/health/ready` answers. Written by whoever loads the model, read by anyone."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class State(enum.Enum):
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class Health:
    """One moment's answer; replaced as a whole, so any thread may read it."""

    state: State = State.LOADING
    message: str = "starting"
    progress: float | None = None
    """0 to 1 where it is known, as of a download."""
