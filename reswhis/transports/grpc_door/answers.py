"""What a client is told, in the messages that its form of the protocol has for it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from reswhis.core.types import Word

from .stubs.earlier_pb2 import Words, WordsWithHypothesis
from .stubs.speech_pb2 import StreamingRecognizeResponse, Transcript


class Answers(Protocol):
    """A message each; None where the form has none for it."""

    def confirmed(self, words: Sequence[Word]) -> bytes: ...

    def interim(self, words: Sequence[Word]) -> bytes | None: ...

    def no_interim(self) -> bytes | None:
        """What was shown last is not to be believed any more, and nothing replaces it."""
        ...


class Responses:
    """Of v0.3. There the next interim replaces what is shown, and nothing else can."""

    def confirmed(self, words: Sequence[Word]) -> bytes:
        return StreamingRecognizeResponse(confirmed=_transcript(words)).SerializeToString()

    def interim(self, words: Sequence[Word]) -> bytes:
        return StreamingRecognizeResponse(interim=_transcript(words)).SerializeToString()

    def no_interim(self) -> None:
        return None


class WordsAlone:
    """Of v0.1 and v0.2."""

    def confirmed(self, words: Sequence[Word]) -> bytes:
        return _words(words).SerializeToString()

    def interim(self, words: Sequence[Word]) -> None:
        return None

    def no_interim(self) -> None:
        return None


class WordsAndHypothesis:
    """Of v0.1 and v0.2, which have a method for each of the two. An empty one says that there is none."""

    def confirmed(self, words: Sequence[Word]) -> bytes:
        return WordsWithHypothesis(confirmed=_words(words), hypothesis=Words()).SerializeToString()

    def interim(self, words: Sequence[Word]) -> bytes:
        return WordsWithHypothesis(confirmed=Words(), hypothesis=_words(words)).SerializeToString()

    def no_interim(self) -> bytes:
        return WordsWithHypothesis(confirmed=Words(), hypothesis=Words()).SerializeToString()


def _transcript(words: Sequence[Word]) -> Transcript:
    start, end, text = _said(words)
    return Transcript(start_time_millis=start, end_time_millis=end, text=text)


def _words(words: Sequence[Word]) -> Words:
    start, end, text = _said(words)
    return Words(start_time_millis=start, end_time_millis=end, text=text)


def _said(words: Sequence[Word]) -> tuple[int, int, str]:
    return round(words[0].start * 1000), round(words[-1].end * 1000), "".join(word.text for word in words)
