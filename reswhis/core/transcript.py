"""What was said in a stream that has ended: its utterances with their words. Values only.

Made by :mod:`reswhis.server.offline`, written as text and subtitles by :mod:`reswhis.transports.subtitles`.
"""

from __future__ import annotations

from dataclasses import dataclass

from .languages import WITHOUT_SPACES
from .types import Word, join


@dataclass(frozen=True, slots=True)
class FinalUtterance:
    """All words of one utterance; at least one."""

    words: tuple[Word, ...]
    language: str | None = None
    """The one its words were heard in; None if nobody knows."""

    @property
    def text(self) -> str:
        return join(self.words)

    @property
    def start(self) -> float:
        return self.words[0].start

    @property
    def end(self) -> float:
        return self.words[-1].end


@dataclass(frozen=True, slots=True)
class Transcript:
    utterances: tuple[FinalUtterance, ...] = ()
    duration: float = 0.0
    """Seconds of audio, silence included."""
    language: str | None = None
    """The one in which most was said, or was to be expected."""
    lost: tuple[tuple[float, float], ...] = ()
    """Where the recogniser failed, from and to which second."""

    @property
    def text(self) -> str:
        """All that was said, in one line."""
        text = ""
        for utterance in self.utterances:
            said = "".join(word.text for word in utterance.words)
            spaced = said[:1].isspace() or utterance.language in WITHOUT_SPACES
            text += said if spaced else " " + said
        return text.strip()
