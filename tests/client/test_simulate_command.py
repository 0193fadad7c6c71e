"""`reswhis simulate` as it is called, with the fake recogniser and the real voice activity detection."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reswhis.cli import main
from reswhis.cli.arguments import settings_from
from reswhis.cli.parser import Parser
from reswhis.cli.simulate import add_arguments
from reswhis.core.types import Word

RECORDING = Path(__file__).parents[1] / "recordings/flite-022.flac"
LINE = re.compile(r"(\d+\.\d{4}) (\d+) (\d+) (\S.*)")


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """The first second and a half of a recording."""
    import soundfile

    path = tmp_path_factory.mktemp("audio") / "short.wav"
    audio, rate = soundfile.read(RECORDING)
    soundfile.write(path, audio[: rate * 3 // 2], rate)
    return path


def simulate(capfd, path, *arguments):
    """Each line's emission, begin, end and text, in milliseconds."""
    assert main(["simulate", str(path), "--backend", "fake", *arguments]) == 0
    lines = [LINE.fullmatch(line) for line in capfd.readouterr().out.splitlines()]
    return [(float(line[1]), int(line[2]), int(line[3]), line[4]) for line in lines]


def words(lines):
    return " ".join(text for *_, text in lines)


def test_three_modes_say_the_same_words(capfd):
    unaware = simulate(capfd, RECORDING, "--comp_unaware")
    offline = simulate(capfd, RECORDING, "--offline")
    assert words(unaware) == words(offline) == "w0 w1 w2 w3 w4"
    assert len(unaware) > len(offline) == 1


def test_in_real_time_no_word_is_printed_before_it_was_spoken(capfd, short):
    lines = simulate(capfd, short, "--min-chunk-size", "0.3")
    assert words(lines) == "w0 w1"
    assert all(emission >= end - 1 for emission, _, end, _ in lines)
    assert lines[-1][0] >= 1500


def test_computationally_unaware_the_clock_is_the_audio(capfd, short):
    piece_ms = 40
    lines = simulate(capfd, short, "--comp-unaware", "--min_chunk_size=0.3")
    assert [emission % piece_ms for emission, *_ in lines[:-1]] == [0] * (len(lines) - 1)
    assert lines[-1][0] == 1500


def test_offline_the_clock_does_not_wait_for_the_audio(capfd):
    lines = simulate(capfd, RECORDING, "--offline")
    assert all(emission < 3000 for emission, *_ in lines)
    assert lines[0][1] == 0 and lines[-1][2] > 3000


def test_a_later_start_keeps_the_files_clock(capfd):
    lines = simulate(capfd, RECORDING, "--comp-unaware", "--start-at", "3")
    assert lines[0][1] >= 3000
    assert all(emission >= end for emission, _, end, _ in lines)
    assert lines[-1][2] <= 4600


def test_the_flags_of_whisper_online_are_taken():
    arguments = (
        "a.wav --min-chunk-size 0.5 --model base --model_cache_dir cache --model_dir model --lan en --task translate"
        " --backend faster-whisper --vac --vac-chunk-size 0.1 --vad --buffer_trimming segment --buffer_trimming_sec 10"
        " --start_at 0.1 --comp_unaware"
    )
    parser = Parser("reswhis simulate")
    add_arguments(parser)
    parsed = parser.parse(arguments.split())
    settings = settings_from(parsed, {})
    assert (parsed.audio, parsed.vac_chunk_size, parsed.start_at) == (Path("a.wav"), 0.1, 0.1)
    assert parsed.comp_unaware and not parsed.offline
    assert (settings.minimum_chunk_size, settings.buffer_trimming_sec) == (0.5, 10)
    assert (settings.model, settings.model_dir, settings.model_cache_dir) == ("base", Path("model"), Path("cache"))
    assert (settings.language, settings.task, settings.backend) == ("en", "translate", "faster-whisper")
    assert settings.use_voice_activity_controller and settings.use_voice_activity_detection


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["no/such.wav"], f"no file {Path('no/such.wav')}"),
        ([str(RECORDING), "--start-at", "9"], "--start-at must be from 0 to less than 4."),
        ([str(RECORDING), "--vac-chunk-size", "0"], "--vac-chunk-size must be from 0.01"),
        ([str(RECORDING), "--offline", "--comp-unaware"], "not allowed with"),
        ([str(RECORDING), "--min-chunk-size", "99"], "minimum"),
        ([str(RECORDING), "--lan", "klingon"], "lan"),
        ([], "FILE"),
    ],
)
def test_a_wrong_argument_is_told_in_a_sentence(capfd, arguments, sentence):
    assert main(["simulate", *arguments]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert sentence in err and err.count("\n") == 1


def test_a_word_that_the_terminal_cannot_show_does_not_end_the_program():
    words = (Word(0, 1, " 好\n"), Word(1, 2, " well\x1b[2J"))
    code = f"""
import sys
from reswhis.cli import main
from reswhis.cli.simulate import emission_line
from reswhis.core.types import Word
try:
    main(["--version"])
except SystemExit:
    print(emission_line(1, 0, {words!r}))
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines()[1:] == ["1000.0000 0 2000 ?  well [2J"]
