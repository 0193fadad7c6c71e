"""What holds for every stream."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from reswhis.core.commit import POLICIES, PolicyConfig
from reswhis.core.endpointing import FRAME
from reswhis.core.events import Closed, Committed, Flushed, SpeechStarted, SpeechStopped, UtteranceEnded
from reswhis.core.online import OnlineASRProcessor, SessionConfig
from reswhis.core.types import Hypothesis, Word, samples, seconds

from streams import FAINT, committed, hears, of

SPEECH_S, SILENCE_S = st.sampled_from([0.4, 1.3, 2.9, 33.0]), st.sampled_from([0.1, 0.4, 0.7, 2.0])
WORD, WORD_S = st.sampled_from(["no", "yes.", "we", "好"]), st.sampled_from([0.2, 0.3, 0.5])
stretches = st.lists(st.tuples(SPEECH_S, SILENCE_S), max_size=3)
spoken = st.lists(st.tuples(WORD, WORD_S), min_size=1, max_size=8)

EXAMPLES = settings().max_examples  # 100, or what the profile asks for


class Speaker:
    """Says its words over and over during the stretches of speech; both ends of a stretch are silent."""

    def __init__(self, stretches, spoken):
        self.words, now, said = [], 0.0, 0
        self.voiced = []
        for speech, silence in stretches:
            begin, end = now, now + speech
            self.voiced.append((begin, end))
            at = begin + 0.1
            while True:
                text, length = spoken[said % len(spoken)]
                if at + length > end - 0.1:
                    break
                self.words.append(Word(at, at + length, " " + text))
                at, said = at + length, said + 1
            now = end + silence
        self.length = samples(now)

    def speech(self, frame):
        middle = seconds(frame * FRAME + FRAME // 2)
        return 0.9 if any(a <= middle < b for a, b in self.voiced) else 0.0


def run(speaker, sizes, late, *, pick=lambda: True, recognise=None, policy="local-agreement", flush_at=None):
    """Stream the speaker in pieces of the given sizes; probabilities come ``late`` pieces late."""
    recognise = recognise or hears(speaker.words)
    session = OnlineASRProcessor(SessionConfig(policy=PolicyConfig(policy)))
    events, windows, scored, piece, out = [], [], 0, 0, None
    arrivals = [0]

    def step(score_until):
        nonlocal scored, out
        frames = score_until // FRAME - scored
        if frames > 0:
            session.receive_speech([speaker.speech(scored + i) for i in range(frames)])
            scored += frames
        if out is None and (out := session.next_window()) is not None:
            windows.append(out)
        if out is not None and pick():
            session.receive_hypothesis(out, recognise(out))
            out = None
        events.extend(session.events())

    while arrivals[-1] < speaker.length:
        size = min(sizes[piece % len(sizes)], speaker.length - arrivals[-1])
        if flush_at is not None and arrivals[-1] < flush_at:
            size = min(size, flush_at - arrivals[-1])
        piece += 1
        session.receive_audio(np.full(size, FAINT))
        arrivals.append(arrivals[-1] + size)
        if arrivals[-1] == flush_at:
            session.receive_flush("f")
        step(arrivals[max(0, len(arrivals) - 1 - late)])
    session.receive_end()
    while not session.closed or out is not None:
        step(arrivals[-1])
    events.extend(session.events())
    return events, windows


sizes = st.lists(st.sampled_from([320, 512, 1000, 4096, 16_000, 50_000]), min_size=1, max_size=4)


@settings(max_examples=EXAMPLES // 3, deadline=None)
@given(
    stretches, spoken, sizes, st.integers(0, 3), st.sampled_from(sorted(POLICIES)), st.randoms(use_true_random=False)
)
def test_the_text_is_what_was_said_however_the_audio_was_split(stretches, spoken, sizes, late, policy, luck):
    """And however long the recogniser takes."""
    speaker = Speaker(stretches, spoken)
    events, windows = run(speaker, sizes, late, pick=lambda: luck.random() < 0.7, policy=policy)
    assert committed(events) == "".join(w.text for w in speaker.words).strip()
    assert all(len(w.audio) <= samples(28) for w in windows)


@settings(max_examples=EXAMPLES // 3, deadline=None)
@given(stretches, spoken, sizes, st.integers(0, 3), st.data())
def test_the_order_of_events_holds_whatever_the_recogniser_says(stretches, spoken, sizes, late, data):
    """Also with a recogniser that is slow and hears anything anywhere."""
    noise = data.draw(st.randoms(use_true_random=False))

    def erratic(window):
        length = seconds(len(window.audio))
        times = [noise.uniform(-1, length + 1) for _ in range(noise.randrange(6))]
        return Hypothesis(tuple(Word(t, t + noise.uniform(-0.5, 2), noise.choice([" a", " b", "."])) for t in times))

    speaker = Speaker(stretches, spoken)
    events, windows = run(
        speaker, sizes, late, pick=lambda: noise.random() < 0.7, recognise=erratic, flush_at=samples(1.5)
    )
    assert [e for e in events if isinstance(e, Closed)] == [Closed()] and events[-1] == Closed()
    started = [e.utterance for e in of(SpeechStarted, events)]
    assert started == list(range(1, len(started) + 1))
    assert started == [e.utterance for e in of(SpeechStopped, events)]
    assert started == [e.utterance for e in of(UtteranceEnded, events)]
    for ended in of(UtteranceEnded, events):
        assert ended.text == committed(e for e in of(Committed, events) if e.utterance == ended.utterance)
    assert len(of(Flushed, events)) == (speaker.length >= samples(1.5))
    assert all(len(w.audio) <= samples(28) for w in windows)
    times = [t for e in of(Committed, events) for w in e.words for t in (w.start, w.end)]
    assert times == sorted(times)


@settings(max_examples=EXAMPLES // 3, deadline=None)
@given(stretches, spoken, sizes, st.integers(0, 3))
def test_every_voiced_sample_is_in_some_window(stretches, spoken, sizes, late):
    speaker = Speaker(stretches, spoken)
    _, windows = run(speaker, sizes, late)
    decoded = np.zeros(speaker.length, bool)
    for window in windows:
        decoded[window.start : window.end] = True
    for begin, end in speaker.voiced:
        assert decoded[samples(begin) : samples(end)].all()
