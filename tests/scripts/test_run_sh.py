"""What ``run.sh`` does, with a uv that notes how it is called."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reswhis.settings import from_sources

if sys.platform == "win32":
    pytest.skip("run.sh is for Unix; run.bat is for Windows", allow_module_level=True)
import pty

REPOSITORY = Path(__file__).parents[2]
TOOLS = ("cat", "dirname", "env", "find", "head", "mkdir", "readlink", "sh")
RUN_S = 20
NOTE = """\
[ "$1" = --version ] && exit 0
printf '%s\\n' "$@" >"$NOTES/arguments"
env >"$NOTES/variables"
pwd >"$NOTES/folder"
exit "${RESULT:-0}"
"""
PYTHON_WITHOUT_UV = f"""\
case "$1 $2" in
  '- ') cat >/dev/null ;;
  '-m pip') touch "$NOTES/installed" ;;
  '-m uv') [ -e "$NOTES/installed" ] || exit 1; shift 2; {NOTE} ;;
esac
"""


class Machine:
    """A folder for programs, a home and the project, and nothing else of this one but a few tools."""

    def __init__(self, root):
        self.root = root
        self.programs = root / "programs"
        self.elsewhere = root / "some where"
        self.script = root / "R & D (new), Jürgen's $x %y! * 1" / "run.sh"
        for folder in (self.programs, self.elsewhere, self.script.parent):
            folder.mkdir()
        for tool in (*TOOLS, "touch"):
            (self.programs / tool).symlink_to(shutil.which(tool))
        shutil.copy(REPOSITORY / "run.sh", self.script)

    def install(self, name, *lines):
        program = self.programs / name
        program.write_text("\n".join(["#!/bin/sh", *lines, ""]))
        program.chmod(0o755)

    def run(self, *arguments, script=None, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, **variables):
        environ = {"PATH": str(self.programs), "HOME": str(self.root), "NOTES": str(self.root), **variables}
        command = [script or self.script, *arguments]
        return subprocess.run(
            command, env=environ, cwd=self.elsewhere, stdin=stdin, stderr=stderr, text=True, timeout=RUN_S, check=False
        )

    def noted(self, what):
        path = self.root / what
        return path.read_text().splitlines() if path.exists() else []

    def variables(self, names):
        return {
            name: value for name, _, value in (line.partition("=") for line in self.noted("variables")) if name in names
        }


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_a_start_gives_uv_the_project_and_the_arguments_and_passes_on_its_exit_code(machine, preset):
    machine.install("uv", NOTE)
    done = machine.run("--port", "9000", "--prompt", "salt & 'pepper'", "", RESULT="7")
    given = ["--port", "9000", "--prompt", "salt & 'pepper'", ""]
    assert machine.noted("arguments") == ["run", "--no-dev", "--project", str(machine.script.parent), "reswhis", *given]
    assert machine.noted("folder") == [str(machine.elsewhere)]
    assert machine.variables(preset) == preset
    assert done.returncode == 7


def test_a_link_to_it_starts_the_project_that_it_lies_in(machine):
    machine.install("uv", NOTE)
    link = machine.programs / "captions"
    link.symlink_to(machine.script)
    machine.run(script=link)
    assert str(machine.script.parent) in machine.noted("arguments")


def test_what_the_user_has_set_is_kept(machine, preset):
    machine.install("uv", NOTE)
    own = {"MODEL_SIZE": "small", "LANGUAGE": "de", "USE_VOICE_ACTIVITY_CONTROLLER": "False"}
    machine.run(**own)
    assert machine.variables(preset) == preset | own


@pytest.mark.parametrize("language", ["", "C", "en_US:en", "de_DE.UTF-8", "pt_BR:pt:en"])
def test_the_language_of_the_desktop_s_messages_is_no_choice(machine, preset, language):
    machine.install("uv", NOTE)
    machine.run(LANGUAGE=language)
    assert machine.variables(preset)["LANGUAGE"] == "en"


def test_nothing_is_set_for_whoever_names_a_configuration_file(machine, preset):
    machine.install("uv", NOTE)
    for arguments, variables in (
        (["--config", "my.toml"], {}),
        (["--config=my.toml"], {}),
        ([], {"RESWHIS_CONFIG": "x"}),
    ):
        machine.run(*arguments, **variables)
        assert machine.noted("arguments")[-1 - len(arguments)] == "reswhis"
        assert machine.variables(preset) == {}


def test_what_is_set_differs_from_the_defaults_in_the_language_alone(preset):
    assert from_sources(preset) == from_sources({"LANGUAGE": "en"})


def test_without_uv_nothing_is_fetched_unasked(machine):
    done = machine.run()
    assert "curl -LsSf https://astral.sh/uv/install.sh | sh" in done.stderr
    assert "Nothing was installed" in done.stderr
    assert done.returncode == 1


def test_with_python_pip_installs_uv_when_allowed_and_reswhis_starts(machine):
    machine.install("python3", PYTHON_WITHOUT_UV)
    refused = machine.run()
    assert "    python3 -m pip install uv\n" in refused.stderr
    assert machine.noted("arguments") == []

    ours, theirs = pty.openpty()
    os.write(ours, b"y\n")
    try:
        allowed = machine.run("--port", "9", stdin=theirs, stderr=theirs)
    finally:
        os.close(theirs)
        os.close(ours)
    assert machine.noted("arguments")[-3:] == ["reswhis", "--port", "9"]
    assert allowed.returncode == 0


def test_pip_is_left_alone_where_the_system_manages_python_s_packages(machine):
    machine.install("python3", "exit 1")
    assert "pip install" not in machine.run().stderr


def test_an_nvidia_gpu_brings_its_libraries_unless_the_processor_is_chosen(machine):
    machine.install("uv", NOTE)
    machine.install("nvidia-smi")
    said = machine.run().stderr
    assert "--extra cuda" in " ".join(machine.noted("arguments"))
    assert "more than 600 MB" in said
    machine.run(RESWHIS_DEVICE="cpu")
    assert "cuda" not in machine.noted("arguments")
