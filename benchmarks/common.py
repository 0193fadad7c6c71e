"""What the benchmarks share: recordings, word errors, whisper-micro, and the tests' server and client."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reswhis.audio.files import load
from reswhis.backends.base import Backend, BackendConfig
from reswhis.backends.selection import choose
from reswhis.core.types import DecodeOptions, Samples, Window, Word, samples

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))  # server_process and native_client

RECORDINGS = TESTS / "recordings"


@dataclass(frozen=True, slots=True)
class Recording:
    name: str
    audio: Samples
    text: str


def recordings(folder: Path = RECORDINGS, prefix: str = "") -> list[Recording]:
    rows = [json.loads(line) for line in (folder / "references.jsonl").read_text("utf-8").splitlines()]
    return [
        Recording(row["file"], to_int16(load(folder / row["file"])), row["text"])
        for row in rows
        if row["file"].startswith(prefix)
    ]


def to_int16(audio: np.ndarray) -> Samples:
    return np.rint(audio * 32767).astype(np.int16)


def silence(duration_s: float) -> Samples:
    return np.zeros(samples(duration_s), np.int16)


def micro(shape: str = "micro", generation: str = "v2") -> Path:
    """whisper-micro as a CTranslate2 directory, built once per machine."""
    folder = Path(tempfile.gettempdir()) / f"reswhis-whisper-{shape}-{generation}"
    if not (folder / "preprocessor_config.json").exists():
        build = TESTS / "models" / "whisper-micro" / "build.py"
        subprocess.run([sys.executable, build, folder, "--shape", shape, "--generation", generation], check=True)
    return folder


def make_backend(name: str, model: str = "auto", *, threads: int = 0) -> Backend:
    config = BackendConfig(backend=name, model=model, language="en", cpu_threads=threads)
    return choose(config, lambda message, progress: None).make(0)


def decode_whole(backend: Backend, audio: Samples, options: DecodeOptions) -> tuple[Word, ...]:
    (hypothesis,) = backend.transcribe([Window(0, 0, audio, options, is_final=True)])
    if isinstance(hypothesis, Exception):
        raise hypothesis
    return hypothesis.words


@dataclass(frozen=True, slots=True)
class Errors:
    """Word errors of each recording, so that pooled rates and their intervals can be had."""

    wrong: tuple[int, ...]
    words: tuple[int, ...]

    @property
    def rate(self) -> float:
        return 100 * sum(self.wrong) / sum(self.words)

    def __str__(self) -> str:
        low, high = interval(np.array(self.wrong), np.array(self.words))
        return f"{self.rate:5.1f} %  [{low:.1f}, {high:.1f}]  ({sum(self.wrong)} of {sum(self.words)} words)"


def errors(references: Sequence[str], texts: Sequence[str]) -> Errors:
    import jiwer
    from whisper_normalizer.english import EnglishTextNormalizer

    normal = EnglishTextNormalizer()
    wrong, words = [], []
    for reference, text in zip(references, texts, strict=True):
        counted = jiwer.process_words(normal(reference), normal(text))
        wrong.append(counted.substitutions + counted.deletions + counted.insertions)
        words.append(len(normal(reference).split()))
    return Errors(tuple(wrong), tuple(words))


def interval(wrong: np.ndarray, words: np.ndarray, *, seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """95 %, by drawing recordings with replacement."""
    chosen = np.random.default_rng(seed).integers(0, len(words), (draws, len(words)))
    rates = 100 * wrong[chosen].sum(axis=1) / words[chosen].sum(axis=1)
    return float(np.percentile(rates, 2.5)), float(np.percentile(rates, 97.5))
