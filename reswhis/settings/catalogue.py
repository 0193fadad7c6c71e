"""Each setting as a user meets it: its names in every source, unit, default and what is allowed.

Derived from the declaration; reads no values. Used by messages, flags, help and the reference page.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args, get_origin

from annotated_types import Ge, Le, MaxLen
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from .declaration import Settings
from .sections.field import Group

PREFIX = "RESWHIS_"


class Kind(enum.Enum):
    SWITCH = "switch"
    CHOICE = "choice"
    WHOLE = "whole"
    NUMBER = "number"
    PATH = "path"
    LIST = "list"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    """Its key in the file."""
    group: Group
    unit: str
    """In full, in the plural; empty for a bare number, and where there is nothing to count."""
    meaning: str
    default: str
    """As one would write it; empty for none."""
    kind: Kind
    items: Kind
    """The kind of what a list has; otherwise the same."""
    span: str
    """The values allowed, in short: ``0 to 65535``, or the choices; of a list, for each item. Empty if any."""
    is_secret: bool
    flags: tuple[str, ...]
    """The first is the one to show."""
    former_variable: str
    """Its environment variable in reswhis 0.1; empty for none."""
    is_spaced: bool
    """On a command line several values may follow one flag."""

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def variables(self) -> tuple[str, ...]:
        """The first wins, and is the one to show."""
        return (self.variable, self.former_variable) if self.former_variable else (self.variable,)

    @property
    def allowed(self) -> str:
        """What follows "must be" in a message."""
        match self.kind:
            case Kind.SWITCH:
                return "true or false"
            case Kind.CHOICE:
                return f"one of {self.span}"
            case Kind.WHOLE | Kind.NUMBER:
                number = "a whole number" if self.kind is Kind.WHOLE else "a number"
                return f"{number} from {self.span} {self.unit}".strip()
            case Kind.PATH:
                return "a path"
            case Kind.LIST:
                many = {Kind.WHOLE: "whole numbers", Kind.NUMBER: "numbers"}.get(self.items, "texts")
                return f"a list of {many} from {self.span}" if self.span else f"a list of {many}"
            case Kind.TEXT:
                return f"a text of {self.span} {self.unit}" if self.span else "a text that is not empty"


def catalogue() -> dict[str, Setting]:
    """By name, in the order of the declaration."""
    return {name: _setting(name, field) for name, field in Settings.model_fields.items()}


def _setting(name: str, field: FieldInfo) -> Setting:
    more = field.json_schema_extra
    assert isinstance(more, dict) and isinstance(more["flags"], list)
    kind = _kind(field.annotation)
    item = field if kind is not Kind.LIST else FieldInfo.from_annotation(get_args(field.annotation)[0])
    return Setting(
        name=name,
        group=Group(str(more["group"])),
        unit=str(more["unit"]),
        meaning=field.description or "",
        default=_written(field.default),
        kind=kind,
        items=_kind(item.annotation),
        span=_span(item),
        is_secret=SecretStr in get_args(field.annotation),
        flags=tuple("--" + spelling.replace("_", "-") for spelling in (name, *map(str, more["flags"]))),
        former_variable=str(more["variable"]),
        is_spaced=bool(more["spaced"]),
    )


def _kind(annotation: object) -> Kind:
    if annotation == Path | None:
        return Kind.PATH
    if annotation in (SecretStr, SecretStr | None):
        return Kind.TEXT
    if get_origin(annotation) is Literal:
        return Kind.CHOICE
    if get_origin(annotation) is tuple:
        return Kind.LIST
    kinds: dict[object, Kind] = {bool: Kind.SWITCH, int: Kind.WHOLE, float: Kind.NUMBER, str: Kind.TEXT}
    return kinds[annotation]


def _span(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return ", ".join(get_args(field.annotation))
    longest = next((bound.max_length for bound in field.metadata if isinstance(bound, MaxLen)), None)
    if longest is not None:
        return f"up to {longest}"
    least = next((bound.ge for bound in field.metadata if isinstance(bound, Ge)), None)
    most = next((bound.le for bound in field.metadata if isinstance(bound, Le)), None)
    return "" if least is None or most is None else f"{least} to {most}"


def _written(default: object) -> str:
    match default:
        case bool():
            return str(default).lower()
        case float():
            return f"{default:g}"
        case None:
            return ""
        case tuple():
            return ",".join(map(_written, default))
        case _:
            return str(default)
