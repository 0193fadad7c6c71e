"""What `quality.py` makes of what was said about one stream: word errors, losses, latencies, revisions, cost.

Word errors are counted in normalised text; words are lost, inserted and doubled against the words of the reference
decode, by what must agree for two words to be the same in the product. Knows nothing of how the stream was decoded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from reswhis.core.alignment import key
from reswhis.core.events import (
    Committed,
    Reason,
    Suppressed,
    Tentative,
    UtteranceEnded,
)
from reswhis.core.types import Word, join, seconds
from reswhis.simulation import Emission

from quality_decoding import Meter, Span, stretches
from quality_material import Said, Stream, duration_s

NEAR_CUT_S = 1.0
SHOWN_WITHIN_S = 0.5
"""A word shown before is the same if its text is, and its middle was so near."""
SAID_WITHIN_S = 1.0
"""A committed word is a spoken one if an alignment pairs them and they are so near."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What was heard in each recording alone, with times of the stream."""

    files: list[Word]
    placed: list[Word]
    """In the recordings as they lie in the stream."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A word lost, inserted or doubled."""

    kind: str
    text: str
    at: float
    place: str


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from the end of a spoken word until it was committed, and until it was first shown."""

    commit: float
    display: float
    reason: str
    exact: bool
    right: bool
    """Whether it was heard as it was spoken."""
    start_off: float
    """How late the start that was sent for it is."""


@dataclass(frozen=True, slots=True)
class Cost:
    audio_s: float
    calls: int
    frames: int
    decoded_s: float
    cpu_s: float
    failures: int


@dataclass(frozen=True, slots=True)
class Score:
    """Of one stream; ``words`` and what is wrong have a number for each block."""

    stream: str
    words: tuple[int, ...]
    wrong: tuple[int, ...]
    reference_wrong: tuple[int, ...]
    placed_wrong: tuple[int, ...]
    own_wrong: tuple[int, ...] | None
    """Of the utterances as the session cut them, each decoded alone; None if it cuts none."""
    reference_words: int
    own_words: int
    committed: int
    faults: tuple[Fault, ...]
    """Against the reference decode."""
    own_faults: tuple[Fault, ...]
    """Against the utterances as the session cut them: what is lost between its decodes, not where it cuts."""
    latencies: tuple[Latency, ...]
    unpaired: int
    """Spoken words without a committed word, which have no latency."""
    erased: int
    """Words of displayed text that were taken back or changed, with all after them."""
    suppressed: dict[str, int]
    cost: Cost


def score(
    stream: Stream, said: Sequence[Emission], meter: Meter, reference: Reference, own: Sequence[Word] | None
) -> Score:
    """``own``: what was heard in each of the session's utterances, with times of the stream."""
    words = [word for emission in said if isinstance(emission.event, Committed) for word in emission.event.words]
    spoken = [word for piece in stream.pieces for word in piece.words]
    found, places = tuple(latencies(spoken, said)), Places(stream, said, meter.windows)
    return Score(
        stream=stream.name,
        words=tuple(len(normal(truth).split()) for truth in stream.truths),
        wrong=errors_by_block(stream.truths, join(words)),
        reference_wrong=errors_by_block(stream.truths, join(reference.files)),
        placed_wrong=errors_by_block(stream.truths, join(reference.placed)),
        own_wrong=None if own is None else errors_by_block(stream.truths, join(own)),
        reference_words=len(reference.files),
        own_words=len(own or ()),
        committed=len(words),
        faults=tuple(faults(reference.files, words, places)),
        own_faults=() if own is None else tuple(faults(own, words, places)),
        latencies=found,
        unpaired=len(spoken) - len(found),
        erased=erased(said),
        suppressed=dict(suppressed(said)),
        cost=Cost(
            duration_s(stream), len(meter.windows), meter.frames, seconds(meter.decoded), meter.cost_s, meter.failures
        ),
    )


