"""The microphone, through sounddevice. Resamples nothing: the server takes the device's own rate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, cast

import numpy as np

from reswhis.core.types import SAMPLE_RATE, Samples

from .session import ListenError

BLOCK_S = 0.1
MAX_WAITING = 1200
"""Blocks of audio that wait to be sent: two minutes."""
NO_PACKAGE = "The microphone needs the package sounddevice: pip install 'reswhis[mic]', or send a file with --simulate."
NO_PORTAUDIO = (
    "The microphone needs the PortAudio library, which is not there: install it"
    " (Debian and Ubuntu: sudo apt install libportaudio2), or send a file with --simulate."
)

Device = int | str | None
Callback = Callable[[memoryview, int, object, object], None]
"""A block's bytes, its frames, its time, and whether audio is missing before it."""


class SoundLibrary(Protocol):
    """sounddevice, as far as it is used here."""

    PortAudioError: type[Exception]

    def query_devices(self, device: Device, kind: str) -> dict[str, Any]: ...

    def check_input_settings(self, *, device: Device, channels: int, dtype: str, samplerate: int) -> None: ...

    def RawInputStream(
        self,
        *,
        device: Device,
        channels: int,
        dtype: str,
        samplerate: int,
        blocksize: int,
        callback: Callback,
        finished_callback: Callable[[], None],
    ) -> AbstractContextManager[object]: ...


def sound_library() -> SoundLibrary:
    """Raises ListenError if it cannot be had."""
    try:
        import sounddevice
    except ImportError:
        raise ListenError(NO_PACKAGE) from None
    except OSError:  # its own way to say that it found no PortAudio
        raise ListenError(NO_PORTAUDIO) from None
    return cast(SoundLibrary, sounddevice)


class Microphone:
    """Records from the first call of :meth:`pieces` until :meth:`stop`; keeps two minutes that nobody takes."""

    def __init__(self, library: SoundLibrary, device: Device, notice: Callable[[str], None]) -> None:
        """Raises ListenError if there is no such device, or none that records at a rate the server takes."""
        self._library = library
        self._device = device
        self._notice = notice
        self.sample_rate, self.channels = _settings(library, device)
        self._blocks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._error: str | None = None
        self._ended = False
        self._noticed = False

    async def pieces(self) -> AsyncGenerator[Samples, None]:
        loop = asyncio.get_running_loop()

        def record(data: memoryview, _frames: int, _time: object, status: object) -> None:
            # Called in a thread of PortAudio's, and the buffer is its own.
            loop.call_soon_threadsafe(self._take, bytes(data), bool(status))

        def finished() -> None:
            loop.call_soon_threadsafe(self._end, "The microphone has stopped.")

        try:
            with self._library.RawInputStream(
                device=self._device,
                channels=self.channels,
                dtype="int16",
                samplerate=self.sample_rate,
                blocksize=round(BLOCK_S * self.sample_rate),
                callback=record,
                finished_callback=finished,
            ):
                while (block := await self._blocks.get()) is not None:
                    yield np.frombuffer(block, np.int16)
        except self._library.PortAudioError as error:
            raise ListenError(f"The microphone cannot be used: {error}.") from error
        if self._error is not None:
            raise ListenError(self._error)

    def stop(self) -> None:
        self._end(None)

    def _take(self, block: bytes, overflowed: bool) -> None:
        if self._ended:
            return
        if overflowed and not self._noticed:
            self._noticed = True
            self._notice("the computer was too slow for the microphone: some audio is missing")
        if self._blocks.qsize() >= MAX_WAITING:
            self._end(f"The server is {MAX_WAITING * BLOCK_S:.0f} s behind the microphone.")
        else:
            self._blocks.put_nowait(block)

    def _end(self, error: str | None) -> None:
        if not self._ended:
            self._ended, self._error = True, error
            self._blocks.put_nowait(None)


def _settings(library: SoundLibrary, device: Device) -> tuple[int, int]:
    """A sample rate and a number of channels that both the device and the server take."""
    try:
        found = library.query_devices(device, "input")
    except (library.PortAudioError, ValueError):
        named = "no microphone" if device is None else f"no microphone {device!r}"
        raise ListenError(f"There is {named} here: send a file with --simulate.") from None
    own = round(found["default_samplerate"])
    rates = dict.fromkeys((SAMPLE_RATE, own if 8_000 <= own <= 48_000 else 48_000, 48_000, 44_100))
    for channels in (1, 2):
        for rate in rates:
            try:
                library.check_input_settings(device=device, channels=channels, dtype="int16", samplerate=rate)
            except (library.PortAudioError, ValueError):
                continue
            return rate, channels
    raise ListenError(f"The microphone {found['name']!r} records at no rate that the server takes.")
