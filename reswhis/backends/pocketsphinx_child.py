"""The process in which pocketsphinx decodes: audio on standard input, words on standard output, until the input ends.

Started by :mod:`.pocketsphinx` and ends when that is gone, since the input then ends.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pocketsphinx import Decoder

FRAMES_PER_S = 100
_ALTERNATE = re.compile(r"\(\d+\)$")
"""Which of a word's pronunciations was heard."""
_NOT_WORDS = ("<", "[", "+")
"""How silence, sentence ends and noises are written."""


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with _private(sys.stdin.fileno(), "rb") as requests, _private(sys.stdout.fileno(), "wb") as answers:
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints must not be taken for an answer
            _serve(requests, answers)
    except (EOFError, OSError):  # the other side is gone, which may show only when the pipes are closed
        return


def _private(descriptor: int, mode: str) -> IO[bytes]:
    pipe: IO[bytes] = os.fdopen(os.dup(descriptor), mode)
    return pipe


def _serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    from reswhis.backends.pocketsphinx import read, write

    decoder = _load()
    write(answers, b"")
    while True:
        write(answers, json.dumps(_decode(decoder, read(requests))).encode())


def _load() -> Decoder:
    """With its own settings: on speech that is not in the tests none was better beyond chance.

    ``remove_dc`` apart, which costs nothing and which cheap sound cards need.
    """
    from pocketsphinx import Decoder

    return Decoder(loglevel="FATAL", remove_dc=True)


def _decode(decoder: Decoder, audio: bytes) -> list[tuple[float, float, str, float]]:
    """Words as start, end (seconds), text and probability. ``audio`` is int16 at 16 kHz."""
    if not audio.strip(b"\0"):  # it hears words in digital silence, though in no noise
        return []
    decoder.reinit_feat()  # or its estimate of the noise, and with it the words, would depend on the window before
    decoder.start_utt()
    decoder.process_raw(audio, full_utt=True)
    decoder.end_utt()
    if decoder.hyp() is None:
        return []
    duration = len(audio) / 2 / 16_000
    return [
        (
            min(segment.start_frame / FRAMES_PER_S, duration),
            min((segment.end_frame + 1) / FRAMES_PER_S, duration),
            _ALTERNATE.sub("", segment.word),
            min(max(segment.prob, 0.0), 1.0),
        )
        for segment in decoder.seg()
        if not segment.word.startswith(_NOT_WORDS)
    ]


if __name__ == "__main__":
    main()
