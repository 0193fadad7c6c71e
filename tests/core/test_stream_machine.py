"""Anything a client, a detector and a recogniser may do, in any order: what always holds of what a session says."""

from dataclasses import replace

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reswhis.core.commit import POLICIES, PolicyConfig
from reswhis.core.endpointing import FRAME, EndpointingConfig
from reswhis.core.events import Closed
from reswhis.core.online import OnlineASRProcessor, SessionConfig, StreamOptions
from reswhis.core.types import DecodeOptions, Hypothesis, Segment, Word, samples, seconds

from listener import Listener
from streams import hears

TEXTS = st.sampled_from([" no", " yes", " we", "好", " No,"])
LENGTHS_S = st.sampled_from([0.2, 0.3, 0.5])
PAUSES_S = st.sampled_from([0.05, 0.3, 0.6, 2.0, 5.0])
SIZES = st.sampled_from([320, 512, 1000, 4096, 16_000, 17_000, 100_000])
TIMES_S = st.one_of(st.floats(-1, 6), st.sampled_from([float("nan"), float("inf"), -float("inf")]))
ODD_WORDS = st.builds(
    Word,
    TIMES_S,
    TIMES_S,
    st.sampled_from([" a", " b", ".", "", "好", "\n"]),
    st.sampled_from([0.1, 1.0, float("nan")]),
)
SEGMENTS = st.builds(Segment, st.just(0.0), st.just(30.0), st.sampled_from([-2.0, 0.0]), st.sampled_from([0.0, 0.9]))
ODD = st.builds(
    Hypothesis,
    st.lists(ODD_WORDS, max_size=6).map(tuple),
    st.lists(SEGMENTS, max_size=1).map(tuple),
    st.sampled_from([None, "de", "en"]),
    st.sampled_from([0.0, 1.0, float("nan")]),
)
OPTIONS = st.builds(
    StreamOptions,
    st.builds(
        DecodeOptions,
        language=st.sampled_from([None, "en"]),
        task=st.sampled_from(["transcribe", "transcribe", "transcribe", "translate"]),
    ),
    st.sampled_from(["", "Hello."]),
    st.booleans(),
    st.builds(EndpointingConfig, min_silence_s=st.sampled_from([0.1, 0.5, 2.0])),
)


