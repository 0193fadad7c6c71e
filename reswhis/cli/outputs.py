"""Where the text of each of several files goes: into files of its own, or one after another to stdout.

Renders no text. Used by ``reswhis transcribe``.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from reswhis.core.errors import ConfigurationError


def without_repeats(files: Sequence[Path]) -> list[Path]:
    """In their order, each once, however it is written."""
    found: dict[str, Path] = {}
    for file in files:
        found.setdefault(os.path.normcase(os.path.realpath(file)), file)
    return list(found.values())


def paths(files: Sequence[Path], suffixes: Collection[str], directory: Path) -> list[Mapping[str, Path]]:
    """For each file what it is written to, by suffix: named like it, and with its own suffix where that is ambiguous.

    Raises:
        ConfigurationError: two files would be written to the same, or over one that is to be read.
    """
    read = {_key(os.path.abspath(file)) for file in files}
    stems = Counter(_key(file.stem) for file in files)
    names = [file.stem if stems[_key(file.stem)] == 1 else file.name for file in files]
    taken: dict[str, Path] = {}
    planned: list[Mapping[str, Path]] = []
    for file, name in zip(files, names, strict=True):
        mine = {suffix: directory / f"{name}.{suffix}" for suffix in suffixes}
        for path in mine.values():
            if _key(os.path.abspath(path)) in read:
                raise ConfigurationError(f"{path} would be written over what is to be read; choose another -o.")
            other = taken.setdefault(_key(os.path.abspath(path)), file)
            if other is not file:
                raise ConfigurationError(
                    f"{other} and {file} would both be written to {path}; give each a directory of its own."
                )
        planned.append(mine)
    return planned


def _key(name: str) -> str:
    """Equal for what some file systems take for the same name."""
    return unicodedata.normalize("NFC", name).casefold()


def make_directory(directory: Path) -> None:
    """Raises ConfigurationError, also where nothing could be written into it."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ConfigurationError(f"-o: {directory} is a file, but must be a directory.") from None
    except OSError as error:
        raise ConfigurationError(f"-o: {directory} cannot be made ({error.strerror}).") from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigurationError(f"-o: nothing can be written into {directory}.")


def write(path: Path, text: str) -> None:
    """All of it or nothing: whoever sees the file sees the whole. Raises OSError."""
    part = path.with_name(f".reswhis-{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8", errors="replace", newline="\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class Printer:
    """Prints what is said of several files, which are worked on at the same time, in their order.

    What comes of the first that has not ended is printed at once.
    """

    def __init__(self, files: Sequence[Path], show: Callable[[str], None]) -> None:
        self._files = list(files)
        self._show = show
        self._waiting: dict[Path, list[str]] = {file: [] for file in files}
        self._ended: set[Path] = set()
        self._with_headings = len(files) > 1
        self._headings: set[Path] = set()
        """Of those that have begun, but not on stdout yet."""
        self._gap = ""

    def begin(self, file: Path) -> None:
        """Its heading, if there are others; even if nothing follows."""
        if self._with_headings:
            self._headings.add(file)
            self._print()

    def say(self, file: Path, text: str) -> None:
        """After :meth:`begin`."""
        self._waiting[file].append(text)
        self._print()

    def end(self, file: Path) -> None:
        """Nothing more comes of it; also where it has not begun."""
        self._ended.add(file)
        self._print()

    def _print(self) -> None:
        while self._files:
            file = self._files[0]
            if file in self._headings:
                self._headings.remove(file)
                self._show(f"{self._gap}==> {file} <==\n")
                self._gap = "\n"
            if waiting := self._waiting[file]:
                self._show("".join(waiting))
                waiting.clear()
            if file not in self._ended:
                return
            self._files.pop(0)
