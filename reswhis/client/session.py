"""The client's side of one native session: messages in, what to show out.

Does no I/O and knows no terminal; :mod:`.connection` moves the messages, :mod:`.display` shows the rest.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from reswhis.audio.pcm import AudioFormat
from reswhis.core.errors import ReswhisError
from reswhis.core.types import Samples

ROUNDING_MS = 10
"""By how much the server's count of what it received may differ once it has changed the sample rate."""


class ListenError(ReswhisError):
    """Listening ended before its end. The text is one sentence for whoever started it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What this client asks of the server; an empty text leaves the choice to it."""

    audio: AudioFormat = AudioFormat()
    language: str = ""
    model: str = ""
    prompt: str = ""
    partials: bool = False

    def message(self) -> str:
        chosen = {"language": self.language, "model": self.model, "prompt": self.prompt}
        return json.dumps(
            {
                "type": "start",
                "version": 1,
                "audio": {
                    "encoding": self.audio.encoding,
                    "sample_rate": self.audio.sample_rate,
                    "channels": self.audio.channels,
                },
                "partials": self.partials,
                "words": False,
            }
            | {name: value for name, value in chosen.items() if value},
            ensure_ascii=False,
        )


@dataclass(frozen=True, slots=True)
class Ready:
    """The server takes audio."""

    model: str


@dataclass(frozen=True, slots=True)
class Line:
    """Committed words, as they were sent: all texts in a row, without anything between them, are the transcript."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class Preview:
    """How the committed text may go on; replaces the previous one."""

    text: str


@dataclass(frozen=True, slots=True)
class Pause:
    """The speaker has paused, and all said before is committed."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to know that is no part of the text."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The server has said its last word."""


Output = Ready | Line | Preview | Pause | Notice | Finished


class ClientSession:
    """Checks while it reads that no message, no text and no audio was lost on the way."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._seq = 0
        self._lines = 0
        self._sent = 0
        self._received_ms = 0
        self._ready = False
        self._finishing = False

    @property
    def sent_ms(self) -> int:
        return self._sent * 1000 // self._request.audio.sample_rate

    # Out.

    def start(self) -> str:
        return self._request.message()

    def audio(self, samples: Samples) -> bytes:
        """``samples`` as asked for; of several channels, one after the other."""
        self._sent += len(samples) // self._request.audio.channels
        if self._request.audio.encoding == "pcm_f32le":
            return (samples.astype("<f4") / np.float32(32768)).tobytes()
        return samples.astype("<i2").tobytes()

    def finish(self) -> str:
        self._finishing = True
        return json.dumps({"type": "finish"})

    # In.

    def receive(self, message: str | bytes) -> list[Output]:
        """Raises ListenError if the server is none of ours, ends the session, or has lost something."""
        content = self._parse(message)
        return self._count(content) + self._read(content)

    def lost(self, why: str) -> ListenError:
        """The connection is gone before the end."""
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
        if not self._ready and content["type"] not in ("ready", "error", "warning"):
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
                self._ready = True
                return [Ready(str(content.get("model", "")))]
            case {"type": "final", "start_ms": int(start), "end_ms": int(end), "text": str(text)}:
                self._lines += 1
                return [Line(start, end, text)]
            case {"type": "partial", "text": str(text)}:
                return [Preview(text)]
            case {"type": "utterance"}:
                return [Pause()]
            case {"type": "warning", "message": str(text)}:
                return [Notice(text)]
            case {"type": "error", "message": str(text), "fatal": False}:
                return [Notice(text)]
            case {"type": "error", "message": str(text)}:
                raise self._ended(text)
            case {"type": "finished"}:
                self._check_the_end(content)
                return [Finished()]
            case {"type": "final" | "partial" | "warning" | "error"}:
                raise ListenError(f"The server's message of type {content['type']} is not understood.")
            case _:  # of a later version of the protocol
                return []

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
