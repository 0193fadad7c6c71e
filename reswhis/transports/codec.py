"""The seam between wire protocols and sessions: commands in, events out. Pure."""

from __future__ import annotations
