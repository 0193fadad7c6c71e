"""The client's side of one session over gRPC. Does no I/O: :mod:`.grpc_connection` moves the messages."""

from __future__ import annotations

import numpy as np

from reswhis.core.types import SAMPLE_RATE, Samples
from reswhis.transports.grpc_door.stubs.speech_pb2 import (
    AUDIO_ENCODING_PCM_F32LE,
    AUDIO_ENCODING_PCM_S16LE,
    AudioChunk,
    StreamingConfig,
    StreamingRecognizeRequest,
    StreamingRecognizeResponse,
)

from .session import Line, ListenError, Output, Pause, Preview

ENCODINGS = {
    "pcm_s16le": AUDIO_ENCODING_PCM_S16LE,
    "pcm_f32le": AUDIO_ENCODING_PCM_F32LE,
}
PAUSE_MS = 500
"""Between two texts. The protocol does not say that the speaker has paused: it shows in the times alone."""


class GrpcSession:
    """For audio of 16 kHz, mono, in messages no longer than the chunk that was announced."""

    def __init__(self, encoding: str, chunk_millis: int) -> None:
        self._encoding = encoding
        self._chunk_millis = chunk_millis
        self._sent = 0
        self._end_ms: int | None = None
        """Of the last committed text."""

    def start(self) -> StreamingRecognizeRequest:
        config = StreamingConfig(chunk_duration_millis=self._chunk_millis, encoding=ENCODINGS[self._encoding])
        return StreamingRecognizeRequest(config=config)

    def audio(self, samples: Samples) -> StreamingRecognizeRequest:
        self._sent += len(samples)
        if self._encoding == "pcm_f32le":
            data = (samples.astype("<f4") / np.float32(32768)).tobytes()
        else:
            data = samples.astype("<i2").tobytes()
        return StreamingRecognizeRequest(audio_chunk=AudioChunk(audio_bytes=data))

    def receive(self, message: StreamingRecognizeResponse) -> list[Output]:
        outputs: list[Output] = []
        if message.HasField("confirmed"):
            said = message.confirmed
            if self._end_ms is not None and said.start_time_millis - self._end_ms >= PAUSE_MS:
                outputs.append(Pause())
            self._end_ms = said.end_time_millis
            outputs.append(Line(said.start_time_millis, said.end_time_millis, said.text))
        if message.HasField("interim"):
            said = message.interim
            with_line = message.HasField("confirmed")
            outputs.append(Preview(said.start_time_millis, said.end_time_millis, said.text, with_line))
        return outputs

    def lost(self, why: str) -> ListenError:
        if not self._sent:
            return ListenError(f"{why}, before any audio was sent.")
        return ListenError(f"{why}: {self._sent / SAMPLE_RATE:.1f} s of audio were sent.")
