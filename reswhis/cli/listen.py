"""``reswhis listen``: stream a microphone or a file to a server and print its words. Called by the dispatcher."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from reswhis.core.errors import ConfigurationError
from reswhis.core.types import samples

from .audio_file import read_audio

if TYPE_CHECKING:
    from reswhis.client.connection import Listener, Target
    from reswhis.client.display import Display
    from reswhis.client.session import Request
    from reswhis.client.source import Source

PATH = "/ws/transcribe"
KEY_VARIABLE = "RESWHIS_API_KEY"
INTERRUPTED = 130
"""What shells call the end by Ctrl-C."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    server = parser.add_argument_group("server")
    server.add_argument("--host", default="127.0.0.1", help="name or address (default: 127.0.0.1)")
    server.add_argument("--port", type=int, default=8000, help="(default: 8000)")
    server.add_argument("--path", default=PATH, help=f"(default: {PATH})")
    server.add_argument("--url", help="all of these in one, such as wss://example.org/ws/transcribe")
    server.add_argument(
        "--api-key", metavar="KEY", help=f"better in the variable {KEY_VARIABLE}: a command line can be seen by others"
    )
    audio = parser.add_argument_group("audio", "The microphone, unless a file is named.")
    audio.add_argument("--simulate", type=Path, metavar="FILE", help="send an audio file as if it were being spoken")
    audio.add_argument(
        "--speed", type=float, default=1.0, metavar="X", help="of the file: 1 is real time, 0 as fast as possible"
    )
    audio.add_argument(
        "--chunk-duration", type=float, default=0.1, metavar="S", help="seconds of audio per message (default: 0.1)"
    )
    audio.add_argument("--audio-encoding", choices=("pcm_s16le", "pcm_f32le"), default="pcm_s16le")
    audio.add_argument("--sound-device-id", metavar="ID", help="number or part of the name of the microphone")
    words = parser.add_argument_group("words")
    words.add_argument("--language", "--lan", default="", help="code or English name of the language; auto detects it")
    words.add_argument("--model", default="", help="the model that the server must have")
    words.add_argument("--prompt", default="", help="text as if said before, to set style and spelling")
    words.add_argument("--live-preview", action="store_true", help="on a terminal, show also what may yet change")


def run(arguments: argparse.Namespace) -> int:
    """Return the exit code: 0 when all has been said, 1 when not. Raises ConfigurationError."""
    from reswhis.client.connection import Listener
    from reswhis.client.display import printable
    from reswhis.client.session import ListenError

    target = _target(arguments)
    display = _display(arguments)
    try:
        source = _source(arguments, display.notice)
        listener = Listener(target, _request(arguments, source), source, display)
        with display:
            asyncio.run(_run(listener, display))
    except ListenError as error:
        print(printable(f"reswhis listen: {error}"), file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        return INTERRUPTED
    return 0


async def _run(listener: Listener, display: Display) -> None:
    task = asyncio.current_task()
    assert task is not None
    interrupted = False

    def interrupt() -> None:
        nonlocal interrupted
        if interrupted or not listener.stop():
            task.cancel()
        else:
            display.notice("finishing… (Ctrl-C again ends at once)")
        interrupted = True

    with _signals(interrupt):
        await listener.run()


@contextmanager
def _signals(interrupt: Callable[[], None]) -> Iterator[None]:
    """``interrupt`` is called in the event loop, also on Windows, whose loop takes no signal handlers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()

    def handle(_signal: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(interrupt)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# From arguments to parts.


def _target(arguments: argparse.Namespace) -> Target:
    from reswhis.client.connection import Target

    # The server reads the same variable, and takes several keys there.
    key = arguments.api_key if arguments.api_key is not None else os.environ.get(KEY_VARIABLE, "").split(",")[0]
    key = key.strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError("The API key has characters that no key has.")
    return Target(url_of(arguments), key)


def url_of(arguments: argparse.Namespace) -> str:
    if arguments.url is None:
        if not 1 <= arguments.port <= 65535:
            raise ConfigurationError("--port must be from 1 to 65535.")
        host = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
        return f"ws://{host}:{arguments.port}/{arguments.path.lstrip('/')}"
    url: str = arguments.url
    wrong = ConfigurationError(f"--url must be like ws://127.0.0.1:8000{PATH}, not {url!r}.")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # looking at it is how it is checked
    except ValueError:
        raise wrong from None
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    if scheme not in ("ws", "wss") or not parts.hostname:
        raise wrong
    return parts._replace(scheme=scheme, path=parts.path if parts.path.strip("/") else PATH, fragment="").geturl()


def _request(arguments: argparse.Namespace, source: Source) -> Request:
    from reswhis.audio.pcm import AudioFormat
    from reswhis.client.session import Request

    return Request(
        AudioFormat(arguments.audio_encoding, source.sample_rate, source.channels),
        language=arguments.language,
        model=arguments.model,
        prompt=arguments.prompt,
        partials=_is_live(arguments),
    )


def _source(arguments: argparse.Namespace, notice: Callable[[str], None]) -> Source:
    from reswhis.client.microphone import Microphone, sound_library
    from reswhis.client.source import FileSource

    if not 0.01 <= arguments.chunk_duration <= 5:
        raise ConfigurationError("--chunk-duration must be from 0.01 to 5 seconds.")
    if not 0 <= arguments.speed <= 1000:
        raise ConfigurationError("--speed must be from 0 to 1000.")
    if arguments.simulate is None:
        device = arguments.sound_device_id
        return Microphone(sound_library(), int(device) if device and device.isdecimal() else device, notice)
    return FileSource(read_audio(arguments.simulate), piece=samples(arguments.chunk_duration), speed=arguments.speed)


def _is_live(arguments: argparse.Namespace) -> bool:
    return bool(arguments.live_preview) and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _display(arguments: argparse.Namespace) -> Display:
    from reswhis.client.display import LiveDisplay, PlainDisplay

    greeting = "" if arguments.simulate is not None else "Listening: speak now, Ctrl-C ends."
    if not _is_live(arguments):
        return PlainDisplay(sys.stdout, sys.stderr, greeting=greeting)
    from rich.console import Console

    return LiveDisplay(Console(file=sys.stdout, highlight=False), greeting=greeting)
