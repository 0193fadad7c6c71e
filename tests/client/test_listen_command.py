"""`reswhis listen` as it is called."""

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

import pytest
from client.scripted_server import problem, scripted_server, transcribe
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from reswhis.cli import main
from reswhis.cli.announcement import AUTHORITY_PATH
from reswhis.cli.certificate import make
from reswhis.cli.parser import Parser
from reswhis.core.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "tests/recordings/flite-048.flac"
SCRIPT = (sys.executable, str(ROOT / "clients/stream_client.py"))
LINES = "0000 0120 how\n0120 0250 are\n0250 1400 you?\n"
HAS_POSIX_SIGNALS = pytest.mark.skipif(os.name != "posix", reason="signals are sent differently there")


@contextmanager
def serving(script, refuse=lambda n: None, tls=None):
    """A scripted server in a thread, since the command has the main one to itself, as signals want it."""
    started, stopped = threading.Event(), asyncio.Event()
    found = []

    async def serve():
        async with scripted_server(script, refuse, tls) as (url, visitors):
            found.extend([url, visitors, asyncio.get_running_loop()])
            started.set()
            await stopped.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(10)
    url, visitors, loop = found
    try:
        yield url, visitors
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(10)


def listen(url, *arguments):
    return main(["listen", "--url", url, "--simulate", str(RECORDING), *arguments])


def press_ctrl_c():
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


def test_a_file_is_streamed_and_its_text_printed(capfd):
    with serving(transcribe) as (url, visitors):
        assert listen(url, "--speed", "0", "--audio_encoding", "pcm_f32le", "--language=en") == 0
    assert capfd.readouterr() == (LINES, "")
    [visitor] = visitors
    assert visitor.start["audio"]["encoding"] == "pcm_f32le"
    assert visitor.start["language"] == "en"
    assert visitor.audio_ms > 3000


BLOCKS = """\
--------------------
INT  0000 0300 how do
--------------------
CONF 0000 0120 how
INT  0120 0300 are
--------------------
CONF 0120 0250 are
--------------------
CONF 0250 1400 you?
"""
LEFT_OUT = "this output cannot be redrawn: text that may yet change is left out\n"


@pytest.mark.parametrize(
    ("flags", "out", "err", "partials"),
    [
        (["--all-updates"], BLOCKS, "", True),
        (["--with-hypothesis"], BLOCKS, "", True),
        (["--with-hypothesis", "--all_updates"], BLOCKS, "", True),
        (["--interactive"], "how are you?\n", "", False),
        (["--live-preview"], "how are you?\n", LEFT_OUT, False),
        (["--interactive", "--with-hypothesis"], "how are you?\n", LEFT_OUT, False),
    ],
)
def test_each_view_has_its_output_also_where_no_terminal_is(capfd, flags, out, err, partials):
    with serving(transcribe) as (url, visitors):
        assert listen(url, "--speed", "0", *flags) == 0
    assert capfd.readouterr() == (out, err)
    assert visitors[0].start["partials"] is partials


