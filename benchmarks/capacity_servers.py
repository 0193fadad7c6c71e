"""What `capacity.py` and `peers.py` measure: a row for each server, with how it is started and what it speaks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import reswhis

# The tests' folder is on the path now that common is imported.
# isort: split
from common import TESTS  # noqa: F401
from server_process import Process


@dataclass(frozen=True, slots=True)
class Running:
    url: str
    pid: int
    metrics_url: str | None = None


class Subject(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def dialect(self) -> str: ...

    @property
    def compares(self) -> bool:
        """Whether its errors are held against it, where it makes more of them than one by one."""
        ...

    @property
    def fingerprint(self) -> str:
        """Of all that its text depends on, but for the audio."""
        ...

    def serve(self) -> AbstractContextManager[Running]: ...


@dataclass(frozen=True, slots=True)
class Reswhis:
    name: str
    fingerprint: str
    model: Path
    arguments: tuple[str, ...]

    dialect = "native"
    compares = True

    @classmethod
    def of(cls, name: str, model: Path, arguments: Sequence[str]) -> Reswhis:
        sources = sorted(Path(reswhis.__file__).parent.rglob("*.py"))
        return cls(name, fingerprint(arguments, (*sources, model / "model.bin")), model, tuple(arguments))

    @contextmanager
    def serve(self) -> Iterator[Running]:
        options = ("--backend", "faster-whisper", "--model", str(self.model), "--language", "en")
        server = Process(*options, "--max-sessions", "10000", *self.arguments)
        try:
            server.ready()
            yield Running(server.url, server.process.pid, f"{server.url}/metrics")
        finally:
            server.stop()


def fingerprint(arguments: Sequence[str], files: Iterable[Path]) -> str:
    """Taken once, before a server is started: what somebody edits meanwhile may or may not be in it."""
    digest = hashlib.sha256(json.dumps(list(arguments)).encode())
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()
