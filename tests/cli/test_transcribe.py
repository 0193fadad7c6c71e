"""`reswhis transcribe` as it is called: with whisper-micro where the words matter, else with the fake recogniser."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import jiwer
import numpy as np
import pytest
import soundfile

from reswhis.cli import main
from reswhis.cli.outputs import write

RECORDINGS = Path(__file__).parents[1] / "recordings"
RECORDING = RECORDINGS / "flite-022.flac"
SAID = "w0 w1 w2 w3 w4\n"
"""By the fake recogniser, in that recording."""
FAKE = ("--backend", "fake", "--language", "en")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def silence(folder):
    path = folder / "silence.wav"
    soundfile.write(path, np.zeros(5 * 16_000, np.int16), 16_000)
    return path


def transcribe(capfd, *arguments, code=0):
    """What it writes to stdout and to stderr."""
    assert main(["transcribe", *FAKE, *map(str, arguments)]) == code
    return capfd.readouterr()


def encode(path, *, sound):
    """A video of one second, with the recording as its sound or without."""
    import av

    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=5)
        video.width = video.height = 64
        audio = container.add_stream("aac", rate=16_000, layout="mono") if sound else None
        for _ in range(5):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))))
        container.mux(video.encode(None))
        if audio is not None:
            samples, rate = soundfile.read(RECORDING, dtype="float32")
            frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            frame.rate = rate
            container.mux([*audio.encode(frame), *audio.encode(None)])


def test_a_recording_becomes_text_and_subtitles(capfd, folder, micro, recordings):
    recording = next(each for each in recordings if each.name == "flite-028.flac")
    flags = ["--model", str(micro), "--device", "cpu", "--compute-type", "int8"]
    assert main(["transcribe", str(RECORDINGS / recording.name), *flags, "-f", "all", "-o", "out"]) == 0

    texts = {path.suffix: path.read_bytes().decode() for path in (folder / "out").iterdir()}
    assert set(texts) == {".txt", ".srt", ".vtt", ".json", ".tsv"}
    document = json.loads(texts[".json"])
    duration = len(recording.audio) / 16_000
    assert jiwer.wer(recording.text.lower(), document["text"].lower()) < 0.6
    assert (document["language"], document["duration"]) == ("en", pytest.approx(duration, abs=0.001))
    assert all(0 <= word["start"] <= word["end"] <= duration for word in document["segments"][0]["words"])
    assert texts[".txt"] == document["text"] + "\n"
    assert texts[".srt"].startswith("1\n00:00:0") and texts[".vtt"].startswith("WEBVTT\n\n00:00:0")
    assert texts[".tsv"].splitlines()[1].endswith(document["text"])
    assert capfd.readouterr().out == ""


def test_one_file_goes_to_stdout_in_any_one_format(capfd):
    assert transcribe(capfd, RECORDING) == (SAID, "")
    assert transcribe(capfd, RECORDING, "-f", "srt").out.endswith("\nw0 w1 w2 w3 w4\n\n")
    assert json.loads(transcribe(capfd, RECORDING, "--format=json").out)["segments"][0]["words"][0]["word"] == " w0"


@pytest.mark.parametrize("workers", [1, 2])
def test_several_files_on_stdout_are_in_their_order_under_their_names(capfd, silence, workers):
    again = Path(os.path.relpath(RECORDING)) if sys.platform != "win32" else RECORDING
    files = (RECORDING, "no.wav", silence, RECORDINGS / "flite-028.flac", again)
    out, err = transcribe(capfd, *files, "--workers", workers, code=1)
    headings = [f"==> {file} <==\n" for file in (RECORDING, silence, RECORDINGS / "flite-028.flac")]
    assert out == f"{headings[0]}{SAID}\n{headings[1]}\n{headings[2]}w0 w1 w2 w3\n"
    assert err == "reswhis: There is no file no.wav.\n"


def test_the_sound_of_a_video_is_transcribed(capfd, folder):
    encode(folder / "talk.mp4", sound=True)
    assert transcribe(capfd, "talk.mp4").out == SAID


def test_what_is_no_sound_is_told_in_a_sentence_each_and_the_others_are_done(capfd, folder):
    encode(folder / "mute.mp4", sound=False)
    (folder / "empty.wav").touch()
    (folder / "notes.txt").write_text("no sound")
    bad = ("no.wav", "mute.mp4", "empty.wav", "notes.txt", ".")
    out, err = transcribe(capfd, *bad, RECORDING, "-o", "out", code=1)
    assert out == "" and (folder / "out" / "flite-022.txt").read_text() == SAID
    for name, line in zip((*bad, str(RECORDING)), err.splitlines(), strict=True):
        assert name in line
    assert os.listdir("out") == ["flite-022.txt"]


def test_a_file_without_speech_gives_an_empty_transcript(capfd, silence):
    transcribe(capfd, silence, "-f", "txt,srt,vtt", "-f", "tsv,json", "-o", ".")
    contents = {suffix: silence.with_suffix(suffix).read_text() for suffix in (".txt", ".srt", ".vtt", ".tsv")}
    assert contents == {".txt": "", ".srt": "", ".vtt": "WEBVTT\n\n", ".tsv": "start\tend\ttext\n"}
    document = json.loads(silence.with_suffix(".json").read_text())
    assert document == {"text": "", "language": "en", "duration": 5.0, "segments": []}


def test_a_stretch_that_cannot_be_decoded_is_told_with_its_times_and_the_rest_is_kept(capfd, folder):
    samples, rate = soundfile.read(RECORDING, dtype="int16")
    soundfile.write("two.wav", np.concatenate((samples, np.zeros(2 * rate, np.int16), samples)), rate)
    _, err = transcribe(capfd, "two.wav", "-o", ".", "--model", "0,fail:2", code=1)
    [told] = [line for line in err.splitlines() if line.startswith("reswhis: ")]
    start, end = map(float, re.search(r"two.wav: from (\S+) s to (\S+) s nothing could be decoded", told).groups())
    assert 6 < start < 7 and 10.5 < end <= 11.1
    assert (folder / "two.txt").read_text() == SAID


def test_a_file_that_is_there_already_is_left_as_it_is_unless_it_may_be_overwritten(capfd, folder):
    kept = folder / "flite-022.srt"
    kept.write_text("corrected by hand")
    _, err = transcribe(capfd, RECORDING, "-o", ".", "-f", "srt,txt")
    assert kept.read_text() == "corrected by hand" and "--overwrite" in err
    assert kept.with_suffix(".txt").read_text() == SAID

    transcribe(capfd, RECORDING, "-o", ".", "-f", "srt,txt", "--overwrite")
    assert kept.read_text().endswith("w0 w1 w2 w3 w4\n\n")
    assert sorted(os.listdir()) == ["flite-022.srt", "flite-022.txt"]


def test_files_of_one_name_keep_their_suffixes(capfd, folder):
    soundfile.write("Talk.wav", np.zeros(16_000, np.int16), 16_000)
    soundfile.write("talk.flac", np.zeros(16_000, np.int16), 16_000)
    transcribe(capfd, "Talk.wav", "talk.flac", "-o", "out")
    assert sorted(os.listdir("out")) == ["Talk.wav.txt", "talk.flac.txt"]


def test_an_output_that_cannot_be_written_is_told_and_leaves_nothing_behind(capfd, folder):
    (folder / "flite-022.txt").mkdir()
    _, err = transcribe(capfd, RECORDING, "-o", ".", "--overwrite", code=1)
    assert err.startswith("reswhis: flite-022.txt cannot be written (") and err.count("\n") == 1
    assert os.listdir() == ["flite-022.txt"]


def test_a_file_is_utf_8_without_a_mark_and_with_line_feeds_everywhere(folder):
    write(folder / "a.srt", "Grüß dich\n好\n")
    assert (folder / "a.srt").read_bytes() == "Grüß dich\n好\n".encode()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "FILE"),
        (["a.wav", "-f", "str"], "-f: unknown format str; did you mean srt?"),
        (["a.wav", "-f", "srt,vtt"], "Several formats need a directory"),
        (["a.wav", "b.wav", "-f", "srt"], "Several files as srt need a directory"),
        (["a/x.wav", "b/x.wav", "-o", "out"], f"{Path('a/x.wav')} and {Path('b/x.wav')} would both be written to"),
        (["x.txt", "-o", "."], "written over what is to be read"),
        (["a.wav", "-o", "a.srt"], "write > a.srt instead"),
        (["a.wav", "-o", "taken"], "taken is a file"),
        (["a.wav", "--modle", "tiny"], "did you mean --model?"),
        (["a.wav", "--policy", "never"], "policy"),
    ],
)
def test_a_wrong_request_is_told_in_a_sentence_before_anything_is_done(capfd, folder, arguments, sentence):
    (folder / "taken").touch()
    out, err = transcribe(capfd, *arguments, code=2)
    assert out == "" and sentence in err and err.count("\n") == 1
    assert os.listdir() == ["taken"]


def test_the_bar_is_for_terminals_and_never_gets_into_the_text(capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes this for a terminal
    out, err = transcribe(capfd, RECORDING, "--model", "0.1")
    assert out == SAID
    assert "flite-022.flac" in err and " of 0:05" in err


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT can be sent to another process")
def test_an_interrupt_ends_it_at_once_and_what_is_done_is_kept(folder, silence):
    command = [sys.executable, "-m", "reswhis", "transcribe", "silence.wav", str(RECORDING), "-o", "out"]
    slow = ["--backend", "fake", "--model", "20"]
    with subprocess.Popen([*command, *slow], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr.readline().startswith("silence.wav: out")
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
    assert process.returncode == 130
    assert os.listdir("out") == ["silence.txt"]
