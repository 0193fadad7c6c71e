"""The microphone, with a sound library that is plugged in where sounddevice goes."""

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass, field

import numpy as np
import pytest

from reswhis.client.microphone import BLOCK_S, MAX_WAITING_S, Microphone
from reswhis.client.session import ListenError
from reswhis.client.sound import device_table, input_devices


class PortAudioError(Exception):
    pass


@dataclass
class Stream:
    settings: dict
    closed: bool = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True

    def record(self, samples, *, status=0):
        self.settings["callback"](memoryview(np.asarray(samples, np.int16).tobytes()), len(samples), None, status)

    def break_down(self):
        self.settings["finished_callback"]()


ONE = ((16_000, 1),)


@dataclass
class Sounds:
    """A machine with a loudspeaker and these microphones, by what they take; their numbers are from 1 on."""

    microphones: tuple = (ONE,)
    own_rate: float = 48_000.0
    default: int = 1
    is_busy: bool = False
    PortAudioError: type = PortAudioError
    streams: list = field(default_factory=list)

    def query_devices(self, device=None, kind=None):
        names = ["loudspeaker", *(f"microphone {n}" for n in range(1, len(self.microphones) + 1))]
        found = [
            {
                "index": index,
                "name": name,
                "hostapi": 0,
                "max_input_channels": 2 * (index > 0),
                "default_samplerate": self.own_rate,
            }
            for index, name in enumerate(names)
        ]
        if kind is None:
            return found
        if device is None and not self.default:
            raise PortAudioError("Error querying device -1")
        if isinstance(device, str):
            matching = [index for index, name in enumerate(names) if device in name]
            if len(matching) != 1:
                raise ValueError(f"{len(matching)} input devices for {device!r}")
            [device] = matching
        return found[self.default if device is None else device]

    def query_hostapis(self, index):
        return {"name": "ALSA"}

    def check_input_settings(self, *, device, channels, dtype, samplerate):
        assert dtype == "int16"
        if (samplerate, channels) not in self.microphones[device - 1]:
            raise PortAudioError("Invalid sample rate")

    def RawInputStream(self, **settings):
        if self.is_busy:
            raise PortAudioError("Device unavailable")
        self.streams.append(Stream(settings))
        return self.streams[-1]


def listen(sounds, act, device=None):
    """What a microphone gives while ``act(stream, microphone)`` happens to it, and what it remarks."""
    remarks = []

    async def run():
        microphone = Microphone(sounds, device, remarks.append)
        pieces = microphone.pieces()
        first = asyncio.create_task(anext(pieces))
        await asyncio.sleep(0)
        act(sounds.streams[0], microphone)
        heard = []
        try:
            heard.append(await first)
            async for piece in pieces:
                heard.append(piece)
        except StopAsyncIteration:
            pass
        except ListenError as error:
            return [piece.tolist() for piece in heard], str(error)
        return [piece.tolist() for piece in heard], None

    return *asyncio.run(run()), remarks


@pytest.mark.parametrize(
    ("takes", "own_rate", "used"),
    [
        (((16_000, 1), (48_000, 2)), 48_000.0, (16_000, 1)),
        (((44_100, 1), (44_100, 2)), 44_100.0, (44_100, 1)),
        (((48_000, 2), (192_000, 2)), 192_000.0, (48_000, 2)),
    ],
)
def test_the_device_records_as_it_can(takes, own_rate, used):
    sounds = Sounds((takes,), own_rate)
    microphone = Microphone(sounds, None, print)
    assert (microphone.sample_rate, microphone.channels) == used
    listen(sounds, lambda stream, microphone: microphone.stop())
    assert (sounds.streams[0].settings["samplerate"], sounds.streams[0].settings["channels"]) == used


def test_a_block_is_as_long_as_asked_for():
    sounds = Sounds()

    async def record():
        pieces = Microphone(sounds, None, print, block_s=0.5).pieces()
        waiting = asyncio.create_task(anext(pieces))
        await asyncio.sleep(0)
        sounds.streams[0].record([1])
        await waiting
        await pieces.aclose()

    asyncio.run(record())
    assert sounds.streams[0].settings["blocksize"] == 8000


