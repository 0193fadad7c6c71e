"""A recogniser that hears what was said, and invents more: for tests and benchmarks of the guard against inventions.

What it invents has a place in the stream, so that windows that overlap agree on it, which is what makes it dangerous.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from reswhis.core.types import Hypothesis, Segment, Window, Word, seconds

Invent = Callable[[float], tuple[Word, ...]]
"""Words from a place on."""
Figures = tuple[float, float]
"""Average log-probability and no-speech probability."""
CREDITS = "translated edited timed corrected volunteers amara countries visit website rate downloads sponsors subtitles"
NOBODY, SURE = (-1.3, 0.9), (-0.2, 0.01)


def thanks(at: float) -> tuple[Word, ...]:
    """What Whisper says in silence."""
    return Word(at, at + 0.3, " Thank", 0.8), Word(at + 0.3, at + 0.5, " you.", 0.8)


def loop(at: float) -> tuple[Word, ...]:
    return tuple(
        Word(at + 0.04 * i, at + 0.04 * (i + 1), text, 0.9) for i, text in enumerate([" subscribe", " today"] * 12)
    )


def bunch(at: float) -> tuple[Word, ...]:
    return tuple(Word(at, at + 0.2, f" bunched{i}", 0.9) for i in range(5))


def instants(at: float) -> tuple[Word, ...]:
    return tuple(Word(at, at, f" instant{i}", 0.3) for i in range(3))


def crowd(at: float) -> tuple[Word, ...]:
    """40 words in a second."""
    return tuple(Word(at + i / 40, at + (i + 1) / 40, f" {text}", 0.9) for i, text in enumerate(CREDITS.split()))


INVENTIONS: Mapping[str, Invent] = {
    "thanks": thanks,
    "loop": loop,
    "bunch": bunch,
    "instants": instants,
    "crowd": crowd,
}


@dataclass(frozen=True, slots=True)
class Invention:
    words: tuple[Word, ...]
    figures: Figures = SURE


def invention(kind: str, at: float, *, honest: bool = True) -> Invention:
    """Whisper's figures tell of silence, and not of the others; nor always of that."""
    return Invention(INVENTIONS[kind](at), NOBODY if honest and kind == "thanks" else SURE)


@dataclass(slots=True)
class Inventor:
    """A backend. ``inventions`` are heard whole where they begin, squeezed into what is left of the window."""

    said: Sequence[Word]
    inventions: Sequence[Invention]
    invented: list[Word] = field(default_factory=list)
    """All that it has, in any window."""
    windows: int = 0
    max_batch: int = 1

    def batch_key(self, window: Window) -> Hashable:
        return window.options

    def transcribe(self, windows: Sequence[Window]) -> list[Hypothesis]:
        return [self._hear(window) for window in windows]

    def close(self) -> None:
        """Holds nothing."""

    def _hear(self, window: Window) -> Hypothesis:
        begin, end = seconds(window.start), seconds(window.end)
        self.windows += 1
        said = [Invention((word,)) for word in self.said if begin <= word.middle < end]
        invented = [each for each in self.inventions if begin <= each.words[0].start < end]
        words: list[Word] = []
        segments = []
        for run in sorted([*said, *invented], key=lambda run: run.words[0].start):
            heard = _within(run.words, begin, end)
            segments.append(Segment(heard[0].start, heard[-1].end, *run.figures))
            words += heard
        self.invented += [word for each in invented for word in each.words]
        return Hypothesis(tuple(words), tuple(segments), "en", 1.0)


def _within(words: Iterable[Word], begin: float, end: float) -> tuple[Word, ...]:
    def clipped(at: float) -> float:
        return min(end, max(begin, at)) - begin

    return tuple(replace(word, start=clipped(word.start), end=clipped(word.end)) for word in words)
