"""Streams stopped at random places: what is lost and doubled against the same cut audio decoded whole.

    uv run python benchmarks/cuts.py [--streams 300] [--seed 0] [--folder DIR] [--processes 2]
        [--policy NAME] [--step S] [--kind pauses long endless] [--talk 15 25]
        [--faults] [--trace STREAM]

Session, voice detector and recogniser (whisper-micro, short encoder context) are the server's own, the clock is
simulated and decoding takes no time. Half of the streams are recordings with pauses of 0.1 to 2 s, which pass
endpoints. In a quarter ("long") the pauses are 0.1 to 0.3 s, and 1 s every 15 to 25 s: long utterances, which are
trimmed. In the last quarter ("endless") nobody draws breath, and utterances are cut. Each ends anywhere, mostly within
a word.

Words are counted against each stretch as the session cut it, decoded whole by the same model without a prompt
("own"), and, to see what the voice detector and the cuts cost, against each recording decoded alone, the last one as
far as it came ("alone"). Since whisper-micro hears worse in windows beyond some 15 s and then invents words itself, a
lost word also counts as "lost, spoken" only if the whole decode has it right; with --kind long --talk 8 11
--trimming 6 it is utterances it hears well that are trimmed. --faults lists each fault with the words around it,
--trace shows every window of one stream.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from reswhis.audio.vad import SileroVAD
from reswhis.core.alignment import key
from reswhis.core.errors import BackendError
from reswhis.core.events import Committed, Reason, UtteranceEnded
from reswhis.core.online import OnlineASRProcessor, StreamOptions
from reswhis.core.types import Hypothesis, Samples, Window, Word, join, samples, seconds
from reswhis.simulation import Emission, simulate

from common import (
    CACHE,
    RECORDINGS,
    add_session_options,
    in_processes,
    interval,
    markdown,
    micro,
    micro_decoder,
    parser,
    session_of,
    silence,
)
from quality import OPTIONS, Setup, heard_alone, own_stretches
from quality_decoding import Decoder, Meter, Span, WorkClock
from quality_material import Piece, Recording, Said, Stream, duration_s, recordings
from quality_report import Rate, machine
from quality_scores import Fault, Places, errors_by_block, faults, normal

SHORTEST_S = 0.3
NEAR_S = 1.0
"""So near is a fault to the stop or to an endpoint for that to be its place."""
AROUND_S = 1.5
"""Words shown on both sides of a fault."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Seconds between the recordings of a stream, of its longer rests, and of the whole if it is not stopped."""

    name: str
    gap_s: tuple[float, float]
    length_s: float
    talk_s: tuple[float, float] = (math.inf, math.inf)
    """So long it goes on between two rests."""


REST_S = 1.0
PAUSES = Kind("pauses", (0.1, 2.0), 24.0)
LONG = Kind("long", (0.1, 0.3), 40.0, (15.0, 25.0))
ENDLESS = Kind("endless", (0.1, 0.3), 40.0)
KINDS = (PAUSES, LONG, PAUSES, ENDLESS)
"""In turn."""


def stopped(rows: Sequence[Recording], kind: Kind, seed: str) -> Stream:
    """Recordings in random order with gaps, up to a random place."""
    dice = random.Random(seed)
    deck: list[Recording] = []
    parts: list[Samples] = []
    pieces: list[Piece] = []
    at = 0
    stop, rest = samples(dice.uniform(SHORTEST_S, kind.length_s)), dice.uniform(*kind.talk_s)
    while at < stop:
        deck = deck or dice.sample(rows, len(rows))
        gap_s, recording = dice.uniform(*kind.gap_s), deck.pop()
        if seconds(at) > rest:
            gap_s, rest = REST_S, seconds(at) + dice.uniform(*kind.talk_s)
        parts += [silence(gap_s), recording.audio]
        at += samples(gap_s)
        if at < stop:
            audio = recording.audio[: stop - at]
            heard = tuple(word for word in recording.words if word.start < seconds(len(audio)))
            pieces.append(Piece(Recording(recording.name, audio, recording.text, heard), at, 0))
        at += len(recording.audio)
    return Stream(kind.name, f"{kind.name}/{seed}", np.concatenate(parts)[:stop], tuple(pieces))


