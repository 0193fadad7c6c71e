"""What lets others read a session along. A value only; the sessions themselves are in :mod:`.shared_sessions`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Sharing:
    """Whoever knows both may."""

    session_id: str
    viewer_token: str = field(repr=False)
