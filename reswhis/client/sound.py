"""The sound library, and which microphones it knows. Records nothing: :mod:`.microphone` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, cast, overload

from .session import ListenError

NO_PACKAGE = (
    "The microphone needs the package sounddevice: install it (uv sync --extra mic), or send a file with --simulate."
)
NO_PORTAUDIO = (
    "The microphone needs the PortAudio library, which is not there: install it"
    " (Debian and Ubuntu: sudo apt install libportaudio2), or send a file with --simulate."
)

Device = int | str | None
"""Its number, part of its name, or None for the system's own choice."""
Callback = Callable[[memoryview, int, object, object], None]
"""A block's bytes, its frames, its time, and whether audio is missing before it."""


class SoundLibrary(Protocol):
    """sounddevice, as far as it is used here."""

    PortAudioError: type[Exception]

    @overload
    def query_devices(self) -> Sequence[dict[str, Any]]: ...

    @overload
    def query_devices(self, device: Device, kind: str) -> dict[str, Any]: ...

    def query_hostapis(self, index: int) -> dict[str, Any]: ...

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


@dataclass(frozen=True, slots=True)
class InputDevice:
    id: int
    name: str
    channels: int
    sample_rate: int
    """Its own, in Hz."""
    is_default: bool


def sound_library() -> SoundLibrary:
    """Raises ListenError if it cannot be had."""
    try:
        import sounddevice
    except ImportError:
        raise ListenError(NO_PACKAGE) from None
    except OSError:  # its own way to say that it found no PortAudio
        raise ListenError(NO_PORTAUDIO) from None
    return cast(SoundLibrary, sounddevice)


def input_devices(library: SoundLibrary) -> list[InputDevice]:
    """All that record, in the order of their ids. Their names have the sound system's in them, as some have several."""
    default = default_device(library)
    return [
        InputDevice(
            found["index"],
            f"{found['name']}, {library.query_hostapis(found['hostapi'])['name']}",
            found["max_input_channels"],
            round(found["default_samplerate"]),
            found["index"] == default,
        )
        for found in library.query_devices()
        if found["max_input_channels"] > 0
    ]


def default_device(library: SoundLibrary) -> int | None:
    try:
        index: int = library.query_devices(None, "input")["index"]
    except (library.PortAudioError, ValueError):
        return None
    return index


def device_table(devices: list[InputDevice]) -> str:
    """A row per device, the default's marked; the name, whose width nobody knows, is the last column."""
    rows = [
        f"{'*' if each.is_default else ' '}{each.id:>4}{each.channels:>10}{each.sample_rate:>8} Hz  {each.name}"
        for each in devices
    ]
    explanation = "* is used unless --sound-device-id says otherwise: give it the id, or a part of the name."
    return "\n".join([f"{'id':>5}{'channels':>10}{'rate':>11}  name", *rows, explanation])
