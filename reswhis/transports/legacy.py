"""``/transcribe`` as reswhis 0.1 speaks it: frames of speech in, ``{from, to, content}`` objects out. A pure codec.

Its page joins the ``content`` of every object it gets, so nothing else is ever sent: what goes
wrong is said by the close alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from reswhis.audio.pcm import AudioFormat
from reswhis.core.errors import ClientError
from reswhis.core.events import Committed, Event, Flushed
from reswhis.core.types import samples

from .codec import Audio, Close, Command, Defaults, End, Flush, Message, Nothing, Notice, Notify, Open
from .native_endings import CLOSE_CODES

BYTES_PER_SAMPLE = 2
NOTHING = {"from": "-", "to": "-", "content": "-"}
ASKED = "empty frame"
"""The flush that its client waits for, as one of an idle socket is not."""


class LegacyCodec:
    """Answers at least once for each step of audio, with ``NOTHING`` where nothing has become final."""

    def __init__(self, defaults: Defaults) -> None:
        self._open = Open(AudioFormat(), defaults.config, defaults.options)
        self._step = samples(defaults.config.step_s) * BYTES_PER_SAMPLE
        self._max_frame = defaults.limits.max_frame_bytes
        self._opened = False
        self._ended = False
        self._unanswered = 0
        self._unflushed = False
        self._flushes = 0
        """Asked for, and not over."""
        self._said = False
        """Whether something came of the first of these."""

    # What the client says.

    def greet(self) -> Sequence[Command]:
        return []

    def decode(self, message: Message) -> Sequence[Command]:
        if isinstance(message, str):
            raise ClientError("this path takes binary frames alone", code="text_frame")
        if len(message) > self._max_frame:
            raise ClientError(f"a frame has at most {self._max_frame} bytes", code="frame_too_large")
        if self._ended:
            return []
        return [*self._ensure_open(), *(self._audio(message) if message else self._empty_frame())]

    def _audio(self, data: bytes) -> Sequence[Command]:
        self._unflushed = True
        self._unanswered += len(data)
        if self._unanswered < self._step:
            return [Audio(data)]
        self._unanswered = 0  # one frame gets one answer, however long it is
        return [Audio(data), Notify(Nothing())]

    def _empty_frame(self) -> Sequence[Command]:
        if self._unflushed:
            self._unflushed = False
            self._said = self._said and self._flushes > 0
            self._flushes += 1
            return [Flush(ASKED)]
        self._ended = True
        return [End()]

    def _ensure_open(self) -> Sequence[Command]:
        if self._opened:
            return []
        self._opened = True
        return [self._open]

    # What the client is told.

    def encode(self, event: Event | Notice, audio: int) -> list[Message]:
        match event:
            case Committed(words=words):
                self._unanswered = 0
                self._said = True
                start, end = round(words[0].start * 1000, 1), round(words[-1].end * 1000, 1)
                return [_text({"from": start, "to": end, "content": "".join(word.text for word in words)})]
            case Nothing():
                return [_text(NOTHING)]
            case Flushed(str()):
                answered, self._said = self._said, False
                self._flushes -= 1
                return [] if answered else [_text(NOTHING)]
            case _:
                return []

    def fail(self, code: str, message: str, param: str | None, audio: int) -> list[Message]:
        return []

    def close(self, error: str | None) -> Close:
        if error is None:
            return Close(1000, "finished")
        return Close(1003 if error == "text_frame" else CLOSE_CODES.get(error, 1008), error)


def _text(fields: Mapping[str, object]) -> str:
    return json.dumps(fields, ensure_ascii=False)
