"""`reswhis listen` against a real server: what its views make of the messages as they really come."""

import re
from pathlib import Path

import pytest

from reswhis.cli import main

from server_process import Process

RECORDING = Path(__file__).parents[2] / "tests/recordings/flite-048.flac"
WORDS = ["w0", "w1", "w2"]
ROW = re.compile(r"(CONF|INT ) (\d{4,}) (\d{4,}) (.+)")


@pytest.fixture(scope="module")
def server():
    process = Process("--backend", "fake", "--minimum-chunk-size", "0.5")
    try:
        yield process.ready()
    finally:
        process.stop()


def listen(server, *flags):
    return main(["listen", "--url", server.ws, "--simulate", str(RECORDING), "--speed", "4", *flags])


def test_the_updates_say_all_that_is_committed_and_how_it_may_go_on(server, capfd):
    assert listen(server, "--all-updates", "--audio-encoding", "pcm_f32le", "--chunk-duration", "0.2") == 0
    out, err = capfd.readouterr()
    before, *blocks = out.split("--------------------\n")
    assert (before, err) == ("", "")
    committed, end, tentative = [], 0, 0
    for block in blocks:
        rows = [ROW.fullmatch(row).groups() for row in block.splitlines()]
        assert [kind for kind, *_ in rows] in (["CONF"], ["INT "], ["CONF", "INT "])
        for kind, start, until, text in rows:
            assert end <= int(start) < int(until)
            if kind == "CONF":
                committed += text.split()
                end = int(until)
            else:
                tentative += 1
    assert committed == WORDS
    assert tentative > 0


def test_running_text_is_the_whole_text(server, capfd):
    assert listen(server, "--interactive") == 0
    assert capfd.readouterr() == (f"{' '.join(WORDS)}\n", "")