def test_where_the_systems_own_does_not_record_another_is_used_and_told():
    remarks = []
    microphone = Microphone(Sounds(((), ONE)), None, remarks.append)
    assert microphone.name == "microphone 2, ALSA"
    assert remarks == ["the system's own microphone cannot be used: this is number 2"]
    Microphone(Sounds((ONE, ONE), default=2), None, remarks.append)
    assert len(remarks) == 1


@pytest.mark.parametrize("device", [2, "phone 2"])
def test_a_device_is_chosen_by_its_number_or_a_part_of_its_name(device):
    sounds = Sounds((ONE, ((48_000, 1),)))
    microphone = Microphone(sounds, device, print)
    assert (microphone.name, microphone.sample_rate) == ("microphone 2", 48_000)
    listen(sounds, lambda stream, _: stream.break_down(), device)
    assert sounds.streams[0].settings["device"] == 2


def test_the_list_of_devices_has_what_records_and_marks_what_is_used():
    assert device_table(input_devices(Sounds((ONE, ONE), default=2))) == (
        "   id  channels       rate  name\n"
        "    1         2   48000 Hz  microphone 1, ALSA\n"
        "*   2         2   48000 Hz  microphone 2, ALSA\n"
        "* is used unless --sound-device-id says otherwise: give it the id, or a part of the name."
    )
    assert input_devices(Sounds((), default=0)) == []


def test_what_was_recorded_before_the_stop_is_given_and_nothing_after():
    sounds = Sounds()

    def act(stream, microphone):
        stream.record([1, 2])
        stream.record([3])
        asyncio.get_running_loop().call_soon(microphone.stop)
        asyncio.get_running_loop().call_soon(stream.record, [4])

    assert listen(sounds, act) == ([[1, 2], [3]], None, [])
    assert sounds.streams[0].closed


def test_a_device_that_stops_is_told_after_what_it_recorded():
    def act(stream, microphone):
        stream.record([1])
        stream.break_down()

    assert listen(Sounds(), act) == ([[1]], "The microphone has stopped.", [])


def test_audio_that_the_computer_missed_is_remarked_once():
    def act(stream, microphone):
        for _ in range(3):
            stream.record([1], status=2)
        asyncio.get_running_loop().call_soon(microphone.stop)

    pieces, error, remarks = listen(Sounds(), act)
    assert (pieces, error) == ([[1]] * 3, None)
    assert len(remarks) == 1 and "missing" in remarks[0]


def test_audio_that_nobody_takes_ends_at_a_bound():
    most = round(MAX_WAITING_S / BLOCK_S)

    def act(stream, microphone):
        for n in range(most + 100):
            stream.record([n % 1000])

    pieces, error, _ = listen(Sounds(), act)
    assert len(pieces) == most
    assert error == "The server is 120 s behind the microphone."


def test_a_busy_device_is_told_in_a_sentence():
    async def run():
        async for _ in Microphone(Sounds(is_busy=True), None, print).pieces():
            pass

    with pytest.raises(ListenError, match=r"The microphone cannot be used: Device unavailable\."):
        asyncio.run(run())


@pytest.mark.parametrize(
    ("sounds", "device", "sentence"),
    [
        (Sounds((), default=0), None, "There is no microphone here"),
        (Sounds(), "gone", "There is no microphone 'gone' here, or more than one: .*--list-devices"),
        (Sounds((ONE, ONE)), "micro", "There is no microphone 'micro' here, or more than one: .*--list-devices"),
        (Sounds((((96_000, 1),),)), 1, "'microphone 1' records at no rate that the server takes"),
        (Sounds((((96_000, 1),), ()), default=0), None, "No microphone here can be used; .*--list-devices"),
    ],
)
def test_a_device_that_cannot_be_used_is_told_in_a_sentence(sounds, device, sentence):
    with pytest.raises(ListenError, match=sentence):
        Microphone(sounds, device, print)


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ("raise ImportError('no sounddevice')", "needs the package sounddevice: install it (uv sync --extra mic)"),
        ("raise OSError('PortAudio library not found')", "(Debian and Ubuntu: sudo apt install libportaudio2)"),
    ],
)
def test_a_library_that_is_missing_is_told_in_a_sentence(tmp_path, module, sentence):
    (tmp_path / "sounddevice.py").write_text(module)
    run = subprocess.run(
        [sys.executable, "-c", "from reswhis.client.sound import sound_library; sound_library()"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    *_, last = run.stderr.splitlines()
    assert last.startswith("reswhis.client.session.ListenError: The microphone ") and sentence in last
