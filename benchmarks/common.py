"""What the benchmarks share: recordings, word errors, whisper-micro, and the tests' server and client."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np

from reswhis.audio.files import load
from reswhis.backends.base import Backend, BackendConfig
from reswhis.backends.selection import choose
from reswhis.core.commit import POLICIES, PolicyConfig
from reswhis.core.config import SessionConfig
from reswhis.core.endpointing import EndpointingConfig
from reswhis.core.types import DecodeOptions, Samples, Window, Word, samples

from quality_decoding import CachedDecoder, fingerprint, one_thread_each

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))  # server_process and native_client

RECORDINGS = TESTS / "recordings"
CACHE = Path(tempfile.gettempdir()) / "reswhis-decodes.sqlite"
"""Of decodes."""


Share, Done = TypeVar("Share"), TypeVar("Done")


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


def micro_decoder(cache: Path, model: Path) -> CachedDecoder:
    make = partial(make_backend, "faster-whisper", str(model), threads=1)
    return CachedDecoder(cache, fingerprint(model), make)


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


def in_processes(work: Callable[[Share], list[Done]], shares: Sequence[Share]) -> list[Done]:
    """In processes even if it is one: this one's libraries have counted their threads already."""
    one_thread_each()
    with ProcessPoolExecutor(len(shares), get_context("spawn")) as pool:
        return [done for part in pool.map(work, shares) for done in part]


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Its help is a script's docstring."""
    assert doc is not None
    summary, _, details = doc.partition("\n\n")
    return argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def add_session_options(parser: argparse.ArgumentParser) -> None:
    """One value each; what is not given is the product's default."""
    session, policy, endpointing = SessionConfig(), PolicyConfig(), EndpointingConfig()
    parser.add_argument("--policy", choices=sorted(POLICIES), default=policy.name)
    parser.add_argument("--step", type=float, default=session.step_s)
    parser.add_argument("--n", type=int, default=policy.n)
    parser.add_argument("--holdback", type=float, default=policy.holdback_s)
    parser.add_argument("--min-probability", type=float, default=policy.min_probability)
    parser.add_argument("--endpoint-ms", type=float, default=1000 * endpointing.min_silence_s)
    parser.add_argument("--trimming", type=float, default=session.buffer_trimming_s)
    parser.add_argument("--prompt-chars", type=int, default=session.prompt_chars)


def session_of(args: argparse.Namespace) -> tuple[SessionConfig, EndpointingConfig]:
    policy = PolicyConfig(args.policy, n=args.n, holdback_s=args.holdback, min_probability=args.min_probability)
    session = SessionConfig(
        step_s=args.step, policy=policy, buffer_trimming_s=args.trimming, prompt_chars=args.prompt_chars
    )
    return session, EndpointingConfig(min_silence_s=args.endpoint_ms / 1000)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )
