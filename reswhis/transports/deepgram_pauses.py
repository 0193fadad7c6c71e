"""When Deepgram's ``UtteranceEnd`` is due: so long after the last word, whatever ends utterances here. Pure."""

from __future__ import annotations


class Pauses:
    """Fed by :mod:`.deepgram`; all times in seconds of audio."""

    def __init__(self, gap_s: float | None) -> None:
        """None: never."""
        self._gap_s = gap_s
        self._last_word: float | None = None
        self._open: dict[int, float] = {}
        """Utterances that have begun and whose last word has not been said, and where they began."""

    @property
    def waits(self) -> bool:
        """Whether more audio alone can make it due."""
        return self._gap_s is not None and self._last_word is not None and not self._open

    def begun(self, utterance: int, at: float) -> None:
        self._open[utterance] = at

    def said(self, until: float) -> None:
        self._last_word = until

    def ended(self, utterance: int) -> None:
        self._open.pop(utterance, None)

    def due(self, now: float) -> float | None:
        """The end of the last word, once."""
        if self._gap_s is None or self._last_word is None:
            return None
        if min([now, *self._open.values()]) < self._last_word + self._gap_s:
            return None
        last_word, self._last_word = self._last_word, None
        return last_word
