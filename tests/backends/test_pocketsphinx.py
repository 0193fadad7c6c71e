import os
import signal
import subprocess
import sys
import threading

import jiwer
import numpy as np
import psutil
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from reswhis.backends.pocketsphinx import Pocketsphinx
from reswhis.core.errors import BackendError
from reswhis.core.types import DecodeOptions, Hypothesis, Window, join, samples

posix = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


@pytest.fixture(scope="module")
def backend():
    backend = Pocketsphinx()
    yield backend
    backend.close()


def decode(backend, audio, **options):
    (result,) = backend.transcribe([Window(0, 0, audio, DecodeOptions(**options))])
    return result


# 12.5 % here, by voice: slt 6, rms 17, awb 14, kal16 15.
def test_the_flite_recordings_have_at_most_a_fifth_of_their_words_wrong(backend, recordings):
    normal = EnglishTextNormalizer()
    flite = [recording for recording in recordings if recording.name.startswith("flite")]
    heard = [normal(join(decode(backend, each.audio).words)) for each in flite]
    assert jiwer.wer([normal(each.text) for each in flite], heard) <= 0.2


def test_words_are_plain(backend, recordings):
    words = decode(backend, recordings[1].audio).words
    assert len(words) > 10 and all(word.text[1:].replace("'", "").isalpha() for word in words)


def test_silence_and_noise_have_no_words(backend):
    noise = np.random.default_rng(0).normal(0, 30, samples(2)).astype(np.int16)
    for audio in (noise, np.zeros(samples(2), np.int16)):
        assert decode(backend, audio).words == ()


def test_what_it_cannot_do_is_refused(backend, recordings):
    for options in ({"language": "de"}, {"task": "translate"}):
        assert isinstance(decode(backend, recordings[5].audio, **options), BackendError)


def test_a_process_that_crashes_is_an_error_and_the_next_window_gets_a_new_one(backend, recordings):
    audio = recordings[5].audio[: samples(1.2)]
    before, crashed = decode(backend, audio), backend.pid
    psutil.Process(crashed).kill()
    assert isinstance(decode(backend, audio), BackendError)
    assert decode(backend, audio) == before and backend.pid != crashed


def test_a_process_that_crashes_while_it_decodes_is_an_error_too(backend, recordings):
    audio = np.tile(recordings[0].audio, 6)
    child = psutil.Process(backend.pid)
    used = sum(child.cpu_times()[:2])

    def kill_once_it_decodes():
        while sum(child.cpu_times()[:2]) < used + 0.2:
            threading.Event().wait(0.01)
        child.kill()

    killer = threading.Thread(target=kill_once_it_decodes)
    killer.start()
    assert isinstance(decode(backend, audio), BackendError)
    killer.join()


@posix
def test_a_ctrl_c_does_not_end_the_process(backend, recordings):
    decode(backend, recordings[5].audio[: samples(1)])
    child = backend.pid
    assert os.getpgid(child) != os.getpgid(0)
    os.kill(child, signal.SIGINT)
    assert isinstance(decode(backend, recordings[5].audio[: samples(1)]), Hypothesis) and backend.pid == child


@posix
def test_the_process_ends_when_its_parent_is_killed():
    code = "from reswhis.backends.pocketsphinx import Pocketsphinx as P; b = P(); print(b.pid, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        assert child.is_running()
        parent.kill()
        child.wait(timeout=10)


@posix
def test_a_process_whose_parent_is_killed_while_it_decodes_ends_without_a_word(recordings, tmp_path):
    code = (
        "import sys, numpy as np\n"
        "from reswhis.backends.pocketsphinx import Pocketsphinx as P\n"
        "from reswhis.core.types import Window\n"
        "b = P(); print(b.pid, flush=True); b.transcribe([Window(0, 0, np.load(sys.argv[1]))])"
    )
    np.save(tmp_path / "audio.npy", recordings[0].audio)
    command = [sys.executable, "-c", code, tmp_path / "audio.npy"]
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        used = sum(child.cpu_times()[:2])
        while sum(child.cpu_times()[:2]) < used + 0.05:
            threading.Event().wait(0.01)
        parent.kill()
        assert parent.stderr.read() == ""  # which the child has, too, until it ends
        child.wait(timeout=10)


def test_it_works_where_a_file_of_its_name_lies_in_the_way(tmp_path):
    (tmp_path / "pocketsphinx.py").write_text("raise SystemExit('the wrong one')")
    code = "import sys; sys.path.pop(0); from reswhis.backends.pocketsphinx import Pocketsphinx as P; P().close()"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
