"""reswhis and its peers on the same files with the same weights, in turn: latency at 1 to 8 streams, and streams held.

    uv run python benchmarks/peers.py --venvs DIR --install      # once: a virtual environment for each, by uv
    uv run python benchmarks/peers.py --venvs DIR [--folder DIR] [--repeat 3] [--only NAME ...] [--json FILE]
        [--plot FILE.svg]

The peers are those that PyPI has: whisper-live (with and without its batches), whisperlivekit (with LocalAgreement,
since its AlignAtt wants PyTorch weights), and plain faster-whisper in a LocalAgreement loop as whisper_streaming has
it, which is peers_local_agreement.py. All decode the same whisper-micro, as CTranslate2 int8, with the settings that
they come with; reswhis too, once with its full and once with its dynamic context. Clients, streams and figures are
those of capacity.py: a word is late until the server has promised not to change it. For whisper-live that is a
completed segment, and the last one as it stood when the stream ended; for whisperlivekit what stands in its lines.

Servers take turns, each number of streams after the other; one that needs more than 15 s is not asked for more. The
ratio is reswhis's best number of streams within the limit by the peer's. reswhis's streams are also run one by one
(--one-by-one 3: three at a time) and must not be worse together; the peers' errors are shown, not held against them.

Ctrl-C ends it with what has been measured. --install needs a network and some 2 GB; less, if UV_FIND_LINKS has a wheel
of torch without CUDA. With 2 cores some 30 minutes with --repeat 1, 75 with --repeat 3.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from pathlib import Path

from common import RECORDINGS, markdown, micro, parser

# The tests' folder is on the path now that common is imported.
# isort: split
from capacity import CACHE, SHOWN, Search
from capacity_report import as_json, plot, table
from capacity_runs import Laboratory, Point, client_process
from capacity_search import largest
from capacity_servers import Reswhis, Subject
from capacity_streams import sounds
from peers_servers import ENVIRONMENTS, peers
from quality_material import recordings
from quality_report import machine

CONTEXTS = ("dynamic", "full")


def subjects(venvs: Path, only: Sequence[str]) -> list[Subject]:
    model = micro()
    found: list[Subject] = [Reswhis.of(f"reswhis, {name}", model, ("--encoder-context", name)) for name in CONTEXTS]
    found += peers(venvs, model)
    return [subject for subject in found if not only or any(part in subject.name for part in only)]


def most_held(points: dict[int, Point], limit_s: float) -> int:
    return largest(points, lambda point: point.within(limit_s))


def summary(searches: Sequence[Search], limit_s: float) -> str:
    """One row for each server, and how many times its streams reswhis's best holds."""
    held = {search.subject.name: most_held(search.points, limit_s) for search in searches}
    best = max((most for name, most in held.items() if name.startswith("reswhis")), default=0)
    rows = []
    for search in searches:
        name = search.subject.name
        ratio = best / held[name] if held[name] else math.inf
        one = search.points.get(1)
        cpu = "-" if one is None else f"{one.runs[0].cost.server_cpu_s / one.runs[0].cost.audio_s:.2f}"
        rows.append([name, str(held[name]), f"{ratio:.1f}", cpu, *(_latency(search.points.get(n)) for n in SHOWN)])
    head = ("", f"streams within {limit_s:g} s", "reswhis / it", "CPU s/s, one", *(f"p95, WER at {n}" for n in SHOWN))
    return markdown(head, rows)


def _latency(point: Point | None) -> str:
    if point is None:
        return "-"
    failed = ", failures" if point.failed else ""
    return f"{point.p95_s:.1f} s, {point.wer:.0f} %{failed}"


def arguments() -> argparse.Namespace:
    options = parser(__doc__)
    options.add_argument("--venvs", type=Path, required=True)
    options.add_argument("--install", action="store_true", help="make the virtual environments, and nothing else")
    options.add_argument("--folder", type=Path, default=RECORDINGS)
    options.add_argument("--only", nargs="+", default=[], help="servers in whose names one of these stands")
    options.add_argument("--most", type=int, default=64, help="streams that are tried")
    options.add_argument("--streams", type=int, nargs="+", help="these numbers, without a search")
    options.add_argument("--seconds", type=float, default=28.0, help="of each stream, at least; 2 s of silence follow")
    options.add_argument("--limit", type=float, default=5.0, help="of the 95th percentile, s")
    options.add_argument("--repeat", type=int, default=1)
    options.add_argument("--one-by-one", type=int, default=1, metavar="N", help="so many at a time")
    options.add_argument("--cache", type=Path, default=CACHE)
    options.add_argument("--json", type=Path)
    options.add_argument("--plot", type=Path, help="an SVG")
    return options.parse_args()


def main() -> None:
    args = arguments()
    if args.install:
        for environment in ENVIRONMENTS.values():
            environment.install(args.venvs)
            print(f"{environment.name}: {environment.versions(args.venvs)}")
        return
    most = max(args.streams or [args.most])
    material = sounds(recordings(args.folder), most, args.seconds)
    began = time.monotonic()
    with client_process() as clients:
        laboratory = Laboratory(material, clients, args.cache, args.one_by_one, args.limit)
        all_of_them = subjects(args.venvs, args.only)
        searches = [Search(laboratory, subject, [args.limit], most, SHOWN) for subject in all_of_them]
        try:
            take_turns(searches, args.streams, args.repeat)
        except KeyboardInterrupt:
            print("stopped: some numbers were run less often than the others")
    print(f"{machine()}; {'; '.join(e.versions(args.venvs) for e in ENVIRONMENTS.values())}\n")
    print(summary(searches, args.limit))
    for search in searches:
        print(f"\n{search.subject.name}\n\n{table(list(search.points.values()))}")
    print(f"\ntook {time.monotonic() - began:.0f} s")
    points = [point for search in searches for point in search.points.values()]
    if args.json:
        held = {search.subject.name: most_held(search.points, args.limit) for search in searches}
        args.json.write_text(as_json(points, vars(args), {"held": held}), "utf-8")
    if args.plot:
        args.plot.write_text(plot(points, [args.limit], "The same streams and weights"), "utf-8")


def take_turns(searches: Sequence[Search], numbers: Sequence[int] | None, repeat: int) -> None:
    if numbers:
        for streams in (*numbers,) * repeat:
            for search in searches:
                search.run(streams)
        return
    going = list(searches)
    while going:
        for search in list(going):
            if (following := search.next(repeat)) is None:
                going.remove(search)
            else:
                search.run(following)


if __name__ == "__main__":
    main()