# Word errors.


def normal(text: str) -> str:
    from whisper_normalizer.english import EnglishTextNormalizer

    return str(EnglishTextNormalizer()(text))


def errors_by_block(truths: Sequence[str], text: str) -> tuple[int, ...]:
    """One alignment of the whole text; each error belongs to the block in whose words it falls."""
    import jiwer

    blocks = [number for number, truth in enumerate(truths) for _ in normal(truth).split()]
    wrong = [0] * len(truths)
    alignment = jiwer.process_words(" ".join(normal(truth) for truth in truths), normal(text)).alignments[0]
    for chunk in alignment:
        if chunk.type == "insert":
            wrong[blocks[max(0, chunk.ref_start_idx - 1)]] += chunk.hyp_end_idx - chunk.hyp_start_idx
        elif chunk.type != "equal":
            for i in range(chunk.ref_start_idx, chunk.ref_end_idx):
                wrong[blocks[i]] += 1
    return tuple(wrong)


# Words lost, inserted, doubled.


class Places:
    """Where something went wrong: within a second of a cut or a trim, else at a pause, else within speech."""

    def __init__(self, stream: Stream, said: Sequence[Emission], windows: Sequence[Span]) -> None:
        events = [emission.event for emission in said]
        begun = {start for start, _ in stretches(windows)}
        ends = [event for event in events if isinstance(event, UtteranceEnded)]
        self._cuts = [event.end for event in ends if event.reason is Reason.CUT]
        self._trims = [seconds(start) for start in sorted({window.start for window in windows} - begun)]
        spoken = [piece.words for piece in stream.pieces if piece.words]
        self._pauses = [(words[0].start, words[0].end) for words in spoken]
        self._pauses += [(words[-1].start, words[-1].end) for words in spoken]

    def name(self, at: float) -> str:
        if any(abs(at - cut) <= NEAR_CUT_S for cut in self._cuts):
            return "cut"
        if any(abs(at - trim) <= NEAR_CUT_S for trim in self._trims):
            return "trim"
        if any(start - 0.1 <= at <= end + 0.1 for start, end in self._pauses):
            return "pause"
        return "speech"


def faults(reference: Sequence[Word], words: Sequence[Word], places: Places) -> Iterator[Fault]:
    """A word split in two or merged with the next is no fault; one that is heard otherwise is not lost."""
    before, after = [w for w in reference if key(w)], [w for w in words if key(w)]
    for lost, added in _differences([key(w) for w in before], [key(w) for w in after]):
        if "".join(key(before[i]) for i in lost.all) == "".join(key(after[i]) for i in added.all):
            continue
        for i in lost.unpaired:
            yield Fault("lost", before[i].text.strip(), before[i].middle, places.name(before[i].middle))
        for i in added.unpaired:
            kind = "doubled" if _is_echo(after, i, added.unpaired) else "inserted"
            yield Fault(kind, after[i].text.strip(), after[i].middle, places.name(after[i].middle))


def _is_echo(words: Sequence[Word], i: int, run: Sequence[int]) -> bool:
    """Whether the inserted words are those just before or after them."""
    others = (i - len(run), i + len(run))
    return any(0 <= other < len(words) and key(words[other]) == key(words[i]) for other in others)


@dataclass(frozen=True, slots=True)
class _Side:
    """Indices of one side's words in a stretch where two texts differ."""

    all: tuple[int, ...]
    unpaired: tuple[int, ...]


