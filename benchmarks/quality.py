"""Quality, latency and cost of streaming: every configuration asked for, on the same streams, in one table.

    uv run python benchmarks/quality.py [--folder DIR] [--words 2000] [--seeds 10] [--processes 2]
        [--material utterances monologues stream] [--mode unaware aware]
        [--policy local-agreement alignatt] [--step 0.5 1.0] [--n 2 3] [--holdback 0.3 0.4] [--min-probability 0.5]
        [--endpoint-ms 500] [--trimming 15] [--preroll 0.3] [--prompt-chars 200] [--new-share 0.5]
        [--sentence-pause 0.3]
        [--baseline] [--json FILE] [--plot FILE.svg]

A list makes a sweep over all its values; what is not given is the product's default. That is always among the points,
and marked with a star. The session, the voice detector and the recogniser (whisper-micro, short encoder context) are
the server's own, the clock is simulated: unaware, decoding takes no time; aware, it takes the CPU time of one thread
that it took when this window was first decoded, times --slowness. Decodes are remembered in --cache, so the second run
of a sweep takes seconds.

--folder has a references.jsonl with word times, as tests/recordings has. Latency counts from the ends of the words
whose times are exact, if there are any. The reference is each recording decoded alone, whole, by the same model with
the same options and no prompt: its file, and "in place", the same recording as it lies in the stream, from the last
multiple of 20 ms before it. The recogniser hears a small network's words otherwise when it begins some milliseconds
earlier, mostly worse, and of each file there is one decode however often it is said. "Own" is each stretch as the
session itself cut it, an utterance or a sentence of it, decoded so: how that differs from the reference is the doing
of these cuts, how the live text differs from it is what the decodes before the last one did.
--baseline adds the predecessor's rule at each step.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reswhis.audio.vad import SileroVAD
from reswhis.core.commit import POLICIES, PolicyConfig
from reswhis.core.endpointing import FRAME, EndpointingConfig
from reswhis.core.online import OnlineASRProcessor, SessionConfig, StreamOptions
from reswhis.core.types import DecodeOptions, Samples, Window, Word
from reswhis.simulation import Emission, Scorer, simulate

from common import CACHE, RECORDINGS, in_processes, micro, micro_decoder, parser
from quality_baseline import Predecessor
from quality_decoding import Decoder, Meter, Span, WorkClock, stretches, whole
from quality_material import Plan, Stream, duration_s, recordings, streams
from quality_report import Report, Row, machine, plot, table
from quality_scores import Reference, Score, score

OPTIONS = DecodeOptions(language="en", encoder_context="dynamic")
HOP = 320
"""Samples of a step of the recogniser's encoder."""
MATERIALS = ("utterances", "monologues", "stream")


@dataclass(frozen=True, slots=True)
class Setup:
    """A point of the sweep."""

    session: SessionConfig = SessionConfig()
    endpointing: EndpointingConfig = EndpointingConfig()
    slowness: float = 0.0
    predecessor: bool = False

    @property
    def mode(self) -> str:
        return "aware" if self.slowness else "unaware"

    @property
    def is_default(self) -> bool:
        return replace(self, slowness=0.0) == Setup()

    @property
    def name(self) -> str:
        if self.predecessor:
            return f"predecessor, step {self.session.step_s:g}"
        policy = self.session.policy
        parts = [policy.name, f"step {self.session.step_s:g}"]
        match policy.name:
            case "local-agreement":
                parts.append(f"n {policy.n}")
            case "alignatt":
                parts += [f"hold-back {policy.holdback_s:g}", f"p {policy.min_probability:g}"]
        parts.append(f"endpoint {1000 * self.endpointing.min_silence_s:.0f} ms")
        usual = SessionConfig()
        for label, value, default in (
            ("trimming", self.session.buffer_trimming_s, usual.buffer_trimming_s),
            ("pre-roll", self.session.preroll_s, usual.preroll_s),
            ("prompt", self.session.prompt_chars, usual.prompt_chars),
            ("new share", self.session.new_share, usual.new_share),
            ("sentence pause", self.session.sentence_pause_s, usual.sentence_pause_s),
        ):
            parts += [f"{label} {value:g}"] if value != default else []
        return ", ".join(parts)


