"""How far a command is with its files, for the person who waits: bars on a terminal, else only what must be said.

All on stderr. Used by ``reswhis transcribe``.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text


def clock(seconds: float) -> str:
    """``1:02:03``, or ``2:03``."""
    minutes, s = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{s:02}" if minutes >= 60 else f"{minutes}:{s:02}"


class _Pace(ProgressColumn):
    """Where it is, how fast, and how long it still takes; nothing while that cannot be known."""

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text()
        if not task.fields["is_sound"]:
            return Text(f"{task.percentage:.0f} %")
        parts = [f"{clock(task.completed)} of {clock(task.total)}"]
        if task.speed and task.time_remaining is not None:
            parts += [f"{task.speed:.0f}×", f"{clock(task.time_remaining)} left"]
        return Text(", ".join(parts))


class Bar:
    """One file's, from reading it to its last word."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def start(self, description: str, seconds: float) -> None:
        """So long is the file: from now on it is decoded."""
        self._progress.reset(self._task, total=seconds, description=description)

    def reached(self, second: float) -> None:
        self._progress.update(self._task, completed=second)


class Screen:
    """Entered before anything is said, left at the end. May be told from any thread."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bars = console.is_terminal
        self._progress = Progress(
            TextColumn(
                "{task.description}", markup=False, table_column=Column(overflow="ellipsis", no_wrap=True, ratio=1)
            ),
            BarColumn(bar_width=24, complete_style="cyan", finished_style="cyan"),
            _Pace(),
            console=console,
            transient=True,
            expand=True,
            # Both on one terminal: text goes above the bars. Else it must not go where the bars do.
            redirect_stdout=sys.stdout.isatty(),
            disable=not self._bars,
        )
        self._loading: TaskID | None = None
        self._reported = ""

    def __enter__(self) -> Self:
        for handler in logging.getLogger().handlers:
            if isinstance(handler, RichHandler):
                handler.console = self._progress.console  # else its lines would be written into the bars
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def remark(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def report(self, message: str, share: float | None) -> None:
        """What is done before the first word: a bar, or each thing once and every tenth of a download."""
        if self._bars:
            if self._loading is None:
                self._loading = self._progress.add_task(message, total=None, is_sound=False)
            total = None if share is None else 1.0
            self._progress.update(self._loading, description=message, total=total, completed=share or 0)
            return
        said = message if share is None else f"{message} ({int(share * 10) * 10} %)"
        if said != self._reported:
            self._reported = said
            self.remark(said)

    def loaded(self) -> None:
        if self._loading is not None:
            self._progress.remove_task(self._loading)
            self._loading = None

    @contextmanager
    def bar(self, description: str) -> Iterator[Bar]:
        task = self._progress.add_task(description, total=None, is_sound=True)
        try:
            yield Bar(self._progress, task)
        finally:
            self._progress.remove_task(task)
