"""A file for each session: what happens in it, and when. Made by :mod:`reswhis.server.sessions` where it is asked for.

What people say is left out of it unless that is asked for as well. Deletes nothing.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO, assert_never

from reswhis.core import events as ev
from reswhis.core.types import SAMPLE_RATE, Word

logger = logging.getLogger(__name__)

DIRECTORY = Path("server_logs")


@dataclass(frozen=True, slots=True)
class SessionLogs:
    """Where the files are and whether they say what was said."""

    directory: Path = DIRECTORY
    with_words: bool = False

    def begin(self, number: int, about: str) -> SessionLog:
        """The file of a session that begins now. If it cannot be written, the server's log says so, and that is all."""
        name = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}-{os.getpid()}-{number}.log"
        log = SessionLog(self.directory / name, with_words=self.with_words)
        log.say(0, f"session {number} begins: {about}")
        return log


class SessionLog:
    """Takes a session's events up to its Closed, which ends the file."""

    def __init__(self, path: Path, *, with_words: bool) -> None:
        self._path = path
        self._with_words = with_words
        self._file: TextIO | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", errors="replace", buffering=1)
        except OSError as error:
            self._give_up(error)

    def say(self, received: int, text: str) -> None:
        """``received``: samples until now."""
        if self._file is None:
            return
        now = datetime.now().astimezone().isoformat(" ", "milliseconds")
        try:
            self._file.write(f"{now} {received / SAMPLE_RATE:8.2f} s  {text}\n")
        except OSError as error:
            self._give_up(error)

    def __call__(self, event: ev.Event, received: int) -> None:
        self.say(received, _described(event, self._with_words))
        if isinstance(event, ev.Closed):
            self._close()

    def _give_up(self, error: OSError) -> None:
        logger.warning("the log of a session, %s, cannot be written: %s", self._path, error.strerror)
        self._close()

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError:  # what it still held has no room, which has been said or is the last line
                logger.debug("the end of %s is not written", self._path)


def _described(event: ev.Event, with_words: bool) -> str:
    match event:
        case ev.SpeechStarted(utterance, at):
            return f"speech of utterance {utterance} begins at {at:.2f} s"
        case ev.SpeechStopped(utterance, at):
            return f"speech of utterance {utterance} ends at {at:.2f} s"
        case ev.Tentative(utterance, words):
            return f"tentative in utterance {utterance}: {_words(words, with_words)}"
        case ev.Committed(utterance, words, reason):
            return f"committed in utterance {utterance} ({reason.value}): {_words(words, with_words)}"
        case ev.Suppressed(words, reason):
            return f"not believed ({reason}): {_words(words, with_words)}"
        case ev.UtteranceEnded(utterance, _, start, end, language, reason):
            span = f"{start:.2f} to {end:.2f} s, language {language or 'unknown'}"
            return f"utterance {utterance} is over ({reason.value}): {span}"
        case ev.Flushed(id):
            return "flushed" if id is None else f"flushed: {_line(id)}"
        case ev.LanguageDetected(language, probability):
            return f"language {language}, probability {probability:.2f}"
        case ev.DecodeFailed(_, start, end, is_final):
            return f"could not be decoded{' for good' if is_final else ''}: {start:.2f} to {end:.2f} s"
        case ev.Lagging(lag):
            return f"behind by {lag:.2f} s"
        case ev.Closed(error):
            return f"closed: {error or 'finished'}"
        case _:
            assert_never(event)


def _words(words: Sequence[Word], with_words: bool) -> str:
    if not words:
        return "no words"
    about = f"{len(words)} word{'s'[: len(words) > 1]}, {words[0].start:.2f} to {words[-1].end:.2f} s"
    return f"{about}:{_line(''.join(word.text for word in words))}" if with_words else about


def _line(text: str) -> str:
    """Of whatever a model or a client says."""
    return "".join(char if char.isprintable() else " " for char in text)