def test_a_reader_of_the_script_that_has_gone_is_not_worth_a_word():
    reader, writer = os.pipe()
    os.close(reader)
    with serving(transcribe) as (url, visitors):
        script = subprocess.run(
            [*SCRIPT, "--url", url, "--simulate", str(RECORDING), "--speed", "0"],
            check=False,
            stdout=writer,
            stderr=subprocess.PIPE,
            timeout=60,
        )
    os.close(writer)
    assert (script.returncode, script.stderr.decode(), len(visitors)) == (141, "", 1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A server's TLS, its own certificate, that of who signed it, and one that has nothing to do with it."""
    directory = tmp_path_factory.mktemp("certificates")
    now = datetime.now(UTC)
    certificate, issuer, key = make(["127.0.0.1"], now)
    _, other, _ = make(["127.0.0.1"], now)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    contents = {"server": [private, certificate], "own": [certificate], "authority": [issuer], "other": [other]}
    for name, parts in contents.items():
        pem = [part if isinstance(part, bytes) else part.public_bytes(Encoding.PEM) for part in parts]
        (directory / f"{name}.pem").write_bytes(b"".join(pem))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(directory / "server.pem")
    return tls, directory


@pytest.mark.parametrize("name", ["authority", "own"])
def test_a_servers_own_certificate_or_its_authoritys_is_trusted_when_named(capfd, authority, name):
    tls, directory = authority
    with serving(transcribe, tls=tls) as (url, _):
        assert listen(url, "--speed", "0", "--ca-file", str(directory / f"{name}.pem")) == 0
    assert capfd.readouterr() == (LINES, "")


def test_what_keeps_a_server_from_being_trusted_is_told_with_the_way_out(capfd, authority):
    tls, directory = authority
    with serving(transcribe, tls=tls) as (url, visitors):
        assert listen(url, "--ca-file", str(directory / "other.pem")) == 1
        assert listen(url) == 1
        assert listen(url.replace("127.0.0.1", "localhost"), "--ca-file", str(directory / "authority.pem")) == 1
        assert listen(url.replace("wss", "ws")) == 1
    out, err = capfd.readouterr()
    unknown, untrusted, other_name, plain = err.splitlines()
    place = url.removeprefix("wss://").removesuffix("/ws/transcribe")
    assert f"The certificate of {url} is not trusted (" in unknown
    assert f"--ca-file (`reswhis --https` gives it at https://{place}{AUTHORITY_PATH})." in untrusted
    assert "The server's certificate is for another name than localhost" in other_name
    assert plain.endswith("a server with --https is reached by --url wss://….")
    assert (out, visitors) == ("", [])


def test_a_server_without_tls_is_told_as_such(capfd):
    with serving(transcribe) as (url, _):
        assert listen(url.replace("ws", "wss", 1)) == 1
    assert "does not speak TLS as it should (it hangs up); a server without --https" in capfd.readouterr().err


@HAS_POSIX_SIGNALS
def test_ctrl_c_finishes_and_prints_the_tail(capfd):
    async def interrupted(visitor):
        await visitor.greet()
        await visitor.hear(0.1)
        await visitor.say(0, 120, " how")
        press_ctrl_c()
        await visitor.hear_all()
        await visitor.say(120, 250, " are you?")
        await visitor.finish()

    with serving(interrupted) as (url, visitors):
        assert listen(url) == 0
    assert capfd.readouterr() == ("0000 0120 how\n0120 0250 are you?\n", "finishing… (Ctrl-C again ends at once)\n")
    assert visitors[0].audio_ms < 3000


@HAS_POSIX_SIGNALS
def test_a_second_ctrl_c_ends_at_once(capfd):
    async def never_finish(visitor):
        await visitor.greet()
        await visitor.hear(0.1)
        press_ctrl_c()
        await visitor.hear_all()
        press_ctrl_c()
        await visitor.socket.wait_closed()

    with serving(never_finish) as (url, _):
        assert listen(url) == 130
    assert capfd.readouterr() == ("", "finishing… (Ctrl-C again ends at once)\n")


@HAS_POSIX_SIGNALS
def test_ctrl_c_while_waiting_for_the_model_ends_at_once(capfd):
    def loading(_):
        threading.Timer(0.3, press_ctrl_c).start()
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, "loading the model", **{"Retry-After": "9"})

    with serving(transcribe, loading) as (url, _):
        assert listen(url) == 130
    assert capfd.readouterr() == ("", "waiting for the server: loading the model\n")


