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
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from reswhis.core.errors import ConfigurationError
from reswhis.core.types import samples

from .audio_file import read_audio
from .process import FAILED, INTERRUPTED

if TYPE_CHECKING:
    from reswhis.client.connection import Listener
    from reswhis.client.display import Display
    from reswhis.client.grpc_connection import GrpcListener
    from reswhis.client.session import Session
    from reswhis.client.source import Source
    from reswhis.client.target import Target
    from reswhis.client.view import View

PATH = "/ws/transcribe"
SWIM, SWIM_PATH = "swim", "/v1/transcribe"
GRPC = "grpc"
PROTOCOLS = ("native", SWIM, GRPC)
CHUNK_S, SWIM_CHUNK_S = 0.1, 0.5
"""There the chunk is also the step in which the server decodes, and has a limit of the server's."""
KEY_VARIABLE = "RESWHIS_API_KEY"
EPILOG = (
    "Ctrl-C ends the audio and waits for its last words, a second one does not.\n\n"
    "Exit codes: 0 all that was said has been printed; 1 some of it is lost, or there is no server or no microphone;"
    " 2 a wrong request; 130 ended at once by Ctrl-C; 141 nobody reads the output."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    server = parser.add_argument_group("server")
    server.add_argument("--host", default="127.0.0.1", help="name or address (127.0.0.1)")
    server.add_argument("--port", type=int, default=8000, help="(8000; of gRPC 50051)")
    server.add_argument("--path", default=PATH, help=f"({PATH})")
    server.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        metavar="NAME",
        help=f"{', '.join(PROTOCOLS)}: the last two are whisper_realtime_server's; known by the path unless given",
    )
    server.add_argument("--url", help="instead of these: ws://HOST:PORT, wss:// with TLS; grpc://, grpcs://")
    server.add_argument("--ca-file", type=Path, metavar="FILE", help="trust this certificate (TLS only)")
    server.add_argument("--api-key", metavar="KEY", help=f"better in {KEY_VARIABLE}: a command line is seen")
    audio = parser.add_argument_group("audio, of the microphone unless a file is named")
    audio.add_argument("--simulate", type=Path, metavar="FILE", help="send a file as if it were being spoken")
    audio.add_argument(
        "--speed", type=float, default=1.0, metavar="X", help="of the file: 1 as spoken, 0 unlimited (1)"
    )
    audio.add_argument("--list-devices", action="store_true", help="show the microphones and end")
    audio.add_argument("--sound-device-id", metavar="ID", help="number, or part of the name, of a microphone")
    audio.add_argument(
        "--chunk-duration",
        type=float,
        metavar="S",
        help=f"seconds of audio per message, 0.01 to 2 ({CHUNK_S}); with {SWIM} and {GRPC} the server decodes in"
        f" steps of it ({SWIM_CHUNK_S})",
    )
    encodings = ("pcm_s16le", "pcm_f32le")
    audio.add_argument(
        "--audio-encoding", choices=encodings, default=encodings[0], metavar="NAME", help=f"{' or '.join(encodings)}"
    )
    words = parser.add_argument_group("recognition")
    words.add_argument("--language", "--lan", default="", metavar="NAME", help="code or English name; auto detects it")
    words.add_argument("--model", default="", help="the model that the server must have")
    words.add_argument("--prompt", default="", metavar="TEXT", help="as if said before: sets style and spelling")
    output = parser.add_argument_group('output: a line "BEG END text" in ms per committed text, or')
    output.add_argument("--all-updates", action="store_true", help="dashes, CONF text, INT tentative text, per update")
    output.add_argument("--with-hypothesis", action="store_true", help="tentative text too; alone as --all-updates")
    output.add_argument(
        "--interactive", action="store_true", help="running text; a pause after a sentence ends the line"
    )
    output.add_argument(
        "--live-preview",
        action="store_true",
        help="--interactive --with-hypothesis: tentative text is redrawn on a terminal, and left out elsewhere",
    )


def run(arguments: argparse.Namespace) -> int:
    """Return the exit code. Raises ConfigurationError."""
    from reswhis.client.display import printable
    from reswhis.client.session import ListenError
    from reswhis.client.view import View, can_redraw, make_display

    try:
        if arguments.list_devices:
            return _list_devices()
        asked = _view(arguments)
        is_too_much = asked is View.LIVE and not can_redraw(sys.stdout, os.environ.get("TERM", ""))
        view = View.RUNNING if is_too_much else asked
        display = make_display(view, sys.stdout, sys.stderr)
        if is_too_much:
            display.notice("this output cannot be redrawn: text that may yet change is left out")
        listener = _listener(arguments, view, display)
        with display:
            asyncio.run(_run(listener, display))
    except ListenError as error:
        print(printable(f"reswhis listen: {error}"), file=sys.stderr)
        return FAILED
    except asyncio.CancelledError:
        return INTERRUPTED
    return 0


async def _run(listener: Listener | GrpcListener, display: Display) -> None:
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


def _list_devices() -> int:
    from reswhis.client.display import printable
    from reswhis.client.session import ListenError
    from reswhis.client.sound import device_table, input_devices, sound_library

    devices = input_devices(sound_library())
    if not devices:
        raise ListenError("There is no microphone here.")
    for row in device_table(devices).splitlines():
        print(printable(row))
    return 0


# From arguments to parts.


