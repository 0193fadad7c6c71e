"""How many live streams a server holds: paced clients in another process, a real server, the largest N for each limit.

    uv run python benchmarks/capacity.py [--folder DIR] [--context dynamic|full] [--workers N] [--cpu-threads N]
        [--streams N ...] [--limits 2.5 3.5 5] [--repeat 3] [--json FILE] [--plot FILE.svg] [-- SERVER ARGUMENTS]

Each client streams some 30 s of the recordings with pauses between them, drawn by seed, in frames of 40 to 100 ms as
a microphone would give them; streams begin within three seconds. The model is whisper-micro. N is doubled until the
limits are passed, then bisected; --streams gives the numbers instead. With --repeat 3, one, two, four and eight
streams and the largest numbers found are run twice more, in turn, and a number whose median does not hold gives way
to the next smaller.

A word is late by the time from its end in the audio (of exact ends alone, where the recordings have them) until the
message that makes it final has reached the client. A limit is held if 95 of 100 words are within it, no client
failed, and of all words at most 2 points more are wrong than where the same streams ran one by one. That is measured
once for each stream and remembered in --cache, until the server's sources or options change; --one-by-one 3 has
three at a time, for those who are in a hurry, and the table then says so.

CPU s/s is that of the server's processes for each second of audio, "clients" that of the clients, "machine" the share
of all cores that was busy, with whatever else runs on it; "decoding" is how long workers, and the GPU if there is
one, were busy. MiB each: what the server grew by, for each stream. Steps ×: how far sessions widened their steps.

With 2 cores some 25 minutes for one context with --repeat 3, 9 with --repeat 1, and the first time another 40 s for
each stream of the largest N.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from common import RECORDINGS, micro, parser

# The tests' folder is on the path now that common is imported.
# isort: split
from capacity_report import as_json, held, plot, table
from capacity_runs import Laboratory, Point, Run, client_process
from capacity_search import largest, next_to_try
from capacity_servers import Reswhis, Subject
from capacity_streams import sounds
from quality_material import recordings
from quality_report import machine

CACHE = Path(tempfile.gettempdir()) / "reswhis-one-by-one.jsonl"
LIMITS_S = (2.5, 3.5, 5.0)
SHOWN = (1, 2, 4, 8)
"""Numbers that are always repeated, if they were tried."""
LOST_S = 15.0
"""With a 95th percentile of more, greater numbers say nothing more."""


class Search:
    """For one server's largest numbers, one run at a time, so that several servers can take turns."""

    def __init__(
        self,
        laboratory: Laboratory,
        subject: Subject,
        limits_s: Sequence[float],
        most: int,
        always: Sequence[int] = (),
    ) -> None:
        """``always``: numbers that are tried whether they hold or not, until all is lost."""
        self.subject = subject
        self.points: dict[int, Point] = {}
        self._runs: dict[int, list[Run]] = {}
        self._laboratory = laboratory
        self._limits = [partial(_within, limit_s=limit_s) for limit_s in limits_s]
        self._most = most
        self._always = always

    def run(self, streams: int) -> None:
        self._runs.setdefault(streams, []).append(self._laboratory.run(self.subject, streams))
        self.points[streams] = self._laboratory.point(self.subject, self._runs[streams])

    def next(self, repeat: int) -> int | None:
        """Ends, since each number is run so often at most; what a median overturns is searched for again."""
        if (streams := next_to_try(self.points, self._limits, most=self._most)) is not None:
            return streams
        lost = min((n for n, point in self.points.items() if point.p95_s > LOST_S), default=self._most + 1)
        missing = [n for n in self._always if n not in self.points and n < lost]
        again = [n for n in sorted(self._repeated()) if len(self._runs[n]) < repeat]
        return (missing + sorted(again, key=lambda n: len(self._runs[n])) + [None])[0]

    def _repeated(self) -> set[int]:
        found = {largest(self.points, limit) for limit in self._limits}
        return (found | {*SHOWN, *self._always}) & self.points.keys()


def _within(point: Point, limit_s: float) -> bool:
    return point.within(limit_s)


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("--folder", type=Path, default=RECORDINGS)
    options.add_argument("--generation", default="v2", help="of whisper-micro: v2 or v3")
    options.add_argument(
        "--context", choices=("full", "dynamic"), default="full", help="--encoder-context of the server"
    )
    options.add_argument("--workers", type=int)
    options.add_argument("--cpu-threads", type=int)
    options.add_argument("--streams", type=int, nargs="+", help="these numbers, without a search")
    options.add_argument("--most", type=int, default=64, help="streams that are tried")
    options.add_argument("--seconds", type=float, default=28.0, help="of each stream, at least; 2 s of silence follow")
    options.add_argument("--limits", type=float, nargs="+", default=list(LIMITS_S), help="of the 95th percentile, s")
    options.add_argument("--repeat", type=int, default=1)
    options.add_argument("--one-by-one", type=int, default=1, metavar="N", help="so many at a time")
    options.add_argument("--cache", type=Path, default=CACHE)
    options.add_argument("--json", type=Path)
    options.add_argument("--plot", type=Path, help="an SVG")
    own, server = (argv, []) if "--" not in argv else (argv[: argv.index("--")], argv[argv.index("--") + 1 :])
    return argparse.Namespace(**vars(options.parse_args(own)), server=list(server))


def subject_of(args: argparse.Namespace) -> Reswhis:
    given = ["--encoder-context", args.context]
    for name, value in (("--workers", args.workers), ("--cpu-threads", args.cpu_threads)):
        given += [] if value is None else [name, str(value)]
    name = " ".join(("reswhis", args.context, *args.server))
    return Reswhis.of(name, micro(generation=args.generation), (*given, *args.server))


def main() -> None:
    args = arguments(sys.argv[1:])
    most = max(args.streams or [args.most])
    material = sounds(recordings(args.folder), most, args.seconds)
    began = time.monotonic()
    with client_process() as clients:
        laboratory = Laboratory(material, clients, args.cache, args.one_by_one, max(args.limits))
        search = Search(laboratory, subject_of(args), args.limits, most)
        if args.streams:
            for streams in args.streams * args.repeat:
                search.run(streams)
        else:
            while (streams := search.next(args.repeat)) is not None:
                search.run(streams)
    points = list(search.points.values())
    found = held(search.points, args.limits)
    one_by_one = f"; one by one is {args.one_by_one} at a time" if args.one_by_one > 1 else ""
    print(f"{machine()}\n{search.subject.name}, streams of at least {args.seconds + 2:g} s{one_by_one}\n")
    print(table(points), *found, f"took {time.monotonic() - began:.0f} s", sep="\n")
    if args.json:
        args.json.write_text(as_json(points, vars(args), {"held": found}), "utf-8")
    if args.plot:
        args.plot.write_text(plot(points, args.limits, search.subject.name), "utf-8")


if __name__ == "__main__":
    main()