def material(
    rows: Sequence[Recording], count: int, seed: int, talk_s: tuple[float, float] = LONG.talk_s
) -> list[Stream]:
    kinds = [replace(kind, talk_s=talk_s) if kind is LONG else kind for kind in KINDS]
    return [stopped(rows, kinds[n % len(kinds)], f"{seed}-{n}") for n in range(count)]


class StopPlaces(Places):
    """At the stop, a cut or a trim, else at the beginning or end of an utterance, else within one."""

    def __init__(self, stream: Stream, said: Sequence[Emission], windows: Sequence[Span]) -> None:
        super().__init__(stream, said, windows)
        ends = [emission.event for emission in said if isinstance(emission.event, UtteranceEnded)]
        self.stop = duration_s(stream)
        self.endpoints = [end.end for end in ends if end.reason is Reason.ENDPOINT]
        self.cuts = [end.end for end in ends if end.reason is Reason.CUT]
        self._edges = [at for end in ends for at in (end.start, end.end)]

    @property
    def trims(self) -> list[float]:
        return self._trims

    def name(self, at: float) -> str:
        if self.stop - at <= NEAR_S:
            return "stop"
        if (place := super().name(at)) in {"cut", "trim"}:
            return place
        return "endpoint" if any(abs(at - edge) <= NEAR_S for edge in self._edges) else "utterance"


@dataclass(frozen=True, slots=True)
class Found:
    """A fault and the words around it, live and as it should be."""

    stream: str
    fault: Fault
    spoken: bool
    """Whether a lost word was said so."""
    live: str
    whole: str

    @property
    def kinds(self) -> set[str]:
        return {self.fault.kind} | ({"lost, spoken"} if self.spoken else set())


@dataclass(frozen=True, slots=True)
class Against:
    """The live text of a stream against another."""

    words: int
    wrong: int
    """Of the other text, against what was said."""
    faults: tuple[Found, ...]
    same_last: bool
    same: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    kind: str
    audio_s: float
    spoken: int
    wrong: int
    own: Against
    alone: Against
    endpoints: int
    trims: int
    cuts: int
    within_word: bool


def outcome(stream: Stream, setup: Setup, decoder: Decoder, vad: SileroVAD) -> Outcome:
    meter = Meter(decoder, WorkClock(0.0))
    said = live(stream, setup, meter, vad)
    words = [word for emission in said if isinstance(emission.event, Committed) for word in emission.event.words]
    places, truth = StopPlaces(stream, said, meter.windows), _truth(stream)
    return Outcome(
        kind=stream.material,
        audio_s=duration_s(stream),
        spoken=len(normal(truth).split()),
        wrong=errors_by_block([truth], join(words))[0],
        own=_against(stream, own_stretches(stream.audio, meter.windows, decoder), words, places),
        alone=_against(stream, heard_alone(stream, decoder).files, words, places),
        endpoints=len(places.endpoints),
        trims=len(places.trims),
        cuts=len(places.cuts),
        within_word=any(_holds(word, places.stop) for piece in stream.pieces for word in piece.words),
    )


def live(stream: Stream, setup: Setup, meter: Meter | Tracing, vad: SileroVAD) -> list[Emission]:
    session = OnlineASRProcessor(setup.session, StreamOptions(OPTIONS, endpointing=setup.endpointing))
    return list(simulate(stream.audio, session, vad.stream(), meter, WorkClock(0.0)))


def _truth(stream: Stream) -> str:
    return " ".join(word.text for piece in stream.pieces for word in piece.words)


def _holds(word: Said, at: float) -> bool:
    return word.start < at < word.end


def _against(stream: Stream, whole: Sequence[Word], words: Sequence[Word], places: Places) -> Against:
    right = {word.middle for word in _right(stream, whole)}
    found = [
        Found(
            stream.name,
            fault,
            fault.kind == "lost" and fault.at in right,
            _around(words, fault.at),
            _around(whole, fault.at),
        )
        for fault in faults(whole, words, places)
    ]
    a, b = [key(word) for word in words if key(word)], [key(word) for word in whole if key(word)]
    wrong = errors_by_block([_truth(stream)], join(whole))[0]
    return Against(len(b), wrong, tuple(found), a[-1:] == b[-1:], a == b)


