"""Runs batch files: on Windows as they are, elsewhere under Wine in a prefix of its own, without a display or network.

The programs that they call are stand-ins, but Windows programs in name, arguments, input, output and exit code: pip's
launcher, which here starts a batch file instead of Python.
"""

import ensurepip
import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from glob import glob
from pathlib import Path

import pytest

ON_WINDOWS = sys.platform == "win32"
RUN_S = 60
BUILTIN = (
    "/usr/lib/*/wine/x86_64-windows",
    "/usr/lib/wine/x86_64-windows",
    "/usr/lib64/wine/x86_64-windows",
    "/opt/wine-*/lib*/wine/x86_64-windows",
)
LAUNCHER = "pip/_vendor/distlib/t64.exe"


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Windows:
    environ: dict[str, str]
    launcher: bytes

    def path(self, path):
        """As Windows writes it."""
        return str(path) if ON_WINDOWS else "Z:" + str(path).replace("/", "\\")

    def run(self, script, *arguments, typed="", cwd=None, line='"cmd.exe" ', **variables):
        """Call a batch file. What it asks is answered by what was ``typed``, and then nobody answers.

        Args:
            line: how the shell was started that runs it, here a console.
        """
        environ = {**self.environ, "CMDCMDLINE": line, **variables}
        environ["PATH" if ON_WINDOWS else "WINEPATH"] = ";".join([self.path(self.programs(script)), self.system32])
        ended = self._start(script, arguments, typed, cwd or script.parent, environ)
        if not ON_WINDOWS and ended == Ended(1, ""):  # Wine itself, on a busy machine: a file that fails says why
            ended = self._start(script, arguments, typed, cwd or script.parent, environ)
        return ended

    def _start(self, script, arguments, typed, cwd, environ):
        with tempfile.TemporaryFile() as output:  # a pipe would be held open by what Wine starts and leaves running
            done = subprocess.run(
                [*([] if ON_WINDOWS else ["wine"]), script, *arguments],
                input=typed.replace("\n", "\r\n").encode(),
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environ,
                cwd=cwd,
                timeout=RUN_S,
                check=False,
            )
            output.seek(0)
            return Ended(done.returncode, _text(output.read()))

    def double_click(self, script, **variables):
        return self.run(script, line=f'cmd.exe /c ""{self.path(script)}" "', **variables)

    @property
    def system32(self):
        return os.environ["SYSTEMROOT"] + "\\System32" if ON_WINDOWS else "C:\\windows\\system32"

    def programs(self, script):
        """The one folder on PATH besides the system's own; beside the script's, so that each test has its own."""
        folder = script.parents[1] / "programs"
        folder.mkdir(exist_ok=True)
        return folder

    def install(self, script, name, *lines):
        """A program that notes how it is called, then does what these lines of a batch file say."""
        folder = self.programs(script)
        batch = folder / f"{name}.stub.bat"
        write(batch, "@echo off", '>>"%~dpn0.calls" echo %*', *lines)
        with zipfile.ZipFile(unread := io.BytesIO(), "w") as archive:
            archive.writestr("__main__.py", "")
        start = f"#!{self.system32}\\cmd.exe /d /c {self.path(batch)}\r\n"
        (folder / f"{name}.exe").write_bytes(self.launcher + start.encode() + unread.getvalue())

    def calls(self, script, name):
        """The command lines that it was called with, without its own name."""
        own = f'"{self.path(self.programs(script) / name)}.exe" '
        return [line.removeprefix(own).strip() for line in self.noted(script, f"{name}.stub.calls")]

    def noted(self, script, file):
        """The lines that a program has written there; none if it was not called."""
        path = self.programs(script) / file
        return _text(path.read_bytes()).splitlines() if path.exists() else []


def write(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\r\n" for line in lines), "utf-8", newline="")


def _text(written):
    """What batch files write when they do not write to a console."""
    return written.decode("oem" if ON_WINDOWS else "cp1252", "replace").replace("\r", "")


@pytest.fixture(scope="session")
def preset():
    """What ``run.bat`` and ``run.sh`` set."""
    return {
        "BACKEND": "auto",
        "MODEL_SIZE": "auto",
        "LANGUAGE": "en",
        "SAMPLING_RATE": "16000",
        "MINIMUM_CHUNK_SIZE": "0.5",
        "USE_VOICE_ACTIVITY_CONTROLLER": "True",
        "USE_VOICE_ACTIVITY_DETECTION": "False",
    }


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    launcher = _launcher()
    if ON_WINDOWS:
        yield Windows(_environ(("SystemRoot", "ComSpec", "PATHEXT", "TEMP", "TMP"), {}), launcher)
        return
    if shutil.which("wine") is None:
        pytest.skip("batch files are run by Wine, which is not installed: apt-get install wine")
    home = tmp_path_factory.mktemp("wine")
    environ = _environ(("PATH",), _wine(home))
    subprocess.run(["wineserver", "--persistent=30"], env=environ, check=True)  # else each program starts one
    try:
        yield Windows(environ, launcher)
    finally:
        subprocess.run(["wineserver", "--kill"], env=environ, check=False)


def _environ(kept, added):
    return {name: os.environ[name] for name in kept if name in os.environ} | added


def _wine(home):
    """Its variables, and a prefix with Wine's own programs in place: the usual way to make one takes half a minute."""
    prefix = home / "prefix"
    environ = {
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "WINEARCH": "win64",
        "WINEPREFIX": str(prefix),
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree,mshtml=",  # else it asks for Mono and Gecko
    }
    builtin = next((Path(found) for pattern in BUILTIN for found in glob(pattern)), None)
    if builtin is None:
        subprocess.run(["wineboot", "--init"], env=environ | _environ(("PATH",), {}), check=True, timeout=RUN_S)
        return environ
    windows = prefix / "drive_c" / "windows"
    (prefix / "dosdevices").mkdir(parents=True)
    (prefix / "dosdevices" / "c:").symlink_to("../drive_c")
    (prefix / "dosdevices" / "z:").symlink_to("/")
    (prefix / ".update-timestamp").write_text("disable\n")
    for folder in ("system32", "syswow64", "temp"):
        (windows / folder).mkdir(parents=True)
    for program in builtin.iterdir():
        (windows / "system32" / program.name).symlink_to(program)
    return environ


def _launcher():
    bundled = next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"), None)
    if bundled is None:
        pytest.skip("the launcher of Windows programs comes with ensurepip, which this Python lacks")
    with zipfile.ZipFile(bundled) as wheel:
        return wheel.read(LAUNCHER)
