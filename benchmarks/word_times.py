"""Whether words are where they are said: how far their starts are off, and whether pauses make them drift.

    uv run python benchmarks/word_times.py [--folder DIR] [--seeds 10] [--policy NAME] [--step S] [--words N]

Session, voice detector and recogniser (whisper-micro, short encoder context) are the server's own, the clock is
simulated. Only recordings with exact word times (espeak-ng's) are streamed, in monologues with pauses of 0.1 to 2 s;
only words that were heard right count.

For the drift the same ten recordings come before and after twenty pauses of 1 to 30 s, between which others are spoken:
how much later than before, against its true place, is each word of theirs that was heard right both times?
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from reswhis.audio.vad import SileroVAD
from reswhis.core.alignment import key
from reswhis.core.events import Committed
from reswhis.core.online import OnlineASRProcessor, StreamOptions
from reswhis.core.types import Samples, Word, samples
from reswhis.simulation import simulate

from common import (
    CACHE,
    RECORDINGS,
    add_session_options,
    in_processes,
    markdown,
    micro,
    micro_decoder,
    parser,
    session_of,
    silence,
)
from quality import OPTIONS, Setup
from quality_decoding import Decoder, Meter, WorkClock
from quality_material import Piece, Recording, Said, Stream, duration_s, recordings
from quality_report import machine

GAPS_S = (0.1, 2.0)
MONOLOGUE_S = 60.0
PAUSES_S = (1.0, 30.0)
PAUSES = 20
REPEATED = 10
AFTERWARDS_S = 2.0
DRAWS = 2000
BEFORE, AMONG, AFTER = range(3)
"""Blocks of a stream with pauses."""


class Tape:
    """Audio that grows, and what was said on it."""

    def __init__(self) -> None:
        self._parts: list[Samples] = []
        self._pieces: list[Piece] = []
        self.length = 0

    def pause(self, duration_s: float) -> None:
        self._parts.append(silence(duration_s))
        self.length += samples(duration_s)

    def say(self, recording: Recording, *, block: int) -> None:
        self._pieces.append(Piece(recording, self.length, block))
        self._parts.append(recording.audio)
        self.length += len(recording.audio)

    def stream(self, material: str, name: str) -> Stream:
        self.pause(AFTERWARDS_S)
        return Stream(material, name, np.concatenate(self._parts), tuple(self._pieces))


def monologues(rows: Sequence[Recording], seed: int) -> list[Stream]:
    """All recordings once."""
    dice = random.Random(f"monologues {seed}")
    streams: list[Stream] = []
    tape = Tape()
    for recording in dice.sample(rows, len(rows)):
        tape.pause(dice.uniform(*GAPS_S))
        tape.say(recording, block=BEFORE)
        if tape.length > samples(MONOLOGUE_S):
            streams.append(tape.stream("starts", f"starts-{seed}-{len(streams)}"))
            tape = Tape()
    if tape.length:
        streams.append(tape.stream("starts", f"starts-{seed}-{len(streams)}"))
    return streams


def around_pauses(rows: Sequence[Recording], seed: int, *, pauses: int = PAUSES) -> Stream:
    """The same recordings before and after the pauses, others among them."""
    dice = random.Random(f"drift {seed}")
    repeated = dice.sample(rows, min(REPEATED, len(rows)))
    tape = Tape()
    _say_all(tape, repeated, dice, block=BEFORE)
    for n in range(pauses):
        tape.pause(dice.uniform(*PAUSES_S))
        if n < pauses - 1:
            tape.say(dice.choice(rows), block=AMONG)
    _say_all(tape, repeated, dice, block=AFTER)
    return tape.stream("drift", f"drift-{seed}")


def _say_all(tape: Tape, rows: Iterable[Recording], dice: random.Random, *, block: int) -> None:
    for recording in rows:
        tape.pause(dice.uniform(*GAPS_S))
        tape.say(recording, block=block)


@dataclass(frozen=True, slots=True)
class Heard:
    """A spoken word that was heard right."""

    block: int
    place: tuple[int, int]
    """Which recording of its block, and which word of that."""
    said: Said
    off_s: float
    """How late its start is."""


@dataclass(frozen=True, slots=True)
class Timed:
    stream: str
    material: str
    audio_s: float
    spoken: int
    heard: tuple[Heard, ...]


def timed(stream: Stream, setup: Setup, decoder: Decoder, vad: SileroVAD) -> Timed:
    session = OnlineASRProcessor(setup.session, StreamOptions(OPTIONS, endpointing=setup.endpointing))
    meter, clock = Meter(decoder, WorkClock(0.0)), WorkClock(0.0)
    said = simulate(stream.audio, session, vad.stream(), meter, clock)
    words = [word for emission in said if isinstance(emission.event, Committed) for word in emission.event.words]
    heard = tuple(heard_right(stream, words))
    return Timed(
        stream.name, stream.material, duration_s(stream), sum(len(piece.words) for piece in stream.pieces), heard
    )


def heard_right(stream: Stream, words: Sequence[Word]) -> Iterator[Heard]:
    """Those whose text an alignment pairs with the same text, wherever its time is."""
    import jiwer

    spoken = list(_spoken(stream))
    words = [word for word in words if key(word)]
    truth = " ".join(key(Word(0, 0, said.text)) for _, _, said in spoken)
    for chunk in jiwer.process_words(truth, " ".join(map(key, words))).alignments[0]:
        if chunk.type == "equal":
            rows = spoken[chunk.ref_start_idx : chunk.ref_end_idx]
            heard = words[chunk.hyp_start_idx : chunk.hyp_end_idx]
            for (block, place, said), word in zip(rows, heard, strict=True):
                yield Heard(block, place, said, word.start - said.start)


def _spoken(stream: Stream) -> Iterator[tuple[int, tuple[int, int], Said]]:
    for block, pieces in groupby(stream.pieces, lambda piece: piece.block):
        for nth, piece in enumerate(pieces):
            yield from ((block, (nth, i), word) for i, word in enumerate(piece.words))


def drifts(row: Timed) -> list[float]:
    """Of each word that was heard right before and after the pauses: how much later it is after them."""
    before = {one.place: one.off_s for one in row.heard if one.block == BEFORE}
    return [one.off_s - before[one.place] for one in row.heard if one.block == AFTER and one.place in before]


# All streams, in processes.


@dataclass(frozen=True, slots=True)
class Share:
    streams: tuple[Stream, ...]
    setup: Setup
    model: Path
    cache: Path


def work(share: Share) -> list[Timed]:
    decoder = micro_decoder(share.cache, share.model)
    vad = SileroVAD()
    rows = []
    for number, stream in enumerate(share.streams, 1):
        rows.append(timed(stream, share.setup, decoder, vad))
        print(f"{number}/{len(share.streams)} {stream.name}", file=sys.stderr, flush=True)
    decoder.close()
    return rows


# What is printed.


def report(rows: Sequence[Timed]) -> str:
    starts = [row for row in rows if row.material == "starts"]
    drift = [row for row in rows if row.material == "drift"]
    head = ("word starts", "streams", "words said", "heard right", "median off, ms", "p90, ms", "median late, ms")
    offs = [[one.off_s for one in row.heard] for row in starts]
    parts = [
        markdown(
            head,
            [
                (
                    "monologues", str(len(starts)), str(sum(row.spoken for row in starts)), str(sum(map(len, offs))),
                    _percentile([list(map(abs, off)) for off in offs], 50),
                    _percentile([list(map(abs, off)) for off in offs], 90),
                    _percentile(offs, 50),
                )
            ],
        ),
        "",
        markdown(("drift", "streams", "audio", "words", "median late, ms", "p90 off, ms"), list(_drift_rows(drift))),
    ]  # fmt: skip
    return "\n".join(parts)


def _drift_rows(rows: Sequence[Timed]) -> Iterator[tuple[str, ...]]:
    audio = f"{sum(row.audio_s for row in rows) / 60:.0f} min"
    groups = {
        "before the pauses": [[one.off_s for one in row.heard if one.block == BEFORE] for row in rows],
        "after them": [[one.off_s for one in row.heard if one.block == AFTER] for row in rows],
        "the same word after − before": [drifts(row) for row in rows],
    }
    for name, offs in groups.items():
        off = _percentile([list(map(abs, group)) for group in offs], 90)
        yield name, str(len(rows)), audio, str(sum(map(len, offs))), _percentile(offs, 50), off


def _percentile(groups: Sequence[Sequence[float]], part: float) -> str:
    """In ms, with a 95 % interval by drawing streams with replacement."""
    values = [np.array(group) for group in groups if group]
    if not values:
        return "-"
    chosen = np.random.default_rng(0).integers(0, len(values), (DRAWS, len(values)))
    drawn = [np.percentile(np.concatenate([values[i] for i in row]), part) for row in chosen]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{1000 * np.percentile(np.concatenate(values), part):.0f} [{1000 * low:.0f}, {1000 * high:.0f}]"


def farthest(rows: Sequence[Timed], count: int) -> str:
    heard = sorted(((one, row.stream) for row in rows for one in row.heard), key=lambda pair: -abs(pair[0].off_s))
    return "\n".join(
        f"{stream} {one.said.text!r} said at {one.said.start:.2f} s, sent as {one.said.start + one.off_s:.2f} s"
        for one, stream in heard[:count]
    )


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("--folder", type=Path, default=RECORDINGS)
    options.add_argument("--seeds", type=int, default=10)
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--cache", type=Path, default=CACHE)
    options.add_argument("--words", type=int, default=0, metavar="N", help="list the N words that are farthest off")
    add_session_options(options)
    return options.parse_args(argv)


def main() -> None:
    args = arguments()
    began = time.monotonic()
    setup = Setup(*session_of(args))
    rows = [row for row in recordings(args.folder) if all(word.exact for word in row.words)]
    streams = [around_pauses(rows, seed) for seed in range(args.seeds)]
    streams += [stream for seed in range(args.seeds) for stream in monologues(rows, seed)]
    model = micro()
    shares = [Share(tuple(streams[n :: args.processes]), setup, model, args.cache) for n in range(args.processes)]
    done = in_processes(work, [share for share in shares if share.streams])
    took = f"took {time.monotonic() - began:.0f} s"
    print(f"{machine()}\n{setup.name}, seeds 0 to {args.seeds - 1}, {args.folder.name}; {took}\n")
    print(report(done))
    if args.words:
        print(f"\n{farthest(done, args.words)}")


if __name__ == "__main__":
    main()
