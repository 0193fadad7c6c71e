"""What one session may take, how many there may be, and on which models. Filled from the settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Durations in seconds of wall time, but for ``max_backlog_s``, which is audio."""

    max_sessions: int = 100
    max_frame_bytes: int = 1_048_576
    max_upload_bytes: int = 268_435_456
    idle_timeout_s: float = 60.0
    idle_flush_s: float = 2.0
    max_session_s: float = 7200.0
    max_backlog_s: float = 30.0
    write_timeout_s: float = 30.0
    drain_timeout_s: float = 30.0
    keep_transcripts_s: float = 600.0
    max_viewers: int = 1000


@dataclass(frozen=True, slots=True)
class FurtherModels:
    """What the settings allow beside the server's own model."""

    names: tuple[str, ...] = ()
    ttl_s: float = 300.0
    """How long one stays that nobody uses."""
    max_loaded: int = 3
    """With the server's own."""