def _policy(name: str, n: int, holdback: float, probability: float) -> PolicyConfig:
    match name:
        case "local-agreement":
            return PolicyConfig(name, n=n)
        case "alignatt":
            return PolicyConfig(name, holdback_s=holdback, min_probability=probability)
    return PolicyConfig(name)


def setups(args: argparse.Namespace) -> list[Setup]:
    """The product's default, then each combination once: what a policy does not look at makes no difference."""
    slownesses = {"unaware": 0.0, "aware": args.slowness}
    found = {Setup(slowness=slownesses[mode]): None for mode in args.mode}
    policies = itertools.product(args.policy, args.n, args.holdback, args.min_probability)
    sessions = itertools.product(
        args.step, args.trimming, args.preroll, args.prompt_chars, args.new_share, args.sentence_pause
    )
    for mode, policy, fixed, endpoint_ms in itertools.product(args.mode, policies, sessions, args.endpoint_ms):
        step, trimming, preroll, prompt, share, pause = fixed
        session = SessionConfig(
            step_s=step,
            policy=_policy(*policy),
            buffer_trimming_s=trimming,
            preroll_s=preroll,
            prompt_chars=prompt,
            new_share=share,
            sentence_pause_s=pause,
        )
        endpointing = replace(EndpointingConfig(), min_silence_s=endpoint_ms / 1000)
        found[Setup(session, endpointing, slownesses[mode])] = None
    if args.baseline:
        for mode, step in itertools.product(args.mode, args.step):
            session = replace(SessionConfig(), step_s=step)
            found[Setup(session, slowness=slownesses[mode], predecessor=True)] = None
    return list(found)


# One stream.


def measure(stream: Stream, setup: Setup, decoder: Decoder, vad: Scorer, reference: Reference) -> Score:
    meter = Meter(decoder, WorkClock(setup.slowness))
    said = list(_said(stream.audio, setup, meter, vad))
    own = None if setup.predecessor else own_stretches(stream.audio, meter.windows, decoder)
    return score(stream, said, meter, reference, own)


def _said(audio: Samples, setup: Setup, meter: Meter, vad: Scorer) -> Iterator[Emission]:
    if setup.predecessor:
        return Predecessor(meter, OPTIONS, setup.session.step_s).stream(audio)
    session = OnlineASRProcessor(setup.session, StreamOptions(OPTIONS, endpointing=setup.endpointing))
    return simulate(audio, session, vad, meter, meter.clock)


def own_stretches(audio: Samples, windows: Sequence[Span], decoder: Decoder) -> list[Word]:
    """What is heard in each stretch as the session cut it, decoded whole."""
    return [
        word
        for start, end in stretches(windows)
        for word in whole(decoder, Window(0, start, audio[start:end], OPTIONS, is_final=True))
    ]


