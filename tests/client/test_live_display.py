"""What a terminal shows while the text grows."""

import io
import re

from rich.cells import cell_len
from rich.console import Console

from reswhis.client.live_display import LiveDisplay
from reswhis.client.session import Line, Notice, Pause, Preview

WIDTH = 30
SEQUENCE = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])")
WIDE = "\0"
"""Stands in the second cell of a character that takes two."""
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
            cells = character.ljust(cell_len(character), WIDE)
            line = self.lines[self._row].ljust(self._column)
            self.lines[self._row] = line[: self._column] + cells + line[self._column + len(cells) :]
            self._column += len(cells)
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
        return [line.replace(WIDE, "").rstrip() for line in self.lines[: self._row + 1]]


def live(*outputs):
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=WIDTH, color_system="standard", legacy_windows=False)
    with LiveDisplay(console) as display:
        for output in outputs:
            display.show(output)
        before = written.getvalue()
    return before, written.getvalue()


def test_the_tentative_follows_the_committed_in_another_colour():
    before, _ = live(Line(0, 10, " how are"), Preview(0, 0, " you"))
    assert "how are" + STYLE + " you" in before
    assert Screen(before).text == ["how are you"]


def test_a_new_preview_replaces_the_last_and_a_text_ends_it():
    before, after = live(Preview(0, 0, " hot air"), Preview(0, 0, " how"), Line(0, 10, " how are"))
    assert Screen(before).text == ["how are"]
    assert Screen(after).text == ["how are", ""]


def test_what_stays_tentative_is_not_left_on_the_screen():
    _, after = live(Line(0, 10, " how are"), Preview(0, 0, " your"))
    assert Screen(after).text == ["how are", ""]


def test_every_utterance_has_its_own_line():
    _, after = live(
        Line(0, 10, " one"), Line(0, 10, " two."), Pause(), Preview(0, 0, " th"), Line(20, 30, " three."), Pause()
    )
    assert Screen(after).text == ["one two.", "three.", ""]


def test_long_text_flows_over_the_lines_and_loses_no_word():
    words = [f" word{n}" for n in range(40)]
    outputs = [each for word in words for each in (Line(0, 10, word), Preview(0, 0, " and so on and on"))]
    _, after = live(*outputs)
    text = Screen(after).text
    assert " ".join(text).split() == [word.strip() for word in words]
    assert len(text) > 5


def test_text_without_spaces_flows_too_and_its_characters_take_two_cells():
    outputs = [each for character in "中" * 40 for each in (Line(0, 10, character), Preview(10, 20, "文文文"))]
    before, after = live(*outputs)
    assert Screen(before).text == ["中" * 15, "中" * 15, "中" * 10 + "文文文"]
    assert Screen(after).text == ["中" * 15, "中" * 15, "中" * 10, ""]


def test_a_remark_stands_above_the_text():
    _, after = live(Line(0, 10, " how"), Notice("behind"), Line(0, 10, " are"))
    assert Screen(after).text == ["[behind]", "how are", ""]
