"""The command as people start it: processes of their own, hence few."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig

import pytest

from reswhis.cli import main

HEAVY = {
    "numpy",
    "fastapi",
    "uvicorn",
    "librosa",
    "ctranslate2",
    "faster_whisper",
    "onnxruntime",
    "soxr",
    "huggingface_hub",
}


def start(*argv, **pipes):
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("RESWHIS_", "PYTHONUNBUF"))}
    return subprocess.Popen([sys.executable, *argv], stderr=subprocess.PIPE, text=True, env=environ, **pipes)


def run(*argv):
    process = start(*argv, stdout=subprocess.PIPE)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_help_lists_commands_and_flags_and_imports_nothing_heavy():
    script = (
        "import sys\n"
        "from reswhis.cli import main\n"
        "try:\n    main(['--help'])\n"
        "finally:\n    print(*sys.modules, file=sys.stderr)"
    )
    code, out, err = run("-c", script)
    assert code == 0
    assert all(
        f"  {command} " in out
        for command in ("serve", "listen", "transcribe", "simulate", "models", "doctor", "completion")
    )
    assert "--port N" in out
    assert not HEAVY & set(err.split())


@pytest.mark.parametrize(
    "command",
    [
        *([], ["serve"], ["listen"], ["transcribe"], ["simulate"], ["doctor"], ["completion"], ["models"]),
        *(["models", action] for action in ("list", "pull", "rm", "info")),
    ],
)
def test_the_help_of_each_command_fits_a_screen_and_says_the_exit_codes(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    page = capsys.readouterr().out
    assert len(page.splitlines()) <= 50
    assert max(map(len, page.splitlines())) <= 80
    assert "Exit codes: 0" in page


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_commands_flags_and_values():
    lines = ["reswhis transc", "reswhis simulate --policy al", "reswhis models pull large-v3-"]
    script = 'eval "$(reswhis completion bash)"\n'
    for line in lines:
        script += f"COMP_LINE='{line}' COMP_POINT={len(line)}; _python_argcomplete reswhis; echo ${{COMPREPLY[@]}}\n"
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", script], check=False, text=True, capture_output=True, env={**os.environ, "PATH": path}
    )
    assert done.stdout.splitlines() == ["transcribe", "alignatt", "large-v3-turbo"], done.stderr


def test_the_module_runs_like_the_command_and_says_its_version():
    code, out, err = run("-m", "reswhis", "--version")
    assert (code, err) == (0, "")
    assert out.startswith("reswhis 0.")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["serve", "now"], "reswhis: unexpected argument now; reswhis serve --help says what there is.\n"),
        (["--modle", "tiny"], "reswhis: unknown flag --modle; did you mean --model?\n"),
        (["--port", "x"], 'reswhis: port (--port) must be a whole number from 0 to 65535, not "x".\n'),
        (
            ["listen", "--host", "192.0.2.1:8000", "--simulate", "x"],
            "reswhis: --host must be a name or an address, not '192.0.2.1:8000'; the port goes to --port.\n",
        ),
        (["listen", "--prot", "1"], "reswhis: unknown flag --prot; did you mean --port?\n"),
    ],
)
def test_a_wrong_request_is_refused_in_one_sentence(argv, said, capsys):
    assert (main(argv), *capsys.readouterr()) == (2, "", said)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["srve"], "reswhis: unknown command srve; did you mean serve?\n"),
        (
            ["--host", "192.0.2.1"],
            "reswhis: 192.0.2.1 port 8000 cannot be listened on (Cannot assign requested address): "
            "--host must be an address of this machine, or 0.0.0.0 for all of them.\n",
        ),
    ],
)
def test_a_process_that_was_asked_wrongly_ends_with_code_2(argv, said):
    assert run("-m", "reswhis", *argv) == (2, "", said)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no disk that is always full")
def test_a_full_disk_is_told_in_a_sentence():
    with open("/dev/full", "w") as full:
        process = start("-m", "reswhis", "--version", stdout=full)
        err = process.communicate(timeout=60)[1]
    assert (process.returncode, err) == (1, "reswhis: the output cannot be written: there is no space left.\n")


def test_a_reader_that_has_gone_is_not_worth_a_word():
    reader, writer = os.pipe()
    os.close(reader)
    process = start("-m", "reswhis", "--version", stdout=writer)
    os.close(writer)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 141


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes to wait in")
def test_an_interrupt_ends_with_its_code_and_no_traceback(tmp_path):
    waiting = tmp_path / "reswhis.toml"
    os.mkfifo(waiting)
    process = start("-m", "reswhis", "--config", str(waiting), stdout=subprocess.PIPE)
    with waiting.open("w"):  # opens when the process reads
        process.send_signal(signal.SIGINT)
    # Closed, since a signal between the reader's last look for one and its read would wait as long as that.
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 130
