"""Rules that every script of the repository keeps, because breaking them fails on somebody else's machine only."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
NOT_OURS = {".venv", ".git", "node_modules", "build", "dist", "site"}
UNQUOTED = {
    "*": "what the user has quoted",
    "cuda": "two words or none",
    "install": "a command and its arguments",
    "run": "a command and its arguments, a path in quotes",
    "python": "a bare name",
    "ffmpeg": "a bare name",
    "websocat": "a bare name",
    "1": "a bare name",
    "dll": "the name of a file of NVIDIA's",
    "note": "a sentence",
    "code": "a number",
    "count": "a number",
    "page": "a number",
}
"""Variables that may stand outside quotes, and why."""


def scripts(suffix):
    found = [path for path in REPOSITORY.rglob(f"*{suffix}") if not NOT_OURS & set(path.relative_to(REPOSITORY).parts)]
    return [pytest.param(path, id=path.name) for path in sorted(found)]


batch = pytest.mark.parametrize("path", scripts(".bat"))
shell = pytest.mark.parametrize("path", scripts(".sh"))


def code(path):
    """The lines that do something."""
    lines = path.read_text("ascii").splitlines()
    return [line for line in lines if line.strip() and not re.match(r"\s*rem\b", line)]


def git_attribute(name, path):
    if shutil.which("git") is None or not (REPOSITORY / ".git").exists():
        pytest.skip("this is no checkout of git")
    command = ["git", "check-attr", name, "--", str(path.relative_to(REPOSITORY))]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return done.stdout.strip().rpartition(": ")[2]


@batch
def test_a_batch_file_has_the_line_ends_that_goto_needs_here_and_in_every_checkout(path):
    written = path.read_bytes()
    assert written.count(b"\n") == written.count(b"\r\n") == written.count(b"\r")
    assert git_attribute("eol", path) == "crlf"


@batch
def test_a_batch_file_reads_the_same_in_every_code_page(path):
    text = path.read_text("ascii")
    assert "\t" not in text
    assert not [line for line in text.splitlines() if line != line.rstrip() or len(line) > 120]


@batch
def test_a_batch_file_keeps_its_variables_to_itself(path):
    assert code(path)[:2] == ["@echo off", "setlocal EnableExtensions DisableDelayedExpansion"]


@batch
def test_every_label_is_used_and_every_jump_has_its_label(path):
    text = "\n".join(code(path))
    labels = re.findall(r"^:(\w+)$", text, re.M)
    assert len(labels) == len(set(labels))
    assert set(labels) == set(re.findall(r"(?:goto |call :)(\w+)", text))


@batch
def test_every_way_out_says_its_exit_code(path):
    lines = code(path)
    exits = [line for line in lines if re.search(r"^exit\b|\S exit\b", line) and not line.startswith("echo ")]
    assert [line for line in exits if not re.search(r"\bexit /b (-?\d+|%code%)$", line)] == []
    assert lines[-1] in exits


@batch
def test_what_may_be_a_path_stands_in_quotes(path):
    for line in code(path):
        outside = "".join(line.split('"')[::2])
        assert set(re.findall(r"(?<!%)%(\*|\w+)", outside)) <= UNQUOTED.keys(), line
        assert not re.search(r"%%?~(?!nP)", outside), line


@shell
def test_a_shell_script_can_be_started_as_it_was_checked_out(path):
    written = path.read_bytes()
    assert written.startswith(b"#!/bin/sh\n")
    assert git_attribute("eol", path) == "lf"
    if sys.platform != "win32":
        assert b"\r" not in written
        assert os.access(path, os.X_OK)
