"""The items of an OpenAI Realtime session: which words are whose, and what is said of each, in order. Pure; no JSON.

An item is a turn that the server has found, or all audio between two commits of a client that finds its turns itself.
Called by :mod:`.openai_realtime` alone.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from reswhis.core.types import Word

Event = dict[str, object]
"""A server's message, but for its ``event_id``."""
TRANSCRIPTION = "conversation.item.input_audio_transcription"


class Asked(enum.Enum):
    """Why the client has had its audio made final."""

    COMMIT = "commit"
    COMMIT_BETWEEN_TURNS = "commit between turns"
    """Or in one; the server finds them itself."""
    CLEAR = "clear"
    SWITCH = "switch"
    """From now on turns are found by the other side."""


@dataclass(slots=True, eq=False)
class Item:
    id: str = ""
    """Empty until it is needed."""
    said: str = ""
    """All its deltas together."""
    held: str = ""
    """Space that is said only with the next word."""
    seconds: float = 0.0
    language: str | None = None
    asked: Asked | None = None
    """Why it ends, of those that the client ends."""
    committed: bool = False
    dropped: bool = False
    failed: bool = False


@dataclass(slots=True)
class Items:
    """Methods return what is to be said, in this order."""

    is_beta: bool = False
    _ids: int = 0
    _last: str | None = None
    """The newest item that is committed."""
    _committed: int = 0
    _turns: dict[int, Item] = field(default_factory=dict)
    """Those that the server finds, by utterance, until their last word."""
    _between: deque[Item] = field(default_factory=lambda: deque([Item()]))
    """What the client ends, or has ended and is still being decoded; the last takes the audio that comes now."""
    _before: deque[int] = field(default_factory=deque)
    """Of each of them that has been ended, how many items were committed then."""

    # What the client asks for.

    def end(self, asked: Asked, seconds: float) -> Item:
        """The audio up to here is one item, which :meth:`flushed` is told of when all of it has been decoded."""
        item = self._between[-1]
        item.asked, item.seconds = asked, seconds
        if asked is Asked.CLEAR:
            item.dropped = True
            for turn in self._turns.values():
                turn.dropped = turn.dropped or not turn.committed
        self._between.append(Item())
        self._before.append(self._committed)
        return item

    def commit(self, item: Item) -> list[Event]:
        """Say that it is an item from now on; once."""
        if item.committed:
            return []
        item.committed = True
        self._committed += 1
        before, self._last = self._last, self._name(item)
        message = {
            "id": item.id,
            "object": "realtime.item",
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        events: list[Event] = [{"type": "input_audio_buffer.committed", "previous_item_id": before, "item_id": item.id}]
        for kind in ("created",) if self.is_beta else ("added", "done"):
            events.append({"type": f"conversation.item.{kind}", "previous_item_id": before, "item": message})
        return events

    # What the session says.

    def start_turn(self, utterance: int, at_ms: int) -> list[Event]:
        item = self._turns[utterance] = Item()
        return [{"type": "input_audio_buffer.speech_started", "audio_start_ms": at_ms, "item_id": self._name(item)}]

    def stop_turn(self, utterance: int, at_ms: int) -> list[Event]:
        item = self._turns.get(utterance)
        if item is None:
            return []
        stopped: Event = {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": at_ms, "item_id": item.id}
        return [stopped] if item.dropped else [stopped, *self.commit(item)]

    def say(self, utterance: int, words: Sequence[Word]) -> list[Event]:
        item = self._of(utterance)
        if item.dropped:
            return []
        text = item.held + "".join(word.text for word in words)
        text = text if item.said else text.lstrip()
        delta = text.rstrip()
        item.held = text[len(delta) :]
        if not delta:
            return []
        item.said += delta
        return [{"type": f"{TRANSCRIPTION}.delta", "item_id": self._name(item), "content_index": 0, "delta": delta}]

    def fail(self, utterance: int) -> None:
        """A stretch of it is lost."""
        self._of(utterance).failed = True

    def end_utterance(self, utterance: int, seconds: float, language: str | None) -> list[Event]:
        item = self._of(utterance)
        item.language = language or item.language
        if self._turns.pop(utterance, None) is None:
            return []
        item.seconds = seconds
        return self._complete(item)

    def flushed(self) -> list[Event]:
        """All that is up to the first :meth:`end` that has not come here."""
        item, before = self._between.popleft(), self._before.popleft()
        if item.asked is Asked.COMMIT or item.said:
            return self._complete(item)
        if item.asked is Asked.COMMIT_BETWEEN_TURNS and before == self._committed:
            return self._complete(item)  # of silence: who waits for an answer gets one
        return []

    def close(self, seconds: float) -> list[Event]:
        """The session is over: what has been said of an item is all. ``seconds``: of audio since the last end."""
        self._between[-1].seconds = seconds
        left = [*self._turns.values(), *(item for item in self._between if item.said or item.committed)]
        self._turns, self._between, self._before = {}, deque([Item()]), deque()
        return [event for item in left for event in self._complete(item)]

    def _of(self, utterance: int) -> Item:
        """Words come in the order of the audio, so those that are no turn's are of the first that is not over."""
        return self._turns.get(utterance) or self._between[0]

    def _name(self, item: Item) -> str:
        if not item.id:
            self._ids += 1
            item.id = f"item_{self._ids}"
        return item.id

    def _complete(self, item: Item) -> list[Event]:
        if item.dropped:
            return []
        about: Mapping[str, object] = {"item_id": self._name(item), "content_index": 0}
        if item.failed and not item.said:
            error = {
                "type": "transcription_error",
                "code": "decode_failed",
                "message": "a stretch of audio could not be decoded",
                "param": None,
            }
            return [*self.commit(item), {"type": f"{TRANSCRIPTION}.failed", **about, "error": error}]
        completed: Event = {"type": f"{TRANSCRIPTION}.completed", **about, "transcript": item.said}
        completed["usage"] = {"type": "duration", "seconds": round(item.seconds, 3)}
        if item.language is not None:
            completed["languages"] = [{"code": item.language}]
        return [*self.commit(item), completed]
