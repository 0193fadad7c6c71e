"""What is printed: lines that other programs read, and a terminal's screen."""

import io
import re

from rich.console import Console

from reswhis.client.display import LiveDisplay, PlainDisplay
from reswhis.client.session import Finished, Line, Notice, Pause, Preview, Ready

WIDTH = 30
SEQUENCE = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])")
STYLE = "\x1b[2;36m"


class Screen:
    """As much of a terminal as rich needs here: its lines once all has been written."""

    def __init__(self, written: str) -> None:
        self.lines = [""]
        self._row = self._column = 0
        position = 0
        while position < len(written):
            if sequence := SEQUENCE.match(written, position):
                self._obey(sequence[2], sequence[1])
                position = sequence.end()
            else:
                self._put(written[position])
                position += 1

    def _put(self, character: str) -> None:
        if character == "\n":
            self._row, self._column = self._row + 1, 0
            self.lines += [""] * (self._row + 1 - len(self.lines))
        elif character == "\r":
            self._column = 0
        else:
            line = self.lines[self._row].ljust(self._column)
            self.lines[self._row] = line[: self._column] + character + line[self._column + 1 :]
            self._column += 1
            assert self._column <= WIDTH, "wider than the terminal"

    def _obey(self, command: str, argument: str) -> None:
        match command:
            case "A":
                self._row -= int(argument or 1)
            case "K":
                assert argument == "2"
                self.lines[self._row] = ""
            case "m" | "h" | "l":
                pass
            case _:
                raise NotImplementedError(command)

    @property
    def text(self) -> list[str]:
        """Down to the cursor; below it there must be nothing."""
        assert not any(self.lines[self._row + 1 :])
        return [line.rstrip() for line in self.lines[: self._row + 1]]


def live(*outputs):
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=WIDTH, color_system="standard", legacy_windows=False)
    with LiveDisplay(console) as display:
        for output in outputs:
            display.show(output)
        before = written.getvalue()
    return before, written.getvalue()


def test_a_line_has_both_times_with_four_digits_and_the_text_without_its_space():
    out = io.StringIO()
    with PlainDisplay(out, io.StringIO()) as display:
        display.show(Line(0, 960, " how are"))
        display.show(Line(12_340, 100_000, " you?"))
    assert out.getvalue() == "0000 0960 how are\n12340 100000 you?\n"


def test_only_committed_text_is_in_the_plain_lines():
    out, remarks = io.StringIO(), io.StringIO()
    with PlainDisplay(out, remarks, greeting="Speak now.") as display:
        for output in (Ready("tiny"), Preview(" h"), Line(0, 10, " "), Pause(), Notice("behind"), Finished()):
            display.show(output)
    assert out.getvalue() == ""
    assert remarks.getvalue() == "Speak now.\nbehind\n"


def test_a_text_can_neither_break_its_line_nor_command_the_terminal():
    out = io.StringIO()
    PlainDisplay(out, io.StringIO()).show(Line(0, 10, " a\nb\x1b[2Jc\x9bd"))
    assert out.getvalue() == "0000 0010 a b [2Jc d\n"


def test_joiners_inside_words_stay():
    out = io.StringIO()
    PlainDisplay(out, io.StringIO()).show(Line(0, 10, " می\u200cخواهم"))
    assert out.getvalue() == "0000 0010 می\u200cخواهم\n"


def test_the_tentative_follows_the_committed_in_another_colour():
    before, _ = live(Line(0, 10, " how are"), Preview(" you"))
    assert "how are" + STYLE + " you" in before
    assert Screen(before).text == ["how are you"]


def test_a_new_preview_replaces_the_last_and_a_text_ends_it():
    before, after = live(Preview(" hot air"), Preview(" how"), Line(0, 10, " how are"))
    assert Screen(before).text == ["how are"]
    assert Screen(after).text == ["how are", ""]


def test_what_stays_tentative_is_not_left_on_the_screen():
    _, after = live(Line(0, 10, " how are"), Preview(" your"))
    assert Screen(after).text == ["how are", ""]


def test_every_utterance_has_its_own_line():
    _, after = live(
        Line(0, 10, " one"), Line(0, 10, " two."), Pause(), Preview(" th"), Line(20, 30, " three."), Pause()
    )
    assert Screen(after).text == ["one two.", "three.", ""]


def test_long_text_flows_over_the_lines_and_loses_no_word():
    words = [f" word{n}" for n in range(40)]
    outputs = [each for word in words for each in (Line(0, 10, word), Preview(" and so on and on"))]
    _, after = live(*outputs)
    text = Screen(after).text
    assert " ".join(text).split() == [word.strip() for word in words]
    assert len(text) > 5


def test_text_without_spaces_flows_too():
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=WIDTH, color_system=None, legacy_windows=False)
    with LiveDisplay(console) as display:
        for character in "中" * 40:
            display.show(Line(0, 10, character))
    assert "".join(SEQUENCE.sub("", written.getvalue()).split())[-10:] == "中" * 10


def test_a_remark_stands_above_the_text():
    _, after = live(Line(0, 10, " how"), Notice("behind"), Line(0, 10, " are"))
    assert Screen(after).text == ["[behind]", "how are", ""]
