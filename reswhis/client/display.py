"""What the client shows: a line per committed text, or on a terminal the text as it grows. Reads no messages."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self, TextIO, assert_never

from rich.console import Console
from rich.live import Live
from rich.text import Text

from .session import Finished, Line, Notice, Output, Pause, Preview, Ready

TENTATIVE_STYLE = "dim cyan"
CONTROLS = {code: " " for code in (*range(32), *range(127, 160))}
"""What a terminal would obey, and what would break a line in two."""


class Display(AbstractContextManager["Display"], Protocol):
    """Entered before the first output, left after the last."""

    def show(self, output: Output) -> None: ...

    def notice(self, text: str) -> None:
        """A remark that is no part of the text."""
        ...


def printable(text: str) -> str:
    return text.translate(CONTROLS)


def line(start_ms: float, end_ms: float, text: str) -> str:
    """``BEG END text``, times in whole milliseconds of at least four digits."""
    return f"{round(start_ms):04d} {round(end_ms):04d} {printable(text).strip()}"


class PlainDisplay:
    """A line for each committed text, at once; remarks go to ``remarks``."""

    def __init__(self, out: TextIO, remarks: TextIO, *, greeting: str = "") -> None:
        self._out = out
        self._remarks = remarks
        self._greeting = greeting

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, output: Output) -> None:
        match output:
            case Line(start_ms, end_ms, text):
                if text.strip():
                    print(line(start_ms, end_ms, text), file=self._out, flush=True)
            case Notice(text):
                self.notice(text)
            case Ready():
                if self._greeting:
                    self.notice(self._greeting)
            case Preview() | Pause() | Finished():
                pass
            case _:
                assert_never(output)

    def notice(self, text: str) -> None:
        print(printable(text), file=self._remarks, flush=True)


class LiveDisplay:
    """Committed text as it is said, a line per utterance, and after it how it may go on.

    What fills a line of the terminal is printed for good; only the line that grows is drawn again.
    """

    def __init__(self, console: Console, *, greeting: str = "") -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
        self._greeting = greeting
        self._committed = ""
        self._tentative = ""

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tentative = ""
        self._end_line()
        self._draw()
        self._live.transient = True
        self._live.stop()

    def show(self, output: Output) -> None:
        match output:
            case Line(text=text):
                self._committed = (self._committed + printable(text)).lstrip()
                self._tentative = ""
                self._print_full_lines()
            case Preview(text):
                self._tentative = printable(text)
            case Pause():
                self._tentative = ""
                self._end_line()
            case Notice(text):
                self.notice(text)
            case Ready():
                if self._greeting:
                    self.notice(self._greeting)
            case Finished():
                pass
            case _:
                assert_never(output)
        self._draw()

    def notice(self, text: str) -> None:
        self._console.print(Text(f"[{printable(text)}]", style="dim"), soft_wrap=True)

    def _draw(self) -> None:
        text = Text(self._committed)
        text.append(self._tentative if self._committed else self._tentative.lstrip(), style=TENTATIVE_STYLE)
        self._live.update(text, refresh=True)

    def _print_full_lines(self) -> None:
        *full, last = Text(self._committed).wrap(self._console, self._console.width) or [Text()]
        for each in full:
            self._console.print(each, soft_wrap=True)
        self._committed = last.plain

    def _end_line(self) -> None:
        if self._committed:
            self._console.print(Text(self._committed), soft_wrap=True)
        self._committed = ""
