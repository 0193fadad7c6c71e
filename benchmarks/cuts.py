"""Streams cut off at random points: is the last word sent the last word of decoding the same cut audio whole?

    uv run python benchmarks/cuts.py [--streams 100] [--seed 0] [--folder DIR]

Everything but the socket is the server's own: session, voice detector, recogniser (whisper-micro). Audio comes 0.1 s
at a time; a window is decoded whenever the session asks for one.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from reswhis.audio.vad import SileroVAD
from reswhis.backends.base import Backend
from reswhis.core.alignment import key
from reswhis.core.events import Committed
from reswhis.core.online import OnlineASRProcessor, SessionConfig, StreamOptions
from reswhis.core.types import SAMPLE_RATE, DecodeOptions, Samples, Word, samples

from common import RECORDINGS, decode_whole, make_backend, micro, recordings

OPTIONS = DecodeOptions(language="en")


def stream(audio: Samples, backend: Backend, vad: SileroVAD) -> list[Word]:
    session, ear = OnlineASRProcessor(SessionConfig(), StreamOptions(OPTIONS)), vad.stream()
    said: list[Word] = []

    def decode() -> None:
        while (window := session.next_window()) is not None:
            (hypothesis,) = backend.transcribe([window])
            if isinstance(hypothesis, Exception):
                raise hypothesis
            session.receive_hypothesis(window, hypothesis)
        said.extend(word for event in session.events() if isinstance(event, Committed) for word in event.words)

    for start in range(0, len(audio), SAMPLE_RATE // 10):
        piece = audio[start : start + SAMPLE_RATE // 10]
        session.receive_audio(piece)
        session.receive_speech(ear.score(piece))
        decode()
    session.receive_end()
    decode()
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=RECORDINGS)
    args = parser.parse_args()
    random = np.random.default_rng(args.seed)
    rows = recordings(args.folder)
    backend, vad = make_backend("faster-whisper", str(micro())), SileroVAD()
    equal = equal_texts = 0
    for n in range(args.streams):
        row = rows[random.integers(len(rows))]
        audio = row.audio[: random.integers(samples(0.3), len(row.audio) + 1)]
        live = [key(word) for word in stream(audio, backend, vad)]
        whole = [key(word) for word in decode_whole(backend, audio, OPTIONS)]
        equal += live[-1:] == whole[-1:]
        equal_texts += live == whole
        if live[-1:] != whole[-1:]:
            print(f"  {n}: {row.name} cut at {len(audio) / SAMPLE_RATE:.2f} s\n    live  {live}\n    whole {whole}")
    print(f"seed {args.seed}: last word equal in {equal} of {args.streams}, the whole text in {equal_texts}")


if __name__ == "__main__":
    main()
