"""When a live session decodes, what makes a word final, and what the recogniser is told before it hears."""

from __future__ import annotations

from typing import Literal

from .field import Group, Section, Share, setting


class Streaming(Section):
    minimum_chunk_size: float = setting(
        Group.STREAMING,
        0.5,
        "New speech before a decode: smaller shows words sooner and costs more decodes.",
        ge=0.1,
        le=15,
        unit="seconds",
        flags=("min-chunk-size",),
        variable="MINIMUM_CHUNK_SIZE",
    )
    new_audio_share: Share = setting(
        Group.STREAMING,
        0.5,
        "Part of what is decoded that must be new, so that a growing utterance is decoded more and more "
        "rarely, down to once in twice minimum_chunk_size.",
    )
    policy: Literal["local-agreement", "alignatt", "endpoint"] = setting(
        Group.STREAMING,
        "alignatt",
        "When a word is final: once decodes agree on it, once the model's attention has passed it, "
        "or at the end of the utterance.",
    )
    holdback_ms: int = setting(
        Group.STREAMING,
        400,
        "How long before the end of what was heard a word must end to be final (alignatt).",
        ge=0,
        le=5000,
        unit="milliseconds",
    )
    min_probability: Share = setting(
        Group.STREAMING,
        0.5,
        "A less probable word is final only when it is heard a second time (alignatt), "
        "or not as a best guess (local-agreement).",
    )
    agreement_n: int = setting(
        Group.STREAMING, 2, "How many decodes in a row have to agree (local-agreement).", ge=2, le=5
    )
    similarity: float = setting(
        Group.STREAMING,
        100.0,
        "How alike words must be to agree; 100 is equal but for case and punctuation (local-agreement).",
        ge=50,
        le=100,
        unit="percent",
        flags=("qratio-threshold",),
    )
    fallback: bool = setting(
        Group.STREAMING, True, "Commit the best guess when decodes keep disagreeing (local-agreement)."
    )
    fallback_threshold: int = setting(
        Group.STREAMING, 1, "Disagreements in a row that are waited out before the fallback.", ge=0, le=100
    )
    dedup_threshold: float = setting(
        Group.STREAMING,
        98.0,
        "Taken for the sake of older scripts, and without effect: what was said before is found by text "
        "and time together.",
        ge=0,
        le=100,
        unit="percent",
    )
    max_chunk_duration_seconds: float = setting(
        Group.STREAMING,
        1.0,
        "Longest chunk that a client of whisper_realtime_server's protocol may announce; a session there "
        "decodes in steps of its chunk.",
        ge=0.1,
        le=15,
        unit="seconds",
    )
    buffer_trimming_sec: float = setting(
        Group.STREAMING,
        15.0,
        "Audio of an utterance above which what is committed is cut off before a decode.",
        ge=1,
        le=28,
        unit="seconds",
    )
    max_utterance_s: float = setting(
        Group.STREAMING,
        28.0,
        "Longest utterance; a longer one is cut in two where it is quiet.",
        ge=2,
        le=28,
        unit="seconds",
    )
    preroll_ms: int = setting(
        Group.STREAMING,
        300,
        "Audio before the detected start of speech that is decoded too, so that no first sound is lost.",
        ge=300,
        le=2000,
        unit="milliseconds",
    )
    multilingual: bool = setting(Group.STREAMING, False, "Detect the language anew for every utterance.")
    prompt: str = setting(
        Group.STREAMING,
        "",
        "Text as if said before the session, to set style and spelling.",
        max_length=1000,
        unit="characters",
    )
    hotwords: str = setting(
        Group.STREAMING, "", "Names and terms that the recogniser should expect.", max_length=1000, unit="characters"
    )
