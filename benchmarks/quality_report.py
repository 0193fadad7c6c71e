"""What `quality.py` prints, writes and draws of its scores: rows with intervals, a table, JSON, and a plot as SVG."""

from __future__ import annotations

import json
import os
import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from html import escape
from pathlib import Path

import numpy as np

from common import interval
from quality_scores import Fault, Latency, Score

KINDS = ("lost", "inserted", "doubled")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#999999")


@dataclass(frozen=True, slots=True)
class Rate:
    """With a 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, counts: Sequence[int], words: Sequence[int]) -> Rate:
        """Per cent, by drawing blocks with replacement; negative counts are differences of pairs."""
        low, high = interval(np.array(counts), np.array(words))
        return cls(100 * sum(counts) / max(1, sum(words)), low, high)

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True, slots=True)
class Spread:
    """Of times, in seconds."""

    mean: float
    p50: float
    p90: float
    p95: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        if not values:
            return cls(float("nan"), float("nan"), float("nan"), float("nan"))
        p50, p90, p95 = (float(np.percentile(values, part)) for part in (50, 90, 95))
        return cls(float(np.mean(values)), p50, p90, p95)

    def __str__(self) -> str:
        return f"{self.mean:.2f} / {self.p50:.2f} / {self.p95:.2f}"


@dataclass(frozen=True, slots=True)
class Row:
    """A configuration on a material."""

    material: str
    mode: str
    name: str
    streams: int
    words: int
    wer: Rate
    reference_wer: Rate
    difference: Rate
    placed_difference: Rate
    own_wer: Rate | None
    """Of the session's own utterances, decoded whole."""
    own_difference: Rate | None
    per_1000: dict[str, float]
    """Words lost, inserted and doubled per 1000 of the reference decode."""
    own_per_1000: dict[str, float]
    """The same against the session's own utterances."""
    places: dict[str, dict[str, int]]
    commit: Spread
    display: Spread
    times: str
    """Which words the latencies are of."""
    measured: int
    unpaired: int
    by_reason: dict[str, tuple[float, float]]
    """Share of the words, and their mean commit latency."""
    starts: Spread
    """How far the starts of the words that were heard right are off, whichever way."""
    revisions: float
    calls: float
    frames: float
    decoded: float
    cpu: float
    """These four per second of audio."""
    failures: int
    suppressed: dict[str, int]
    faults: tuple[tuple[str, Fault], ...]
    """With the stream."""
    own_faults: tuple[tuple[str, Fault], ...]
    is_default: bool = False

    @classmethod
    def of(cls, material: str, mode: str, name: str, scores: Sequence[Score]) -> Row:
        words = [n for s in scores for n in s.words]
        wrong = [n for s in scores for n in s.wrong]
        alone = [n for s in scores for n in s.reference_wrong]
        placed = [n for s in scores for n in s.placed_wrong]
        own = [n for s in scores for n in s.own_wrong or ()]
        faults = [(s.stream, fault) for s in scores for fault in s.faults]
        exact = [row for s in scores for row in s.latencies if row.exact]
        timed = exact or [row for s in scores for row in s.latencies]
        audio_s = sum(s.cost.audio_s for s in scores)
        return cls(
            material=material,
            mode=mode,
            name=name,
            streams=len(scores),
            words=sum(words),
            wer=Rate.of(wrong, words),
            reference_wer=Rate.of(alone, words),
            difference=Rate.of([a - b for a, b in zip(wrong, alone, strict=True)], words),
            placed_difference=Rate.of([a - b for a, b in zip(wrong, placed, strict=True)], words),
            own_wer=Rate.of(own, words) if own else None,
            own_difference=Rate.of([a - b for a, b in zip(wrong, own, strict=True)], words) if own else None,
            per_1000=_per_1000([f for _, f in faults], sum(s.reference_words for s in scores)),
            own_per_1000=_per_1000([f for s in scores for f in s.own_faults], sum(s.own_words for s in scores)),
            places={k: dict(Counter(fault.place for _, fault in faults if fault.kind == k)) for k in KINDS},
            commit=Spread.of([row.commit for row in timed]),
            display=Spread.of([row.display for row in timed]),
            times="exact" if exact else "estimated",
            measured=len(timed),
            unpaired=sum(s.unpaired for s in scores),
            by_reason=_by_reason(timed),
            starts=Spread.of([abs(row.start_off) for row in timed if row.right]),
            revisions=sum(s.erased for s in scores) / max(1, sum(s.committed for s in scores)),
            calls=sum(s.cost.calls for s in scores) / audio_s,
            frames=sum(s.cost.frames for s in scores) / audio_s,
            decoded=sum(s.cost.decoded_s for s in scores) / audio_s,
            cpu=sum(s.cost.cpu_s for s in scores) / audio_s,
            failures=sum(s.cost.failures for s in scores),
            suppressed=dict(sum((Counter(s.suppressed) for s in scores), Counter[str]())),
            faults=tuple(faults),
            own_faults=tuple((s.stream, fault) for s in scores for fault in s.own_faults),
        )


