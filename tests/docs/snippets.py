"""The fenced blocks of the documentation, what each says about being run, and processes that run them."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import sysconfig
import threading
from dataclasses import dataclass
from pathlib import Path

from server_process import FORMER

ROOT = Path(__file__).parents[2]
LIMIT_S = 60
FENCE = re.compile(r"^```(\w*)$")
RUN = re.compile(r"<!-- run(?:: (?:needs (?P<needs>[^;]+?))?(?:; )?(?P<ends>ends by Ctrl-C)?)? -->")
NOT_RUN = re.compile(r"\*Not run by the tests.*: (?P<reason>\S.+)\*")


@dataclass(frozen=True, slots=True)
class Snippet:
    page: str
    line: int
    language: str
    text: str
    mark: str
    """The line before it that is not blank."""

    def __str__(self):
        return f"{self.page}:{self.line} ({self.language})"

    @property
    def is_shown(self):
        """What people see, not what they run."""
        return self.mark in ("<!-- shown -->", "<!-- prints -->")

    @property
    def is_not_run(self):
        return NOT_RUN.fullmatch(self.mark) is not None

    @property
    def is_run(self):
        return RUN.fullmatch(self.mark) is not None

    @property
    def needs(self):
        named = re.split(r", *", RUN.fullmatch(self.mark)["needs"] or "")
        return [*filter(None, named), *(["bash"] if self.language == "sh" else [])]

    @property
    def ends_by_ctrl_c(self):
        return RUN.fullmatch(self.mark)["ends"] is not None


def snippets(page):
    """Of a page, by its path from the repository's root."""
    found, mark, start = [], "", None
    lines = (ROOT / page).read_text("utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        fence = FENCE.match(line)
        if start is None and fence:
            start, language = number, fence[1]
        elif start is not None:
            if line == "```":
                found.append(Snippet(page, start, language, "\n".join(lines[start : number - 1]) + "\n", mark))
                start, mark = None, ""
        elif line.strip():
            mark = line.strip()
    assert start is None, f"{page}:{start}: this block has no end"
    return found


def environment(**more):
    """The tester's, but for what would change a server; with this environment's programs first on the path."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith("RESWHIS_") and name not in FORMER
    }
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    return {**clean, "PATH": path, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1", **more}


class Running:
    """A process, or several in a pipe, whose output is read all the time."""

    def __init__(self, command, *, cwd, env):
        own_group = (
            {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
            if sys.platform == "win32"
            else {"start_new_session": True}
        )
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **own_group,
        )
        self.out = self.err = ""
        self._changed = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=[name, stream], daemon=True)
            for name, stream in (("out", self.process.stdout), ("err", self.process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, name, stream):
        data = b""
        while piece := stream.read1():
            data += piece
            with self._changed:
                setattr(self, name, data.decode(errors="replace"))
                self._changed.notify_all()

    @property
    def is_over(self):
        return not any(reader.is_alive() for reader in self._readers)

    def until(self, seen):
        """Wait for ``seen(self)``, which is asked whenever something was printed."""
        with self._changed:
            if not self._changed.wait_for(lambda: seen(self) or self.process.poll() is not None, LIMIT_S):
                raise AssertionError(f"nothing came: {self.out!r}\n{self.err}")
        return self

    def ctrl_c(self):
        if sys.platform == "win32":
            self.process.send_signal(signal.CTRL_BREAK_EVENT)
        else:
            os.killpg(self.process.pid, signal.SIGINT)
        return self

    def end(self):
        """Wait for the end; return the exit code."""
        try:
            code = self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end: {self.out!r}\n{self.err}") from None
        finally:
            self.kill()
        for reader in self._readers:
            reader.join(LIMIT_S)
        return code

    def kill(self):
        """Whatever is left of it."""
        if sys.platform == "win32":
            self.process.kill()
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
