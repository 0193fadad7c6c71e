"""The command ``reswhis``: finds which command is meant, runs it, and turns its end into an exit code.

A command's module is imported only when it is asked for, so that help comes at once.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Sequence
from typing import Protocol

from reswhis.core.errors import ConfigurationError
from reswhis.settings.names import nearest

from .arguments import serve_parser, settings_from
from .parser import Parser
from .process import FAILED, INTERRUPTED, NOBODY_READS, WRONG_REQUEST

ASKED_BY_SHELL = "_ARGCOMPLETE"
"""The variable that a shell sets to be told how a line may go on."""
COMMANDS = {
    "serve": "start the server; what reswhis without a command does",
    "listen": "stream a file or the microphone to a server and print its text",
    "transcribe": "write the text or the subtitles of files, as fast as it goes",
    "simulate": "transcribe a file as if it came live, without a server",
    "models": "list the models there are; fetch, check and remove them",
    "doctor": "check this machine, and say what to mend",
    "completion": "print what makes a shell complete this command's flags",
}


class Command(Protocol):
    """What the module of a command has, but for ``serve``, which runs with the settings alone."""

    def add_arguments(self, parser: Parser, /) -> None: ...

    def run(self, arguments: argparse.Namespace, /) -> int: ...


def main(argv: Sequence[str] | None = None) -> int:
    if ASKED_BY_SHELL in os.environ:
        from .completion import complete

        complete()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a word that the terminal cannot show must not end the program
    try:
        try:
            return _run(sys.argv[1:] if argv is None else argv)
        finally:
            if sys.stdout is not None:  # as under pythonw
                sys.stdout.flush()  # here, where a reader that has gone can still be caught
    except ConfigurationError as error:
        print(f"reswhis: {error}", file=sys.stderr)
        return WRONG_REQUEST
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        if not (_is_broken_pipe(error) or error.errno == errno.ENOSPC):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the flush at exit complains
        if _is_broken_pipe(error):
            return NOBODY_READS
        print("reswhis: the output cannot be written: there is no space left.", file=sys.stderr)
        return FAILED


def _is_broken_pipe(error: OSError) -> bool:
    return isinstance(error, BrokenPipeError) or (sys.platform == "win32" and error.errno == errno.EINVAL)


def _run(argv: Sequence[str]) -> int:
    if not argv or argv[0].startswith("-"):
        return _serve("reswhis", argv)
    name, *rest = argv
    match name:
        case "serve":
            return _serve("reswhis serve", rest)
        case "listen":
            from . import listen

            return _run_command(listen, name, rest)
        case "transcribe":
            from . import transcribe

            return _run_command(transcribe, name, rest)
        case "simulate":
            from . import simulate

            return _run_command(simulate, name, rest)
        case "doctor":
            from . import doctor

            return _run_command(doctor, name, rest)
        case "models":
            from . import models

            return _run_command(models, name, rest)
        case "completion":
            from . import completion

            return _run_command(completion, name, rest)
        case _:
            raise ConfigurationError(f"unknown command {name}{nearest(name, COMMANDS, _others())}")


def _serve(prog: str, argv: Sequence[str]) -> int:
    settings = settings_from(serve_parser(prog, _usage()).parse(argv), os.environ)
    from . import serve

    return serve.run(settings)


def _run_command(command: Command, name: str, argv: Sequence[str]) -> int:
    parser = Parser(f"reswhis {name}", description=COMMANDS[name])
    command.add_arguments(parser)
    return command.run(parser.parse(argv))


def _others() -> str:
    return f"; there are {', '.join(COMMANDS)}."


def _usage() -> str:
    lines = ["reswhis [COMMAND] [options]", "", "commands:"]
    lines += [f"  {name:<11} {summary}" for name, summary in COMMANDS.items()]
    lines += ["", "reswhis COMMAND --help says more. The options below are those of serve."]
    return "\n".join(lines)
