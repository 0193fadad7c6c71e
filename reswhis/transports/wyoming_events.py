"""Wyoming's events as bytes: a line of JSON that says how much more JSON and how many other bytes follow it. Pure.

Knows no event's meaning. :mod:`.wyoming_server` cuts a client's bytes into events, :mod:`.wyoming` reads and writes
them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from reswhis.core.errors import ClientError

VERSION = "1.10.2"
"""Of the protocol's own library, whose events these are."""
MAX_HEADER = 65_536
MAX_DATA = 262_144
"""Bytes; names of everything in a house fit in, and it is read within milliseconds on the event loop."""
BROKEN = ""
"""The type of what is no event."""


@dataclass(frozen=True, slots=True)
class Event:
    type: str
    data: Mapping[str, object]
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Frame:
    """An event as it came."""

    type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class _Header:
    type: str
    data: Mapping[str, object]
    line_length: int
    data_length: int
    payload_length: int

    @property
    def length(self) -> int:
        return self.line_length + self.data_length + self.payload_length


class Frames:
    """Bytes in, in any pieces; frames out. Holds at most one frame and the piece that came last."""

    def __init__(self, max_payload: int) -> None:
        self._max_payload = max_payload
        self._buffer = bytearray()
        self._searched = 0
        self._header: _Header | None = None
        self._broken = False

    def feed(self, data: bytes) -> None:
        if not self._broken:
            self._buffer += data

    def next(self) -> Frame | None:
        """None until more has come. Where no event begins the frame is BROKEN, and no other comes after it."""
        try:
            header = self._header or self._next_header()
        except ClientError:
            self._broken = True
            return self._cut(BROKEN, MAX_HEADER + 1)
        if header is None or len(self._buffer) < header.length:
            return None
        return self._cut(header.type, header.length)

    def _next_header(self) -> _Header | None:
        end = self._buffer.find(b"\n", self._searched, MAX_HEADER)
        if end < 0 and len(self._buffer) < MAX_HEADER:
            self._searched = len(self._buffer)
            return None
        self._header = _header(bytes(self._buffer[: MAX_HEADER if end < 0 else end + 1]), self._max_payload)
        return self._header

    def _cut(self, type: str, length: int) -> Frame:
        frame = Frame(type, bytes(self._buffer[:length]))
        del self._buffer[: len(self._buffer) if self._broken else length]
        self._searched, self._header = 0, None
        return frame


def parse(frame: bytes, max_payload: int) -> Event:
    """Raises ClientError."""
    header = _header(frame[: frame.find(b"\n", 0, MAX_HEADER) + 1] or frame[:MAX_HEADER], max_payload)
    payload_at = header.line_length + header.data_length
    more = _object(frame[header.line_length : payload_at]) if header.data_length else {}
    return Event(header.type, {**header.data, **more}, frame[payload_at:])


def written(type: str, data: Mapping[str, object] | None = None) -> bytes:
    """In ASCII: a client may have sent half of a character, which has no UTF-8."""
    content = json.dumps(data).encode() if data else b""
    header: dict[str, object] = {"type": type, "version": VERSION}
    if content:
        header["data_length"] = len(content)
    return json.dumps(header).encode() + b"\n" + content


def _header(line: bytes, max_payload: int) -> _Header:
    if not line.endswith(b"\n"):
        raise ClientError(f"an event's first line has less than {MAX_HEADER} bytes", code="frame_too_large")
    fields = _object(line)
    type = fields.get("type")
    if not isinstance(type, str) or not type:
        raise _invalid('an event\'s first line has a "type"')
    data = fields.get("data") or {}
    if not isinstance(data, dict):
        raise _invalid("an event's data is a JSON object")
    data_length = _length(fields, "data_length", MAX_DATA)
    return _Header(type, data, len(line), data_length, _length(fields, "payload_length", max_payload))


def _length(fields: Mapping[str, object], name: str, most: int) -> int:
    length = fields.get(name)
    if length is None:
        return 0
    if not isinstance(length, int) or isinstance(length, bool) or length < 0:
        raise _invalid(f"{name} is a number of bytes")
    if length > most:
        raise ClientError(f"{name} is {most} at most", code="frame_too_large")
    return length


def _object(text: bytes) -> dict[str, object]:
    try:
        parsed = json.loads(text.decode())
    except (ValueError, RecursionError) as exc:
        raise _invalid("an event is a line of JSON, and what belongs to it") from exc
    if not isinstance(parsed, dict):
        raise _invalid("an event is a JSON object")
    return parsed


def _invalid(message: str) -> ClientError:
    return ClientError(message, code="invalid_event")
