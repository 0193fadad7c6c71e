"""``reswhis simulate``: transcribe a file as if it came live, without a server. Called by the dispatcher."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reswhis.core.errors import ConfigurationError
from reswhis.settings import Group, Settings

from .arguments import add_settings, settings_from
from .audio_file import read_audio
from .parser import Parser
from .process import set_up_log

if TYPE_CHECKING:
    from reswhis.core.types import Samples, Word
    from reswhis.simulation import Emission

GROUPS = (Group.MODEL, Group.STREAMING, Group.VOICE_ACTIVITY, Group.LOGGING)


def add_arguments(parser: Parser) -> None:
    parser.add_argument("audio", type=Path, metavar="FILE", help="audio file")
    simulation = parser.add_argument_group(
        "simulation",
        "Prints a line EMIT BEG END text for each committed text, times in milliseconds of the file. "
        "EMIT is when it was printed, by a clock that starts with the file.",
    )
    mode = simulation.add_mutually_exclusive_group()
    mode.add_argument("--offline", action="store_true", help="the whole file is there at once")
    mode.add_argument("--comp-unaware", action="store_true", help="the clock stands still while the recogniser works")
    simulation.add_argument("--start-at", type=float, default=0.0, metavar="S", help="begin at this second of the file")
    simulation.add_argument(
        "--vac-chunk-size", type=float, default=0.04, metavar="S", help="seconds of audio that arrive together"
    )
    simulation.add_argument(
        "--buffer-trimming", choices=("segment", "sentence"), help="accepted; trimming goes by words here"
    )
    add_settings(parser, GROUPS)
    parser.epilog = (
        "Exit codes: 0 all was decoded; 1 some of the audio was not, as it says; 2 a wrong request; 130 interrupted."
    )


def run(arguments: argparse.Namespace) -> int:
    """Return the exit code: 1 if a stretch of audio could not be decoded. Raises ConfigurationError."""
    from reswhis.backends.selection import check
    from reswhis.settings.layers import backend_config

    settings = settings_from(arguments, os.environ)
    set_up_log(settings)
    check(backend_config(settings))
    if not 0.01 <= arguments.vac_chunk_size <= 5:
        raise ConfigurationError("--vac-chunk-size must be from 0.01 to 5 seconds.")
    audio = _from(arguments.start_at, read_audio(arguments.audio))
    lost = False
    for emission in _emissions(arguments, settings, audio):
        lost = _print(emission, arguments.start_at) or lost
    return int(lost)


def _from(start_s: float, audio: Samples) -> Samples:
    from reswhis.core.types import samples, seconds

    if not 0 <= start_s < seconds(len(audio)):
        raise ConfigurationError(f"--start-at must be from 0 to less than {seconds(len(audio)):.3f}, the file's end.")
    return audio[samples(start_s) :]


def _emissions(arguments: argparse.Namespace, settings: Settings, audio: Samples) -> Iterator[Emission]:
    from reswhis.audio.vad import SileroVAD
    from reswhis.backends.selection import choose
    from reswhis.core.online import OnlineASRProcessor
    from reswhis.core.types import samples, seconds
    from reswhis.settings.layers import backend_config, session_config, stream_options
    from reswhis.simulation import AudioClock, WallClock, simulate

    config, options = session_config(settings), stream_options(settings)
    if arguments.offline:  # held as a whole, each utterance is decoded once
        config = replace(config, max_held_s=min(max(config.max_held_s, 2 * seconds(len(audio)) + 60), 3600))
    session = OnlineASRProcessor(config, options)
    vad = SileroVAD().stream()
    choice = choose(replace(backend_config(settings), workers=1), _Progress().report)
    if choice.fallback_reason is not None:
        _remark(choice.fallback_reason)
    backend = choice.make(0)
    try:
        clock = AudioClock() if arguments.comp_unaware else WallClock()
        piece = samples(arguments.vac_chunk_size)
        yield from simulate(audio, session, vad, backend, clock, piece=piece, at_once=arguments.offline)
    finally:
        backend.close()


class _Progress:
    """What choosing and fetching a model has to say, each thing once, and every tenth of a download."""

    def __init__(self) -> None:
        self._said = ""

    def report(self, message: str, progress: float | None) -> None:
        said = message if progress is None else f"{message} ({int(progress * 10) * 10} %)"
        if said != self._said:
            self._said = said
            _remark(said)


def _print(emission: Emission, start_s: float) -> bool:
    """Whether some audio is lost."""
    from reswhis.core.events import Committed, DecodeFailed

    match emission.event:
        case Committed(words=words):
            print(emission_line(emission.at + start_s, start_s, words), flush=True)
        case DecodeFailed(start=start, end=end, is_final=True):
            _remark(f"reswhis simulate: from {start + start_s:.1f} s to {end + start_s:.1f} s nothing could be decoded")
            return True
    return False


def emission_line(at: float, start_s: float, words: tuple[Word, ...]) -> str:
    """``EMIT BEG END text`` as whisper_streaming writes it: milliseconds, the first with four decimals.

    ``words`` have their times from ``start_s`` on, ``at`` counts from the file's beginning.
    """
    from reswhis.client.display import printable
    from reswhis.core.types import join

    begin, end = words[0].start + start_s, words[-1].end + start_s
    return f"{at * 1000:.4f} {begin * 1000:.0f} {end * 1000:.0f} {printable(join(words))}"


def _remark(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
