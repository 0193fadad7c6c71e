"""A transcript as plain text, SubRip, WebVTT, table or JSON. Pure: opens no file and knows no wire protocol.

Called by ``reswhis transcribe``, and by every transport that has to answer with subtitles.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from reswhis.core.context import SENTENCE_ENDS
from reswhis.core.languages import WITHOUT_SPACES
from reswhis.core.transcript import FinalUtterance, Transcript
from reswhis.core.types import Word

LINE = 42
"""Columns of a subtitle's line, as broadcasters have it. Wide characters, as Chinese has, take two."""
LONGEST_MS = 7000
SHORTEST_MS = 1000
"""Less cannot be read, so a shorter cue stays for as long as the next one lets it."""
LONG_PAUSE_S = 1.5
"""No cue outlasts it."""

# Costs of a division into cues: each cue has one, and where it ends and how much of its room is empty add to it.
CUE = 10.0
AFTER_SENTENCE, AFTER_CLAUSE, WITHIN_CLAUSE = 0.0, 3.0, 16.0
EMPTY = 4.0

CLAUSE_ENDS = ",;:–—،；：，、"
CLOSING = "\"'”’»›)]）」』】"
BREAKING = {code: " " for code in (*range(32), *range(127, 160), 0x2028, 0x2029)}
"""Line breaks, tabs and other control characters, of which none may get into a line of text."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One or two lines on the screen; times in whole milliseconds, ``end > start``."""

    start: int
    end: int
    lines: tuple[str, ...]


def txt(transcript: Transcript) -> str:
    """A line for each utterance."""
    return "".join(line + "\n" for line in map(text_line, transcript.utterances) if line)


def srt(transcript: Transcript) -> str:
    """SubRip, which has no way to write ``-->`` in a text: there it becomes ``->``, as other programs have it."""
    blocks = (
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{_without_arrow(cue.lines)}\n\n"
        for number, cue in enumerate(cues(transcript), 1)
    )
    return "".join(blocks)


def vtt(transcript: Transcript) -> str:
    """WebVTT."""
    blocks = (
        f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{_escaped(cue.lines)}\n\n" for cue in cues(transcript)
    )
    return "WEBVTT\n\n" + "".join(blocks)


def tsv(transcript: Transcript) -> str:
    """A row for each utterance, times in milliseconds, under Whisper's headings."""
    said = ((utterance, text_line(utterance)) for utterance in transcript.utterances)
    rows = (f"{_ms(utterance.start)}\t{_ms(utterance.end)}\t{line}\n" for utterance, line in said if line)
    return "start\tend\ttext\n" + "".join(rows)