def _per_1000(faults: Sequence[Fault], words: int) -> dict[str, float]:
    kinds = Counter(fault.kind for fault in faults)
    return {kind: 1000 * kinds[kind] / max(1, words) for kind in KINDS}


def _by_reason(timed: Sequence[Latency]) -> dict[str, tuple[float, float]]:
    counts = Counter(row.reason for row in timed)
    return {
        reason: (count / len(timed), float(np.mean([row.commit for row in timed if row.reason == reason])))
        for reason, count in counts.most_common()
    }


@dataclass(frozen=True, slots=True)
class Report:
    machine: str
    asked: dict[str, object]
    rows: tuple[Row, ...]
    hits: int
    misses: int
    took_s: float

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, default=str) + "\n"


def machine() -> str:
    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if "model name" in line]
        cpu = names[0] if names else cpu
    system = f"{platform.system()}, Python {platform.python_version()}"
    return f"{date.today().isoformat()}, {os.cpu_count()} cores of {cpu}, {system}"


def table(report: Report) -> str:
    parts = [report.machine]
    groups = list(dict.fromkeys((row.material, row.mode) for row in report.rows))
    for material, mode in groups:
        rows = [row for row in report.rows if (row.material, row.mode) == (material, mode)]
        first = rows[0]
        parts.append(
            f"\n## {material}, computationally {mode}: {first.streams} streams, {first.words} words, "
            f"reference WER {first.reference_wer}\n"
        )
        parts += _markdown(_quality_head(first), [_quality(row) for row in rows])
        parts.append("")
        parts += _markdown(COST_HEAD, [_cost(row) for row in rows])
    asked = report.hits + report.misses
    remembered = 100 * report.hits / max(1, asked)
    parts.append(f"\n{asked} decodes asked for, {remembered:.0f} % remembered; took {report.took_s:.0f} s.")
    return "\n".join(parts)


COST_HEAD = (
    "", "calls/s", "frames/s", "decoded s/s", "CPU s/s", "starts off, p50 / p90 ms",
    "lost at", "inserted or doubled at", "committed by",
)  # fmt: skip


def _quality_head(row: Row) -> tuple[str, ...]:
    commit = f"commit, mean / p50 / p95 s ({row.times})"
    return (
        "",
        "WER %",
        "− files",
        "− in place",
        "lost / inserted / doubled ‰",
        "− own",
        "‰ of own",
        commit,
        "display",
        "revisions",
    )


def _quality(row: Row) -> tuple[str, ...]:
    return (
        _name(row), str(row.wer), str(row.difference), str(row.placed_difference), _kinds(row.per_1000),
        "-" if row.own_difference is None else str(row.own_difference),
        "-" if row.own_difference is None else _kinds(row.own_per_1000),
        str(row.commit), str(row.display), f"{row.revisions:.2f}",
    )  # fmt: skip


def _kinds(per_1000: dict[str, float]) -> str:
    return " / ".join(f"{per_1000[kind]:.1f}" for kind in KINDS)


def _cost(row: Row) -> tuple[str, ...]:
    added = Counter(row.places["inserted"]) + Counter(row.places["doubled"])
    reasons = (f"{reason} {100 * share:.0f} % ({mean:.2f} s)" for reason, (share, mean) in row.by_reason.items())
    return (
        _name(row), f"{row.calls:.2f}", f"{row.frames:.0f}", f"{row.decoded:.2f}", f"{row.cpu:.3f}",
        f"{1000 * row.starts.p50:.0f} / {1000 * row.starts.p90:.0f}",
        _places(row.places["lost"]), _places(added), ", ".join(reasons),
    )  # fmt: skip


def _name(row: Row) -> str:
    return f"{row.name} *" if row.is_default else row.name


def _places(counts: dict[str, int]) -> str:
    return ", ".join(f"{place} {count}" for place, count in sorted(counts.items())) or "-"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]


# The plot: latency against what streaming costs in words, one panel for each material and mode.

WIDTH, HEIGHT, LEFT, TOP, GAP, LINE = 640, 360, 64, 40, 56, 16


