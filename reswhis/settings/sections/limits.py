"""How much and how long: bounds of the server, of a session, and of those who read along."""

from __future__ import annotations

from .field import Group, Section, setting


class Limits(Section):
    max_sessions: int = setting(
        Group.LIMITS,
        100,
        "Sessions and files at once; one more is refused with 503 and a time to come back.",
        ge=1,
        le=100_000,
    )
    max_frame_bytes: int = setting(
        Group.LIMITS,
        1_048_576,
        "Largest frame that a client may send; a larger one ends its connection with 1009.",
        ge=1024,
        le=16_777_216,
        unit="bytes",
    )
    max_upload_bytes: int = setting(
        Group.LIMITS,
        268_435_456,
        "Largest file that a client may send to be transcribed, with what comes with it; a larger one is "
        "refused with 413. It is kept on disk meanwhile, where temporary files are.",
        ge=1024,
        le=1_099_511_627_776,
        unit="bytes",
    )
    idle_timeout_s: float = setting(
        Group.LIMITS,
        60.0,
        "Without any frame for so long a session is closed with 4408, and without a request a connection.",
        ge=0.1,
        le=86_400,
        unit="seconds",
    )
    idle_flush_s: float = setting(
        Group.LIMITS,
        2.0,
        "Without audio for so long what was heard is committed, as if the client had asked.",
        ge=0.1,
        le=3600,
        unit="seconds",
    )
    max_session_s: float = setting(
        Group.LIMITS,
        7200.0,
        "Longest session; then it is finished and closed with 4408.",
        ge=1,
        le=604_800,
        unit="seconds",
    )
    max_backlog_s: float = setting(
        Group.LIMITS,
        30.0,
        "Audio of a session waiting to be decoded from which its socket is not read until it is less.",
        ge=1,
        le=600,
        unit="seconds",
    )
    write_timeout_s: float = setting(
        Group.LIMITS,
        30.0,
        "A client that takes nothing for so long is closed with 1013.",
        ge=0.1,
        le=3600,
        unit="seconds",
    )
    drain_timeout_s: float = setting(
        Group.LIMITS,
        30.0,
        "Time for the last words of running sessions when the server is told to stop.",
        ge=0,
        le=3600,
        unit="seconds",
    )
    keep_transcripts_s: float = setting(
        Group.LIMITS,
        600.0,
        "How long after its end others can read what was said in a session whose client has asked for "
        "captions; in memory, never on disk.",
        ge=0,
        le=86_400,
        unit="seconds",
    )
    max_viewers: int = setting(
        Group.LIMITS,
        1000,
        "Readers of captions at once, over all sessions; one more is refused with 503.",
        ge=0,
        le=100_000,
    )