@pytest.mark.skipif(os.name != "posix", reason="there are no such terminals")
@pytest.mark.parametrize(
    ("environment", "shown"),
    [
        ({"TERM": "xterm"}, "how\x1b[2;36m are"),
        ({"TERM": "xterm", "NO_COLOR": "1"}, "how\x1b[2m are"),
        ({"TERM": "dumb"}, "how are you?\r\n"),
    ],
)
def test_on_a_terminal_the_preview_shows_what_may_yet_change_as_far_as_it_can(monkeypatch, environment, shown):
    for name, value in ({"RESWHIS_API_KEY": "secret, other"} | environment).items():
        monkeypatch.setenv(name, value)
    ours, theirs = os.openpty()
    with (
        os.fdopen(theirs, "w", encoding="utf-8") as terminal,
        redirect_stdout(terminal),
        redirect_stderr(terminal),
        serving(transcribe) as (url, visitors),
    ):
        assert listen(url, "--speed", "0", "--live-preview") == 0
    written = b""
    with suppress(OSError):  # so Linux ends a terminal that nobody writes to any more
        while part := os.read(ours, 65536):
            written += part
    screen = written.decode()
    os.close(ours)
    assert shown in screen and "how are you?\r\n" in screen and "0000" not in screen
    assert (environment["TERM"] == "dumb") == ("\x1b" not in screen) == (LEFT_OUT.strip() in screen)
    assert visitors[0].start["partials"] is (environment["TERM"] != "dumb")
    assert visitors[0].socket.request.headers["Authorization"] == "Bearer secret"


def test_where_no_server_is_one_sentence_says_so(capfd):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert main(["listen", "--port", str(port), "--simulate", str(RECORDING)]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("reswhis listen: No server can be reached at ws://127.0.0.1:") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--simulate", "no/such.wav"], f"no file {Path('no/such.wav')}"),
        (["--simulate", str(ROOT / "pyproject.toml")], "is not audio"),
        (["--simulate", str(RECORDING), "--port", "0"], "--port must be from 1 to 65535"),
        (["--simulate", str(RECORDING), "--chunk-duration", "60"], "--chunk-duration must be from 0.01 to 2"),
        (["--simulate", str(RECORDING), "--speed", "-1"], "--speed must be from 0"),
        (["--simulate", str(RECORDING), "--url", "localhost:8000"], "--url must be like ws://127.0.0.1:8000"),
        (["--simulate", str(RECORDING), "--url", "ws://[::1"], "--url must be like ws://127.0.0.1:8000"),
        (["--simulate", str(RECORDING), "--url", "ws://localhost:99999"], "--url must be like ws://127.0.0.1:8000"),
        (["--simulate", str(RECORDING), "--api-key", "a\nb"], "The API key"),
        (["--all-updates", "--live-preview"], "--all-updates shows each update by itself"),
        (["--all-updates", "--interactive"], "--all-updates shows each update by itself"),
        (["--simulate", str(RECORDING), "--ca-file", "ca.pem"], "--ca-file is for a server with TLS"),
        (["--url", "wss://a", "--ca-file", "no/such.pem"], f"--ca-file: {Path('no/such.pem')} cannot be read"),
        (["--url", "wss://a", "--ca-file", str(ROOT / "README.md")], "README.md is no certificate in PEM form"),
        (["--url", "wss://a", "--ca-file", str(ROOT / "tests")], "tests cannot be read"),
        (["--audio-encoding", "mp3"], "pcm_f32le"),
        (["--simulated", "x"], "--simulate"),
    ],
)
def test_a_wrong_argument_is_told_in_a_sentence(capfd, arguments, sentence):
    assert main(["listen", *arguments]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert sentence in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "url"),
    [
        ([], "ws://127.0.0.1:8000/ws/transcribe"),
        (["--host", "::1", "--port", "9", "--path", "a"], "ws://[::1]:9/a"),
        (["--url", "https://example.org"], "wss://example.org/ws/transcribe"),
        (["--url", "ws://example.org/x?language=de"], "ws://example.org/x?language=de"),
    ],
)
def test_the_server_is_named_by_its_parts_or_as_a_whole(arguments, url):
    from reswhis.cli import listen

    parser = Parser("reswhis listen")
    listen.add_arguments(parser)
    assert listen.url_of(parser.parse(arguments)) == url
    with pytest.raises(ConfigurationError):
        listen.url_of(parser.parse(["--url", "ftp://example.org"]))
