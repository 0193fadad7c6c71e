"""What can be set: one declaration, from which flags, variables, file keys, help and reference are made.

The settings themselves stand in :mod:`.sections`, by subject; here is what holds for all of them, and between some.
Does not read any source (see :mod:`.sources`) and knows none of the layers that use the values (see :mod:`.layers`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self, get_args, get_origin

from pydantic import ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from .sections.compute import Compute
from .sections.decoding import Decoding
from .sections.doors import Doors
from .sections.field import Group, plain, setting
from .sections.limits import Limits
from .sections.listening import Listening
from .sections.logs import Logs
from .sections.recogniser import Recogniser
from .sections.remote import Remote
from .sections.streaming import Streaming
from .sections.voice_activity import VoiceActivity


class Settings(  # pydantic has the fields of the last base first
    Logs,
    Limits,
    VoiceActivity,
    Streaming,
    Remote,
    Decoding,
    Compute,
    Recogniser,
    Doors,
    Listening,
    BaseSettings,
):
    """All settings, flat: the name of a field is its key in the file, its flag and its variable.

    Numbers are in the unit that their name ends in, or that is declared.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_default=False,
        hide_input_in_errors=True,
        protected_namespaces=("model_validate", "model_dump"),
    )

    warmup_file: Path | None = setting(
        Group.MODEL, None, "Taken for the sake of older scripts, and not read: the model warms up without a file."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed in: :mod:`.sources` reads the rest, and remembers where a value came from."""
        return (init_settings,)

    @field_validator("*", mode="before")
    @classmethod
    def _as_written(cls, value: object, info: ValidationInfo) -> object:
        """Batch files leave blanks at the end of a line, and people write choices in any case, with _ for -."""
        assert info.field_name is not None
        annotation = cls.model_fields[info.field_name].annotation
        if isinstance(value, bool) and annotation is not bool:  # pydantic would take true for 1
            raise PydanticCustomError("not_a_switch", "a truth value is not a number or a text")
        if isinstance(value, int | float) and get_origin(annotation) is tuple:
            return (value,)
        if not isinstance(value, str):
            return value
        value = value.strip()
        if get_origin(annotation) is tuple:
            return tuple(part.strip() for part in value.split(",") if part.strip())
        if get_origin(annotation) is Literal:
            return next((name for name in get_args(annotation) if plain(name) == plain(value)), value)
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.max_backlog_s < 2 * self.minimum_chunk_size:
            raise _clash("max_backlog_s", "must be at least twice", "minimum_chunk_size")
        if self.idle_flush_s >= self.idle_timeout_s:
            raise _clash("idle_flush_s", "must be less than", "idle_timeout_s")
        if 0 < self.workers < len(self.device_index):
            raise _clash("workers", "must be at least as many as there are in", "device_index")
        return self


def _clash(name: str, relation: str, other: str) -> PydanticCustomError:
    return PydanticCustomError(
        "clash", "two settings do not go together", {"name": name, "relation": relation, "other": other}
    )