def _right(stream: Stream, whole: Sequence[Word]) -> list[Word]:
    """Those that an alignment by text pairs with a spoken word."""
    import jiwer

    heard = [word for word in whole if key(word)]
    spoken = [key(Word(0, 0, word.text)) for piece in stream.pieces for word in piece.words]
    chunks = jiwer.process_words(" ".join(spoken), " ".join(map(key, heard))).alignments[0]
    return [
        word for chunk in chunks if chunk.type == "equal" for word in heard[chunk.hyp_start_idx : chunk.hyp_end_idx]
    ]


def _around(words: Sequence[Word], at: float) -> str:
    return join(word for word in words if abs(word.middle - at) <= AROUND_S)


# All streams, in processes.


@dataclass(frozen=True, slots=True)
class Share:
    streams: tuple[Stream, ...]
    setup: Setup
    model: Path
    cache: Path


def work(share: Share) -> list[Outcome]:
    decoder = micro_decoder(share.cache, share.model)
    vad = SileroVAD()
    outcomes = []
    for number, stream in enumerate(share.streams, 1):
        outcomes.append(outcome(stream, share.setup, decoder, vad))
        if number % 10 == 0:
            print(f"{number}/{len(share.streams)}", file=sys.stderr, flush=True)
    decoder.close()
    return outcomes


def parts(streams: Sequence[Stream], processes: int) -> list[tuple[Stream, ...]]:
    by_length = sorted(streams, key=duration_s)
    return [part for n in range(processes) if (part := tuple(by_length[n::processes]))]


# What is printed.

WER_HEAD = ("WER %", "words said", "live", "own", "alone", "live − own", "live − alone")
COUNTED = ("lost", "lost, spoken", "doubled", "inserted")


def report(outcomes: Sequence[Outcome]) -> str:
    names = dict.fromkeys(kind.name for kind in KINDS)
    groups = [(name, [one for one in outcomes if one.kind == name]) for name in names] + [("all", list(outcomes))]
    groups = [(name, group) for name, group in groups if group]
    head = ("", "streams", "audio", "within a word", "past an endpoint", "past a trim", "past a cut", "any of them")
    rows = [(name, *_passed(group)) for name, group in groups]
    parts = [markdown(head, rows), ""]
    head = ("per 1000 words", "words", *COUNTED, "same last word", "same text")
    rows = [
        (f"{name}, {against}", *_counts([getattr(one, against) for one in group]))
        for name, group in groups
        for against in ("own", "alone")
    ]
    parts += [markdown(head, rows), ""]
    parts += [markdown(WER_HEAD, [(name, *_rates(group)) for name, group in groups]), ""]
    for against in ("own", "alone"):
        at = Counter((f.fault.kind, f.fault.place) for one in outcomes for f in getattr(one, against).faults)
        where = ", ".join(f"{count} {kind} at {place}" for (kind, place), count in at.most_common())
        parts.append(f"{against}: {where or 'no fault'}")
    return "\n".join(parts)


def _passed(group: Sequence[Outcome]) -> list[str]:
    marks = [
        [one.within_word for one in group],
        [one.endpoints > 0 for one in group],
        [one.trims > 0 for one in group],
        [one.cuts > 0 for one in group],
        [one.endpoints + one.trims + one.cuts > 0 for one in group],
    ]
    return [str(len(group)), f"{sum(one.audio_s for one in group) / 60:.0f} min", *(str(sum(mark)) for mark in marks)]


def _rates(group: Sequence[Outcome]) -> list[str]:
    words = [one.spoken for one in group]
    live, own, alone = (
        [one.wrong for one in group],
        [one.own.wrong for one in group],
        [one.alone.wrong for one in group],
    )
    rows = [live, own, alone, _less(live, own), _less(live, alone)]
    return [str(sum(words)), *(str(Rate.of(row, words)) for row in rows)]


def _less(one: Sequence[int], other: Sequence[int]) -> list[int]:
    return [a - b for a, b in zip(one, other, strict=True)]


