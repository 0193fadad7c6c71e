"""What is logged, and where."""

from __future__ import annotations

from typing import Literal

from .field import Group, Place, Section, setting


class Logs(Section):
    log_level: Literal["debug", "info", "warning", "error", "critical"] = setting(
        Group.LOGGING, "info", "Least severity that is logged."
    )
    log_file: Place = setting(Group.LOGGING, None, "Log into this file too; it is rotated.")
    log_transcripts: bool = setting(
        Group.LOGGING, False, "Log what is said, too. Whoever can read the log can then read the conversations."
    )
    log_every_processor: bool = setting(
        Group.LOGGING,
        False,
        "Write a file for each session, too: what happens in it and when; its words only with log_transcripts.",
    )
    log_dir: Place = setting(
        Group.LOGGING, None, "Directory of these files, if not server_logs; it is made, and they are never removed."
    )
