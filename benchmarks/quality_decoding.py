"""The recogniser of `quality.py`: decodes once, remembers on disk, counts what was asked, charges it to the clock."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from reswhis.backends.base import Backend
from reswhis.core.errors import BackendError
from reswhis.core.types import SAMPLE_RATE, Hypothesis, Segment, Window, Word, seconds


@dataclass(frozen=True, slots=True)
class Decode:
    hypothesis: Hypothesis
    cost_s: float
    """CPU time of one thread when it was decoded, which other work on the machine hardly changes."""


class Decoder(Protocol):
    def decode(self, window: Window) -> Decode:
        """Raises BackendError."""
        ...


@dataclass(slots=True)
class WorkClock:
    """Runs with the audio, and by ``slowness`` times what decoding costs: 0 is computationally unaware."""

    slowness: float
    time_s: float = 0.0

    def now(self) -> float:
        return self.time_s

    def wait_until(self, at: float) -> None:
        self.time_s = max(self.time_s, at)

    def spend(self, cost_s: float) -> None:
        self.time_s += self.slowness * cost_s


_OVERLAP = SAMPLE_RATE // 2
"""A pre-roll and more: what follows a pause may begin in it."""
_SAID_BEFORE = 4 * SAMPLE_RATE
"""What follows a cut begins with the last words before it."""


class Span(NamedTuple):
    """Of a window, in samples of the stream."""

    start: int
    end: int
    is_final: bool


def stretches(windows: Sequence[Span]) -> list[tuple[int, int]]:
    """What the session decoded by itself, each from the first window of it to the last: an utterance, or a part of one.

    The next one begins about where a final window ended; one in whose midst a sentence might have ended goes on.
    """
    found: list[tuple[int, int]] = []
    before: Span | None = None
    for window in windows:
        if before is None or (before.is_final and window.start >= before.end - _OVERLAP):
            found.append((window.start, window.end))
        elif before.is_final and window.start > max(before.start, before.end - _SAID_BEFORE):
            found.append((before.end, window.end))
        else:
            found[-1] = (found[-1][0], window.end)
        before = window
    return found


@dataclass(slots=True)
class Meter:
    """A backend that keeps account of its windows for one stream."""

    decoder: Decoder
    clock: WorkClock
    windows: list[Span] = field(default_factory=list)
    frames: int = 0
    decoded: int = 0
    """Samples."""
    cost_s: float = 0.0
    failures: int = 0
    max_batch: int = 1

    def batch_key(self, window: Window) -> Hashable:
        return window.options

    def transcribe(self, windows: Sequence[Window]) -> list[Hypothesis | BackendError]:
        return [self._one(window) for window in windows]

    def close(self) -> None:
        """The decoder is the caller's."""

    def _one(self, window: Window) -> Hypothesis | BackendError:
        self.windows.append(Span(window.start, window.end, window.is_final))
        self.frames += encoder_frames(window)
        self.decoded += len(window.audio)
        try:
            decode = self.decoder.decode(window)
        except BackendError as error:
            self.failures += 1
            return error
        self.cost_s += decode.cost_s
        self.clock.spend(decode.cost_s)
        return decode.hypothesis


def encoder_frames(window: Window) -> int:
    from reswhis.backends.whisper_window import context_frames

    return context_frames(window, knows_short_context=True)


class CachedDecoder:
    """A backend with a memory on disk that several processes may share. The backend is made when first needed."""

    def __init__(self, cache: Path, fingerprint: str, make: Callable[[], Backend]) -> None:
        self.hits = self.misses = 0
        self._fingerprint = fingerprint
        self._make = make
        self._backend: Backend | None = None
        self._db = sqlite3.connect(cache, timeout=120, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("CREATE TABLE IF NOT EXISTS decodes (key BLOB PRIMARY KEY, value TEXT) WITHOUT ROWID")

    def decode(self, window: Window) -> Decode:
        key = self._key(window)
        row = self._db.execute("SELECT value FROM decodes WHERE key = ?", (key,)).fetchone()
        if row is not None:
            self.hits += 1
            return _from_json(row[0])
        self.misses += 1
        decode = self._afresh(window)
        self._db.execute("INSERT OR IGNORE INTO decodes VALUES (?, ?)", (key, _to_json(decode)))
        return decode

    def close(self) -> None:
        self._db.close()
        if self._backend is not None:
            self._backend.close()

    def _afresh(self, window: Window) -> Decode:
        if self._backend is None:
            self._backend = self._make()
        began = time.process_time()
        (hypothesis,) = self._backend.transcribe([window])
        cost_s = time.process_time() - began
        if isinstance(hypothesis, BackendError):
            raise hypothesis
        return Decode(hypothesis, cost_s)

    def _key(self, window: Window) -> bytes:
        """All that the recogniser sees of a window, so not its place."""
        seen = repr((self._fingerprint, window.options, window.prompt, window.is_final))
        return hashlib.sha256(seen.encode() + window.audio.tobytes()).digest()[:16]


_OF_A_HYPOTHESIS = (
    *("decoding", "encoded", "faster_whisper", "log_mel"),
    *("temperature_fallback", "whisper_tokens", "whisper_window", "word_times"),
)


def fingerprint(model: Path) -> str:
    """Changes with the model, the library, and the modules that make a hypothesis of a window."""
    from importlib.metadata import version

    import reswhis.backends

    folder = Path(str(reswhis.backends.__file__)).parent
    digest = hashlib.sha256((model / "model.bin").read_bytes())
    for module in _OF_A_HYPOTHESIS:
        digest.update((folder / f"{module}.py").read_bytes())
    return f"{digest.hexdigest()} {version('ctranslate2')}"


def one_thread_each() -> None:
    """For the processes that are started from now on: the libraries under NumPy ask the environment."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def whole(decoder: Decoder, window: Window) -> tuple[Word, ...]:
    """The words of a window by itself, with the times of the stream that it is of."""
    at = seconds(window.start)
    return tuple(word.shifted(at) for word in decoder.decode(window).hypothesis.words)


def _to_json(decode: Decode) -> str:
    heard = decode.hypothesis
    words, segments = [astuple(w) for w in heard.words], [astuple(s) for s in heard.segments]
    return json.dumps([words, segments, heard.language, heard.language_probability, decode.cost_s])


def _from_json(text: str) -> Decode:
    words, segments, language, probability, cost_s = json.loads(text)
    made = tuple(Word(*word) for word in words), tuple(Segment(*segment) for segment in segments)
    return Decode(Hypothesis(*made, language, probability), cost_s)
