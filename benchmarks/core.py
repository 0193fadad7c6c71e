"""CPU that a session costs per second of its audio, everything but VAD and model, and what one alignment costs.

``python benchmarks/core.py``; needs no model and no network.
"""

import time

import numpy as np

from reswhis.backends.fake import heard
from reswhis.core.alignment import TAIL_WORDS, following
from reswhis.core.endpointing import FRAME
from reswhis.core.online import OnlineASRProcessor
from reswhis.core.types import Hypothesis, Window, Word, samples, seconds

AUDIO_S = 600
WORDS_PER_S = 4
ALIGNMENTS = 300


def quick_speaker(window: Window) -> Hypothesis:
    """Many more words than the fake backend's one per second."""
    begin, end = seconds(window.start), seconds(window.end)
    first, last = int(begin * WORDS_PER_S) + 1, int(end * WORDS_PER_S)
    each = 1 / WORDS_PER_S
    words = (Word(n * each - begin, (n + 1) * each - begin, f" w{n % 50}") for n in range(first, last))
    return Hypothesis(tuple(words), language="en", language_probability=1.0)


def main() -> None:
    for name, recognise in (("one word per second", heard), (f"{WORDS_PER_S} words per second", quick_speaker)):
        session = OnlineASRProcessor()
        frame = np.zeros(FRAME, np.int16)
        windows = 0
        begun = time.process_time()
        for i in range(samples(AUDIO_S) // FRAME):
            session.receive_audio(frame)
            session.receive_speech([0.9 if (i // 150) % 4 else 0.0])
            if (window := session.next_window()) is not None:
                session.receive_hypothesis(window, recognise(window))
                windows += 1
            session.events()
        spent = time.process_time() - begun
        print(f"{name}: {AUDIO_S} s of audio, {windows} windows, {spent / AUDIO_S * 1e6:.0f} us CPU per audio second")

    said = [Word(n * 0.25, (n + 1) * 0.25, f" w{n % 7}") for n in range(2 * TAIL_WORDS)]
    heard_again = tuple(word.shifted(0.1) for word in said[TAIL_WORDS // 2 :])
    begun = time.process_time()
    for _ in range(ALIGNMENTS):
        following(said, heard_again, said[TAIL_WORDS // 2].start)
    spent = time.process_time() - begun
    print(f"aligning {TAIL_WORDS} committed with {len(heard_again)} heard words: {spent / ALIGNMENTS * 1e6:.0f} us")


if __name__ == "__main__":
    main()
