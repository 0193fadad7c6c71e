"""Sounds in which nobody speaks, and a recogniser that invents: how much of it comes out as text, and why the rest not.

    uv run python benchmarks/inventions.py [--minutes 30] [--decoded-minutes 4] [--folder DIR] [--seed 0]
        [--only PART ...]

Four parts, each through the server's own session with a simulated clock and the real voice detector:

* `detector`: as a server is by default. Of each sound the seconds that are taken for speech, and what whisper-micro
  makes of them.
* `decoded`: the same sounds, all of them decoded (`vad_threshold` 0): what whisper-micro invents, and how much passes.
* `scripted`: recordings with these sounds between them, and a recogniser that hears every true word and says "thank
  you", loops, bunches times, has words without length and 40 words in a second in each pause. Its figures are as
  Whisper's in silence, or (sure) those of true words; the detector listens, or takes everything for speech (off).
* `speech`: the recordings of --folder with whisper-micro: how many words of speech are suppressed.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from reswhis.audio.vad import SileroVAD
from reswhis.backends.base import Backend
from reswhis.core.alignment import key
from reswhis.core.endpointing import FRAME, EndpointingConfig
from reswhis.core.events import Committed, SpeechStarted, SpeechStopped, Suppressed
from reswhis.core.online import OnlineASRProcessor, StreamOptions
from reswhis.core.types import DecodeOptions, Samples, Window, Word, seconds
from reswhis.simulation import AudioClock, Scorer, simulate

from common import RECORDINGS, make_backend, micro, silence
from quality_material import Recording, recordings
from quality_report import machine

# The tests' folder is on the path now that common is imported.
# isort: split
from inventor import INVENTIONS, Inventor, invention
from nonspeech import LEVELS_DB, SOUNDS, make

OPTIONS = DecodeOptions(language="en", encoder_context="dynamic")
NEAR_S = 1.0
USUAL = StreamOptions(OPTIONS)
EVERYTHING = StreamOptions(OPTIONS, endpointing=EndpointingConfig(threshold=0.0))
PAUSE_S = 4.0
PARTS = ("detector", "decoded", "scripted", "speech")


@dataclass(slots=True)
class Tally:
    speech_s: float = 0.0
    windows: int = 0
    committed: list[str] = field(default_factory=list)
    suppressed: Counter[str] = field(default_factory=Counter)
    doubted: list[Word] = field(default_factory=list)
    """The words suppressed."""

    def add(self, other: Tally) -> None:
        self.speech_s += other.speech_s
        self.windows += other.windows
        self.committed += other.committed
        self.suppressed += other.suppressed
        self.doubted += other.doubted

    @property
    def reasons(self) -> str:
        return ", ".join(f"{reason} {count}" for reason, count in sorted(self.suppressed.items())) or "none"


class Counting:
    """A backend that counts its windows."""

    max_batch = 1

    def __init__(self, backend: Backend) -> None:
        self.windows = 0
        self.transcribe_one = backend.transcribe
        self.batch_key = backend.batch_key

    def transcribe(self, windows: Sequence[Window]) -> list:
        self.windows += len(windows)
        return self.transcribe_one(windows)

    def close(self) -> None:
        """The backend is the caller's."""


