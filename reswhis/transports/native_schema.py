"""The native protocol's messages as a JSON Schema (2020-12), for ``docs/protocol.schema.json``.

Made from the models alone; nothing at run time uses it. :mod:`.native_reference` writes it out for people.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from .native_endings import CLOSE_CODES
from .native_messages import ClientMessage
from .native_server_messages import ServerMessage

Node = dict[str, Any]
"""A schema, or a part of one."""

VIOLATION = 1008
FIRST = ("type", "seq", "audio_ms")
ABOUT = (
    "The text frames of reswhis's WS /ws/transcribe, version 1. Clients say ClientMessage, the server ServerMessage. "
    "Binary frames go to the server alone and are audio; an empty one is as good as finish. "
    "A client that is to outlive this version ignores what it does not know."
)


def text() -> str:
    """The file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> Node:
    """``$defs`` holds each message by the name of its model, ``ClientMessage`` and ``ServerMessage`` the unions."""
    exact = ConfigDict(extra="forbid")
    server: TypeAdapter[Any] = TypeAdapter(ServerMessage, config=exact)
    client: TypeAdapter[Any] = TypeAdapter(ClientMessage)
    made, whole = TypeAdapter.json_schemas(
        [("ClientMessage", "validation", client), ("ServerMessage", "validation", server)],
        schema_generator=_Generator,
    )
    found: Node = whole["$defs"]
    defs: Node = {}
    for (name, _), union in made.items():
        members = union.get("oneOf") or union["anyOf"]
        defs[name] = {"oneOf": members}
        defs |= {member: found.pop(member) for member in map(referred, members)}
    defs |= found
    for message in defs.values():
        _tidy(message)
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "title": "reswhis, WS /ws/transcribe",
        "description": f"{ABOUT} {_closes()}",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name, _ in made],
        "$defs": defs,
    }


def referred(node: Node) -> str:
    """The name of what it refers to."""
    return str(node["$ref"]).rpartition("/")[2]


class _Generator(GenerateJsonSchema):
    """A title that is the field's name again says nothing."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ANN401
        return False


def _tidy(definition: Node) -> None:
    if "properties" not in definition:
        return
    properties = definition["properties"]
    for field in properties.values():
        if "default" in field and field["default"] is None:  # it is what was before, and not nothing
            del field["default"]
    names = list(properties)
    own = names.index("type") if "type" in names else 0  # each class declares it first; what is inherited is before it
    order = sorted(names[own:] + names[:own], key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    definition["properties"] = {name: properties[name] for name in order}
    if "required" in definition:
        definition["required"].sort(key=order.index)


def _closes() -> str:
    codes = ", ".join(f"{number} {code}" for code, number in CLOSE_CODES.items())
    return f"Close codes and reasons: 1000 finished, {codes}, {VIOLATION} with the code of any other fatal error."
