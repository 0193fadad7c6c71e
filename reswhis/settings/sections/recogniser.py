"""Which recogniser and which models, for which language and task."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from reswhis.core.languages import LANGUAGES, language_code

from .field import Group, Place, Section, plain, setting

FORMER_BACKENDS = {"plain": "faster-whisper", "batched": "faster-whisper"}
"""Whether windows are decoded together is no question of the backend here."""


class Recogniser(Section):
    backend: str = setting(
        Group.MODEL,
        "auto",
        "Recogniser; auto is the best one that this machine can run.",
        min_length=1,
        variable="BACKEND",
    )
    model: str = setting(
        Group.MODEL,
        "auto",
        "Size (tiny, base, small, medium, large-v3, large-v3-turbo ...), hub id or local directory; "
        "auto is the best that keeps up.",
        min_length=1,
        variable="MODEL_SIZE",
    )
    model_dir: Place = setting(Group.MODEL, None, "Local directory of a model; wins over model.")
    model_cache_dir: Place = setting(
        Group.MODEL, None, "Where fetched models are kept, if not in the hub's usual place."
    )
    allowed_models: tuple[str, ...] = setting(
        Group.MODEL,
        (),
        "Further models that a client may ask for by name; each is fetched and loaded when it first is. "
        "Several: repeat it, or separate by commas.",
    )
    model_ttl_s: float = setting(
        Group.MODEL,
        300.0,
        "Such a model is unloaded when nobody has used it for so long; sooner while memory is short.",
        ge=0,
        le=31_536_000,
        unit="seconds",
    )
    max_loaded_models: int = setting(
        Group.MODEL, 3, "Models in memory at once, with the server's own, which always stays.", ge=2, le=64
    )
    language: str = setting(
        Group.MODEL,
        "auto",
        "What is spoken: a code such as de, or an English name; auto detects it once per session.",
        flags=("lan",),
        variable="LANGUAGE",
    )
    task: Literal["transcribe", "translate"] = setting(
        Group.MODEL, "transcribe", "Write what is said in its language, or translate it into English."
    )

    @field_validator("backend")
    @classmethod
    def _of_today(cls, value: str) -> str:
        return FORMER_BACKENDS.get(plain(value), value)

    @field_validator("language")
    @classmethod
    def _known_language(cls, value: str) -> str:
        if value.lower() in ("", "auto"):
            return "auto"
        code = language_code(value)
        if code is None:
            raise ValueError(f'is "{value}", but must be auto, an English name, or one of {", ".join(LANGUAGES)}')
        return code

    @field_validator("allowed_models")
    @classmethod
    def _named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if "auto" in map(str.lower, value):
            raise ValueError("must be names: auto is none that a client could ask for")
        return value
