"""Writes the native protocol's messages as Markdown, for ``docs/protocol.md``; a test compares the two."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from .native_endings import CLOSE_CODES
from .native_schema import FIRST, VIOLATION, Node, referred, schema
from .native_server_messages import ERRORS, NEVER_FATAL, REASONS

BEGIN, END = "<!-- Made by docs/make_protocol.py: -->\n", "<!-- up to here. -->\n"


def with_reference(page: str) -> str:
    """The page with what stands between the marks made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{reference()}\n{END}{after}"


def reference() -> str:
    """A heading and a table for each message, then the error codes."""
    return "\n".join(_lines(schema()["$defs"]))


def _lines(defs: Node) -> Iterator[str]:
    yield from ("### From the client", "")
    for name in map(referred, defs["ClientMessage"]["oneOf"]):
        yield from _message(defs, defs[name], by_client=True)
    yield from ("### From the server", "", "Every message has a `type` and", "")
    numbering = defs["Finished"]["properties"]
    yield from _table(("field", "meaning"), ((f"`{name}`", numbering[name]["description"]) for name in FIRST[1:]))
    for name in map(referred, defs["ServerMessage"]["oneOf"]):
        yield from _message(defs, defs[name], by_client=False)
    yield from ("### Reasons of a `final`", "")
    yield from _table(("`reason`", "these words are final because"), ((f"`{r}`", why) for r, why in REASONS.items()))
    yield from ("### Codes of an `error`", "")
    yield from _table(
        ("`code`", "meaning", "close"), ((f"`{code}`", what, _close(code)) for code, what in ERRORS.items())
    )


def _message(defs: Node, message: Node, *, by_client: bool) -> Iterator[str]:
    plain = " in plain mode" if "content" in message["properties"] else ""
    yield from (f"#### `{message['properties']['type']['const']}`{plain}", "", message["description"], "")
    fields = [row for row in _fields(defs, message) if row[0] not in FIRST]
    if fields:
        rows = (
            (f"`{name}`", _value(field, optional, by_client), field["description"]) for name, field, optional in fields
        )
        yield from _table(("field", "value", "meaning"), rows)


def _fields(defs: Node, message: Node, prefix: str = "") -> Iterator[tuple[str, Node, bool]]:
    """Name, schema and whether it may be absent; after an object its own, as ``audio.channels``."""
    for name, field in message["properties"].items():
        optional = name not in message.get("required", ())
        yield prefix + name, field, optional
        inner = field.get("items", field)
        if "$ref" in inner:
            yield from _fields(defs, defs[referred(inner)], f"{prefix}{name}{'[]' if 'items' in field else ''}.")


def _value(field: Node, optional: bool, by_client: bool) -> str:
    if not by_client:
        return f"{_allowed(field)}{'; may be absent' if optional else ''}"
    default = field.get("default")
    if default in (None, "") or isinstance(default, dict):
        return _allowed(field, optional=True)
    return f"{_allowed(field)}; default `{default if isinstance(default, str) else json.dumps(default)}`"


def _allowed(field: Node, *, optional: bool = False) -> str:
    match field:
        case {"anyOf": choices}:
            # Null is as good as nothing where nothing is allowed: the page says so once.
            return " or ".join(_allowed(choice) for choice in choices if not (optional and choice == {"type": "null"}))
        case {"enum": values}:
            return ", ".join(f"`{value}`" for value in values)
        case {"const": value}:
            return f"`{value}`"
        case {"$ref": _}:
            return "object"
        case {"type": "array"}:
            return "list of objects"
        case {"type": "string", "maxLength": most}:
            return f"string of at most {most} characters"
        case {"type": "boolean"}:
            return "`true`, `false`"
    return f"{field['type']}{_range(field)}"


def _range(field: Node) -> str:
    match field:
        case {"minimum": low, "maximum": high} if low == high:
            return f", {low}"
        case {"minimum": low, "maximum": high}:
            return f", {low} to {high}"
        case {"exclusiveMinimum": low, "exclusiveMaximum": high}:
            return f" above {low}, below {high}"
        case {"minimum": low}:
            return f" from {low}"
        case {"exclusiveMinimum": low}:
            return f" above {low}"
    return ""


def _close(code: str) -> str:
    return "never fatal" if code in NEVER_FATAL else str(CLOSE_CODES.get(code, VIOLATION))


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
    yield ""