def _differences(one: list[str], other: list[str]) -> Iterator[tuple[_Side, _Side]]:
    import jiwer

    rows: list[tuple[list[int], list[int], list[int], list[int]]] = [([], [], [], [])]
    for chunk in jiwer.process_words(" ".join(one), " ".join(other)).alignments[0]:
        if chunk.type == "equal":
            rows.append(([], [], [], []))
            continue
        left, right = range(chunk.ref_start_idx, chunk.ref_end_idx), range(chunk.hyp_start_idx, chunk.hyp_end_idx)
        rows[-1][0].extend(left)
        rows[-1][2].extend(right)
        if chunk.type == "delete":
            rows[-1][1].extend(left)
        elif chunk.type == "insert":
            rows[-1][3].extend(right)
    for all_left, left_alone, all_right, right_alone in rows:
        if all_left or all_right:
            yield _Side(tuple(all_left), tuple(left_alone)), _Side(tuple(all_right), tuple(right_alone))


# Latency.


@dataclass(frozen=True, slots=True)
class _Shown:
    word: Word
    at: float


def latencies(spoken: Sequence[Said], said: Sequence[Emission]) -> Iterator[Latency]:
    """Of each spoken word that an alignment by text pairs with a committed one that is near in time."""
    committed = [
        (word, emission.at, emission.event.reason)
        for emission in said
        if isinstance(emission.event, Committed)
        for word in emission.event.words
        if key(word)
    ]
    shown = _first_shown(said)
    spoken = [word for word in spoken if _key_of(word)]
    truth = [_key_of(word) for word in spoken]
    for i, j in _pairs(truth, [key(word) for word, _, _ in committed]):
        word, at, reason = committed[j]
        if abs(word.middle - spoken[i].middle) > SAID_WITHIN_S:
            continue
        first = min((seen.at for seen in shown.get(key(word), ()) if _is_near(seen.word, word)), default=at)
        end, right = spoken[i].end, key(word) == truth[i]
        off = word.start - spoken[i].start
        yield Latency(at - end, min(first, at) - end, reason.value, spoken[i].exact, right, off)


def _is_near(one: Word, other: Word) -> bool:
    return abs(one.middle - other.middle) <= SHOWN_WITHIN_S


def _key_of(word: Said) -> str:
    return key(Word(word.start, word.end, word.text))


def _pairs(one: list[str], other: list[str]) -> Iterator[tuple[int, int]]:
    import jiwer

    for chunk in jiwer.process_words(" ".join(one), " ".join(other)).alignments[0]:
        if chunk.type in {"equal", "substitute"}:
            lefts, rights = range(chunk.ref_start_idx, chunk.ref_end_idx), range(chunk.hyp_start_idx, chunk.hyp_end_idx)
            yield from zip(lefts, rights, strict=True)


def _first_shown(said: Iterable[Emission]) -> dict[str, list[_Shown]]:
    """By text, the words of tentative results, each the first time that it stood there."""
    shown: dict[str, list[_Shown]] = {}
    for emission in said:
        if isinstance(emission.event, Tentative):
            for word in emission.event.words:
                seen = shown.setdefault(key(word), [])
                if not any(_is_near(earlier.word, word) for earlier in seen):
                    seen.append(_Shown(word, emission.at))
    return shown


# What the reader sees change, and what is kept from him.


def erased(said: Iterable[Emission]) -> int:
    """Words taken back until the displayed text is a prefix of the next one, summed: normalised erasure's numerator."""
    count = 0
    display: list[str] = []
    for emission in said:
        match emission.event:
            case Committed(words=words):
                now = [key(word) for word in words]
                kept = _common(display, now)
                # What is displayed beyond the committed words stands until something else replaces it.
                rest = display[kept:] if kept == len(now) else []
                count += len(display) - kept - len(rest)
                display = rest
            case Tentative(words=words):
                now = [key(word) for word in words]
                count += len(display) - _common(display, now)
                display = now
            case UtteranceEnded():
                count += len(display)
                display = []
            case _:
                pass
    return count


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    while count < min(len(one), len(other)) and one[count] == other[count]:
        count += 1
    return count


def suppressed(said: Iterable[Emission]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for emission in said:
        if isinstance(emission.event, Suppressed):
            counts[emission.event.reason] += len(emission.event.words)
    return counts
