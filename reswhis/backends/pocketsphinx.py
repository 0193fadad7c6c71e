"""pocketsphinx, the recogniser that needs no download: US English from the model in its wheel.

Here is the side that the engine calls. pocketsphinx holds the interpreter lock while it decodes, so each backend has a
process of its own (:mod:`.pocketsphinx_child`), which ends with it. Prompts, hotwords and beam size are hints that
pocketsphinx has no use for; a language other than English and translation are refused.
"""

from __future__ import annotations

import json
import logging
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import reswhis
from reswhis.core.errors import BackendError, ConfigurationError
from reswhis.core.languages import LANGUAGES, language_code
from reswhis.core.types import Hypothesis, Samples, Segment, Window, Word

from .base import BackendConfig, BackendInfo, Choice
from .registry import Report

logger = logging.getLogger(__name__)

MODEL = "en-us"


def check(config: BackendConfig) -> None:
    if config.model not in ("auto", MODEL):
        raise ConfigurationError(f"pocketsphinx has no model {config.model!r}, only {MODEL}; leave --model away.")
    if config.device not in ("auto", "cpu"):
        raise ConfigurationError(f"pocketsphinx cannot use the device {config.device!r}; leave --device away.")
    code = None if config.language is None else language_code(config.language)
    if code not in (None, "en"):
        raise ConfigurationError(f"pocketsphinx knows English only, not {LANGUAGES[code]}.")
    if config.task != "transcribe":
        raise ConfigurationError("pocketsphinx does not translate; leave --task away.")


def choose(config: BackendConfig, report: Report) -> Choice:
    check(config)
    info = BackendInfo("pocketsphinx", MODEL, "cpu", "int16", languages=frozenset({"en"}), translates=False)
    return Choice(info, MakePocketsphinx())


@dataclass(frozen=True, slots=True)
class MakePocketsphinx:
    """Calling it raises ConfigurationError if the process does not start."""

    def __call__(self, worker: int) -> Pocketsphinx:
        try:
            return Pocketsphinx()
        except (OSError, EOFError) as error:
            raise ConfigurationError(f"The process in which pocketsphinx decodes does not start: {error}.") from error


class Pocketsphinx:
    max_batch = 1

    def __init__(self) -> None:
        self._child: Child | None = Child()

    @property
    def pid(self) -> int | None:
        """Of the process that decodes; None while there is none."""
        return None if self._child is None else self._child.pid

    def batch_key(self, window: Window) -> Hashable:
        return window.options

    def transcribe(self, windows: Sequence[Window]) -> list[Hypothesis | BackendError]:
        return [self._attempt(window) for window in windows]

    def close(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None

    def _attempt(self, window: Window) -> Hypothesis | BackendError:
        if window.options.language not in (None, "en"):
            return BackendError(f"pocketsphinx does not know the language {window.options.language!r}")
        if window.options.task != "transcribe":
            return BackendError("pocketsphinx does not translate")
        try:
            if self._child is None:
                self._child = Child()
            words = self._child.decode(window.audio)
        except (OSError, EOFError) as error:
            self.close()  # the next window gets a new process
            return BackendError(f"the pocketsphinx process has ended: {error}")
        return _hypothesis(words)


class Child:
    """The process and the pipes to it. A request is the length of some audio and the audio, an answer the same in JSON.

    Raises EOFError or OSError, here and when asked, once the process is gone.
    """

    def __init__(self) -> None:
        root = str(Path(reswhis.__file__).parents[1])
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "reswhis.backends.pocketsphinx_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            # A Ctrl-C on the terminal is the server's business: it may still want words from here.
            start_new_session=os.name == "posix",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._ask, self._answers = _pipe(self._process.stdin), _pipe(self._process.stdout)
        self.pid = self._process.pid
        try:
            read(self._answers)  # it says when its model is loaded
        except EOFError:
            self.close()
            raise

    def decode(self, audio: Samples) -> list[tuple[float, float, str, float]]:
        """Words as start, end (seconds), text and probability."""
        write(self._ask, audio.tobytes())
        words = json.loads(read(self._answers))
        return [(start, end, text, probability) for start, end, text, probability in words]

    def close(self) -> None:
        """At once: it holds nothing that would be lost."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._ask, self._answers):
            try:
                pipe.close()
            except OSError:  # what it had not read yet
                logger.debug("pocketsphinx had not read all it was given")


def write(pipe: IO[bytes], message: bytes) -> None:
    pipe.write(struct.pack("<I", len(message)) + message)
    pipe.flush()


def read(pipe: IO[bytes]) -> bytes:
    """Raises EOFError if the other side is gone."""
    header = pipe.read(4)
    length = struct.unpack("<I", header)[0] if len(header) == 4 else 0
    message = pipe.read(length)
    if len(header) < 4 or len(message) < length:
        raise EOFError("nothing more comes from the other side")
    return message


def _pipe(pipe: IO[Any] | None) -> IO[bytes]:
    if pipe is None:
        raise BrokenPipeError("there is no pipe")
    return pipe


def _hypothesis(heard: Sequence[tuple[float, float, str, float]]) -> Hypothesis:
    words = tuple(Word(start, end, f" {text}", probability) for start, end, text, probability in heard)
    if not words:
        return Hypothesis(language="en", language_probability=1.0)
    text = " ".join(word.text for word in words).encode()
    # Its average log-probability cannot be compared with Whisper's, by which the guard judges: none is given.
    segment = Segment(words[0].start, words[-1].end, compression_ratio=len(text) / len(zlib.compress(text)))
    return Hypothesis(words, (segment,), "en", 1.0)
