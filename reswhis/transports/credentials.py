"""What a door needs that speaks TLS without the standard library, whose context gives nothing back. A value only."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """PEM, without a password."""

    key: bytes = field(repr=False)
    certificates: bytes
    """The server's own first."""
