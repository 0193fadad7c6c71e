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
def logs(tmp_path_factory):
    """The directory of the server's files, one for each session."""
    return tmp_path_factory.mktemp("logs") / "server_logs"


@pytest.fixture(scope="module")
def server(logs):
    process = Process("--backend", "fake", "--minimum-chunk-size", "0.5", "--log-every-processor", "--log-dir", logs)
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


def test_its_predecessors_path_and_protocol_say_the_same(server, capfd):
    url = server.ws.replace("/ws/", "/v1/")
    command = ["listen", "--url", url, "--simulate", str(RECORDING), "--speed", "4", "--with-hypothesis"]
    assert main([*command, "--audio-encoding", "pcm_f32le"]) == 0
    out, err = capfd.readouterr()
    assert [word for row in out.splitlines() if row.startswith("CONF") for word in row.split()[3:]] == WORDS
    assert "INT  " in out and err == ""


def test_running_text_is_the_whole_text(server, capfd):
    assert listen(server, "--interactive") == 0
    assert capfd.readouterr() == (f"{' '.join(WORDS)}\n", "")


def test_each_session_has_a_log_of_its_own_where_that_is_asked_for(server, logs, capfd):
    before = set(logs.glob("*.log"))
    assert listen(server) == 0
    [file] = set(logs.glob("*.log")) - before
    assert "committed in utterance 1" in file.read_text() and file.read_text().endswith("closed: finished\n")
    assert not set(WORDS) & set(file.read_text().split())