def _counts(group: Sequence[Against]) -> list[str]:
    words = np.array([one.words for one in group])
    rates = []
    for kind in COUNTED:
        counts = np.array([sum(kind in found.kinds for found in one.faults) for one in group])
        low, high = interval(counts, words)
        rates.append(f"{1000 * counts.sum() / max(1, words.sum()):.2f} [{10 * low:.2f}, {10 * high:.2f}]")
    return [str(words.sum()), *rates, str(sum(one.same_last for one in group)), str(sum(one.same for one in group))]


def listed(outcomes: Sequence[Outcome]) -> str:
    return "\n".join(
        f"{found.stream} {found.fault.at:.2f} s, at {found.fault.place}: {max(found.kinds)} {found.fault.text!r}\n"
        f"    live  {found.live}\n    whole {found.whole}"
        for one in outcomes
        for found in one.own.faults
    )


# One stream, window by window.


class Tracing:
    """A recogniser that prints what it is asked and what it hears."""

    max_batch = 1

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self.windows: list[Span] = []

    def batch_key(self, window: Window) -> Hashable:
        return window.options

    def transcribe(self, windows: Sequence[Window]) -> list[Hypothesis | BackendError]:
        return [self._one(window) for window in windows]

    def close(self) -> None:
        """The decoder is the caller's."""

    def _one(self, window: Window) -> Hypothesis:
        self.windows.append(Span(window.start, window.end, window.is_final))
        heard = self._decoder.decode(window).hypothesis
        span = f"{seconds(window.start):.2f} to {seconds(window.end):.2f}"
        print(f"window {window.id}{' final' if window.is_final else ''} {span}, prompt {window.prompt!r}")
        print(f"    {_timed([word.shifted(seconds(window.start)) for word in heard.words])}")
        return heard


def trace(stream: Stream, setup: Setup, decoder: Decoder) -> None:
    tracing = Tracing(decoder)
    said = live(stream, setup, tracing, SileroVAD())
    print(f"\nspoken {_spoken(stream)}\n")
    for emission in said:
        match emission.event:
            case Committed(words=words, reason=reason):
                print(f"{emission.at:.2f} committed by {reason.value}: {_timed(words)}")
            case UtteranceEnded(start=start, end=end, reason=reason):
                print(f"{emission.at:.2f} utterance of {start:.2f} to {end:.2f} ended by {reason.value}")
            case _:
                pass
    print(f"\nown {_timed(own_stretches(stream.audio, tracing.windows, decoder))}")


def _timed(words: Sequence[Word]) -> str:
    return " ".join(f"{word.start:.2f}{word.text}" for word in words)


def _spoken(stream: Stream) -> str:
    return " ".join(f"{word.start:.2f} {word.text}" for piece in stream.pieces for word in piece.words)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("--streams", type=int, default=300)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--folder", type=Path, default=RECORDINGS)
    options.add_argument("--kind", nargs="+", choices=[kind.name for kind in KINDS], help="only streams of these")
    options.add_argument("--talk", nargs=2, type=float, default=LONG.talk_s, help="seconds between rests, if long")
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--cache", type=Path, default=CACHE)
    options.add_argument("--faults", action="store_true", help="list them")
    options.add_argument("--trace", help="show the windows of this stream, named as in the list of faults")
    add_session_options(options)
    return options.parse_args(argv)


def main() -> None:
    args = arguments()
    began = time.monotonic()
    setup = Setup(*session_of(args))
    streams = material(recordings(args.folder), args.streams, args.seed, tuple(args.talk))
    streams = [stream for stream in streams if not args.kind or stream.material in args.kind]
    if args.trace:
        (stream,) = [stream for stream in streams if stream.name == args.trace]
        trace(stream, setup, micro_decoder(args.cache, micro()))
        return
    shares = [Share(part, setup, micro(), args.cache) for part in parts(streams, args.processes)]
    outcomes = in_processes(work, shares)
    print(f"{machine()}\n{setup.name}, seed {args.seed}, {args.folder.name}; took {time.monotonic() - began:.0f} s\n")
    print(report(outcomes))
    if args.faults:
        print(f"\n{listed(outcomes)}")


if __name__ == "__main__":
    main()
