"""One session, and a client's mistake in another: what happens, whoever is told, and how that is written down.

Who the clients are, and the files, are in ``golden.py``.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from reswhis.core import events as ev
from reswhis.core.errors import ClientError
from reswhis.core.types import Word, samples
from reswhis.transports.codec import AfterAudio, Codec, Command, Flush, Message, Notify

# What happens.


@dataclass(frozen=True)
class Hear:
    """The client sends so much audio."""

    seconds: float


@dataclass(frozen=True)
class Say:
    """The client sends what its protocol has for this: a field of :class:`Client`."""

    what: str


Step = Hear | Say | ev.Event

HOW, ARE = Word(0.4, 0.62, " How", 0.98765), Word(0.62, 0.9, " are", 0.9)
YOU, ANNA = Word(0.9, 1.2, " yöu,", 0.75), Word(1.4, 1.85, ' "Anna"?', 0.5)
FINE, THANKS, BYE = Word(2.7, 3.0, " Fine.", 1.0), Word(3.1, 3.4, " Thanks.", 0.2), Word(6.9, 6.9876, " Good-bye!", 0.0)

SESSION: Sequence[Step] = (
    Hear(0.5),
    ev.SpeechStarted(1, 0.32),
    Hear(0.7),
    ev.LanguageDetected("en", 0.97321),
    ev.Tentative(1, (HOW, ARE), 1.0),
    Hear(0.8),
    ev.Committed(1, (HOW, ARE), ev.Reason.AGREEMENT, 1.8),
    ev.Tentative(1, (YOU, ANNA), 1.8),
    Say("aside"),
    Hear(0.5),
    ev.SpeechStopped(1, 1.9),
    Hear(0.2),
    ev.SpeechStarted(2, 2.6),  # before the last words of the first have come
    ev.Committed(1, (YOU, ANNA), ev.Reason.ENDPOINT, 1.9),
    ev.UtteranceEnded(1, 'How are yöu, "Anna"?', 0.32, 1.9, "en", ev.Reason.ENDPOINT),
    Hear(0.8),
    ev.Tentative(2, (FINE, THANKS), 3.4),
    Say("flush"),
    ev.SpeechStopped(2, 3.5),
    ev.Suppressed((THANKS,), "no_speech"),
    ev.Committed(2, (FINE,), ev.Reason.FLUSH, 3.5),
    ev.UtteranceEnded(2, "Fine.", 2.6, 3.5, "en", ev.Reason.FLUSH),
    ev.Flushed("as asked"),
    Hear(1.0),
    Hear(1.0),
    ev.SpeechStarted(3, 5.3),
    ev.Lagging(2.3456),
    ev.DecodeFailed(3, 5.3, 5.5, False),
    Hear(1.0),
    ev.SpeechStopped(3, 6.0),
    ev.DecodeFailed(3, 5.3, 6.0, True),
    ev.UtteranceEnded(3, "", 5.3, 6.0, None, ev.Reason.ENDPOINT),
    Hear(0.5),
    ev.SpeechStarted(4, 6.8),
    ev.Tentative(4, (BYE,), 7.0),
    ev.Tentative(4, ()),
    Say("finish"),
    ev.SpeechStopped(4, 7.0),
    ev.Committed(4, (BYE,), ev.Reason.FINISH, 7.0),
    ev.UtteranceEnded(4, "Good-bye!", 6.8, 7.0, "en", ev.Reason.FINISH),
    ev.Closed(),
)
MISTAKE: Sequence[Step] = (
    Hear(0.8),
    ev.SpeechStarted(1, 0.32),
    ev.Tentative(1, (HOW,), 0.8),
    Say("mistake"),
    ev.SpeechStopped(1, 0.8),
    ev.Committed(1, (HOW,), ev.Reason.FINISH, 0.8),
    ev.UtteranceEnded(1, "How", 0.32, 0.8, "en", ev.Reason.FINISH),
    ev.Closed("the mistake's"),
)
STOPPED: Sequence[Step] = (*MISTAKE[:3], *MISTAKE[4:-1], ev.Closed("engine_stopped"))
"""The recogniser does, which is nobody's mistake."""


