"""`reswhis listen` as it is called."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import pytest
from client.scripted_server import problem, scripted_server, transcribe

from reswhis.cli import main
from reswhis.cli.parser import Parser
from reswhis.core.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "tests/recordings/flite-048.flac"
SCRIPT = (sys.executable, str(ROOT / "clients/stream_client.py"))
LINES = "0000 0120 how\n0120 0250 are\n0250 1400 you?\n"
HAS_POSIX_SIGNALS = pytest.mark.skipif(os.name != "posix", reason="signals are sent differently there")


@contextmanager
def serving(script, refuse=lambda n: None):
    """A scripted server in a thread, since the command has the main one to itself, as signals want it."""
    started, stopped = threading.Event(), asyncio.Event()
    found = []

    async def serve():
        async with scripted_server(script, refuse) as (url, visitors):
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


def test_where_no_terminal_is_a_preview_is_neither_shown_nor_asked_for(capfd):
    with serving(transcribe) as (url, visitors):
        assert listen(url, "--speed", "0", "--live-preview") == 0
    assert capfd.readouterr() == (LINES, "")
    assert visitors[0].start["partials"] is False


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


@HAS_POSIX_SIGNALS
def test_the_script_shows_the_preview_on_a_terminal(tmp_path):
    import pty

    ours, theirs = pty.openpty()
    with serving(transcribe) as (url, visitors):
        arguments = ("--url", url, "--simulate", str(RECORDING), "--speed", "0", "--live-preview")
        environment = os.environ | {"TERM": "xterm", "RESWHIS_API_KEY": "secret, other"}
        script = subprocess.run(
            [*SCRIPT, *arguments], check=False, stdout=theirs, stderr=theirs, env=environment, timeout=60
        )
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert script.returncode == 0
    assert "how\x1b[2;36m are" in shown
    assert "how are you?\r\n" in shown and "0000" not in shown
    assert visitors[0].start["partials"] is True
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
        (["--simulate", str(RECORDING), "--chunk-duration", "60"], "--chunk-duration must be from 0.01 to 5"),
        (["--simulate", str(RECORDING), "--speed", "-1"], "--speed must be from 0"),
        (["--simulate", str(RECORDING), "--url", "localhost:8000"], "--url must be like ws://127.0.0.1:8000"),
        (["--simulate", str(RECORDING), "--url", "ws://[::1"], "--url must be like ws://127.0.0.1:8000"),
        (["--simulate", str(RECORDING), "--url", "ws://localhost:99999"], "--url must be like ws://127.0.0.1:8000"),
        (["--simulate", str(RECORDING), "--api-key", "a\nb"], "The API key"),
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
