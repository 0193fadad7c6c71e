"""Every command line of docs/commands.md, the quickstart and README.md is run.

With the fake backend, with ports and addresses of the test's own, in a folder that has the files they name, and with
recordings sent faster than they would be spoken.
Lines that listen to the microphone are run by test_clients.py. Those of other pages are read as the command reads them.
"""

import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass

import httpx
import pytest
from docs.snippets import ROOT, Running, environment, snippets

from reswhis.cli import completion, doctor, listen, main, models, simulate, transcribe
from reswhis.cli.arguments import serve_parser, settings_from
from reswhis.cli.parser import Parser

pytestmark = pytest.mark.examples

PAGES = ("docs/quickstart.md", "docs/commands.md")
BLOCKS = [snippet for page in PAGES for snippet in snippets(page)]
CLIENTS = [block for block in snippets("docs/clients.md") if block.is_run]
INDENTED = re.compile(r"(?<=\n\n)(?: {4}\S.*\n)+")
"""A block of commands in README.md."""
BEFORE = re.compile(r"^(pip3? install uv && )?(uv run (--extra \S+ )?)?")
"""How a checkout runs what is installed elsewhere."""
COMMENT = re.compile(r"\s+# .*")
EXIT_CODE = re.compile(r"  +# exit code (\d+)$")
VARIABLE = re.compile(r"[A-Z_]+=\S*")
SHELL = re.compile(r"[|<>]|\$\(")
RECORDED = re.compile(r"tests/recordings/\S+\.flac")
ELSEWHERE = "192.168.1.20"
FOLDER_OF_MODEL = "faster-whisper-small"
ENDS = ("--help", "--help-all", "--version")
NOT_OURS = {"pytest"}
"""What runs this test."""


@dataclass(frozen=True, slots=True)
class Line:
    """A command line as it is written, without what makes it one of a checkout."""

    text: str
    exit_code: int

    @property
    def argv(self):
        """Without variables and ``reswhis``."""
        words = shlex.split(self.text)
        return words[sum(VARIABLE.fullmatch(word) is not None for word in words) + 1 :]

    @property
    def variables(self):
        found = [word for word in shlex.split(self.text) if VARIABLE.fullmatch(word)]
        return dict(word.split("=", 1) for word in found)

    @property
    def needs_shell(self):
        return SHELL.search(self.text) is not None

    @property
    def serves(self):
        words = self.argv
        return (
            not self.exit_code
            and (not words or words[0] == "serve" or words[0][0] == "-")
            and words[:1] not in ([flag] for flag in ENDS)
        )

    @property
    def hears_a_microphone(self):
        return self.argv[:1] == ["listen"] and not {"--simulate", *ENDS} & set(self.argv)


def lines():
    """Each once, of all that the pages have people type."""
    found = {}
    readme = (ROOT / "README.md").read_text("utf-8")
    blocks = [block.text for block in (*snippets("README.md"), *BLOCKS) if block.language == "sh" and is_run(block)]
    for text in "".join([*INDENTED.findall(readme), *blocks]).splitlines():
        code = EXIT_CODE.search(text)
        found[Line(BEFORE.sub("", COMMENT.sub("", text).strip()), int(code[1]) if code else 0)] = None
    return list(found)


def is_run(block):
    return not (block.is_shown or block.is_not_run)


LINES = lines()
OURS = [line for line in LINES if line.needs_shell or re.match(rf"({VARIABLE.pattern} )*reswhis\b", line.text)]
SERVERS = [line for line in OURS if not line.needs_shell and line.serves]
MICROPHONES = [line for line in OURS if not line.needs_shell and line.hears_a_microphone]
SHELLS = [line for line in OURS if line.needs_shell]
OTHERS = [line for line in OURS if line not in (*SERVERS, *MICROPHONES, *SHELLS)]


@pytest.fixture(scope="module")
def place(folder, micro):
    """What the lines name."""
    for name in ("interview.m4a", "talk.mp4"):
        compress(folder / "recording.wav", folder / name)
    shutil.copytree(micro, folder / FOLDER_OF_MODEL, copy_function=os.link)
    [settings] = [block.text for block in snippets("docs/configuration.md") if block.language == "toml"]
    (folder / "reswhis.toml").write_text(settings, "utf-8")
    return folder


