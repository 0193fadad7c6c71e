"""What one setting is declared with: its group, default, meaning and bounds, and types that several settings share.

Knows no setting. Called by the modules beside it; :mod:`reswhis.settings.catalogue` reads what it keeps.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

T = TypeVar("T")


class Group(enum.StrEnum):
    """Headings of the help and of the reference page, in their order."""

    SERVER = "Server"
    MODEL = "Model"
    STREAMING = "Streaming"
    VOICE_ACTIVITY = "Voice activity"
    LIMITS = "Limits"
    LOGGING = "Logging"


class Section(BaseModel):
    """The settings of one subject. Nobody makes one by itself: to compile it would only cost time at every start."""

    model_config = ConfigDict(defer_build=True)


def setting(
    group: Group,
    default: T,
    meaning: str,
    *,
    ge: float | None = None,
    le: float | None = None,
    min_length: int | None = None,
    max_length: int | None = None,
    unit: str = "",
    flags: tuple[str, ...] = (),
    variable: str = "",
    spaced: bool = False,
) -> T:
    """A field, with what pydantic has no place for.

    ``flags`` are further names on the command line, without dashes; ``variable`` is the one of reswhis 0.1;
    ``spaced``: several values may follow the flag, as no operand does.
    """
    return Field(
        default,
        description=meaning,
        ge=ge,
        le=le,
        min_length=min_length,
        max_length=max_length,
        json_schema_extra={
            "group": group, "unit": unit, "flags": list(flags), "variable": variable, "spaced": spaced
        },
    )  # fmt: skip


def plain(choice: str) -> str:
    """As it is compared: people write choices in any case, with _ for -."""
    return choice.lower().replace("_", "-")


def _home(value: Path | None) -> Path | None:
    """Only a shell expands ~, and only in some places."""
    try:
        return value and value.expanduser()
    except RuntimeError:
        raise ValueError(f"is {value}, but whose home that is nobody here knows") from None


Place = Annotated[Path | None, AfterValidator(_home)]
Port = Annotated[int, Field(ge=0, le=65535)]
Share = Annotated[float, Field(ge=0, le=1)]