def heard_alone(stream: Stream, decoder: Decoder) -> Reference:
    files = [Window(0, piece.at, piece.recording.audio, OPTIONS, is_final=True) for piece in stream.pieces]
    starts = [window.start // HOP * HOP for window in files]
    placed = [
        Window(0, start, stream.audio[start : window.end], OPTIONS, is_final=True)
        for start, window in zip(starts, files, strict=True)
    ]
    return Reference(*([word for window in windows for word in whole(decoder, window)] for windows in (files, placed)))


class Replayed:
    """The voice detector's scores of one stream, computed once and given out as the audio comes."""

    def __init__(self, scores: Sequence[float]) -> None:
        self._scores = scores
        self._samples = 0

    def score(self, samples: Samples) -> Sequence[float]:
        first = self._samples // FRAME
        self._samples += len(samples)
        return self._scores[first : self._samples // FRAME]


# All streams, in processes.


@dataclass(frozen=True, slots=True)
class Share:
    """What one process does: all configurations on these streams, so that what they decode alike is decoded once."""

    streams: tuple[Stream, ...]
    setups: tuple[Setup, ...]
    model: Path
    cache: Path


@dataclass(frozen=True, slots=True)
class Done:
    scores: tuple[tuple[Setup, str, Score], ...]
    """With the material."""
    hits: int
    misses: int


def work(share: Share) -> list[Done]:
    decoder = micro_decoder(share.cache, share.model)
    detector = SileroVAD()
    scores: list[tuple[Setup, str, Score]] = []
    for number, stream in enumerate(share.streams, 1):
        began = time.monotonic()
        reference = heard_alone(stream, decoder)
        speech = detector.stream().score(stream.audio)
        for setup in share.setups:
            scores.append((setup, stream.material, measure(stream, setup, decoder, Replayed(speech), reference)))
        took = f"{duration_s(stream):.0f} s of audio in {time.monotonic() - began:.0f} s"
        print(f"{number}/{len(share.streams)} {stream.name}: {took}", file=sys.stderr, flush=True)
    decoder.close()
    return [Done(tuple(scores), decoder.hits, decoder.misses)]


def shares(todo: list[Stream], setups: list[Setup], model: Path, cache: Path, processes: int) -> list[Share]:
    """The longest first, each to whom has the least to do."""
    parts: list[list[Stream]] = [[] for _ in range(processes)]
    for stream in sorted(todo, key=duration_s, reverse=True):
        min(parts, key=lambda part: sum(map(duration_s, part))).append(stream)
    return [Share(tuple(part), tuple(setups), model, cache) for part in parts if part]


def report(done: list[Done], setups: list[Setup], args: argparse.Namespace, took_s: float) -> Report:
    scores = [row for part in done for row in part.scores]
    rows = [
        Row.of(material, setup.mode, setup.name, [s for at, of, s in scores if (at, of) == (setup, material)])
        for material in args.material
        for setup in setups
    ]
    marked = {setup.name for setup in setups if setup.is_default}
    rows = [replace(row, is_default=row.name in marked) for row in rows]
    hits, misses = sum(part.hits for part in done), sum(part.misses for part in done)
    asked = {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()}
    return Report(machine(), asked, tuple(rows), hits, misses, took_s)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    options = parser(__doc__)
    session, policy, endpointing = SessionConfig(), PolicyConfig(), EndpointingConfig()
    options.add_argument("--folder", type=Path, default=RECORDINGS)
    options.add_argument("--words", type=int, default=2000, help="of each material, at least")
    options.add_argument("--seeds", type=int, default=10)
    options.add_argument("--material", nargs="+", choices=MATERIALS, default=list(MATERIALS))
    options.add_argument("--monologue-s", type=float, default=Plan().monologue_s)
    options.add_argument("--stream-s", type=float, default=Plan().stream_s)
    options.add_argument("--mode", nargs="+", choices=("unaware", "aware"), default=["unaware"])
    options.add_argument("--slowness", type=float, default=1.0, help="of the aware clock: times the measured CPU time")
    options.add_argument("--policy", nargs="+", choices=sorted(POLICIES), default=[policy.name])
    options.add_argument("--step", nargs="+", type=float, default=[session.step_s])
    options.add_argument("--n", nargs="+", type=int, default=[policy.n])
    options.add_argument("--holdback", nargs="+", type=float, default=[policy.holdback_s])
    options.add_argument("--min-probability", nargs="+", type=float, default=[policy.min_probability])
    options.add_argument("--endpoint-ms", nargs="+", type=float, default=[1000 * endpointing.min_silence_s])
    options.add_argument("--trimming", nargs="+", type=float, default=[session.buffer_trimming_s])
    options.add_argument("--preroll", nargs="+", type=float, default=[session.preroll_s])
    options.add_argument("--prompt-chars", nargs="+", type=int, default=[session.prompt_chars])
    options.add_argument("--new-share", nargs="+", type=float, default=[session.new_share])
    options.add_argument("--baseline", action="store_true", help="the predecessor's rule too")
    options.add_argument("--sentence-pause", nargs="+", type=float, default=[session.sentence_pause_s])
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--cache", type=Path, default=CACHE)
    options.add_argument("--json", type=Path)
    options.add_argument("--plot", type=Path, help="an SVG")
    return options.parse_args(argv)


def main() -> None:
    args = arguments()
    began = time.monotonic()
    plan = Plan(args.words, args.seeds, args.monologue_s, args.stream_s)
    rows, points = recordings(args.folder), setups(args)
    todo = [stream for material in args.material for stream in streams(material, rows, plan)]
    print(f"{len(points)} configurations, {sum(map(duration_s, todo)) / 60:.1f} min of audio each", file=sys.stderr)
    done = in_processes(work, shares(todo, points, micro(), args.cache, args.processes))
    made = report(done, points, args, time.monotonic() - began)
    print(table(made))
    if args.json:
        args.json.write_text(made.to_json(), "utf-8")
    if args.plot:
        args.plot.write_text(plot(made), "utf-8")


if __name__ == "__main__":
    main()
