"""Whether the recognisers that run Whisper here hear the same with the same weights, and how fast each is.

    uv run --extra mlx-whisper --extra whisper-timestamped python benchmarks/recognisers.py [--folder DIR]
        [--generation v3] [--context full] [--runs 3]

whisper-micro, in the form that each of them reads and in float32, decodes every recording whole, as a final window, at
temperature 0. Each recogniser has a process and one thread of its own; they take turns, so that what else the machine
does meets all of them. ``--generation v3`` is large-v3's form: 128 mel bins, 51 866 tokens.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import combinations
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median

from reswhis.backends.base import BackendConfig
from reswhis.backends.decoding import Decoding
from reswhis.backends.selection import choose
from reswhis.core.errors import ConfigurationError
from reswhis.core.types import DecodeOptions, Samples, Word, seconds

from common import RECORDINGS, TESTS, decode_whole, parser
from quality_decoding import one_thread_each
from quality_material import recordings
from quality_report import machine
from recognisers_alike import Likeness, Speed, Texts, differences, each, likeness, pairs

FORMATS = {"faster-whisper": "ct2", "mlx-whisper": "mlx", "whisper-timestamped": "openai"}
FLOAT32 = "float32"


@dataclass(frozen=True, slots=True)
class Round:
    """All recordings once."""

    heard: list[tuple[Word, ...]]
    wall_s: float
    cpu_s: float


def build(form: str, generation: str) -> Path:
    """whisper-micro in float32, built once per machine."""
    folder = Path(tempfile.gettempdir()) / f"reswhis-whisper-micro-{generation}-{form}-{FLOAT32}"
    if not folder.exists():
        part = folder.with_suffix(".part")
        command = [sys.executable, str(TESTS / "models" / "whisper-micro" / "build.py"), str(part)]
        wanted = ["--format", form, "--generation", generation, "--quantization", FLOAT32]
        subprocess.run([*command, *wanted], check=True, stdout=subprocess.DEVNULL)
        part.rename(folder)
    return folder


def work(connection: Connection, config: BackendConfig, audios: Sequence[Samples], options: DecodeOptions) -> None:
    """In a process of its own: a round whenever it is asked for one."""
    try:
        backend = choose(config, lambda message, progress: None).make(0)
    except ConfigurationError as error:
        connection.send(error)
        return
    decode_whole(backend, audios[0], options)
    connection.send(None)
    while connection.recv():
        wall, cpu = time.perf_counter(), time.process_time()
        heard = [decode_whole(backend, audio, options) for audio in audios]
        connection.send(Round(heard, time.perf_counter() - wall, time.process_time() - cpu))
    backend.close()


@contextmanager
def working(config: BackendConfig, audios: Sequence[Samples], options: DecodeOptions) -> Iterator[Connection]:
    """A connection to a recogniser that is ready.

    Raises:
        ConfigurationError: it cannot be had.
    """
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=work, args=(there, config, audios, options), daemon=True)
    process.start()
    there.close()
    try:
        if (error := here.recv()) is not None:
            raise error
        yield here
        here.send(False)
    finally:
        here.close()
        process.join()


def measure(
    configs: dict[str, BackendConfig], audios: Sequence[Samples], options: DecodeOptions, runs: int
) -> dict[str, list[Round]]:
    """Of each, in turns."""
    rounds: dict[str, list[Round]] = {name: [] for name in configs}
    with ExitStack() as stack:
        workers = {name: stack.enter_context(working(config, audios, options)) for name, config in configs.items()}
        for _ in range(runs):
            for name, worker in workers.items():
                worker.send(True)
                rounds[name].append(worker.recv())
    return rounds


def speed(rounds: Sequence[Round], audio_s: float) -> Speed:
    return Speed(median(r.wall_s for r in rounds) / audio_s, median(r.cpu_s for r in rounds) / audio_s)


def compare(names: Sequence[str], heard: dict[str, Texts]) -> dict[tuple[str, str], Likeness]:
    return {(one, other): likeness(names, heard[one], heard[other]) for one, other in combinations(heard, 2)}


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--folder", type=Path, default=RECORDINGS)
    arguments.add_argument("--generation", choices=("v2", "v3"), default="v2")
    arguments.add_argument("--context", choices=("dynamic", "full"), default="dynamic")
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--backends", nargs="+", choices=FORMATS, default=list(FORMATS))
    args = arguments.parse_args()
    one_thread_each()
    rows = recordings(args.folder)
    names, audios = [row.name for row in rows], [row.audio for row in rows]
    options = DecodeOptions(language="en", encoder_context=args.context)
    # mlx-whisper takes its threads from the environment.
    configs = {
        name: BackendConfig(
            backend=name,
            model=str(build(FORMATS[name], args.generation)),
            device="cpu",
            compute_type=FLOAT32,
            cpu_threads=0 if name == "mlx-whisper" else 1,
            workers=1,
            decoding=Decoding(temperatures=(0.0,)),
        )
        for name in args.backends
    }
    try:
        rounds = measure(configs, audios, options, args.runs)
    except ConfigurationError as error:
        sys.exit(str(error))
    audio_s = sum(seconds(len(audio)) for audio in audios)
    heard = {name: done[0].heard for name, done in rounds.items()}
    likenesses = compare(names, heard)
    print(machine())
    print(f"{len(rows)} recordings of {audio_s:.0f} s, {args.generation}, {args.context} context; {args.runs} runs\n")
    print(pairs(likenesses), "\n")
    print(each({name: speed(done, audio_s) for name, done in rounds.items()}, heard, rows), "\n")
    print(*differences(likenesses), sep="\n")


if __name__ == "__main__":
    main()
