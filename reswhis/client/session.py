"""What a client's session is, whatever its protocol: what it asks for, and what it has to show.

Speaks no protocol and does no I/O: :mod:`.native` speaks one, :mod:`.connection` moves the messages, and displays show
the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reswhis.audio.pcm import AudioFormat
from reswhis.core.errors import ReswhisError
from reswhis.core.types import Samples


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


@dataclass(frozen=True, slots=True)
class Line:
    """Committed words, as they were sent: all texts in a row, without anything between them, are the transcript."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True, slots=True)
class Preview:
    """How the committed text may go on; replaces the previous one. Without text it only ends that."""

    start_ms: int
    end_ms: int
    text: str
    with_line: bool = False
    """The line before it and this are one update: what the server made of the same audio."""


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


Output = Line | Preview | Pause | Notice | Finished


class Session(Protocol):
    """The client's side of one protocol over a WebSocket: :mod:`.connection` needs no more of it."""

    @property
    def ready(self) -> bool:
        """Whether the server takes audio; until then its messages are waited for."""
        ...

    def start(self) -> str:
        """The first message."""
        ...

    def audio(self, samples: Samples) -> bytes:
        """The message for these samples; of several channels, one after the other."""
        ...

    def finish(self) -> str:
        """The message after the last audio."""
        ...

    def receive(self, message: str | bytes) -> list[Output]:
        """Raises ListenError if the server speaks another protocol, ends the session, or has lost something."""
        ...

    def lost(self, why: str) -> ListenError:
        """What to raise when the connection is gone before the end."""
        ...
