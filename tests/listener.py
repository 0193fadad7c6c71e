"""Reads what a session says and fails at what no session may ever say. Knows nothing of what was to be heard."""

from reswhis.core.endpointing import FRAME
from reswhis.core.events import (
    Closed,
    Committed,
    DecodeFailed,
    Flushed,
    SpeechStarted,
    SpeechStopped,
    Tentative,
    UtteranceEnded,
)
from reswhis.core.types import join, seconds


class Listener:
    def __init__(self, preroll_s):
        self.preroll_s = preroll_s
        self.words = []
        self.failed = []
        self.flushed = []
        self.closed = []
        self.started, self.stopped, self.ended = [], [], []
        self.text = {}
        self.committed_end = 0.0

    def hear(self, event, marks):
        assert not self.closed, "something was said after Closed"
        match event:
            case SpeechStarted(number, at):
                assert number == len(self.started) + 1
                assert len(self.stopped) == len(self.started), "two utterances are spoken at once"
                assert not self.stopped or at >= self.stopped[-1]
                self.started.append(at)
            case SpeechStopped(number, at):
                assert number == len(self.started) == len(self.stopped) + 1
                assert at >= self.started[-1]
                self.stopped.append(at)
            case Committed(number, words, _):
                self._of_the_first_that_has_not_ended(number)
                assert words
                self._in_order(words)
                self.committed_end = words[-1].end
                self.words += words
                self.text[number] = self.text.get(number, ()) + words
            case Tentative(number, words):
                self._of_the_first_that_has_not_ended(number)
                self._in_order(words)
            case UtteranceEnded(number, text, start, end, _, _):
                self._of_the_first_that_has_not_ended(number)
                assert (start, end) == (self.started[number - 1], self.stopped[number - 1])
                assert text == join(self.text.get(number, ()))
                self.ended.append(number)
            case Flushed(id):
                self.flushed.append(id)
                assert marks[: len(self.flushed)] == [(i, at) for i, at in marks if i in self.flushed]
                place = dict(marks)[id] - self.preroll_s - seconds(FRAME)  # what is not scored yet cannot be known
                assert all(at >= place for at in self.started[len(self.ended) :]), "before all it caused"
            case Closed():
                assert len(self.ended) == len(self.stopped) == len(self.started)
                assert self.flushed == [id for id, _ in marks]
                self.closed.append(event)
            case DecodeFailed(_, start, end, is_final):
                if is_final:
                    self.failed.append((start, end))

    def _of_the_first_that_has_not_ended(self, number):
        assert len(self.ended) + 1 == number <= len(self.started)

    def _in_order(self, words):
        times = [t for word in words for t in (word.start, word.end)]
        assert times == sorted(times) and times[:1] >= [self.committed_end][: len(times)]