def _view(arguments: argparse.Namespace) -> View:
    """Raises ConfigurationError."""
    from reswhis.client.view import View

    interactive = arguments.interactive or arguments.live_preview
    with_hypothesis = arguments.with_hypothesis or arguments.live_preview
    if arguments.all_updates and interactive:
        raise ConfigurationError(
            "--all-updates shows each update by itself, --interactive and --live-preview one running text: give one."
        )
    if interactive:
        return View.LIVE if with_hypothesis else View.RUNNING
    return View.UPDATES if with_hypothesis or arguments.all_updates else View.LINES


def _listener(arguments: argparse.Namespace, view: View, display: Display) -> Listener | GrpcListener:
    from reswhis.client.connection import Listener

    protocol = protocol_of(arguments)
    if protocol != PROTOCOLS[0]:
        _refuse_choices(arguments)
    if protocol == GRPC:
        from .listen_grpc import grpc_listener

        return grpc_listener(arguments, _key(arguments), chunk_s(arguments), partial(_source, arguments), display)
    target = _target(arguments)
    source, greeting = _source(arguments, display.notice)
    if protocol == SWIM:
        session, source = _swim(arguments, source)
    else:
        session = _native(arguments, source, view)
    return Listener(target, session, source, display, greeting=greeting)


def _native(arguments: argparse.Namespace, source: Source, view: View) -> Session:
    from reswhis.audio.pcm import AudioFormat
    from reswhis.client.native import NativeSession
    from reswhis.client.session import Request

    request = Request(
        AudioFormat(arguments.audio_encoding, source.sample_rate, source.channels),
        language=arguments.language,
        model=arguments.model,
        prompt=arguments.prompt,
        partials=view.wants_partials,
    )
    return NativeSession(request)


def _swim(arguments: argparse.Namespace, source: Source) -> tuple[Session, Source]:
    """Its audio is of one kind, and no message is longer than what is announced, in whole milliseconds."""
    from reswhis.client.resampled import ResampledSource
    from reswhis.client.swim import SwimSession

    millis = max(1, round(chunk_s(arguments) * 1000))
    return SwimSession(arguments.audio_encoding, millis), ResampledSource(source, piece=samples(millis / 1000))


def _refuse_choices(arguments: argparse.Namespace) -> None:
    for name in ("language", "model", "prompt"):
        if getattr(arguments, name):
            raise ConfigurationError(f"--{name} cannot be said in whisper_realtime_server's protocol: set it there.")


def protocol_of(arguments: argparse.Namespace) -> str:
    """The one that is asked for, else the path's."""
    if arguments.protocol is not None:
        return str(arguments.protocol)
    path = arguments.path
    if arguments.url is not None:
        try:
            scheme, _, path, _, _ = urlsplit(arguments.url)
        except ValueError:  # which is refused for that, later
            scheme = path = ""
        if scheme in ("grpc", "grpcs"):
            return GRPC
    return SWIM if path.strip("/") == SWIM_PATH.strip("/") else PROTOCOLS[0]


def chunk_s(arguments: argparse.Namespace) -> float:
    """Raises ConfigurationError."""
    chosen: float | None = arguments.chunk_duration
    if chosen is None:
        return CHUNK_S if protocol_of(arguments) == PROTOCOLS[0] else SWIM_CHUNK_S
    if not 0.01 <= chosen <= 2:
        raise ConfigurationError("--chunk-duration must be from 0.01 to 2 seconds.")
    return chosen


def _key(arguments: argparse.Namespace) -> str:
    """Raises ConfigurationError."""
    # The server reads the same variable, and takes several keys there.
    key = arguments.api_key if arguments.api_key is not None else os.environ.get(KEY_VARIABLE, "").split(",")[0]
    key = key.strip()
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError("The API key has characters that no key has.")
    return key


def _target(arguments: argparse.Namespace) -> Target:
    from reswhis.client.target import Target, trust

    key = _key(arguments)
    target = Target(url_of(arguments), key)
    if arguments.ca_file is None:
        return target
    if not target.is_secure:
        raise ConfigurationError(f"--ca-file is for a server with TLS, whose --url begins with wss: not {target.url}.")
    return Target(target.url, key, trust(arguments.ca_file))


def url_of(arguments: argparse.Namespace) -> str:
    from reswhis.client.target import server_url

    path = SWIM_PATH if protocol_of(arguments) == SWIM else PATH
    if arguments.url is None:
        path = path if arguments.path == PATH else arguments.path
        if not 1 <= arguments.port <= 65535:
            raise ConfigurationError("--port must be from 1 to 65535.")
        name = arguments.host.removeprefix("[").removesuffix("]")
        url = f"ws://{f'[{name}]' if ':' in name else name}:{arguments.port}/{path.lstrip('/')}"
        try:
            urlsplit(url)
        except ValueError:
            raise ConfigurationError(
                f"--host must be a name or an address, not {arguments.host!r}; the port goes to --port."
            ) from None
        return url
    return server_url(arguments.url, path)


def _source(arguments: argparse.Namespace, notice: Callable[[str], None]) -> tuple[Source, str]:
    """And what to say when it is listened to."""
    from reswhis.client.microphone import Microphone
    from reswhis.client.sound import sound_library
    from reswhis.client.source import FileSource

    chunk = chunk_s(arguments)
    if not 0 <= arguments.speed <= 1000:
        raise ConfigurationError("--speed must be from 0 to 1000.")
    if arguments.simulate is not None:
        audio = read_audio(arguments.simulate)
        return FileSource(audio, piece=samples(chunk), speed=arguments.speed), ""
    asked = arguments.sound_device_id
    device = int(asked) if asked and asked.isdecimal() else asked
    microphone = Microphone(sound_library(), device, notice, block_s=chunk)
    return microphone, f"Listening to {microphone.name}: speak now, Ctrl-C ends."