class Off:
    """Takes everything for speech."""

    def __init__(self) -> None:
        self._samples = 0

    def score(self, samples: Samples) -> list[float]:
        before, self._samples = self._samples // FRAME, self._samples + len(samples)
        return [1.0] * (self._samples // FRAME - before)


def stream(audio: Samples, ear: Scorer, backend: Backend, options: StreamOptions = USUAL) -> Tally:
    session = OnlineASRProcessor(options=options)
    tally, counting, started = Tally(), Counting(backend), 0.0
    for emission in simulate(audio, session, ear, counting, AudioClock()):
        match emission.event:
            case SpeechStarted(_, at):
                started = at
            case SpeechStopped(_, at):
                tally.speech_s += at - started
            case Committed(_, words, _):
                tally.committed += [word.text for word in words]
            case Suppressed(words, reason):
                tally.suppressed[str(reason)] += len(words)
                tally.doubted += words
    tally.windows = counting.windows
    return tally


def sounds(minutes: float, first_seed: int, vad: SileroVAD, backend: Backend, options: StreamOptions) -> None:
    each_s = 60 * minutes / (len(SOUNDS) * len(LEVELS_DB))
    levels = f"highest speech probability at {' '.join(map(str, LEVELS_DB))} dB"
    print(f"{'':10} {levels:56} speech windows  text  suppressed")
    total = Tally()
    for sound in SOUNDS:
        tally, highest = Tally(), []
        for seed, level in enumerate(LEVELS_DB, first_seed):
            audio = make(sound, each_s, level, seed)
            highest.append(max(vad.stream().score(audio)))
            tally.add(stream(audio, vad.stream(), backend, options))
        total.add(tally)
        print_row(sound, " ".join(f"{each:.2f}" for each in highest), tally)
    print_row("all", "", total)


def print_row(name: str, highest: str, tally: Tally) -> None:
    text = f"  {''.join(tally.committed)!r}" if tally.committed else ""
    counts = f"{tally.speech_s:4.0f} s {tally.windows:7} {len(tally.committed):5}"
    print(f"{name:10} {highest:56} {counts}  {tally.reasons}{text}")


@dataclass(frozen=True, slots=True)
class Script:
    audio: Samples
    said: tuple[Word, ...]
    pauses: tuple[float, ...]
    """Where each begins, in seconds."""


def script(rows: Sequence[Recording], minutes: float) -> Script:
    """Pauses of this many minutes in all, each with a sound, and a recording before each."""
    draw = random.Random(0)
    parts: list[Samples] = []
    said: list[Word] = []
    pauses, at = [], 0
    for n in range(round(60 * minutes / PAUSE_S)):
        row = draw.choice(rows)
        start = seconds(at)
        said += [Word(start + word.start, start + word.end, f" {word.text}") for word in row.words]
        at += len(row.audio)
        pauses.append(seconds(at))
        parts += [row.audio, make(draw.choice(list(SOUNDS)), PAUSE_S, draw.choice(LEVELS_DB), n)]
        at += len(parts[-1])
    words = {word.text for kind in INVENTIONS for word in invention(kind, 0.0).words}
    said = [replace(word, text=word.text + "'") if word.text in words else word for word in said]
    return Script(np.concatenate(parts), tuple(said), tuple(pauses))


def scripted(rows: Sequence[Recording], minutes: float, vad: SileroVAD) -> None:
    made = script(rows, minutes)
    print(f"{'kind':10} {'detector':9} {'figures':8} invented  passed  true words suppressed  suppressed")
    for kind in INVENTIONS:
        for detector in ("on", "off"):
            for figures in ("honest", "sure") if kind == "thanks" else ("sure",):
                draw = random.Random(1)
                inventions = [
                    invention(kind, at + draw.uniform(0.3, 2.0), honest=figures == "honest") for at in made.pauses
                ]
                inventor = Inventor(made.said, inventions)
                ear: Scorer = vad.stream() if detector == "on" else Off()
                tally = stream(made.audio, ear, inventor)
                invented = {word.text for word in inventor.invented}
                passed = sum(text in invented for text in tally.committed)
                wrongly = sum(word.text not in invented for word in tally.doubted)
                print(
                    f"{kind:10} {detector:9} {figures:8} {len(inventor.invented):8} {passed:7} "
                    f"{wrongly:11} of {len(made.said):7}  {len(tally.doubted)}: {tally.reasons}"
                )


def speech(rows: Sequence[Recording], vad: SileroVAD, backend: Backend) -> None:
    total, wrongly = Tally(), 0
    heard = _Heard(backend)
    for row in rows:
        tally = stream(np.concatenate((silence(0.5), row.audio, silence(1.0))), vad.stream(), heard)
        wrongly += sum(_was_said(word.shifted(-0.5), row) for word in tally.doubted)
        total.add(tally)
    count = sum(total.suppressed.values())
    print(f"{len(rows)} recordings, {len(total.committed)} words said, {heard.words} heard in {total.windows} windows")
    print(f"suppressed: {count} ({100 * count / max(heard.words, 1):.2f} %): {total.reasons}")
    print(f"of these had been said: {wrongly} ({100 * wrongly / max(heard.words, 1):.2f} %)")


def _was_said(word: Word, row: Recording) -> bool:
    """Whether the recording has that word about there, or at all if it is not known where."""
    if not row.words:
        return key(word) in {key(replace(word, text=text)) for text in row.text.split()}
    near = (said for said in row.words if abs(said.middle - word.middle) <= NEAR_S)
    return key(word) in {key(replace(word, text=said.text)) for said in near}


class _Heard(Counting):
    """Counts the words of all windows."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.words = 0

    def transcribe(self, windows: Sequence[Window]) -> list:
        results = super().transcribe(windows)
        self.words += sum(len(result.words) for result in results)
        return results


def parts(args: argparse.Namespace) -> Iterator[str]:
    for part in args.only:
        began = time.perf_counter()
        yield part
        print(f"({time.perf_counter() - began:.0f} s)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--decoded-minutes", type=float, default=4.0)
    parser.add_argument("--folder", type=Path, default=RECORDINGS)
    parser.add_argument("--seed", type=int, default=0, help="of the sounds")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    args = parser.parse_args()
    print(machine())
    rows, vad, backend = recordings(args.folder), SileroVAD(), make_backend("faster-whisper", str(micro()), threads=1)
    for part in parts(args):
        print(f"\n{part}")
        match part:
            case "detector":
                sounds(args.minutes, args.seed, vad, backend, USUAL)
            case "decoded":
                sounds(args.decoded_minutes, args.seed, vad, backend, EVERYTHING)
            case "scripted":
                scripted(rows, args.minutes, vad)
            case _:
                speech(rows, vad, backend)
    backend.close()


if __name__ == "__main__":
    main()
