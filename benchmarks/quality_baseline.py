"""The predecessor's rule, to compare cost with: plain LocalAgreement-2 on a buffer that grows to 15 s, without a VAD.

Every step the whole buffer is decoded. Words that two decodes in a row begin with are committed; what is committed
again is known by its time, and at the seam by its text. A longer buffer is cut after what is committed.
"""

from __future__ import annotations

from collections.abc import Iterator

from reswhis.core.alignment import key
from reswhis.core.context import SENTENCE_ENDS
from reswhis.core.errors import BackendError
from reswhis.core.events import Committed, Reason, Tentative
from reswhis.core.types import DecodeOptions, Samples, Window, Word, join, samples, seconds
from reswhis.simulation import PIECE, Emission

from quality_decoding import Meter

BUFFER_S = 15.0
LONGEST_S = 29.0
"""Whisper takes no more: where nothing is agreed on for so long, what is heard is committed."""
SEAM_S = 1.0
SEAM_WORDS = 5
PROMPT_CHARS = 200


class Predecessor:
    def __init__(self, meter: Meter, options: DecodeOptions, step_s: float) -> None:
        self._meter = meter
        self._options = options
        self._step_s = step_s
        self._begin = 0
        self._windows = 0
        self._said: list[Word] = []
        self._before: list[Word] = []
        """Of the last decode, what was not committed."""

    def stream(self, audio: Samples) -> Iterator[Emission]:
        clock, arrived = self._meter.clock, 0
        while arrived < len(audio):
            clock.wait_until(seconds(min(len(audio), arrived + max(PIECE, samples(self._step_s)))))
            arrived = min(len(audio), samples(clock.now()))
            committed = self._decode(audio, arrived)
            if committed:
                yield Emission(clock.now(), Committed(1, tuple(committed), Reason.AGREEMENT))
            yield Emission(clock.now(), Tentative(1, tuple(self._before)))
            self._trim(arrived)
        if self._before:
            yield Emission(clock.now(), Committed(1, tuple(self._before), Reason.FINISH))

    def _decode(self, audio: Samples, arrived: int) -> list[Word]:
        prompt = join(word for word in self._said if word.end <= seconds(self._begin))[-PROMPT_CHARS:]
        first = max(self._begin, arrived - samples(LONGEST_S))
        window = Window(self._windows, first, audio[first:arrived], self._options, prompt)
        self._windows += 1
        (heard,) = self._meter.transcribe([window])
        if isinstance(heard, BackendError):
            return []
        fresh = self._unsaid([word.shifted(seconds(first)) for word in heard.words])
        count = 0
        while count < min(len(fresh), len(self._before)) and key(fresh[count]) == key(self._before[count]):
            count += 1
        if seconds(arrived - self._begin) > LONGEST_S - self._step_s:
            count = len(fresh)
        self._said += fresh[:count]
        self._before = fresh[count:]
        return fresh[:count]

    def _unsaid(self, words: list[Word]) -> list[Word]:
        end = self._said[-1].end if self._said else 0.0
        fresh = [word for word in words if word.start > end - 0.1]
        if not self._said or not fresh or abs(fresh[0].start - end) >= SEAM_S:
            return fresh
        for count in range(1, min(SEAM_WORDS, len(self._said), len(fresh)) + 1):
            if [key(word) for word in self._said[-count:]] == [key(word) for word in fresh[:count]]:
                return fresh[count:]
        return fresh

    def _trim(self, arrived: int) -> None:
        """After the last sentence that is committed, or the last word if that is not enough."""
        inside = [word for word in self._said if word.end > seconds(self._begin)]
        if seconds(arrived - self._begin) <= BUFFER_S or not inside:
            return
        sentences = [word for word in inside if word.text.rstrip()[-1:] in SENTENCE_ENDS]
        last = sentences[-1] if sentences else inside[-1]
        if seconds(arrived) - last.end > BUFFER_S:
            last = inside[-1]
        self._begin = max(self._begin, min(arrived, samples(last.end)))