def without_model(argv):
    """The last of two flags wins."""
    return [*argv] if FOLDER_OF_MODEL in argv else [*argv, "--backend", "fake", "--model", "auto"]


def compress(source, target):
    """As phones and cameras do."""
    import av

    with av.open(source) as original, av.open(target, "w") as made:
        stream = made.add_stream("aac", rate=16_000, layout="mono")
        for frame in original.decode(audio=0):
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))


@pytest.fixture(scope="module")
def servers(place, tmp_path_factory):
    """Each documented server, on a port of its own; all start at once."""
    state = str(tmp_path_factory.mktemp("state"))
    env = environment(XDG_STATE_HOME=state, WIN_PD_OVERRIDE_LOCAL_APPDATA=state)
    with contextlib.ExitStack() as stack:
        found = {}
        for line in SERVERS:
            command = [sys.executable, "-m", "reswhis", *without_model(line.argv), "--port", "0", "--log-level", "info"]
            found[line] = Running(command, cwd=place, env=env | line.variables)
            stack.callback(found[line].kill)
        yield found


def address(server):
    """Where it listens, of this machine."""
    server.until(lambda running: "ready: " in running.err)
    [(scheme, port)] = re.findall(r"listening on (https?)://\S+:(\d+)", server.err) or [("", server.err)]
    return f"{scheme}://127.0.0.1:{port}"


def test_the_pages_have_lines_of_every_kind_and_each_block_is_run_or_says_why_not():
    assert SERVERS
    assert MICROPHONES
    assert SHELLS
    assert OTHERS
    elsewhere = {block.text.strip() for block in CLIENTS}
    assert {line.text for line in LINES} - {line.text for line in OURS} <= NOT_OURS | elsewhere
    assert {block.language for block in BLOCKS if is_run(block)} == {"sh"}


@pytest.mark.parametrize("line", MICROPHONES, ids=lambda line: line.text)
def test_a_line_for_the_microphone_is_one_that_the_tests_of_the_clients_run(line):
    assert line.text in {block.text.strip() for block in CLIENTS}


@pytest.mark.parametrize("line", OTHERS, ids=lambda line: line.text)
def test_a_line_does_what_the_page_says(line, servers, place, words, capsys, monkeypatch):
    monkeypatch.chdir(place)
    for name in [name for name in os.environ if name.startswith("RESWHIS_")]:
        monkeypatch.delenv(name)
    for name, value in line.variables.items():
        monkeypatch.setenv(name, value)
    argv = [RECORDED.sub("recording.wav", word) for word in line.argv]
    match argv:
        case ["listen", *_] if "--url" in argv:
            [secure] = [server for served, server in servers.items() if "--https" in served.argv]
            here = address(secure)
            (place / "certificate.crt").write_bytes(httpx.get(f"{here}/certificate.crt", verify=False).content)
            argv = [word.replace(f"wss://{ELSEWHERE}:8000", here.replace("https", "wss")) for word in argv]
            argv += sooner(line)
        case ["listen", *rest] if not {"--port", *ENDS} & set(rest):
            port = address(servers[SERVERS[0]]).rpartition(":")[2]
            argv = [*(word.replace(ELSEWHERE, "127.0.0.1") for word in argv), "--port", port, *sooner(line)]
        case [("transcribe" | "simulate"), *_]:
            argv = without_model(argv)
        case ["doctor", *_] if line.exit_code == 0:
            argv = [*without_model(argv), "--port", "0"]  # whatever this machine is short of
    try:
        code = main(argv)
    except SystemExit as end:
        code = end.code or 0
    out, err = capsys.readouterr()
    assert code == line.exit_code, err
    if code:
        assert not out
        assert re.search(r"^reswhis( listen)?: .+[.?]$", err, re.MULTILINE)
    assert_done(line, out, words, place)


def sooner(line):
    """One line is enough to see that a file comes as fast as it would be spoken."""
    spoken = next(line for line in OTHERS if line.argv[:1] == ["listen"] and line.exit_code == 0)
    return [] if line == spoken else ["--speed", "0"]


