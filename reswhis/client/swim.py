"""The client's side of one session of whisper_realtime_server's WebSocket protocol. Does no I/O, as :mod:`.native`."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from reswhis.core.types import SAMPLE_RATE, Samples

from .session import Finished, Line, ListenError, Output, Pause, Preview

PAUSE_MS = 500
"""Between two texts. The protocol does not say that the speaker has paused: it shows in the times alone."""


class SwimSession:
    """For audio of 16 kHz, mono, in messages no longer than the chunk that was announced."""

    def __init__(self, encoding: str, chunk_millis: int) -> None:
        self.ready = False
        self._encoding = encoding
        self._chunk_millis = chunk_millis
        self._sent = 0
        self._finishing = False
        self._end_ms: int | None = None
        """Of the last committed text."""

    # Out.

    def start(self) -> str:
        self.ready = True  # there is no answer to wait for
        audio = {"encoding": self._encoding, "sample_rate_hz": SAMPLE_RATE, "channels": 1}
        return json.dumps({"type": "start", "chunk_duration_millis": self._chunk_millis, "audio_format": audio})

    def audio(self, samples: Samples) -> bytes:
        self._sent += len(samples)
        if self._encoding == "pcm_f32le":
            return (samples.astype("<f4") / np.float32(32768)).tobytes()
        return samples.astype("<i2").tobytes()

    def finish(self) -> str:
        self._finishing = True
        return json.dumps({"type": "finish"})

    # In.

    def receive(self, message: str | bytes) -> list[Output]:
        try:
            content: Any = json.loads(message) if isinstance(message, str) else None
        except ValueError:
            content = None
        match content:
            case {"type": "transcript"}:
                return self._transcript(content)
            case {"type": "completed"}:
                if not self._finishing:
                    raise self.lost("The server has ended the session early")
                return [Finished()]
            case {"type": "error", "message": str(text)}:
                raise self._ended(text)
            case {"type": str()}:  # of a later version of the protocol
                return []
            case _:
                raise ListenError("What answers there does not speak whisper_realtime_server's protocol.")

    def lost(self, why: str) -> ListenError:
        if not self._sent:
            return ListenError(f"{why}, before any audio was sent.")
        return ListenError(f"{why}: {self._sent / SAMPLE_RATE:.1f} s of audio were sent.")

    def _transcript(self, content: dict[str, Any]) -> list[Output]:
        outputs: list[Output] = []
        if (confirmed := content.get("confirmed")) is not None:
            start, end, text = _span(confirmed)
            if self._end_ms is not None and start - self._end_ms >= PAUSE_MS:
                outputs.append(Pause())
            self._end_ms = end
            outputs.append(Line(start, end, text))
        if (interim := content.get("interim")) is not None:
            outputs.append(Preview(*_span(interim), with_line=confirmed is not None))
        return outputs

    def _ended(self, text: str) -> ListenError:
        if not self._sent:
            return ListenError(f"The server refuses the session: {text}")
        return self.lost(f"The server has ended the session ({text})")


def _span(content: object) -> tuple[int, int, str]:
    match content:
        case {"start_time_millis": int(start), "end_time_millis": int(end), "text": str(text)}:
            return start, end, text
    raise ListenError("The server's transcript is not understood.")
