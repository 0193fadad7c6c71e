"""What `capacity.py` and `peers.py` print, write and draw of their points."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from html import escape
from pathlib import Path

from capacity_runs import Point, Run
from capacity_search import largest
from common import markdown
from quality_report import machine

HEAD = (
    "streams", "runs", "words", "commit, mean / p50 / p95 s", "WER", "one by one", "CPU s/s", "clients", "machine",
    "MiB each", "windows/s", "decoded s/s", "decoding s/s", "in a batch", "queue, mean / p95 s", "steps ×",
)  # fmt: skip


def median(runs: Sequence[Run], value: Callable[[Run], float]) -> float:
    return statistics.median(map(value, runs))


def row(point: Point) -> list[str]:
    runs = point.runs
    commits = " / ".join(f"{median(runs, value):.2f}" for value in (_mean, _p50, _p95))
    failures = max(len(run.result.failures) for run in runs)
    return [
        f"{point.streams}" + (f" ({failures} failed)" if failures else ""),
        f"{len(runs)}",
        f"{point.words}",
        commits,
        f"{point.wer:.1f} %",
        "-" if point.alone_wer is None else f"{point.alone_wer:.1f} %",
        f"{median(runs, lambda run: run.cost.server_cpu_s / run.cost.audio_s):.3f}",
        f"{median(runs, lambda run: run.cost.clients_cpu_s / run.cost.audio_s):.3f}",
        f"{median(runs, lambda run: 100 * run.cost.machine):.0f} %",
        f"{median(runs, lambda run: run.cost.memory_mib / run.streams):.1f}",
        *_queue(point),
    ]


def _mean(run: Run) -> float:
    return run.result.mean_s


def _p50(run: Run) -> float:
    return run.result.late_s(50)


def _p95(run: Run) -> float:
    return run.result.late_s(95)


def _queue(point: Point) -> list[str]:
    counted = [(run.cost.queue, run.cost.audio_s) for run in point.runs if run.cost.queue is not None]
    if not counted:
        return ["-"] * 6
    windows, decoded, decoding, batch, wait, p95, widened, most = (
        statistics.median(values)
        for values in zip(
            *(
                (
                    q.windows / audio_s, q.decoded_s / audio_s, q.decoding_s / audio_s, q.windows / max(1, q.batches),
                    q.wait_mean_s, q.wait_p95_s, q.widened_mean, q.widened_most,
                )
                for q, audio_s in counted
            ),
            strict=True,
        )
    )  # fmt: skip
    steps = "-" if math.isnan(widened) else f"{widened:.1f}, at most {most:.1f}"
    return [
        f"{windows:.2f}", f"{decoded:.2f}", f"{decoding:.3f}", f"{batch:.1f}", f"{wait:.2f} / ≤ {p95:g}", steps,
    ]  # fmt: skip


def table(points: Sequence[Point]) -> str:
    return markdown(HEAD, [row(point) for point in sorted(points, key=lambda point: point.streams)])


def held(points: Mapping[int, Point], limits_s: Sequence[float]) -> list[str]:
    """A line for each limit."""
    lines = []
    for limit_s in limits_s:
        most = largest(points, partial(Point.within, limit_s=limit_s))
        last = f", {points[most].p95_s:.2f} s, {points[most].words} words" if most else ""
        is_open = " (nothing more was tried)" if most == max(points) else ""
        lines.append(
            f"p95 ≤ {limit_s:g} s and at most 2 points more errors than one by one: {most} streams{last}{is_open}"
        )
    return lines


def as_json(points: Sequence[Point], asked: Mapping[str, object], more: Mapping[str, object]) -> str:
    rows = []
    for point in points:
        runs = []
        for run in point.runs:
            result = run.result
            runs.append(
                {
                    "p50_s": result.late_s(50), "p95_s": result.late_s(95), "mean_s": result.mean_s, "wer": result.wer,
                    "words": result.words, "wrong": result.wrong, "timed": len(result.timed),
                    "unpaired": result.unpaired, "failures": result.failures, "client_lag_s": result.client_lag_s,
                    "cost": asdict(run.cost),
                }
            )  # fmt: skip
        rows.append(
            {
                "subject": point.subject, "streams": point.streams, "p95_s": point.p95_s, "wer": point.wer,
                "alone_wer": point.alone_wer, "runs": runs,
            }
        )  # fmt: skip
    shown = {name: str(value) if isinstance(value, Path) else value for name, value in asked.items()}
    return json.dumps({"machine": machine(), "asked": shown, **more, "points": rows}, indent=1) + "\n"


# The plot: p95 of commits against streams, a line for each server.

WIDTH, HEIGHT, LEFT, TOP, BELOW, LINE = 640, 320, 56, 40, 56, 16
COLOURS = ("#0072b2", "#56b4e9", "#d55e00", "#e69f00", "#009e73", "#cc79a7", "#999999", "#000000")
"""Which the colour-blind can tell apart, too (Okabe, Ito)."""
HIGHEST_S = 15.0
"""What is later is drawn at the top: it says no more than that."""


def plot(points: Sequence[Point], limits_s: Sequence[float], title: str) -> str:
    names = list(dict.fromkeys(point.subject for point in points))
    most = max(point.streams for point in points)
    highest = min(HIGHEST_S, 1.15 * max(*limits_s, *(p.p95_s for p in points if math.isfinite(p.p95_s))))
    height = TOP + HEIGHT + BELOW + LINE * len(names)

    def x(streams: float) -> float:
        return LEFT + (WIDTH - LEFT - 24) * math.log2(streams) / max(1.0, math.log2(most))

    def y(late_s: float) -> float:
        return TOP + HEIGHT * (1 - min(late_s, highest) / highest)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        'font-family="sans-serif" font-size="12" fill="#222">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="{LEFT}" y="{TOP - 16}" font-size="14" font-weight="bold">{escape(title)}</text>',
    ]
    labelled = float(-LINE)
    for streams in sorted({point.streams for point in points}):
        at = x(streams)
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{TOP + HEIGHT}" stroke="#eee"/>')
        if at >= labelled + LINE:
            labelled = at
            parts.append(f'<text x="{at:.1f}" y="{TOP + HEIGHT + 16}" text-anchor="middle">{streams}</text>')
    for limit_s in limits_s:
        at = y(limit_s)
        line = f'<line x1="{LEFT}" x2="{WIDTH - 24}" y1="{at:.1f}" y2="{at:.1f}" stroke="#bbb" stroke-dasharray="4 3"/>'
        parts += [line, f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{limit_s:g}</text>']
    top = f"≥ {highest:.0f}" if highest == HIGHEST_S else f"{highest:.0f}"
    parts.append(f'<text x="{LEFT - 6}" y="{TOP + HEIGHT + 4}" text-anchor="end">0</text>')
    parts.append(f'<text x="{LEFT - 6}" y="{TOP + 4}" text-anchor="end">{top}</text>')
    for number, name in enumerate(names):
        colour = COLOURS[number % len(COLOURS)]
        own = sorted((p for p in points if p.subject == name), key=lambda p: p.streams)
        path = " ".join(f"{x(p.streams):.1f},{y(p.p95_s):.1f}" for p in own)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for p in own:
            told = escape(f"{name}, {p.streams}: {p.p95_s:.2f} s, WER {p.wer:.1f} %")
            dot = f'<circle cx="{x(p.streams):.1f}" cy="{y(p.p95_s):.1f}" r="4" fill="{colour}">'
            parts.append(f"{dot}<title>{told}</title></circle>")
        at = TOP + HEIGHT + BELOW + LINE * number
        parts.append(f'<text x="{LEFT}" y="{at}" fill="{colour}">{escape(name)}</text>')
    label = "streams; from the end of a word to its commit at the client, 95th percentile, s"
    parts.append(f'<text x="{WIDTH / 2}" y="{TOP + HEIGHT + 36}" text-anchor="middle">{label}</text>')
    return "\n".join([*parts, "</svg>", ""])
