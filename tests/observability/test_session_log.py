"""The file of a session: what happens in it, and nothing of what was said unless that is asked for."""

import logging

import pytest

from reswhis.core.events import Closed, Committed, Reason, SpeechStarted, Tentative, UtteranceEnded
from reswhis.core.types import Word
from reswhis.observability.session_log import SessionLogs

SECRET = (Word(0.5, 1.25, " my\x1b[2J", 0.9), Word(1.25, 2.0, " password\n", 0.9))
EVENTS = [
    SpeechStarted(1, 0.25),
    Tentative(1, SECRET[:1]),
    Committed(1, SECRET, Reason.ENDPOINT),
    UtteranceEnded(1, "my password", 0.25, 2.5, "en", Reason.ENDPOINT),
    Closed(),
]


def written(directory, *, with_words):
    log = SessionLogs(directory / "new" / "logs", with_words).begin(3, "pcm_s16le")
    for second, event in enumerate(EVENTS):
        log(event, second * 16_000)
    [file] = directory.rglob("*.log")
    return [line.split(" s  ", 1)[1] for line in file.read_text("utf-8").splitlines()]


def test_each_event_is_a_line_and_its_words_are_left_out(tmp_path):
    assert written(tmp_path, with_words=False) == [
        "session 3 begins: pcm_s16le",
        "speech of utterance 1 begins at 0.25 s",
        "tentative in utterance 1: 1 word, 0.50 to 1.25 s",
        "committed in utterance 1 (endpoint): 2 words, 0.50 to 2.00 s",
        "utterance 1 is over (endpoint): 0.25 to 2.50 s, language en",
        "closed: finished",
    ]


def test_words_that_are_asked_for_stay_on_their_line(tmp_path):
    lines = written(tmp_path, with_words=True)
    assert len(lines) == 6
    assert lines[3].endswith("2.00 s: my [2J password ")


def test_a_file_that_cannot_be_written_is_said_once_and_harms_nobody(tmp_path, caplog):
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        log = SessionLogs(tmp_path / "file").begin(1, "pcm_s16le")
        for event in EVENTS:
            log(event, 0)
    assert len(caplog.records) == 1


@pytest.mark.parametrize("with_words", [False, True])
def test_two_sessions_have_two_files(tmp_path, with_words):
    logs = SessionLogs(tmp_path, with_words)
    for number in (1, 2):
        logs.begin(number, "pcm_s16le")(Closed(), 0)
    assert len(list(tmp_path.iterdir())) == 2
