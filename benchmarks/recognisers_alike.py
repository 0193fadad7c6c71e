"""What `backends.py` makes of what two recognisers heard: how many texts are the same, and how far words lie apart.

Decodes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import Levenshtein

from reswhis.core.types import Word, join

from common import markdown
from quality_material import Recording

Texts = Sequence[tuple[Word, ...]]
"""The words of each recording."""

Span = tuple[float, float]

NEAR_S = 0.2 + 1e-9


@dataclass(frozen=True, slots=True)
class Difference:
    name: str
    texts: tuple[str, str]
    edits: int
    """Words to put in, leave out or replace."""


@dataclass(frozen=True, slots=True)
class Apart:
    """A word that both heard: its two times in the one and in the other, in seconds."""

    name: str
    word: str
    one: Span
    other: Span

    @property
    def starts_s(self) -> float:
        return abs(self.one[0] - self.other[0])

    @property
    def ends_s(self) -> float:
        return abs(self.one[1] - self.other[1])

    @property
    def is_near(self) -> bool:
        return max(self.starts_s, self.ends_s) <= NEAR_S


@dataclass(frozen=True, slots=True)
class Likeness:
    """Of two recognisers."""

    utterances: int
    different: tuple[Difference, ...]
    words: tuple[Apart, ...]

    @property
    def identical(self) -> float:
        return 1 - len(self.different) / self.utterances


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds per second of audio, medians over the runs."""

    wall: float
    cpu: float


def likeness(names: Sequence[str], one: Texts, other: Texts) -> Likeness:
    different, words = [], []
    for name, here, there in zip(names, one, other, strict=True):
        if (texts := (join(here), join(there)))[0] != texts[1]:
            different.append(Difference(name, texts, edits(*texts)))
        for mine, theirs in both_heard(here, there):
            words.append(Apart(name, mine.text.strip(), (mine.start, mine.end), (theirs.start, theirs.end)))
    return Likeness(len(names), tuple(different), tuple(words))


def edits(one: str, other: str) -> int:
    return Levenshtein.distance(one.split(), other.split())


def both_heard(one: Sequence[Word], other: Sequence[Word]) -> Iterator[tuple[Word, Word]]:
    """The words that are in both, in order."""
    for block in Levenshtein.opcodes([word.text for word in one], [word.text for word in other]):
        if block.tag == "equal":
            yield from zip(one[block.src_start : block.src_end], other[block.dest_start : block.dest_end], strict=True)


def starts_off(rows: Sequence[Recording], heard: Texts) -> list[float]:
    """How far from where it was said each word starts, where that is known exactly and all were heard right."""
    return [
        abs(word.start - said.start)
        for row, words in zip(rows, heard, strict=True)
        if all(said.exact for said in row.words) and join(words).split() == row.text.split()
        for word, said in zip(words, row.words, strict=True)
    ]


def pairs(likenesses: Mapping[tuple[str, str], Likeness]) -> str:
    rows = []
    for (one, other), found in likenesses.items():
        same = found.utterances - len(found.different)
        rows.append(
            [
                f"{one}, {other}",
                f"{100 * found.identical:.1f} % ({same} of {found.utterances})",
                str(max((difference.edits for difference in found.different), default=0)),
                apart([word.starts_s for word in found.words]),
                apart([word.ends_s for word in found.words]),
            ]
        )
    head = ["", "same text", "words different, at most"]
    return markdown([*head, *(f"{edge} apart: within 200 ms, mean / p95 / max" for edge in ("starts", "ends"))], rows)


def apart(times_s: Sequence[float]) -> str:
    if not times_s:
        return "-"
    times = np.array(times_s)
    near = 100 * np.mean(times <= NEAR_S)
    mean, p95, most = 1000 * np.array([times.mean(), np.percentile(times, 95), times.max()])
    return f"{near:.1f} %, {mean:.0f} / {p95:.0f} / {most:.0f} ms"


def each(speeds: Mapping[str, Speed], heard: Mapping[str, Texts], rows: Sequence[Recording]) -> str:
    lines = []
    for name, speed in speeds.items():
        off = 1000 * np.array(starts_off(rows, heard[name]))
        off_truth = f"{off.mean():.0f} / {np.percentile(off, 95):.0f} ms ({len(off)} words)" if len(off) else "-"
        lines.append([name, f"{speed.wall:.3f}", f"{speed.cpu:.3f}", off_truth])
    return markdown(["", "s per s of audio", "CPU s per s of audio", "starts off the truth, mean / p95"], lines)


def differences(likenesses: Mapping[tuple[str, str], Likeness]) -> Iterator[str]:
    """What is not the same, or not near, a line each."""
    for (one, other), found in likenesses.items():
        for difference in found.different:
            yield f"{difference.name}: {difference.edits} words differ\n  {one}: {difference.texts[0]}"
            yield f"  {other}: {difference.texts[1]}"
        for word in found.words:
            if not word.is_near:
                times = [f"{start:.2f} to {end:.2f}" for start, end in (word.one, word.other)]
                yield f"{word.name}: {word.word!r} {times[0]} s ({one}), {times[1]} s ({other})"