@dataclass(frozen=True, slots=True)
class _Panel:
    left: float
    right: float
    low: float
    high: float
    top: float

    @classmethod
    def around(cls, rows: Sequence[Row], top: float) -> _Panel:
        lows, highs = (
            [min(0.0, row.placed_difference.low) for row in rows],
            [row.placed_difference.high for row in rows],
        )
        margin = 0.1 * max(0.5, max(highs) - min(lows))
        return cls(0.0, 1.15 * max(row.commit.mean for row in rows), min(lows) - margin, max(highs) + margin, top)

    def x(self, value: float) -> float:
        return LEFT + (WIDTH - LEFT - 20) * (value - self.left) / (self.right - self.left)

    def y(self, value: float) -> float:
        return self.top + HEIGHT * (self.high - value) / (self.high - self.low)


def plot(report: Report) -> str:
    groups = list(dict.fromkeys((row.material, row.mode) for row in report.rows))
    names = list(dict.fromkeys(row.name for row in report.rows))
    kinds = list(dict.fromkeys(map(_kind, names)))
    colours = {kind: COLOURS[i % len(COLOURS)] for i, kind in enumerate(kinds)}
    bottom = (TOP + HEIGHT + GAP) * len(groups) + 10
    height = bottom + LINE * (len(names) + 1) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        'font-family="sans-serif" font-size="12" fill="#222">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
    ]
    for number, (material, mode) in enumerate(groups):
        rows = [row for row in report.rows if (row.material, row.mode) == (material, mode)]
        panel = _Panel.around(rows, TOP + number * (TOP + HEIGHT + GAP))
        parts += _axes(panel, f"{material}, {rows[0].words} words, computationally {mode}")
        for row in rows:
            parts += _point(panel, row, names.index(row.name) + 1, colours[_kind(row.name)])
    parts += _legend(names, colours, bottom)
    return "\n".join([*parts, "</svg>", ""])


def _axes(panel: _Panel, title: str) -> Iterator[str]:
    bottom = panel.top + HEIGHT
    yield f'<text x="{LEFT}" y="{panel.top - 12}" font-size="14" font-weight="bold">{escape(title)}</text>'
    yield f'<rect x="{LEFT}" y="{panel.top}" width="{WIDTH - LEFT - 20}" height="{HEIGHT}" fill="none" stroke="#888"/>'
    for value in _ticks(panel.left, panel.right):
        x = panel.x(value)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{panel.top}" y2="{bottom}" stroke="#eee"/>'
        yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{value:g}</text>'
    for value in _ticks(panel.low, panel.high):
        y, colour = panel.y(value), "#888" if value == 0 else "#eee"
        yield f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}" stroke="{colour}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
    middle = panel.top + HEIGHT / 2
    yield f'<text x="{WIDTH / 2}" y="{bottom + 34}" text-anchor="middle">mean commit latency, s</text>'
    yield (
        f'<text transform="translate(16 {middle}) rotate(-90)" text-anchor="middle">'
        "WER streaming − in place, points</text>"
    )


def _ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / 5
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    return [round(float(i * step), 6) for i in range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)]


def _point(panel: _Panel, row: Row, number: int, colour: str) -> Iterator[str]:
    """Its area is the audio decoded per second of audio; a ring marks the default, a line its 95 % interval."""
    x, y, radius = panel.x(row.commit.mean), panel.y(row.placed_difference.value), 2 + 2 * row.decoded**0.5
    if row.is_default:
        low, high = panel.y(row.placed_difference.low), panel.y(row.placed_difference.high)
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}" stroke="{colour}" stroke-opacity="0.5"/>'
    title = escape(f"{row.name}: {row.commit} s, {row.placed_difference} points, {row.decoded:.2f} s/s")
    yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}"><title>{title}</title></circle>'
    if row.is_default:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius + 4:.1f}" fill="none" stroke="#222" stroke-width="1.5"/>'
    yield f'<text x="{x + radius + 3:.1f}" y="{y - 4:.1f}" font-size="10" fill="{colour}">{number}</text>'


def _legend(names: Sequence[str], colours: dict[str, str], y: float) -> Iterator[str]:
    for number, name in enumerate(names, 1):
        line = f"{number}  {escape(name)}"
        yield f'<text x="{LEFT}" y="{y + LINE * number}" fill="{colours[_kind(name)]}">{line}</text>'
    note = "area: audio decoded per second of audio; ring and line: the default and its 95 % interval"
    yield f'<text x="{LEFT}" y="{y}">{note}</text>'


def _kind(name: str) -> str:
    return name.partition(",")[0]
