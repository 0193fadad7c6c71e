"""What is shown on anything that text can be written to: nothing written is ever taken back. Reads no messages."""

from __future__ import annotations

from types import TracebackType
from typing import Self, TextIO, assert_never

from reswhis.core.context import SENTENCE_ENDS

from .display import line, printable
from .session import Finished, Line, Notice, Output, Pause, Preview

SEPARATOR = "-" * 20
ROW_END = 20
"""Characters of a row to remember: a sentence's end, what closes after it, and a space."""
CLOSING = "\"'”’»›)]」』）"
"""What may follow the end of a sentence and still belong to it."""


class _Printer:
    """Writes text to ``out``, at once, and remarks to ``remarks``."""

    def __init__(self, out: TextIO, remarks: TextIO) -> None:
        self._out = out
        self._remarks = remarks

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def notice(self, text: str) -> None:
        print(printable(text), file=self._remarks, flush=True)

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()


class LineDisplay(_Printer):
    """A line ``BEG END text`` for each committed text."""

    def show(self, output: Output) -> None:
        match output:
            case Line(start_ms, end_ms, text):
                if text.strip():
                    self._write(f"{line(start_ms, end_ms, text)}\n")
            case Notice(text):
                self.notice(text)
            case Preview() | Pause() | Finished():
                pass
            case _:
                assert_never(output)


class UpdateDisplay(_Printer):
    """For each update a line of dashes, and then the committed and the tentative text, a line each if there is any."""

    def __init__(self, out: TextIO, remarks: TextIO) -> None:
        super().__init__(out, remarks)
        self._shows_line = False

    def show(self, output: Output) -> None:
        match output:
            case Line(start_ms, end_ms, text):
                self._shows_line = bool(text.strip())
                if text.strip():
                    self._write(f"{SEPARATOR}\nCONF {line(start_ms, end_ms, text)}\n")
            case Preview(start_ms, end_ms, text, with_line):
                if text.strip():
                    before = "" if with_line and self._shows_line else f"{SEPARATOR}\n"
                    self._write(f"{before}INT  {line(start_ms, end_ms, text)}\n")
            case Notice(text):
                self.notice(text)
            case Pause() | Finished():
                pass
            case _:
                assert_never(output)


class RunningDisplay(_Printer):
    """Committed text as it was said, in a row; a new line after a sentence that a pause follows."""

    def __init__(self, out: TextIO, remarks: TextIO) -> None:
        super().__init__(out, remarks)
        self._row = ""
        """The end of what stands in the last row."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, OSError):  # as when nobody reads any more
            self._end_row()

    def show(self, output: Output) -> None:
        match output:
            case Line(text=text):
                shown = printable(text) if self._row else printable(text).lstrip()
                self._row = (self._row + shown)[-ROW_END:]
                self._write(shown)
            case Pause():
                if self._row.rstrip().rstrip(CLOSING).endswith(tuple(SENTENCE_ENDS)):
                    self._end_row()
            case Notice(text):
                self.notice(text)
            case Preview() | Finished():
                pass
            case _:
                assert_never(output)

    def notice(self, text: str) -> None:
        if self._out.isatty() and self._remarks.isatty():  # both on one screen
            self._end_row()
        super().notice(text)

    def _end_row(self) -> None:
        if self._row:
            self._row = ""
            self._write("\n")