@dataclass(frozen=True)
class Client:
    """What a client of one protocol sends, and how its messages are shown."""

    codec: Codec
    audio: Callable[[float], Message]
    show: Callable[[Message], str]
    start: Sequence[Message] = ()
    aside: Sequence[Message] = ()
    """In the middle: what is answered, what is not, and what is wrong without being the end."""
    flush: Sequence[Message] = ()
    finish: Sequence[Message] = ()
    mistake: Message = bytes(100_001)


# How it is shown: a line for each message, with the message as it is on the wire within.


def show_text(message: Message) -> str:
    """As it is on the wire, to the space; but for the line feed at its end, if it has one."""
    assert isinstance(message, str)
    ends = ', "ends": "\\n"' if message.endswith("\n") else ""
    return message.removesuffix("\n") + ends


def show_wyoming(message: Message) -> str:
    """The first line, then what follows."""
    assert isinstance(message, bytes)
    header, _, rest = message.partition(b"\n")
    length = json.loads(header).get("data_length", 0)
    payload = [f'"{len(rest) - length} bytes"'] if len(rest) > length else []
    return f"[{', '.join(filter(None, [header.decode(), rest[:length].decode(), *payload]))}]"


def show_said(message: Message) -> str:
    """Audio by its length alone."""
    if isinstance(message, bytes) and message.startswith(b'{"type"'):
        return show_wyoming(message)
    if isinstance(message, bytes):
        return f'"{len(message)} bytes"' if len(message) > 20 else f'"bytes: {message.hex()}"'
    short = re.sub("A{64,}=*|(//){32,}", lambda found: f"({len(found[0])} characters)", message)
    try:
        json.loads(short)
    except ValueError:
        return json.dumps(short)
    return short


class Play:
    """The shell's part between a client, its codec and a session: notices are answered at once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._received = 0
        self._flushes: list[str] = []
        self._failure: ClientError | None = None
        self.lines: list[str] = []

    def whole(self, steps: Sequence[Step]) -> str:
        """A line for each message."""
        self._obey(self._client.codec.greet())
        for message in self._client.start:
            self._say(message)
        for step in steps:
            self._step(step)
        return "".join(f"{line}\n" for line in self.lines)

    def _step(self, step: Step) -> None:
        match step:
            case Hear(seconds):
                self._received += samples(seconds)
                self._say(self._client.audio(seconds))
            case Say("mistake"):
                self._say(self._client.mistake)
                assert self._failure is not None
            case Say(what):
                for message in getattr(self._client, what):
                    self._say(message)
            case ev.Flushed():
                self._answer_flushes()
            case ev.Closed(error):
                self._answer_flushes()
                self._close(error)
            case ev.Committed(reason=ev.Reason.FLUSH) | ev.UtteranceEnded(reason=ev.Reason.FLUSH):
                by_client = ev.Reason.FLUSH if self._flushes else ev.Reason.IDLE
                self._hear(replace(step, reason=by_client))
            case _:
                self._hear(step)

    def _answer_flushes(self) -> None:
        for id in self._flushes or [None]:
            self._hear(ev.Flushed(id))
        self._flushes.clear()

    def _say(self, message: Message) -> None:
        self.lines.append(f'{{"client": {show_said(message)}}}')
        try:
            self._obey(self._client.codec.decode(message))
        except ClientError as exc:
            self._failure = exc

    def _obey(self, commands: Sequence[Command]) -> None:
        for command in commands:
            match command:
                case Notify(notice):
                    self._show(self._client.codec.encode(notice, self._received))
                case AfterAudio(then):
                    self._obey(then())
                case Flush(id):
                    self._flushes.append(id)

    def _hear(self, event: ev.Event) -> None:
        self._show(self._client.codec.encode(event, self._received))

    def _close(self, error: str | None) -> None:
        codec = self._client.codec
        if (failure := self._failure) is not None:
            error = failure.code
            self._show(codec.fail(error, str(failure), failure.param, self._received))
        else:
            self._hear(ev.Closed(error))
        close = codec.close(error)
        self.lines.append(f'{{"server closes": {json.dumps([close.code, close.reason], ensure_ascii=False)}}}')

    def _show(self, messages: Sequence[Message]) -> None:
        self.lines += [f'{{"server": {self._client.show(message)}}}' for message in messages]
