"""A speaker and a recogniser that wavers as real ones do, with each word's number hidden in its text to count it by.

Nothing in the core sees the numbers: they are characters for private use, which take no part in a word's key.
"""

import random
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from reswhis.core.commit import PolicyConfig
from reswhis.core.endpointing import FRAME
from reswhis.core.events import Committed
from reswhis.core.online import OnlineASRProcessor, SessionConfig
from reswhis.core.types import Hypothesis, Window, Word, samples, seconds

from streams import committed, finish, play

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


def speech(rng, utterances, longest=90):
    """Where words are said, one in twenty of them again, and where utterances begin and end; ``longest``: in words."""
    words, voiced, now, text = [], [], 0.5, "so"
    for _ in range(utterances):
        begin = now
        now += 0.1
        for _ in range(rng.randint(5, longest)):
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


# Recognisers that waver in one way alone, for what must hold exactly.


def numbered(texts, each_s, begin_s=0.5):
    """One word after the other without a pause."""
    return [
        Word(begin_s + n * each_s, begin_s + (n + 1) * each_s, f" {text}{chr(NUMBER + n)}")
        for n, text in enumerate(texts)
    ]


def quiet_between(said):
    """Audio of a voice that is loud but for where one word ends and another may begin."""
    loudness = np.full(samples(said[-1].end + 2), 9000, np.int16)
    for at in [said[0].start, *(word.end for word in said)]:
        loudness[samples(at - 0.02) : samples(at + 0.02)] = 3
    return loudness


def numbers(words):
    """Which words of the script these are."""
    return [ord(c) - NUMBER for word in words for c in word.text if ord(c) >= NUMBER]


def unnumbered(text):
    return "".join(c for c in text if ord(c) < NUMBER)


def jitters(said, most_s, rng, *, together=False):
    """Hears every word of the window, with each of its ends off by up to this much, or all by the same ``together``."""

    def recognise(window):
        begin, end = seconds(window.start), seconds(window.end)
        same = rng.uniform(-most_s, most_s)
        heard = []
        for word in said:
            if begin <= word.middle < end:
                off = (same, same) if together else (rng.uniform(-most_s, most_s), rng.uniform(-most_s, most_s))
                heard.append((word.start + off[0] - begin, word.end + off[1] - begin, word.text))
        return Hypothesis(_one_after_the_other(heard))

    return recognise


def lapses(said, rng, *, jitter_s=0.0, flipped=0.0, missing=0.0, repeated=0.0, apart=4):
    """In partial windows hears words wrong, not at all, or twice: of so many in a row at most one in two decodes.

    In a final window only the times are off.
    """
    steady = jitters(said, jitter_s, rng)
    before: set[int] = set()

    def recognise(window):
        nonlocal before
        hypothesis = steady(window)
        if window.is_final:
            return hypothesis
        words, now = [], set()
        for word in hypothesis.words:
            (number,) = numbers([word])
            chance = rng.random()
            if any(abs(number - other) < apart for other in before | now):
                chance = 1.0
            if chance < flipped + missing + repeated:
                now.add(number)
            words += _lapse(word, chance, flipped, missing, repeated, rng)
        before = now
        return Hypothesis(tuple(words))

    return recognise


def _lapse(word, chance, flipped, missing, repeated, rng):
    if chance < flipped:
        return [replace(word, text=f" {rng.choice(LONG)}{word.text[-1]}")]
    if chance < flipped + missing:
        return []
    if chance < flipped + missing + repeated:
        return [replace(word, end=word.middle), replace(word, start=word.middle)]
    return [word]


def _one_after_the_other(heard):
    """Words in this order whose times do not run backwards."""
    words = []
    for begin, end, text in heard:
        start = max(begin, 0.0)
        if words and start < words[-1].end:
            start = max((words[-1].end + start) / 2, words[-1].start + 0.02)
            words[-1] = replace(words[-1], end=start)
        words.append(Word(start, max(start + 0.02, end), text))
    return tuple(words)


# What people repeat.

PHRASES = [
    "zero zero zero",
    "no no no no",
    "zero zero eight",
    "we will we will rock you",
    "the sun is up the sun is up the sun is up",
]
WAYS = {
    "partials": {"step_s": 0.3},
    "trims": {"step_s": 0.3, "buffer_trimming_s": 2.0},
    "cuts": {"step_s": 0.3, "max_utterance_s": 2.0},
    "trims and cuts": {"step_s": 0.5, "buffer_trimming_s": 3.0, "max_utterance_s": 6.0},
}


def heard_wrong(policy, way, each_s, most_s, *, together, seeds=2):
    """The phrases, each said three times, that come out otherwise than they were said."""
    wrong = []
    for phrase in PHRASES:
        said = numbered(["so", *phrase.split() * 3, "then"], each_s)
        voiced, until_s, audio = [(0.4, said[-1].end + 0.1)], said[-1].end + 1, quiet_between(said)
        for seed in range(seeds):
            recognise = jitters(said, most_s, random.Random(f"{phrase}{seed}"), together=together)
            session = OnlineASRProcessor(SessionConfig(policy=PolicyConfig(policy), preroll_s=0.0, **WAYS[way]))
            events = play(session, voiced, until_s, recognise, audio=audio) + finish(session, recognise)
            text = unnumbered(committed(events))
            if text != unnumbered("".join(word.text for word in said)).strip():
                wrong.append(text)
    return wrong
