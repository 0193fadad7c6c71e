"""The client's side of one session of the native protocol. Does no I/O; :mod:`.connection` moves the messages."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from reswhis.core.types import Samples

from .session import Finished, Line, ListenError, Notice, Output, Pause, Preview, Request

ROUNDING_MS = 10
"""By how much the server's count of what it received may differ once it has changed the sample rate."""


class NativeSession:
    """Checks while it reads that no message, no text and no audio was lost on the way."""

    def __init__(self, request: Request) -> None:
        self.ready = False
        self._request = request
        self._seq = 0
        self._lines = 0
        self._line_at: tuple[int, int] | None = None
        """Sequence number and received audio of the last line."""
        self._sent = 0
        self._received_ms = 0
        self._undecoded: list[str] = []
        self._finishing = False

    @property
    def sent_ms(self) -> int:
        return self._sent * 1000 // self._request.audio.sample_rate

    # Out.

    def start(self) -> str:
        request, audio = self._request, self._request.audio
        chosen = {"language": request.language, "model": request.model, "prompt": request.prompt}
        fields = {
            "type": "start",
            "version": 1,
            "audio": {"encoding": audio.encoding, "sample_rate": audio.sample_rate, "channels": audio.channels},
            "partials": request.partials,
            "words": False,
        }
        return json.dumps(fields | {name: value for name, value in chosen.items() if value}, ensure_ascii=False)

    def audio(self, samples: Samples) -> bytes:
        self._sent += len(samples) // self._request.audio.channels
        if self._request.audio.encoding == "pcm_f32le":
            return (samples.astype("<f4") / np.float32(32768)).tobytes()
        return samples.astype("<i2").tobytes()

    def finish(self) -> str:
        self._finishing = True
        return json.dumps({"type": "finish"})

    # In.

    def receive(self, message: str | bytes) -> list[Output]:
        content = self._parse(message)
        return self._count(content) + self._read(content)

    def lost(self, why: str) -> ListenError:
        if not self._sent:
            return ListenError(f"{why}, before any audio was sent.")
        sent, received = self.sent_ms / 1000, min(self._received_ms, self.sent_ms) / 1000
        return ListenError(
            f"{why}: {sent:.1f} s of audio were sent, of which the server has reported {received:.1f} s received."
        )

    def _parse(self, message: str | bytes) -> dict[str, Any]:
        try:
            content = json.loads(message) if isinstance(message, str) else None
        except ValueError:
            content = None
        if not isinstance(content, dict) or not isinstance(content.get("type"), str):
            raise ListenError("What answers there is not a reswhis server.")
        if not self.ready and content["type"] not in ("ready", "error", "warning"):
            raise ListenError("What answers there does not speak reswhis's protocol.")
        return content

    def _count(self, content: dict[str, Any]) -> list[Output]:
        notices: list[Output] = []
        match content.get("seq"):
            case int(seq):
                if seq != self._seq + 1:
                    notices.append(Notice(f"messages of the server are missing between {self._seq} and {seq}"))
                self._seq = seq
        match content.get("audio_ms"):
            case int(audio_ms):
                self._received_ms = max(self._received_ms, audio_ms)
        return notices

    def _read(self, content: dict[str, Any]) -> list[Output]:
        match content:
            case {"type": "ready"}:
                self.ready = True
                return []
            case {"type": "final", "start_ms": int(start), "end_ms": int(end), "text": str(text)}:
                self._lines += 1
                self._line_at = self._seq, self._received_ms
                return [Line(start, end, text)]
            case {"type": "partial", "start_ms": int(start), "end_ms": int(end), "text": str(text)}:
                # Nothing tells the outcome of a decode apart from the next, but that its messages come in a row.
                return [Preview(start, end, text, self._line_at == (self._seq - 1, self._received_ms))]
            case {"type": "partial", "text": ""}:
                return [Preview(0, 0, "")]
            case {"type": "utterance"}:
                return [Pause()]
            case {"type": "warning", "message": str(text)}:
                return [Notice(text)]
            case {"type": "error", "message": str(text), "fatal": False}:
                return [self._failed(content, text)]
            case {"type": "error", "message": str(text)}:
                raise self._ended(text)
            case {"type": "finished"}:
                self._check_the_end(content)
                return [Finished()]
            case {"type": "final" | "partial" | "warning" | "error"}:
                raise ListenError(f"The server's message of type {content['type']} is not understood.")
            case _:  # of a later version of the protocol
                return []

    def _failed(self, content: dict[str, Any], text: str) -> Notice:
        match content:
            case {"code": "decode_failed", "start_ms": int(start), "end_ms": int(end)}:
                span = f"from {start / 1000:.1f} s to {end / 1000:.1f} s"
                if content.get("lost") is True:
                    self._undecoded.append(span)
                return Notice(f"{text}: {span}")
        return Notice(text)

    def _ended(self, text: str) -> ListenError:
        if not self._sent:
            return ListenError(f"The server refuses the session: {text}")
        return self.lost(f"The server has ended the session ({text})")

    def _check_the_end(self, content: dict[str, Any]) -> None:
        match content.get("finals"):
            case int(finals) if finals != self._lines:
                raise ListenError(f"Of the {finals} texts that the server has sent, {self._lines} arrived.")
        if not self._finishing or self._received_ms < self.sent_ms - ROUNDING_MS:
            raise self.lost("The server has ended the session early")
        if self._undecoded:
            raise ListenError(f"Not all audio could be decoded; missing is what was said {', '.join(self._undecoded)}.")