class Stream(RuleBasedStateMachine):
    """A plan of words and pauses is spoken; sending it, scoring it and decoding it go each at its own pace."""

    @initialize(
        policy=st.sampled_from(["local-agreement", *POLICIES]),
        fallback_threshold=st.sampled_from([0, 1]),
        step_s=st.sampled_from([0.2, 1.0]),
        longest_s=st.sampled_from([28.0, 6.0, 2.0]),
        preroll_s=st.sampled_from([0.0, 0.3]),
        multilingual=st.booleans(),
        options=OPTIONS,
    )
    def begin(self, policy, fallback_threshold, step_s, longest_s, preroll_s, multilingual, options):
        self.config = SessionConfig(
            step_s=step_s,
            max_utterance_s=longest_s,
            preroll_s=preroll_s,
            buffer_trimming_s=longest_s / 2,
            multilingual=multilingual,
            policy=PolicyConfig(policy, fallback_threshold=fallback_threshold),
        )
        self.session = OnlineASRProcessor(self.config, options)
        self.listener = Listener(preroll_s)
        self.script = []
        self.voiced = np.zeros(0, bool)
        self.decoded = np.zeros(0, bool)
        self.sent = self.scored = 0
        self.outstanding = None
        self.odd = self.aborted = self.ended = False
        self.unheard = []
        self.marks = []

    # What the session receives.

    @precondition(lambda self: not self.ended)
    @rule(
        texts=st.lists(TEXTS, min_size=1, max_size=20),
        length_s=LENGTHS_S,
        pause_s=PAUSES_S,
        size=SIZES,
        late=st.sampled_from([0, 0, 1, 20]),
        at_once=st.booleans(),
    )
    def talk(self, texts, length_s, pause_s, size, late, at_once):
        """Say words and then nothing, all of it sent, scored and, if ``at_once``, decoded as it comes."""
        for text in texts:
            at = seconds(len(self.voiced))
            self.script.append(Word(at, at + length_s, text))
            self._plan(length_s, True)
        self._plan(pause_s, False)
        while self.sent < len(self.voiced):
            self.send(size)
            self.score(late)
            if at_once:
                self.decode()
            self.what_is_said_holds()

    @precondition(lambda self: not self.ended)
    @rule(text=TEXTS, length_s=LENGTHS_S, size=SIZES)
    def stop_within_a_word(self, text, length_s, size):
        at = seconds(len(self.voiced))
        self.script.append(Word(at, at + length_s, text))
        self._plan(length_s, True)
        self.send(size)

    def _plan(self, length_s, voiced):
        self.voiced = np.append(self.voiced, np.full(samples(length_s), voiced))
        self.decoded = np.append(self.decoded, np.zeros(samples(length_s), bool))

    def send(self, size):
        size = min(size, len(self.voiced) - self.sent)
        loudness = np.arange(self.sent, self.sent + size) * 7919 % 2001 - 1000
        self.session.receive_audio(loudness.astype(np.int16))
        self.sent += size

    @rule(late=st.sampled_from([0, 1, 20]))
    def score(self, late):
        frames = max(0, (self.sent - self.scored) // FRAME - late)
        middles = self.scored + FRAME * np.arange(frames) + FRAME // 2
        self.scored += FRAME * frames
        self.session.receive_speech([0.9 if voiced else 0.0 for voiced in self.voiced[middles]])

    @precondition(lambda self: not self.ended)
    @rule()
    def flush(self):
        id = f"f{len(self.marks)}"
        self.marks.append((id, seconds(self.session.received)))
        self.session.receive_flush(id)

    @rule(options=OPTIONS)
    def configure(self, options):
        self.session.receive_configure(options)
        assert self.session.options == options

    @precondition(lambda self: self.outstanding is None)
    @rule(widen=st.sampled_from([1.0, 1.0, 3.0, 8.0]))
    def ask(self, widen=1.0):
        window = self.session.next_window(widen)
        if window is None:
            return
        assert 0 < len(window.audio) <= samples(self.config.max_utterance_s)
        assert window.audio[0] == window.start * 7919 % 2001 - 1000
        self.decoded[window.start : window.end] = True
        self.outstanding = window

    @precondition(lambda self: self.outstanding is not None)
    @rule()
    def answer(self):
        window, self.outstanding = self.outstanding, None
        self.session.receive_hypothesis(window, hears(self.script)(window))

    @rule()
    def decode(self):
        while True:
            if self.outstanding is None:
                self.ask()
            if self.outstanding is None:
                break
            self.answer()

    @precondition(lambda self: self.outstanding is not None)
    @rule(hypothesis=ODD, times=st.sampled_from([1, 1, 1, 1000]))
    def answer_oddly(self, hypothesis, times):
        window, self.outstanding = self.outstanding, None
        hypothesis = replace(hypothesis, words=hypothesis.words * times)
        self.odd |= bool(hypothesis.words)
        self.unheard.append((seconds(window.start), seconds(window.end)))
        self.session.receive_hypothesis(window, hypothesis)

    @precondition(lambda self: self.outstanding is not None)
    @rule()
    def fail(self):
        window, self.outstanding = self.outstanding, None
        self.session.receive_failure(window)

    @precondition(lambda self: not self.ended and self.sent > samples(15))
    @rule()
    def end(self):
        self.ended = True
        self.session.receive_end()

    @precondition(lambda self: self.sent > samples(15))
    @rule()
    def abort(self):
        if not self.session.closed:
            self.aborted = self.ended = True
        self.session.receive_abort("engine_stopped")

    # What holds.

    @invariant()
    def what_is_said_holds(self):
        for event in self.session.events():
            self.listener.hear(event, self.marks)
        if self.session.closed:
            return
        unscored = seconds(self.sent - self.scored)
        if len(self.listener.ended) == len(self.listener.started):
            assert self.session.held_s <= self.config.preroll_s + 8 * seconds(FRAME) + unscored
        if self.outstanding is None and self.session.backlog_s - unscored >= self.config.longest_step_s:
            self.ask()
            assert self.outstanding is not None, "a session that is not read waits for itself"

    def teardown(self):
        if not hasattr(self, "session"):
            return
        if not self.ended:
            self.end()
        self.score(0)
        self.decode()
        self.what_is_said_holds()
        assert self.listener.closed == [Closed("engine_stopped" if self.aborted else None)]
        if self.aborted:
            return
        frames = self.voiced[FRAME // 2 : self.scored : FRAME]
        speech = np.repeat(frames[: self.scored // FRAME], FRAME)
        assert self.decoded[: len(speech)][speech].all(), "speech that was in no window"
        if not self.odd:
            self._every_word_is_there()

    def _every_word_is_there(self):
        """But for those in a stretch whose last decode failed or came back empty."""
        excused = self.listener.failed + self.unheard
        said = iter(self.script)
        for word in self.listener.words:
            for next_word in said:
                if next_word.text == word.text and abs(next_word.middle - word.middle) < 0.16:
                    break
                self._may_lack(next_word, excused)
            else:
                raise AssertionError(f"{word} was never said")
        for word in said:
            self._may_lack(word, excused)

    def _may_lack(self, word, excused):
        heard = word.middle < seconds(self.scored)
        assert not heard or any(begin <= word.middle < end for begin, end in excused), f"{word} is lost"


TestStream = Stream.TestCase
TestStream.settings = settings(
    max_examples=settings().max_examples // 2, stateful_step_count=40, deadline=None, report_multiple_bugs=False
)
