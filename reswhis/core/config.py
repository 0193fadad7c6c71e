"""What a session is made with: what is fixed while it lasts, and what its client may change. Values only."""

from __future__ import annotations

from dataclasses import dataclass

from .commit import PolicyConfig
from .endpointing import EndpointingConfig
from .types import DecodeOptions, require_range

MAX_WINDOW_S = 28.0
"""Whisper hears 30 s; the rest is room for its own padding."""


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """What is fixed while a session lasts."""

    step_s: float = 0.5
    """At least so much new speech before a decode of a growing utterance."""
    new_share: float = 0.5
    """So much of a window is new speech, or ``longest_step_s`` of it: a long one costs more to hear again."""
    max_utterance_s: float = MAX_WINDOW_S
    """Not more than a window, so that the final decode of an utterance is one window."""
    preroll_s: float = 0.3
    sentence_pause_s: float = 0.3
    """After a sentence so much silence is enough: its words are final, and what follows is heard without it."""
    buffer_trimming_s: float = 15.0
    """A window longer than this gives up what is committed, but for the last words."""
    lag_s: float = 5.0
    max_held_s: float = 120.0
    prompt_chars: int = 200
    """Of what was said before, beside the client's own prompt."""
    detect_s: float = 1.0
    """Less speech than this says nothing of its language."""
    detect_probability: float = 0.7
    multilingual: bool = False
    """Detect the language of every utterance. Without effect while the client sets one."""
    policy: PolicyConfig = PolicyConfig()

    def __post_init__(self) -> None:
        require_range("step_s", self.step_s, 0.01, 15)
        require_range("new_share", self.new_share, 0, 1)
        require_range("max_utterance_s", self.max_utterance_s, 2, MAX_WINDOW_S)
        require_range("preroll_s", self.preroll_s, 0, 2)
        require_range("sentence_pause_s", self.sentence_pause_s, 0.1, 10)
        require_range("buffer_trimming_s", self.buffer_trimming_s, 1, MAX_WINDOW_S)
        require_range("lag_s", self.lag_s, 0.1, 3600)
        require_range("max_held_s", self.max_held_s, 30, 3600)
        require_range("prompt_chars", self.prompt_chars, 0, 1000)
        require_range("detect_s", self.detect_s, 0, MAX_WINDOW_S)
        require_range("detect_probability", self.detect_probability, 0, 1)

    @property
    def longest_step_s(self) -> float:
        """After so much audio that has not been decoded there is a window, however little of it is new speech."""
        return 2 * self.step_s


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What a client may change while its session lasts."""

    decode: DecodeOptions = DecodeOptions()
    prompt: str = ""
    vad: bool = True
    """False: silence does not end an utterance, the client alone does; it is still not decoded."""
    endpointing: EndpointingConfig = EndpointingConfig()

    def __post_init__(self) -> None:
        require_range("length of the prompt", len(self.prompt), 0, 1000)