def json_text(transcript: Transcript) -> str:
    """Whisper's object, with a segment for each utterance; times in seconds, words with the space before them."""
    document = {
        "text": transcript.text,
        "language": transcript.language,
        "duration": _rounded(transcript.duration),
        "segments": [
            {
                "id": number,
                "start": _rounded(utterance.start),
                "end": _rounded(utterance.end),
                "text": utterance.text,
                "words": [
                    {
                        "word": word.text,
                        "start": _rounded(word.start),
                        "end": _rounded(word.end),
                        "probability": _rounded(word.probability),
                    }
                    for word in utterance.words
                ],
            }
            for number, utterance in enumerate(transcript.utterances)
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


FORMATS: Mapping[str, Callable[[Transcript], str]] = {
    "txt": txt,
    "srt": srt,
    "vtt": vtt,
    "json": json_text,
    "tsv": tsv,
}
"""By the suffix of their files. All end their lines with a line feed."""


def text_line(utterance: FinalUtterance) -> str:
    """Its text without anything that would break the line in two."""
    return utterance.text.translate(BREAKING).strip()


def cues(transcript: Transcript) -> list[Cue]:
    """In order, never two at a time; divided at words, at the end of a sentence or a clause where that is possible."""
    timed: list[Cue] = []
    free_from = 0
    for utterance in transcript.utterances:
        for start_s, end_s, lines in _Row(_atoms(utterance)).cues():
            start = max(free_from, _ms(start_s))
            free_from = max(start + 1, min(_ms(end_s), start + LONGEST_MS))
            timed.append(Cue(start, free_from, lines))
    limits = [cue.start for cue in timed[1:]] + [_ms(transcript.duration)]
    return [
        Cue(cue.start, max(cue.end, min(cue.start + SHORTEST_MS, limit)), cue.lines)
        for cue, limit in zip(timed, limits, strict=False)
    ]


@dataclass(frozen=True, slots=True)
class _Atom:
    """What stays on one line; ``space`` is what parts it from the one before, if that is on the same line."""

    text: str
    space: str
    start: float
    end: float

    @property
    def cut_cost(self) -> float:
        """Of ending a cue here."""
        last = self.text.rstrip(CLOSING)[-1:]
        if last and last in SENTENCE_ENDS:
            return AFTER_SENTENCE
        return AFTER_CLAUSE if last and last in CLAUSE_ENDS else WITHIN_CLAUSE


def _atoms(utterance: FinalUtterance) -> list[_Atom]:
    groups: list[list[Word]] = []
    for word in utterance.words:
        if groups and not _may_break(groups[-1][-1].text, word.text, utterance.language):
            groups[-1].append(word)
        else:
            groups.append([word])
    atoms: list[_Atom] = []
    for group in groups:
        # Where spaces were expected and none came it is better to break anywhere than not at all.
        whole = _width("".join(word.text for word in group).strip()) <= LINE
        atoms += [_atom(group)] if whole else [_atom([word]) for word in group]
    return [atom for atom in atoms if atom.text]


def _may_break(before: str, after: str, language: str | None) -> bool:
    if after[:1].isspace() or before[-1:].isspace():
        return True
    if language not in WITHOUT_SPACES or not before or not after:
        return False
    within_latin = before[-1].isascii() and before[-1].isalnum() and after[0].isascii() and after[0].isalnum()
    return not within_latin and not unicodedata.category(after[0]).startswith("M")


def _atom(words: Sequence[Word]) -> _Atom:
    text = "".join(word.text for word in words).translate(BREAKING)
    return _Atom(text.strip(), " " if text[:1].isspace() else "", words[0].start, words[-1].end)


class _Row:
    """The atoms of one utterance, and how much of them fits on a line; a place is the index of the atom behind it."""

    def __init__(self, atoms: Sequence[_Atom]) -> None:
        self.atoms = atoms
        self._columns = list(accumulate((len(atom.space) + _width(atom.text) for atom in atoms), initial=0))
        self._line_ends = [len(atoms)] * (len(atoms) + 1)
        """For each place where the line that begins there ends at the latest; one atom is on it in any case."""
        end = 1
        for begin in range(len(atoms)):
            end = max(end, begin + 1)
            while end < len(atoms) and self.width(begin, end + 1) <= LINE:
                end += 1
            self._line_ends[begin] = end

    def width(self, begin: int, end: int) -> int:
        return self._columns[end] - self._columns[begin] - len(self.atoms[begin].space)

    def cues(self) -> list[tuple[float, float, tuple[str, ...]]]:
        """Start, end and lines of each: the cheapest division, by dynamic programming over their ends."""
        costs, begins = [0.0], [0]
        for end in range(1, len(self.atoms) + 1):
            candidates = ((costs[begin] + self._cost(begin, end), begin) for begin in self._possible_begins(end))
            cost, begin = min(candidates)
            costs.append(cost)
            begins.append(begin)
        divided = []
        end = len(self.atoms)
        while end:
            begin = begins[end]
            divided.append((self.atoms[begin].start, self.atoms[end - 1].end, self._lines(begin, end)))
            end = begin
        return divided[::-1]

    def _possible_begins(self, end: int) -> Iterator[int]:
        last = self.atoms[end - 1]
        yield end - 1
        for begin in reversed(range(end - 1)):
            first, second = self.atoms[begin], self.atoms[begin + 1]
            too_slow = _ms(last.end) - _ms(first.start) > LONGEST_MS or second.start - first.end >= LONG_PAUSE_S
            if too_slow or end > self._line_ends[self._line_ends[begin]]:
                return
            yield begin

    def _cost(self, begin: int, end: int) -> float:
        empty = max(0.0, 1 - self.width(begin, end) / (2 * LINE))
        return CUE + self.atoms[end - 1].cut_cost + EMPTY * empty**2

    def _lines(self, begin: int, end: int) -> tuple[str, ...]:
        """In one if it fits; else in two of like length, rather divided after a clause, the longer one below."""
        latest = self._line_ends[begin]
        if end <= latest:
            return (self._text(begin, end),)

        def ugliness(place: int) -> float:
            above, below = self.width(begin, place), self.width(place, end)
            return abs(above - below) + (2 if above > below else 0) + self.atoms[place - 1].cut_cost

        place = min((place for place in range(begin + 1, latest + 1) if end <= self._line_ends[place]), key=ugliness)
        return self._text(begin, place), self._text(place, end)

    def _text(self, begin: int, end: int) -> str:
        return "".join(atom.space + atom.text for atom in self.atoms[begin:end]).strip()


def _width(text: str) -> int:
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) == "Mn":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _without_arrow(lines: Sequence[str]) -> str:
    return re.sub("-{2,}>", "->", "\n".join(lines))


def _escaped(lines: Sequence[str]) -> str:
    return "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(ms: int, point: str) -> str:
    s, ms = divmod(ms, 1000)
    return f"{s // 3600:02}:{s // 60 % 60:02}:{s % 60:02}{point}{ms:03}"


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _rounded(number: float) -> float | None:
    """To thousandths; JSON has no word for what is not finite."""
    return round(number, 3) if math.isfinite(number) else None
