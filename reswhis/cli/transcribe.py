"""``reswhis transcribe``: files to text and subtitles, as fast as the recogniser goes. Called by the dispatcher."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from reswhis.core.errors import ConfigurationError
from reswhis.settings import Group
from reswhis.settings.names import nearest

from .arguments import COMMON, add_settings, settings_from
from .process import INTERRUPTED, NOBODY_READS, end_at_once, set_up_log

if TYPE_CHECKING:
    from .parser import Parser
    from .transcription import Job

GROUPS = (Group.MODEL, Group.STREAMING, Group.VOICE_ACTIVITY, Group.LOGGING)
LIVE = {"minimum_chunk_size", "policy"}
"""What matters only where words are wanted before their utterance has ended."""
FORMATS = ("txt", "srt", "vtt", "json", "tsv")


def add_arguments(parser: Parser) -> None:
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE...", help="audio or video files")
    output = parser.add_argument_group(
        "output",
        "Without -o the text goes to stdout, that of several files under their names. With -o it goes into files named "
        "like the audio; what is there already is left as it is.",
    )
    output.add_argument(
        "-f",
        "--format",
        "--output-format",
        dest="formats",
        type=_formats,
        action="extend",
        metavar="FORMAT",
        help=f"{', '.join(FORMATS)} or all; several with commas [default txt]",
    )
    output.add_argument(
        "-o", "--output-dir", type=Path, metavar="DIR", help="write into files here; . is this directory"
    )
    output.add_argument("--overwrite", action="store_true", help="write files anew that are there already")
    add_settings(parser, GROUPS, common=COMMON - LIVE)
    parser.epilog = (
        "Each utterance is decoded once, when it has ended. With --policy the files are decoded as if they came live, "
        "which takes several times as long. With --workers so many files are decoded side by side.\n\n"
        "Exit codes: 0 all was done; 1 a file, or a stretch of one, could not be transcribed, but the others were; "
        "2 a wrong request, or no model; 130 interrupted; 141 nobody reads the output."
    )


def _formats(text: str) -> list[str]:
    names = [name.strip().lower().removeprefix(".") for name in text.split(",") if name.strip()]
    for name in names:
        if name not in (*FORMATS, "all"):
            otherwise = f"; there are {', '.join(FORMATS)} and all."
            raise ConfigurationError(f"-f: unknown format {name}{nearest(name, FORMATS, otherwise)}")
    return list(FORMATS) if "all" in names else names


def run(arguments: argparse.Namespace) -> int:
    """Return the exit code: 1 if not all could be done. Raises ConfigurationError."""
    import asyncio

    from reswhis.backends.selection import check
    from reswhis.settings.layers import backend_config

    from .progress import Screen
    from .transcription import Transcription

    settings = settings_from(arguments, os.environ)
    as_live = "policy" in arguments  # not what is set for the server by a variable or the file
    if not as_live:
        settings = settings.model_copy(update={"policy": "endpoint"})
    set_up_log(settings)
    check(backend_config(settings))
    jobs = _jobs(arguments)
    _write_utf8()
    try:
        with Screen() as screen:
            work = Transcription(jobs, settings, screen, as_live=as_live, overwrite=arguments.overwrite)
            return asyncio.run(work.run())
    except KeyboardInterrupt:
        end_at_once(INTERRUPTED)
    except BrokenPipeError:
        end_at_once(NOBODY_READS)


def _write_utf8() -> None:
    """Into files and pipes, whatever this machine's terminals show: what is redirected is a subtitle file."""
    import io

    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty() and "PYTHONIOENCODING" not in os.environ:
        sys.stdout.reconfigure(encoding="utf-8", errors="replace", newline="\n")


def _jobs(arguments: argparse.Namespace) -> list[Job]:
    """Raises ConfigurationError where it is not clear what should go where."""
    from .outputs import make_directory, paths, without_repeats
    from .transcription import Job

    files = without_repeats(arguments.files)
    formats = list(dict.fromkeys(arguments.formats or ["txt"]))
    directory: Path | None = arguments.output_dir
    if directory is None:
        if len(formats) > 1:
            raise ConfigurationError(
                "Several formats need a directory to be written into: -o DIR, or -o . for this one."
            )
        if len(files) > 1 and formats != ["txt"]:
            raise ConfigurationError(
                f"Several files as {formats[0]} need a directory to be written into: -o DIR, or -o . for this one."
            )
        return [Job(file, formats[0], {}, label) for file, label in zip(files, _labels(files), strict=True)]
    if directory.suffix.lower().removeprefix(".") in FORMATS and not directory.is_dir():
        raise ConfigurationError(f"-o takes a directory; for one file write > {directory} instead.")
    planned = paths(files, formats, directory)
    make_directory(directory)
    return [
        Job(file, formats[0], outputs, label)
        for file, outputs, label in zip(files, planned, _labels(files), strict=True)
    ]


def _labels(files: list[Path]) -> list[str]:
    if len(files) == 1:
        return [files[0].name]
    return [f"{number}/{len(files)} {file.name}" for number, file in enumerate(files, 1)]
