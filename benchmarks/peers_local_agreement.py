"""Plain faster-whisper in a LocalAgreement loop behind a WebSocket, as whisper_streaming does it: a peer of `peers.py`.

Run by that script with the Python of a virtual environment that has faster-whisper and websockets, and nothing of
reswhis. Every second of new audio the whole buffer is decoded; words that two decodes in a row begin with are final;
a buffer of more than 15 s is cut at the last segment whose words are. One model for all, one decode at a time. Takes
s16le at 16 kHz and a last ``{"type": "finish"}``, and says ``final`` as reswhis's own protocol does.

Source: Macháček, Dabre, Bojar 2023 (IJCNLP-AACL demo). Beam, chunk and trimming are those of its command line.
"""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import dataclass, field

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

RATE = 16_000
CHUNK_S = 1.0
BUFFER_S = 15.0
BEAM = 5
PROMPT_CHARS = 200
SEAM_S = 1.0
SEAM_WORDS = 5
AHEAD_S = 0.1
"""A word that begins so little before what is committed ends may be the next one."""


@dataclass(frozen=True)
class Word:
    start: float
    end: float
    text: str

    @property
    def key(self) -> str:
        return self.text.strip().lower().strip(".,!?;:\"'")


@dataclass
class Stream:
    """One client's audio, and what is known of it; seconds are since its beginning."""

    audio: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    begin: float = 0.0
    """Of the buffer."""
    said: list[Word] = field(default_factory=list)
    before: list[Word] = field(default_factory=list)
    """What the last decode heard after that."""

    @property
    def prompt(self) -> str:
        gone = "".join(word.text for word in self.said if word.end <= self.begin)
        return gone[-PROMPT_CHARS:]

    def hears(self, words: list[Word]) -> list[Word]:
        """Returns what is final now."""
        new = self._new(words)
        agreed = 0
        while agreed < min(len(new), len(self.before)) and new[agreed].key == self.before[agreed].key:
            agreed += 1
        self.said += new[:agreed]
        self.before = new[agreed:]
        return new[:agreed]

    def ends(self) -> list[Word]:
        """What no second decode will confirm."""
        rest, self.before = self.before, []
        self.said += rest
        return rest

    def _new(self, words: list[Word]) -> list[Word]:
        last = self.said[-1].end if self.said else 0.0
        new = [word for word in words if word.start > last - AHEAD_S]
        if self.said and new and abs(new[0].start - last) < SEAM_S:
            for count in range(min(SEAM_WORDS, len(self.said), len(new)), 0, -1):
                if [w.key for w in self.said[-count:]] == [w.key for w in new[:count]]:
                    return new[count:]
        return new

    def trims(self, segment_ends: list[float]) -> None:
        if len(self.audio) / RATE <= BUFFER_S or not self.said:
            return
        ends = [end for end in segment_ends[:-1] if end <= self.said[-1].end]
        if ends:
            self.audio = self.audio[round((ends[-1] - self.begin) * RATE) :]
            self.begin = ends[-1]


class Server:
    def __init__(self, model: str) -> None:
        from faster_whisper import WhisperModel

        self._model = WhisperModel(model, device="cpu", compute_type="int8")
        self._turn = threading.Lock()

    def __call__(self, connection: ServerConnection) -> None:
        stream, pending = Stream(), b""
        finished = False
        try:
            while not finished:
                try:
                    message = connection.recv(timeout=0.05)
                    while True:  # all that has come meanwhile
                        finished = finished or isinstance(message, str) and json.loads(message)["type"] == "finish"
                        pending += message if isinstance(message, bytes) else b""
                        message = connection.recv(timeout=0)
                except TimeoutError:
                    pass
                if len(pending) >= 2 * CHUNK_S * RATE or finished:
                    fresh = np.frombuffer(pending[: len(pending) // 2 * 2], np.int16).astype(np.float32) / 32768
                    stream.audio, pending = np.concatenate((stream.audio, fresh)), b""
                    self._say(connection, self._decode(stream))
            self._say(connection, stream.ends())
        except ConnectionClosed:
            pass

    def _decode(self, stream: Stream) -> list[Word]:
        with self._turn:
            segments = list(
                self._model.transcribe(
                    stream.audio,
                    language="en",
                    initial_prompt=stream.prompt,
                    beam_size=BEAM,
                    word_timestamps=True,
                    condition_on_previous_text=True,
                )[0]
            )
        words = [
            Word(word.start + stream.begin, word.end + stream.begin, word.word)
            for segment in segments
            if segment.no_speech_prob <= 0.9
            for word in segment.words or ()
        ]
        final = stream.hears(words)
        stream.trims([segment.end + stream.begin for segment in segments])
        return final

    @staticmethod
    def _say(connection: ServerConnection, words: list[Word]) -> None:
        if words:
            connection.send(json.dumps({"type": "final", "text": "".join(word.text for word in words)}))


def main() -> None:
    port, model = int(sys.argv[1]), sys.argv[2]
    with serve(Server(model), "127.0.0.1", port, max_queue=None) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
