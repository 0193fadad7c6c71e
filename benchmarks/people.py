"""People, heard by pocketsphinx: the live text against the same recordings decoded whole.

    uv run python benchmarks/people.py --folder DIR [--seeds 3] [--policy NAME] [--step S] [--texts]

Session, voice detector and recogniser are the server's own, the clock is simulated. Each recording is streamed by
itself, once for every seed, which gives the silence before it (0.2 to 1.2 s), so that the windows fall elsewhere.
"Whole" is the same audio decoded in one go; "own" is each stretch as the session cut it, decoded in one go: the
difference between those two is what the voice detector's boundaries do, that between live and own what the decodes
before the last one do.

--folder has the recordings and either references.tsv (columns file and text) or references.jsonl, as tests/recordings
has; --texts prints what was heard. Intervals are by drawing clauses of the references, so they say nothing of other
speakers.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import random
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from reswhis.audio.files import load
from reswhis.audio.vad import SileroVAD
from reswhis.core.events import Committed
from reswhis.core.online import OnlineASRProcessor, StreamOptions
from reswhis.core.types import DecodeOptions, Window, join
from reswhis.simulation import simulate

from common import (
    CACHE,
    RECORDINGS,
    Recording,
    add_session_options,
    in_processes,
    make_backend,
    markdown,
    parser,
    recordings,
    session_of,
    silence,
    to_int16,
)
from quality import Setup, own_stretches
from quality_decoding import CachedDecoder, Decoder, Meter, WorkClock, whole
from quality_report import Rate, machine
from quality_scores import errors_by_block, normal

OPTIONS = DecodeOptions(language="en")
BEFORE_S = (0.2, 1.2)
AFTERWARDS_S = 0.5
CLAUSE_WORDS = 6
"""A shorter clause is joined with the next."""
KINDS = ("live", "own", "whole")


def references(folder: Path, prefix: str) -> list[Recording]:
    if not (table := folder / "references.tsv").exists():
        return recordings(folder, prefix)
    with table.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        Recording(row["file"], to_int16(load(folder / row["file"])), row["text"])
        for row in rows
        if row["file"].startswith(prefix)
    ]


def clauses(text: str) -> list[str]:
    found: list[str] = []
    for clause in re.split(r"(?<=[.,;!?])\s+", text.strip()):
        if found and len(found[-1].split()) < CLAUSE_WORDS:
            found[-1] = f"{found[-1]} {clause}"
        else:
            found.append(clause)
    return found


@dataclass(frozen=True, slots=True)
class Texts:
    """What was heard of a recording, by kind."""

    recording: str
    truths: tuple[str, ...]
    seed: int
    live: str
    own: str
    whole: str

    def wrong(self, kind: str) -> tuple[int, ...]:
        """Word errors in each clause."""
        return errors_by_block(self.truths, {"live": self.live, "own": self.own, "whole": self.whole}[kind])


def lead_in_s(recording: Recording, seed: int) -> float:
    return random.Random(f"{recording.name} {seed}").uniform(*BEFORE_S)


def texts(recording: Recording, seed: int, setup: Setup, decoder: Decoder, vad: SileroVAD) -> Texts:
    audio = np.concatenate((silence(lead_in_s(recording, seed)), recording.audio, silence(AFTERWARDS_S)))
    session = OnlineASRProcessor(setup.session, StreamOptions(OPTIONS, endpointing=setup.endpointing))
    meter = Meter(decoder, WorkClock(0.0))
    said = list(simulate(audio, session, vad.stream(), meter, meter.clock))
    words = [word for emission in said if isinstance(emission.event, Committed) for word in emission.event.words]
    return Texts(
        recording.name,
        tuple(clauses(recording.text)),
        seed,
        join(words),
        join(own_stretches(audio, meter.windows, decoder)),
        join(whole(decoder, Window(0, 0, audio, OPTIONS, is_final=True))),
    )


# All recordings, in processes.


@dataclass(frozen=True, slots=True)
class Share:
    recordings: tuple[tuple[Recording, int], ...]
    """With the seed."""
    setup: Setup
    cache: Path


def fingerprint() -> str:
    from importlib.metadata import version

    from reswhis.backends import pocketsphinx, pocketsphinx_child

    modules = (pocketsphinx, pocketsphinx_child)
    digest = hashlib.sha256(b"".join(Path(str(module.__file__)).read_bytes() for module in modules))
    return f"{digest.hexdigest()} {version('pocketsphinx')}"


def work(share: Share) -> list[Texts]:
    decoder = CachedDecoder(share.cache, fingerprint(), partial(make_backend, "pocketsphinx"))
    vad = SileroVAD()
    rows = []
    for recording, seed in share.recordings:
        rows.append(texts(recording, seed, share.setup, decoder, vad))
        print(f"{recording.name}, seed {seed}", file=sys.stderr, flush=True)
    decoder.close()
    return rows


def run(todo: Sequence[tuple[Recording, int]], setup: Setup, cache: Path, processes: int) -> list[Texts]:
    longest_first = sorted(todo, key=lambda pair: -len(pair[0].audio))
    parts = [tuple(longest_first[n::processes]) for n in range(processes)]
    return in_processes(work, [Share(part, setup, cache) for part in parts if part])


# What is printed.


def report(rows: Sequence[Texts]) -> str:
    names = list(dict.fromkeys(row.recording for row in rows))
    groups = [(name, [row for row in rows if row.recording == name]) for name in sorted(names)] + [("all", list(rows))]
    head = ("WER %", "words", "live", "own", "whole", "live − own", "live − whole")
    return markdown(head, [(name, *_rates(group)) for name, group in groups])


def _rates(rows: Sequence[Texts]) -> Iterator[str]:
    """Each clause is drawn with all its seeds."""
    seeds = sorted({row.seed for row in rows})
    words = _by_clause(rows, [[len(normal(truth).split()) for truth in row.truths] for row in rows])
    wrong = {kind: _by_clause(rows, [row.wrong(kind) for row in rows]) for kind in KINDS}
    yield f"{sum(words) // len(seeds)} × {len(seeds)}"
    for kind in KINDS:
        yield str(Rate.of(wrong[kind], words))
    for other in ("own", "whole"):
        yield str(Rate.of([a - b for a, b in zip(wrong["live"], wrong[other], strict=True)], words))


def _by_clause(rows: Sequence[Texts], counts: Sequence[Sequence[int]]) -> list[int]:
    sums: dict[tuple[str, int], int] = {}
    for row, numbers in zip(rows, counts, strict=True):
        for clause, number in enumerate(numbers):
            at = (row.recording, clause)
            sums[at] = sums.get(at, 0) + number
    return list(sums.values())


def listed(rows: Sequence[Texts]) -> str:
    ordered = sorted(rows, key=lambda row: (row.recording, row.seed))
    return "\n".join(
        f"{row.recording}, seed {row.seed}\n    said  {' '.join(row.truths)}\n"
        f"    live  {row.live}\n    own   {row.own}\n    whole {row.whole}"
        for row in ordered
    )


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("--folder", type=Path, default=RECORDINGS)
    options.add_argument("--prefix", default="", help="only files whose names begin so")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--cache", type=Path, default=CACHE)
    options.add_argument("--texts", action="store_true", help="print them")
    add_session_options(options)
    return options.parse_args(argv)


def main() -> None:
    args = arguments()
    began = time.monotonic()
    setup = Setup(*session_of(args))
    todo = [(row, seed) for row in references(args.folder, args.prefix) for seed in range(args.seeds)]
    rows = run(todo, setup, args.cache, args.processes)
    took = f"took {time.monotonic() - began:.0f} s"
    print(f"{machine()}\npocketsphinx, {setup.name}, seeds 0 to {args.seeds - 1}, {args.folder.name}; {took}\n")
    print(report(rows))
    if args.texts:
        print(f"\n{listed(rows)}")


if __name__ == "__main__":
    main()
