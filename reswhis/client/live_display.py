"""What a terminal shows: the text as it grows, with what may yet change in another colour. Reads no messages."""

from __future__ import annotations

from types import TracebackType
from typing import Self, assert_never

from rich.console import Console
from rich.live import Live
from rich.text import Text

from .display import printable
from .session import Finished, Line, Notice, Output, Pause, Preview

TENTATIVE_STYLE = "dim cyan"


class LiveDisplay:
    """Committed text as it is said, a line per utterance, and after it how it may go on.

    What fills a line of the terminal is printed for good; only the line that grows is drawn again.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")
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
            case Preview(text=text):
                self._tentative = printable(text)
            case Pause():
                self._tentative = ""
                self._end_line()
            case Notice(text):
                self.notice(text)
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
