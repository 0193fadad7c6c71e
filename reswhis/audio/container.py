"""WebM, Ogg, MP4, WAV, FLAC and MP3 as they arrive, to 16 kHz mono. Streams; whole files are :mod:`.files`'s.

What a browser's MediaRecorder gives, for instance. A transport gives it bytes and takes samples.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from reswhis.core.errors import ClientError
from reswhis.core.types import SAMPLE_RATE

from .frames import mono
from .wave_head import WaveHead, read_head

if TYPE_CHECKING:
    from av import AudioFrame
    from av.container import InputContainer

logger = logging.getLogger(__name__)

FORMATS = "matroska,webm,ogg,wav,w64,flac,mov,mp4,mp3,aac,aiff,caf,au"
"""Names of ffmpeg's. No playlists: they would have this machine's files opened."""
OPTIONS = {
    "format_whitelist": FORMATS,
    "protocol_whitelist": "none",
    "formatprobesize": "65536",  # who sends raw audio by mistake is told after two seconds, not after thirty
    "probesize": "2048",  # without these five seconds of WAV are waited for
    "analyzeduration": "1",
}
READ_AHEAD = 4096
"""Bytes that ffmpeg asks for at once."""
LOWEST_RATE, HIGHEST_RATE = 6_000, 192_000
"""Of what is inside. A file that says 1 Hz would become 16 000 times as long."""
LAYOUTS = ("mono", "stereo")
AT_ONCE = 2 * SAMPLE_RATE
"""Bytes taken at a time, a second, but for a single frame that is longer: a minute of silence may be a few bytes."""
LONGEST_PUSH_S = 3600
"""Of sound in what comes at once: no codec for speech packs it so tightly that a megabyte holds more."""


class ContainerInput:
    """One stream's bytes, however they are split, to s16le samples at 16 kHz.

    Exhaust each iterator before the next call, and :meth:`close` at the end. Blocks while it decodes. A push that
    begins with the head of a file begins a new one: recorders are stopped and started again.
    """

    def __init__(self) -> None:
        self._decoding: _Decoding | None = None
        self._closed = False

    def push(self, data: bytes) -> Iterator[bytes]:
        """What ``data`` completes, a second at most each. Raises ClientError for what cannot be decoded."""
        if self._decoding is not None and _is_head(data):
            yield from self.finish()
        if self._decoding is None:
            self._decoding = _Decoding()
        decoding = self._decoding
        if self._closed:  # by another thread, which cannot have seen this one
            decoding.abandon()
        decoding.give(data)
        room = LONGEST_PUSH_S * 2 * SAMPLE_RATE
        for samples in iter(decoding.take, b""):
            room -= len(samples)
            if room < 0:
                decoding.abandon()
                raise ClientError("more than an hour of sound in one message", code="undecodable_audio")
            yield samples

    def finish(self) -> Iterator[bytes]:
        """The rest. Raises ClientError if nothing could be decoded at all."""
        decoding, self._decoding = self._decoding, None
        if decoding is not None:
            decoding.end()
            try:
                yield from iter(decoding.take, b"")
            finally:
                decoding.abandon()

    def close(self) -> None:
        """Any time, from any thread; what is asked for meanwhile ends."""
        self._closed = True
        if (decoding := self._decoding) is not None:
            decoding.abandon()


def _is_head(data: bytes) -> bool:
    match data[:4]:
        case b"RIFF":
            return data[8:12] == b"WAVE"
        case b"OggS":
            return data[5:6] == b"\x02"  # the first page of a stream
        case b"\x1aE\xdf\xa3" | b"fLaC":
            return True
    return data[4:8] == b"ftyp"


class _Decoding:
    """ffmpeg reads from it in a thread of its own, which stands still unless there is something to read and room."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._given = bytearray()
        self._decoded = bytearray()
        self._no_more = False
        self._abandoned = False
        self._hungry = False
        """Everything given has been read, and ffmpeg asks for more."""
        self._over = False
        self._problem: ClientError | None = None
        self._heard = False
        threading.Thread(target=self._run, name="container", daemon=True).start()

    # For the stream's owner.

    def give(self, data: bytes) -> None:
        with self._changed:
            if self._over and self._problem is None and not self._abandoned:
                raise ClientError("audio after the end of its container", code="undecodable_audio")
            self._given += data
            self._hungry = False
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._no_more = True
            self._hungry = False
            self._changed.notify_all()

    def abandon(self) -> None:
        with self._changed:
            self._abandoned = True
            self._changed.notify_all()

    def take(self) -> bytes:
        """Empty: all that could be made of what was given has been taken."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._decoded) >= AT_ONCE or self._hungry or self._over)
            taken, self._decoded = bytes(self._decoded), bytearray()
            self._changed.notify_all()
            if not taken and self._problem is not None:
                raise self._problem
            return taken

    # For ffmpeg.

    def read(self, size: int) -> bytes:
        with self._changed:
            while not (self._given or self._no_more or self._abandoned):
                self._hungry = True
                self._changed.notify_all()
                self._changed.wait()
            if self._abandoned:
                return b""
            piece = bytes(self._given[:size])
            del self._given[:size]
            return piece

    def _run(self) -> None:
        problem: ClientError | None = None
        try:
            self._decode()
        except ClientError as exc:
            problem = exc
        except Exception:  # top of a thread: whoever waits for it must hear of the end
            logger.exception("a container cannot be decoded")
            problem = _undecodable()
        with self._changed:
            self._problem, self._over = problem, True
            self._changed.notify_all()

    def _decode(self) -> None:
        try:
            import av
        except ImportError:
            raise ClientError("this server lacks PyAV: send raw audio", code="undecodable_audio") from None
        try:
            with self._opened() as container:
                for frame in mono(_frames(container), "s16"):
                    self._keep(frame.to_ndarray().tobytes())
                    if self._abandoned:
                        return
        except (av.FFmpegError, ValueError) as exc:  # the latter by titles in another encoding, before PyAV 19
            if not (self._abandoned or (self._no_more and self._heard)):  # what is cut off has an end all the same
                raise _undecodable() from exc

    def _opened(self) -> InputContainer:
        import av

        looked_at = bytearray()

        def exactly(size: int) -> bytes:
            begin = len(looked_at)
            while (missing := begin + size - len(looked_at)) > 0 and (piece := self.read(missing)):
                looked_at.extend(piece)
            return bytes(looked_at[begin:])

        head = read_head(exactly)
        if head is None:
            return av.open(_From(looked_at, self), mode="r", options=OPTIONS, buffer_size=READ_AHEAD)
        _require_rate(head.sample_rate)
        options = {"sample_rate": str(head.sample_rate), "ch_layout": f"{head.channels}C"}
        if head.channels <= len(LAYOUTS):
            options["ch_layout"] = LAYOUTS[head.channels - 1]
        return av.open(_Samples(head, self), mode="r", format=head.format, options=options, buffer_size=READ_AHEAD)

    def _keep(self, samples: bytes) -> None:
        with self._changed:
            self._heard = True
            self._decoded += samples
            self._changed.notify_all()
            self._changed.wait_for(lambda: len(self._decoded) < AT_ONCE or self._abandoned)


class _From:
    """A file whose beginning has been looked at."""

    def __init__(self, beginning: bytearray, rest: _Decoding) -> None:
        self._beginning = beginning
        self._rest = rest

    def read(self, size: int) -> bytes:
        if not self._beginning:
            return self._rest.read(size)
        piece = bytes(self._beginning[:size])
        del self._beginning[:size]
        return piece


class _Samples:
    """Those of a WAV file, without what may follow them."""

    def __init__(self, head: WaveHead, rest: _Decoding) -> None:
        self._left = head.bytes
        self._rest = rest

    def read(self, size: int) -> bytes:
        if self._left is None:
            return self._rest.read(size)
        piece = self._rest.read(min(size, self._left)) if self._left else b""
        self._left -= len(piece)
        while not piece and self._rest.read(size):
            pass
        return piece


def _frames(container: InputContainer) -> Iterator[AudioFrame]:
    import av

    if not container.streams.audio:
        raise _undecodable()
    stream = container.streams.audio[0]
    stream.codec_context.thread_count = 1
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.InvalidDataError:
            continue  # a damaged packet is a click, as it is for every player
        for frame in frames:
            _require_rate(frame.sample_rate)
            yield frame


def _require_rate(rate: int) -> None:
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        message = f"the audio in a container has {LOWEST_RATE} to {HIGHEST_RATE} Hz"
        raise ClientError(message, code="undecodable_audio")


def _undecodable() -> ClientError:
    kinds = "WebM, Ogg, fragmented MP4, WAV, FLAC, MP3 or AAC"
    return ClientError(f"this is no {kinds}, or it is damaged; raw audio needs its encoding", code="undecodable_audio")
