"""Check of this machine's microphone, which ``reswhis listen`` alone needs: the page has the browser's."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec

from .finding import Case, Finding, Remedy, State

LIST_S = 10.0
DEVICE = re.compile(r"^(?P<default>[* ]) *\d+ +\d+ +\d+ Hz  (?P<name>.+)$", re.MULTILINE)
"""A row of ``reswhis listen --list-devices``."""
ELSEWHERE = "; the page takes the browser's"


def microphone(case: Case) -> Iterator[Finding]:
    if find_spec("sounddevice") is None:
        what = f"`uv sync --extra mic` adds what `reswhis listen` needs{ELSEWHERE}"
        yield Finding("microphone", State.SKIPPED, what)
        return
    # In a process of its own: sound systems write to stderr as they please, and some hang.
    command = [sys.executable, "-m", "reswhis", "listen", "--list-devices"]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=LIST_S
    )
    yield judge(done.returncode, done.stdout, done.stderr)


def judge(code: int, table: str, errors: str) -> Finding:
    devices = list(DEVICE.finditer(table))
    if code and "PortAudio" in errors:
        remedy = Remedy("On Debian and Ubuntu", "sudo apt install libportaudio2")
        return Finding("microphone", State.WARNING, f"the library PortAudio is missing{ELSEWHERE}", remedy)
    if code or not devices:
        return Finding("microphone", State.SKIPPED, f"none at this machine{ELSEWHERE}")
    default = next((device["name"] for device in devices if device["default"] == "*"), None)
    chosen = devices[0]["name"] if default is None else default
    others = f" and {len(devices) - 1} more" if len(devices) > 1 else ""
    if default is None:
        look = Remedy("Choose one of these", "reswhis listen --list-devices")
        return Finding("microphone", State.WARNING, f"{chosen}{others}, but none is the system's default", look)
    return Finding("microphone", State.OK, f"{chosen}{others}")