def assert_done(line, out, words, place):
    match argv := line.argv:
        case ["transcribe", *_] if "-o" in argv:
            directory = place / argv[argv.index("-o") + 1]
            named = argv[argv.index("-f") + 1].split(",") if "-f" in argv else ["txt"]
            formats = ["txt", "srt", "vtt", "json", "tsv"] if named == ["all"] else named
            for recording in (word for word in argv if word.startswith(("recording.", "interview."))):
                for suffix in formats:
                    text = (directory / f"{recording.partition('.')[0]}.{suffix}").read_text("utf-8")
                    assert words[-1] in text
        case _ if line.exit_code:
            pass
        case [("listen" | "transcribe" | "simulate"), *_] if not set(ENDS) & set(argv):
            heard = re.findall(r"w\d+", out)
            assert heard[0] == words[0]
            assert heard[-1] == words[-2 if "--start-at" in argv else -1]
        case ["models", *_]:
            assert "tiny" in out
        case _:
            assert "reswhis" in out


@pytest.mark.skipif(sys.platform == "win32" or shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize("line", SHELLS, ids=lambda line: line.text)
def test_a_line_for_the_shell_does_what_the_page_says(line, place, words):
    shell = "zsh" if "zsh" in line.text else "bash"
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    env = environment(RESWHIS_BACKEND="fake")
    subprocess.run([shell, "-c", line.text], check=True, cwd=place, env=env, timeout=60)
    if written := re.search(r"> (\S+)$", line.text):
        text = (place / written[1]).read_text("utf-8")
        assert words[-1] in text if "transcribe" in line.text else "reswhis" in text


@pytest.mark.parametrize("line", SERVERS, ids=lambda line: line.text)
def test_a_server_starts_as_documented_says_so_and_stops(line, servers):
    server = servers[line]
    here = address(server)
    info = httpx.get(f"{here}/info", verify=False).json()
    assert info["state"] == "ready"
    assert here.startswith("https" if "--https" in line.argv else "http:")
    assert info["key_required"] == bool(line.variables or "--config" in line.argv)
    if "--language" in line.argv:
        assert info["language"] == line.argv[line.argv.index("--language") + 1]
    assert info["backend"] == ("faster-whisper" if FOLDER_OF_MODEL in line.argv else "fake")


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.mark == "<!-- prints -->"], ids=str)
def test_what_a_page_says_is_printed_is_printed(block, capsys):
    before = [other for other in BLOCKS if other.page == block.page and other.line < block.line][-1]
    last = before.text.splitlines()[-1]
    assert main(shlex.split(last, comments=True)[1:]) != 0
    assert capsys.readouterr().err == block.text


OTHER_PAGES = [f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")) if f"docs/{path.name}" not in PAGES]
OURS_ELSEWHERE = re.compile(r"^\s*(?:\$ )?(?:uv run (?:--extra \S+ )?)?(reswhis(?: [^|<>&\n]*)?)$", re.MULTILINE)
FENCED = re.compile(r"^( *)```(?:sh|bat|console|powershell|)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", OTHER_PAGES)
def test_the_command_lines_of_other_pages_have_only_flags_that_exist(page):
    if page == "docs/migration.md":
        pytest.skip("it has lines of other programs, and a test of its own")
    text = (ROOT / page).read_text("utf-8")
    for line in (line for _, block in FENCED.findall(text) for line in OURS_ELSEWHERE.findall(block)):
        refuse_what_does_not_exist(shlex.split(line, comments=True)[1:])


def refuse_what_does_not_exist(argv):
    """Read the line and do nothing. Raises ConfigurationError."""
    modules = {
        "listen": listen,
        "transcribe": transcribe,
        "simulate": simulate,
        "models": models,
        "doctor": doctor,
        "completion": completion,
    }
    if argv and argv[0] in modules:
        name, *argv = argv
        parser = Parser(f"reswhis {name}")
        modules[name].add_arguments(parser)
        parser.parse(argv)
    else:
        settings_from(serve_parser().parse(argv[argv[:1] == ["serve"] :]), {})


def test_all_servers_stop_when_they_are_asked_to(servers):
    for server in servers.values():
        address(server)
        server.ctrl_c()
    assert [server.end() for server in servers.values()] == [0] * len(servers)
