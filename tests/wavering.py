"""A speaker and a recogniser that wavers as real ones do, with each word's number hidden in its text to count it by.

Nothing in the core sees the numbers: they are characters for private use, which take no part in a word's key.
"""

import random
from collections import Counter
from dataclasses import dataclass

import numpy as np

from reswhis.core.commit import PolicyConfig
from reswhis.core.endpointing import FRAME
from reswhis.core.events import Committed
from reswhis.core.online import OnlineASRProcessor, SessionConfig
from reswhis.core.types import Hypothesis, Window, Word, samples, seconds

NUMBER, FIRST_HALF = 0xF0000, 0x8000
SHORT = ["no", "yes", "the", "a", "to", "of", "and", "in", "it", "is"]
LONG = [begin + end for begin in "bdfgklmnprst" for end in ("ow", "ent", "ing", "itter", "ook", "ation", "urn")]


@dataclass(frozen=True)
class Noise:
    """How often, per word and decode, but for the first three."""

    jitter_s: float = 0.2
    """Most that a start or an end is off."""
    first_dropped: float = 0.05
    """Per window."""
    fragment: float = 0.5
    """That of a word cut by the window's beginning a part is heard, per window."""
    last_wrong: float = 0.5
    """Of a window that is not final."""
    wrong: float = 0.02
    dropped: float = 0.005
    split: float = 0.005
    merged: float = 0.005
    written_otherwise: float = 0.2
    """In case or punctuation."""


HARMLESS = Noise(first_dropped=0, dropped=0)
"""Everything said is heard in every window, somehow."""


@dataclass(frozen=True)
class Count:
    words: int
    lost: int
    doubled: int


def speech(rng, utterances):
    """The words said, and where each utterance begins and ends. One word in twenty is said again."""
    words, voiced, now, text = [], [], 0.5, "so"
    for _ in range(utterances):
        begin = now
        now += 0.1
        for _ in range(rng.randint(5, 90)):
            text = text if rng.random() < 0.05 else rng.choice(SHORT if rng.random() < 0.4 else LONG)
            length = rng.uniform(0.12, 0.5)
            words.append(Word(now, now + length, f" {text}{chr(NUMBER + len(words))}"))
            now += length + (rng.uniform(0.1, 0.4) if rng.random() < 0.1 else 0)
        voiced.append((begin, now + 0.1))
        now += rng.uniform(0.8, 2.0)
    return words, voiced


def stream(seed, noise, policy="local-agreement", utterances=10):
    """What becomes of the words of one stream."""
    rng = random.Random(seed)
    said, voiced = speech(rng, utterances)
    session = OnlineASRProcessor(SessionConfig(policy=PolicyConfig(policy)))
    events = []

    def decode():
        while (window := session.next_window()) is not None:
            session.receive_hypothesis(window, hear(window, said, noise, rng))
        events.extend(session.events())

    for frame in range(samples(voiced[-1][1] + 1) // FRAME):
        middle = seconds(frame * FRAME + FRAME // 2)
        session.receive_audio(np.zeros(FRAME, np.int16))
        session.receive_speech([0.9 if any(begin <= middle < end for begin, end in voiced) else 0.0])
        decode()
    session.receive_end()
    decode()
    texts = [word.text for event in events if isinstance(event, Committed) for word in event.words]
    found = Counter(ord(c) - NUMBER for text in texts for c in text if ord(c) >= NUMBER)
    lost = sum(not found[n] and not found[n + FIRST_HALF] for n in range(len(said)))
    return Count(len(said), lost, sum(found[n] > 1 for n in range(len(said))))


def hear(window: Window, said, noise: Noise, rng) -> Hypothesis:
    begin, end = seconds(window.start), seconds(window.end)
    inside = [word for word in said if begin <= word.middle < end]
    heard = _fragment(begin, said, noise, rng)
    for word in inside:
        heard_otherwise = _misheard(word.text, noise, rng, unfinished=word is inside[-1] and not window.is_final)
        if heard_otherwise is not None:
            _append(heard, _moved(word, noise, rng), heard_otherwise, noise, rng)
    if heard and rng.random() < noise.first_dropped:
        del heard[0]
    words = (Word(max(a, begin) - begin, max(a, b, begin) - begin, text) for a, b, text in heard)
    return Hypothesis(tuple(words))


def _fragment(begin, said, noise, rng):
    for word in said:
        if word.middle < begin and begin + 0.3 * (word.end - word.start) < word.end and rng.random() < noise.fragment:
            return [[begin, word.end, word.text[:1] + word.text[2:-1]]]
    return []


def _moved(word, noise, rng):
    most = noise.jitter_s
    start, end = (at + max(-most, min(most, rng.gauss(0, most / 2))) for at in (word.start, word.end))
    return start, max(end, start + 0.04)


def _misheard(text, noise, rng, *, unfinished):
    """None if it is not heard at all."""
    text, number = text[:-1], text[-1]
    if unfinished and rng.random() < noise.last_wrong:
        return text + rng.choice("xs") + number
    chance = rng.random()
    if chance < noise.dropped:
        return None
    if chance < noise.dropped + noise.wrong:
        text = f" {rng.choice(LONG)}"
    if rng.random() < noise.written_otherwise:
        text = rng.choice([text.title(), text + ",", text + "."])
    return text + number


def _append(heard, span, text, noise, rng):
    start, end = span
    if heard and start < heard[-1][1]:
        start = heard[-1][1] = max((start + heard[-1][1]) / 2, heard[-1][0] + 0.02)
        end = max(end, start + 0.04)
    number = text[-1]
    if heard and ord(heard[-1][2][-1]) >= NUMBER and rng.random() < noise.merged:
        heard[-1][1:] = [end, heard[-1][2] + text.strip()]
    elif len(text) > 5 and rng.random() < noise.split:
        middle = (start + end) / 2
        heard.append([start, middle, text[:3] + chr(ord(number) + FIRST_HALF)])
        heard.append([middle, end, " " + text[3:]])
    else:
        heard.append([start, end, text])
