"""The seam between wire protocols and sessions: commands in, events and notices out. Pure.

A codec decodes what its client says into commands for the shell (:mod:`.connection`) and encodes
what the session says. It holds the connection's protocol state and does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from reswhis.audio.pcm import AudioFormat
from reswhis.backends.base import BackendInfo
from reswhis.core.events import Event, Flushed
from reswhis.core.online import SessionConfig, StreamOptions
from reswhis.server.limits import Limits
from reswhis.server.sharing import Sharing

Message = str | bytes


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a session gets that asks for nothing else."""

    config: SessionConfig
    options: StreamOptions
    info: BackendInfo
    limits: Limits
    further_models: tuple[str, ...] = ()
    """What a client may ask for beside ``info.model``."""


# Commands: what a client wants.


@dataclass(frozen=True, slots=True)
class Open:
    """Begin the session. Comes once, before any other command but UseModel and Notify."""

    audio: AudioFormat
    config: SessionConfig
    options: StreamOptions
    sharing: Sharing | None = None
    """Whether others may read along."""


@dataclass(frozen=True, slots=True)
class UseModel:
    """The session is to be on this model, one of the ``further_models``, which may have to be loaded. Comes once."""

    name: str
    audio: AudioFormat
    """What comes meanwhile."""
    then: Callable[[BackendInfo], Sequence[Command]]
    """What to do when it is there. Raises ClientError, as :meth:`Codec.decode`."""


@dataclass(frozen=True, slots=True)
class Audio:
    """Encoded as Open said."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Packed:
    """Part of a file that says itself what it holds: see :mod:`reswhis.audio.container`. The session opens as plain."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Configure:
    options: StreamOptions


@dataclass(frozen=True, slots=True)
class Flush:
    """Make all audio so far final, and go on."""

    id: str


@dataclass(frozen=True, slots=True)
class End:
    """The client has sent its last audio."""


@dataclass(frozen=True, slots=True)
class AfterAudio:
    """What the message means depends on what is said of the audio before it."""

    then: Callable[[], Sequence[Command]]
    """Asked when that audio has been heard. Raises ClientError, as :meth:`Codec.decode`."""


@dataclass(frozen=True, slots=True)
class Notify:
    """Nothing for the session: give this back to :meth:`Codec.encode` in its turn."""

    notice: Notice


Command = Open | UseModel | Audio | Packed | Configure | Flush | End | AfterAudio | Notify


# Notices: what the connection itself has to say, beside the session's events.


@dataclass(frozen=True, slots=True)
class Ready:
    session_id: str
    audio: AudioFormat
    options: StreamOptions


@dataclass(frozen=True, slots=True)
class Configured:
    options: StreamOptions


@dataclass(frozen=True, slots=True)
class Pong:
    id: str | int | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that was not understood; the session goes on without it."""

    code: str
    message: str
    param: str | None = None


@dataclass(frozen=True, slots=True)
class Nothing:
    """Audio has come in, and none of it has become text."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Something that one protocol alone has to say; its codec knows what."""

    what: object


Notice = Ready | Configured | Pong | Rejected | Nothing | Reply | Flushed
"""``Flushed`` where there is no session yet that could say it."""


@dataclass(frozen=True, slots=True)
class Close:
    """WebSocket close code and a reason of at most 123 bytes."""

    code: int
    reason: str


class Codec(Protocol):
    """Translates one wire protocol; one instance per connection, used by one task at a time."""

    def greet(self) -> Sequence[Command]:
        """Called once, when the socket is open. Raises ClientError, as :meth:`decode`."""
        ...

    def decode(self, message: Message) -> Sequence[Command]:
        """Raises ClientError: the connection ends with :meth:`fail`."""
        ...

    def encode(self, event: Event | Notice, audio: int) -> list[Message]:
        """``audio``: samples received when it was said."""
        ...

    def fail(self, code: str, message: str, param: str | None, audio: int) -> list[Message]:
        """The last words to a client whose connection ends by an error."""
        ...

    def close(self, error: str | None) -> Close:
        """How to close after ``Closed(error)`` or after :meth:`fail` with this code."""
        ...
