"""What `quality.py` streams: single utterances, monologues of a minute, streams of ten, with the truth about each.

Made of recordings with known words, by seed. Decodes nothing and measures nothing.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reswhis.audio.files import load
from reswhis.core.types import Samples, samples, seconds

from common import silence, to_int16

PAUSES_S = (0.1, 2.0)
AFTERWARDS_S = 2.0
"""So that the last words are committed by what follows them, not by the end of the file."""
BLOCK_S = 60.0
"""What is drawn with replacement for the intervals: a minute at most, since errors come in clusters."""


@dataclass(frozen=True, slots=True)
class Said:
    """A word as it was spoken; times are of its recording, or of the stream that it is in."""

    text: str
    start: float
    end: float
    exact: bool = True

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


@dataclass(frozen=True, slots=True)
class Recording:
    name: str
    audio: Samples
    text: str
    words: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A recording at its place in a stream."""

    recording: Recording
    at: int
    """Sample of the stream at which it begins."""
    block: int

    @property
    def words(self) -> tuple[Said, ...]:
        at = seconds(self.at)
        return tuple(Said(w.text, w.start + at, w.end + at, w.exact) for w in self.recording.words)


@dataclass(frozen=True, slots=True)
class Stream:
    material: str
    name: str
    audio: Samples
    pieces: tuple[Piece, ...]

    @property
    def truths(self) -> list[str]:
        """The text of each block."""
        texts: list[list[str]] = [[] for _ in range(self.pieces[-1].block + 1)]
        for piece in self.pieces:
            texts[piece.block].append(piece.recording.text)
        return [" ".join(text) for text in texts]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of what to make."""

    words: int = 2000
    """Of each material, at least."""
    seeds: int = 10
    monologue_s: float = 60.0
    stream_s: float = 600.0


def recordings(folder: Path) -> list[Recording]:
    rows = [json.loads(line) for line in (folder / "references.jsonl").read_text("utf-8").splitlines()]
    return [
        Recording(
            row["file"],
            to_int16(load(folder / row["file"])),
            row["text"],
            tuple(Said(w["word"], w["start"], w["end"], w["exact"]) for w in row["words"]),
        )
        for row in rows
    ]


def streams(material: str, rows: list[Recording], plan: Plan) -> list[Stream]:
    """Raises KeyError for a material that there is not."""
    length_s = {"utterances": 0.0, "monologues": plan.monologue_s, "stream": plan.stream_s}[material]
    made: list[Stream] = []
    if material == "stream":  # each is longer than a seed's share of the words
        words = 0
        while words < plan.words:
            made.append(_stream(f"stream-{len(made)}", material, _Deck(rows, len(made)), length_s))
            words += _words(made[-1])
        return made
    for seed in range(plan.seeds):
        deck, words = _Deck(rows, seed), 0
        while words < plan.words / plan.seeds:
            made.append(_stream(f"{material}-{seed}-{len(made)}", material, deck, length_s))
            words += _words(made[-1])
    return made


class _Deck:
    """Recordings in random order, each once before any comes again."""

    def __init__(self, rows: list[Recording], seed: int) -> None:
        self.random = random.Random(seed)
        self._cards = self._shuffled(rows)

    def _shuffled(self, rows: list[Recording]) -> Iterator[Recording]:
        while True:
            yield from self.random.sample(rows, len(rows))

    def draw(self) -> Recording:
        return next(self._cards)


def _stream(name: str, material: str, deck: _Deck, length_s: float) -> Stream:
    """Pauses and recordings in turn; a recording at least, and no more once the length is reached."""
    parts: list[Samples] = []
    pieces: list[Piece] = []
    at = 0
    while not pieces or seconds(at) < length_s:
        pause, recording = silence(deck.random.uniform(*PAUSES_S)), deck.draw()
        pieces.append(Piece(recording, at + len(pause), int(seconds(at) / BLOCK_S)))
        parts += [pause, recording.audio]
        at += len(pause) + len(recording.audio)
    parts.append(silence(AFTERWARDS_S))
    return Stream(material, name, np.concatenate(parts), tuple(pieces))


def _words(stream: Stream) -> int:
    return sum(len(piece.recording.words) for piece in stream.pieces)


def duration_s(stream: Stream) -> float:
    return len(stream.audio) / samples(1.0)
