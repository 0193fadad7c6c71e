"""What is printed where nothing can be taken back: lines and running text that people and programs read."""

import io
import os

import pytest

from reswhis.client.plain_displays import LineDisplay, RunningDisplay, UpdateDisplay
from reswhis.client.session import Finished, Line, Notice, Pause, Preview

DASHES = "--------------------\n"


def shown(kind, *outputs):
    out, remarks = io.StringIO(), io.StringIO()
    with kind(out, remarks) as display:
        for output in outputs:
            display.show(output)
    return out.getvalue(), remarks.getvalue()


def said(*texts):
    return [Pause() if text == "|" else Line(0, 10, text) for text in texts]


def test_a_line_has_both_times_with_four_digits_and_the_text_without_its_space():
    out, _ = shown(LineDisplay, Line(0, 960, " how are"), Line(12_340, 100_000, " you?"))
    assert out == "0000 0960 how are\n12340 100000 you?\n"


def test_only_committed_text_is_in_the_plain_lines():
    outputs = (Preview(0, 9, " h"), Line(0, 10, " "), Pause(), Notice("behind"), Finished())
    assert shown(LineDisplay, *outputs) == ("", "behind\n")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (LineDisplay, "0000 0010 a b [2Jc d\n"),
        (UpdateDisplay, DASHES + "CONF 0000 0010 a b [2Jc d\n"),
        (RunningDisplay, "a b [2Jc d\n"),
    ],
)
def test_a_text_can_neither_break_its_line_nor_command_the_terminal(kind, expected):
    assert shown(kind, Line(0, 10, " a\nb\x1b[2Jc\x9bd"))[0] == expected


def test_joiners_inside_words_stay():
    assert shown(LineDisplay, Line(0, 10, " می\u200cخواهم"))[0] == "0000 0010 می\u200cخواهم\n"


def test_every_update_is_a_block_of_what_is_committed_and_what_is_not():
    out, remarks = shown(
        UpdateDisplay,
        Preview(0, 400, " how"),
        Line(0, 400, " how"),
        Preview(400, 900, " are you", with_line=True),
        Preview(0, 0, ""),
        Line(400, 12_000, " are you?"),
        Notice("behind"),
        Pause(),
        Line(13_000, 13_500, " "),
        Preview(13_500, 13_800, " I", with_line=True),
        Finished(),
    )
    assert out == (
        f"{DASHES}INT  0000 0400 how\n"
        f"{DASHES}CONF 0000 0400 how\nINT  0400 0900 are you\n"
        f"{DASHES}CONF 0400 12000 are you?\n"
        f"{DASHES}INT  13500 13800 I\n"
    )
    assert remarks == "behind\n"


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ((" Hi", " there.", "|", " Again", "."), "Hi there.\nAgain.\n"),
        ((" Hi.", " there", "|", " and", " so on.", "|", "|"), "Hi. there and so on.\n"),
        ((' "Hi."', "|", " There"), '"Hi."\nThere\n'),
        (("你好", "。", "|", "再见"), "你好。\n再见\n"),
        (("|",), ""),
        ((), ""),
    ],
)
def test_running_text_breaks_after_a_sentence_that_a_pause_follows(texts, expected):
    assert shown(RunningDisplay, *said(*texts))[0] == expected


def test_running_text_has_nothing_that_may_yet_change():
    assert shown(RunningDisplay, Line(0, 10, " how"), Preview(10, 20, " are"), Notice("behind"), Finished()) == (
        "how\n",
        "behind\n",
    )


@pytest.mark.skipif(os.name != "posix", reason="there are no such terminals")
def test_a_remark_does_not_stand_in_the_middle_of_running_text():
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        with RunningDisplay(terminal, terminal) as display:
            display.show(Line(0, 10, " how"))
            display.notice("behind")
            display.show(Line(10, 20, " are"))
        written = b""
        while not written.endswith(b"are\r\n"):
            written += os.read(ours, 100)  # some, not all, of what was written
        assert written == b"how\r\nbehind\r\nare\r\n"
    os.close(ours)
