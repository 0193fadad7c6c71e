"""``reswhis doctor``: what is made of what is seen, also on machines unlike this one; and the command itself, once."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from reswhis.backends import cuda
from reswhis.backends.base import BackendConfig
from reswhis.backends.model_formats import CTRANSLATE2
from reswhis.cli import doctor
from reswhis.cli.doctor import gpu, installation, network, sound, weights
from reswhis.cli.doctor.examination import Row, findings
from reswhis.cli.doctor.finding import Case, Finding, Remedy, State
from reswhis.cli.doctor.report import as_json, lines, starts, summary
from reswhis.cli.parser import Parser
from reswhis.client.sound import InputDevice, device_table
from reswhis.core.errors import ConfigurationError
from reswhis.settings import from_sources

CASE = Case(from_sources({}), "", {})
L4 = {"listed": ("NVIDIA L4 (23034 MiB)",), "driver": "550.54.15"}
USB, LINE = InputDevice(1, "USB Audio, ALSA", 2, 48_000, True), InputDevice(2, "Line, ALSA", 1, 16_000, False)
BOUND_S = 8 + 7
"""Of the whole command with a hub that never answers: what is promised, and what a busy machine needs to start it."""


def case(*argv, environ=None):
    parser = Parser("reswhis doctor")
    doctor.add_arguments(parser)
    return doctor.case_from(parser.parse(argv), environ or {})


# The GPU, on machines of all kinds.


@pytest.mark.parametrize(
    ("gpus", "asked", "state", "said"),
    [
        (gpu.Gpus(1, **L4), "auto", State.OK, "NVIDIA L4 (23034 MiB), driver 550.54.15"),
        (gpu.Gpus(1, **L4), "cpu", State.OK, "not used"),
        (gpu.Gpus(0), "auto", State.SKIPPED, "the CPU decodes (2 cores)"),
        (gpu.Gpus(0), "cuda", State.PROBLEM, "no NVIDIA GPU"),
        (gpu.Gpus(0, ("NVIDIA K80 (11441 MiB)",), "470.82"), "auto", State.WARNING, "525 or later"),
        (gpu.Gpus(0, ("NVIDIA K80 (11441 MiB)",), "470.82"), "cuda", State.PROBLEM, "525 or later"),
        (gpu.Gpus(0, **L4), "auto", State.WARNING, "cannot use it"),
        (gpu.Gpus(0, **L4, hidden_by="-1"), "auto", State.WARNING, 'CUDA_VISIBLE_DEVICES="-1" hides NVIDIA L4'),
        (gpu.Gpus(0, driver_without_smi=True), "auto", State.WARNING, "no GPU can be seen"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="drivers have other numbers elsewhere")
def test_a_gpu_that_cannot_be_used_is_told_with_the_reason(gpus, asked, state, said):
    found = gpu.judge(gpus, asked, (0,), cores=2)
    assert (found.state, said in found.what) == (state, True), found


def test_a_gpu_beyond_those_there_are_is_a_problem():
    found = gpu.judge(gpu.Gpus(1, **L4), "auto", (0, 1), cores=2)
    assert found.state is State.PROBLEM and "number 1" in found.what


def test_names_and_driver_are_read_from_nvidia_smi():
    said = "NVIDIA L4, 23034 MiB, 550.54.15\nNVIDIA L4, 23034 MiB, 550.54.15\n"
    assert gpu.names_and_driver(said) == (("NVIDIA L4 (23034 MiB)",) * 2, "550.54.15")
    assert gpu.names_and_driver("NVIDIA-SMI has failed\n") == ((), "")


@pytest.mark.parametrize(("asked", "state"), [("auto", State.WARNING), ("cuda", State.PROBLEM), ("cpu", State.SKIPPED)])
def test_a_missing_library_matters_as_much_as_the_gpu_is_wanted(asked, state):
    found = gpu.judge_library(cuda.Search(cuda.CUBLAS), asked)
    assert found.state is state and found.remedy.command == "uv sync --extra cuda"


def test_a_library_is_told_with_its_place_or_with_what_the_system_says():
    assert "libcublas" in gpu.judge_library(cuda.Search(cuda.CUBLAS, Path("/opt/libcublas.so.12")), "auto").what
    assert "too short" in gpu.judge_library(cuda.Search(cuda.CUBLAS, failure="file too short"), "auto").what


def test_cudnn_is_wanted_by_old_versions_of_ctranslate2_only():
    assert gpu.judge_cudnn(None, "4.8.5", "auto").state is State.SKIPPED
    assert gpu.judge_cudnn(None, "4.6.2", "auto").state is State.WARNING


# What is installed.


@pytest.mark.parametrize(
    ("source", "with_libraries", "state"),
    [
        ("cuda: Optional[str] = '13.0'\nhip: Optional[str] = None", True, State.WARNING),
        ("cuda: Optional[str] = '13.0'", False, State.OK),
        ("cuda = '12.8'", True, State.OK),
        ("cuda: Optional[str] = None", True, State.OK),
    ],
)
def test_two_stacks_of_cuda_in_one_environment_are_told(source, with_libraries, state):
    found = installation.judge_torch("2.9.0", source, with_libraries=with_libraries)
    assert found.state is state and "2.9.0" in found.what


def test_a_recogniser_that_cannot_do_what_it_is_told_is_a_problem_with_its_own_sentence():
    *_, found = installation.recognisers(case("--backend", "pocketsphinx", "--language", "de"))
    assert found.state is State.PROBLEM and found.name == "pocketsphinx" and found.remedy


def test_a_broken_file_is_named_and_a_wrong_command_line_refused(tmp_path):
    broken = tmp_path / "reswhis.toml"
    broken.write_text("port = 1\nhost 2")
    [found] = installation.settings(case("--config", str(broken)))
    assert found.state is State.PROBLEM and str(broken) in found.what
    assert case(environ={"RESWHIS_PORT": "x"}).refusal
    with pytest.raises(ConfigurationError, match="--port"):
        case("--port", "x")


# The model.


@pytest.mark.parametrize(
    ("config", "kept", "failure", "state"),
    [
        (BackendConfig(), ["base"], "no answer", State.OK),
        (BackendConfig(), [], "", State.OK),
        (BackendConfig(), [], "no answer", State.WARNING),
        (BackendConfig(language="de"), [], "no answer", State.PROBLEM),
        (BackendConfig(task="translate"), [], "no answer", State.PROBLEM),
        (BackendConfig(model="small"), [], "no answer", State.PROBLEM),
        (BackendConfig(model="small"), ["small"], "no answer", State.OK),
    ],
)
def test_a_model_is_a_problem_where_the_server_would_not_start_without_it(config, kept, failure, state):
    found = weights.judge_model(config, kept, weights.Hub("https://hub", failure))
    assert found.state is state, found
    assert (found.remedy is None) == (state is State.OK)


def test_half_a_model_in_the_cache_is_named(tmp_path):
    snapshot = tmp_path / "models--Systran--faster-whisper-tiny" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("abc")
    (snapshot / "config.json").write_text("{}")
    room, half = weights.cache(case("--model-cache-dir", str(tmp_path)))
    assert str(tmp_path) in room.what
    assert half.state is State.WARNING and "model.bin" in half.what
    assert half.remedy.command == f"reswhis models pull tiny --model-cache-dir {tmp_path}"


def test_a_directory_that_is_a_model_needs_no_hub(micro):
    [directory] = weights._wanted(BackendConfig(model=str(micro)), CTRANSLATE2)
    assert weights._is_whole(directory, BackendConfig())
    assert weights.judge_hub(weights.Hub("https://hub", "no answer"), is_needed=False).state is State.SKIPPED


# The port and the browsers.


def test_a_port_that_another_program_has_is_a_problem_with_one_that_is_free():
    with socket.create_server(("127.0.0.1", 0)) as other:
        threading.Thread(target=lambda: [other.accept()[0].close() for _ in range(2)], daemon=True).start()
        [found] = network.port(case("--port", str(other.getsockname()[1])))
    assert found.state is State.PROBLEM and "another program" in found.what
    network._bind("127.0.0.1", int(found.remedy.command.rpartition(" ")[2]))


def test_a_port_that_a_running_server_of_ours_has_is_well_and_says_what_runs(start):
    server = start("--backend", "fake").ready()
    [found] = network.port(case("--port", server.url.rpartition(":")[2]))
    assert found.state is State.OK and "fake" in found.what and "0 of 100 sessions" in found.what


def test_a_server_that_has_failed_is_a_problem():
    assert network.judge_running("port 8000", {"state": "failed"}).state is State.PROBLEM


@pytest.mark.skipif(sys.platform == "win32", reason="Windows may listen on any address")
def test_an_address_of_another_machine_cannot_be_listened_on():
    [found] = network.port(case("--host", "192.0.2.1"))
    assert found.state is State.PROBLEM and "192.0.2.1" in found.what


@pytest.mark.parametrize(
    ("argv", "state", "said"),
    [
        ([], State.OK, "http://localhost:8000"),
        (["--host", "192.0.2.1"], State.WARNING, "https alone"),
        (["--host", "192.0.2.1", "--https"], State.OK, "https://192.0.2.1:8000"),
    ],
)
def test_where_browsers_give_the_microphone_is_said(argv, state, said):
    [found] = network.browsers(case(*argv))
    assert found.state is state and said in found.what


def test_a_certificate_without_its_key_is_a_problem(tmp_path):
    [found] = network.certificate(case("--ssl-certfile", str(tmp_path / "none.pem")))
    assert found.state is State.PROBLEM and "none.pem" in found.what
    assert list(network.certificate(case())) == []


# The microphone.


@pytest.mark.parametrize(
    ("code", "table", "errors", "state", "said"),
    [
        (0, device_table([USB, LINE]), "", State.OK, "USB Audio, ALSA and 1 more"),
        (0, device_table([LINE]), "", State.WARNING, "none is the system's default"),
        (1, "", "reswhis listen: The microphone needs the PortAudio library", State.WARNING, "PortAudio"),
        (1, "", "reswhis listen: There is no microphone here", State.SKIPPED, "the page takes the browser's"),
    ],
)
def test_the_microphone_is_never_the_servers_problem(code, table, errors, state, said):
    found = sound.judge(code, table, errors)
    assert found.state is state and said in found.what


# The examination and its report.


def test_a_check_that_fails_or_hangs_hides_no_other():
    forever = threading.Event()

    def fails(case):
        yield Finding("half", State.OK, "before it fails")
        raise OSError("the device is on fire")

    def hangs(case):
        forever.wait()
        return []

    def works(case):
        return [Finding("works", State.OK, "well")]

    rows = [Row("fails", fails), Row("hangs", hangs), Row("works", works)]
    began = time.monotonic()
    found = list(findings(rows, CASE, deadline_s=0.2))
    assert time.monotonic() - began < 5
    forever.set()
    assert [(one.name, one.state) for one in found] == [
        ("fails", State.UNKNOWN),
        ("hangs", State.UNKNOWN),
        ("works", State.OK),
    ]
    assert "OSError: the device is on fire" in found[0].what and "0.2 s" in found[1].what
    assert starts(found)


def test_a_finding_fits_its_terminal_and_its_command_can_be_copied():
    command = "reswhis --model-cache-dir " + "/a/long/path" * 8
    finding = Finding("model hub", State.WARNING, "word " * 40, Remedy("Do this", command))
    *told, last = lines(finding, 80)
    assert max(map(len, told)) <= 80
    assert last.strip() == command
    assert told[0].startswith("warning  model hub ")
    assert len(list(lines(finding, None))) == 3


def test_the_last_line_says_whether_the_server_starts():
    well, odd = Finding("a", State.OK, ""), Finding("b", State.WARNING, "")
    wrong, dark = Finding("c", State.PROBLEM, ""), Finding("d", State.UNKNOWN, "")
    assert summary([well]) == "Nothing keeps the server from starting."
    assert (
        summary([well, odd, dark])
        == "Nothing keeps the server from starting (1 warning, 1 thing could not be checked)."
    )
    assert summary([odd, odd, wrong]) == "1 problem keeps the server from starting: c (2 warnings)."
    assert summary([wrong, wrong]) == "2 problems keep the server from starting: c, c."


def test_programs_get_the_same_as_json():
    said = json.loads(as_json([Finding("port", State.PROBLEM, "taken", Remedy("Take another", "reswhis --port 1"))]))
    assert said["starts"] is False
    assert said["findings"] == [
        {
            "name": "port",
            "state": "problem",
            "what": "taken",
            "remedy": {"sentence": "Take another.", "command": "reswhis --port 1"},
        }
    ]


def test_the_command_says_all_in_time_with_a_hub_that_never_answers_and_a_broken_setting(tmp_path):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("RESWHIS_", "HF_"))}
    with socket.create_server(("127.0.0.1", 0)) as hole:
        environ = {
            **clean,
            "HF_ENDPOINT": f"http://127.0.0.1:{hole.getsockname()[1]}",
            "HF_HOME": str(tmp_path),
            "RESWHIS_PORT": "70000",
            "NO_PROXY": "*",
        }
        began = time.monotonic()
        command = [sys.executable, "-m", "reswhis", "doctor"]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environ, timeout=60)
        took = time.monotonic() - began
    assert (done.returncode, done.stderr) == (1, "")
    assert took < BOUND_S
    *told, _, last = done.stdout.splitlines()
    assert all(line[:9].strip() in {"", *(state.value for state in State)} for line in told)
    said = {line[9:29].strip(): line for line in told if line[:9].strip()}
    assert said["settings"].startswith("problem") and "RESWHIS_PORT" in said["settings"]
    assert said["model hub"].startswith("warning") and "no answer" in said["model hub"]
    assert said["model"].startswith("warning")
    assert last.startswith("1 problem keeps the server from starting: settings (")
