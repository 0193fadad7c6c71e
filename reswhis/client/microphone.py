"""The microphone, through sounddevice. Resamples nothing: the server takes the device's own rate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass

import numpy as np

from reswhis.core.types import SAMPLE_RATE, Samples

from .session import ListenError
from .sound import Device, SoundLibrary, input_devices

BLOCK_S = 0.1
MAX_WAITING_S = 120.0
"""Seconds of audio that wait to be sent."""
WHERE_TO_LOOK = "`reswhis listen --list-devices` shows what there is"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the device and the server both take."""

    device: int
    name: str
    sample_rate: int
    channels: int


class Microphone:
    """Records from the first call of :meth:`pieces` until :meth:`stop`; keeps two minutes that nobody takes."""

    def __init__(
        self, library: SoundLibrary, device: Device, notice: Callable[[str], None], *, block_s: float = BLOCK_S
    ) -> None:
        """Raises ListenError if there is no such device, or none that records at a rate the server takes."""
        self._library = library
        self._settings = _settings(library, device, notice)
        self._block = round(block_s * self._settings.sample_rate)
        self._max_waiting = max(1, round(MAX_WAITING_S / block_s))
        self._notice = notice
        self._blocks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._error: str | None = None
        self._ended = False
        self._noticed = False

    @property
    def name(self) -> str:
        return self._settings.name

    @property
    def sample_rate(self) -> int:
        return self._settings.sample_rate

    @property
    def channels(self) -> int:
        return self._settings.channels

    async def pieces(self) -> AsyncGenerator[Samples, None]:
        loop = asyncio.get_running_loop()

        def record(data: memoryview, _frames: int, _time: object, status: object) -> None:
            # Called in a thread of PortAudio's, and the buffer is its own.
            loop.call_soon_threadsafe(self._take, bytes(data), bool(status))

        def finished() -> None:
            loop.call_soon_threadsafe(self._end, "The microphone has stopped.")

        try:
            with self._library.RawInputStream(
                device=self._settings.device,
                channels=self.channels,
                dtype="int16",
                samplerate=self.sample_rate,
                blocksize=self._block,
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
        if self._blocks.qsize() >= self._max_waiting:
            self._end(f"The server is {MAX_WAITING_S:.0f} s behind the microphone.")
        else:
            self._blocks.put_nowait(block)

    def _end(self, error: str | None) -> None:
        if not self._ended:
            self._ended, self._error = True, error
            self._blocks.put_nowait(None)


def _settings(library: SoundLibrary, device: Device, notice: Callable[[str], None]) -> Settings:
    """Of the device that is asked for, else of the system's own or, where that does not record, of another."""
    if device is not None:
        try:
            found = library.query_devices(device, "input")
        except (library.PortAudioError, ValueError):
            raise ListenError(f"There is no microphone {device!r} here, or more than one: {WHERE_TO_LOOK}.") from None
        if (settings := _usable(library, found["index"], found["name"], found["default_samplerate"])) is None:
            raise ListenError(f"The microphone {found['name']!r} records at no rate that the server takes.")
        return settings
    devices = sorted(input_devices(library), key=lambda each: not each.is_default)
    for each in devices:
        if (settings := _usable(library, each.id, each.name, each.sample_rate)) is not None:
            if not each.is_default:
                notice(f"the system's own microphone cannot be used: this is number {each.id}")
            return settings
    if not devices:
        raise ListenError("There is no microphone here: send a file with --simulate.")
    raise ListenError(f"No microphone here can be used; {WHERE_TO_LOOK}.")


def _usable(library: SoundLibrary, device: int, name: str, own_rate: float) -> Settings | None:
    own = round(own_rate)
    rates = dict.fromkeys((SAMPLE_RATE, own if 8_000 <= own <= 48_000 else 48_000, 48_000, 44_100))
    for channels in (1, 2):
        for rate in rates:
            try:
                library.check_input_settings(device=device, channels=channels, dtype="int16", samplerate=rate)
            except (library.PortAudioError, ValueError):
                continue
            return Settings(device, name, rate, channels)
    return None
