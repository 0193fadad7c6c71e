"""The microphone, with a sound library that is plugged in where sounddevice goes."""

import asyncio
import os
import subprocess
import sys
from dataclasses import dataclass, field

import numpy as np
import pytest

from reswhis.client.microphone import MAX_WAITING, Microphone
from reswhis.client.session import ListenError


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


@dataclass
class Sounds:
    """A machine with one microphone, or with none."""

    takes: tuple = ((16_000, 1),)
    own_rate: float = 48_000.0
    is_busy: bool = False
    PortAudioError: type = PortAudioError
    streams: list = field(default_factory=list)

    def query_devices(self, device, kind):
        if not self.takes:
            raise PortAudioError("Error querying device -1")
        if device == "gone":
            raise ValueError("No input device matching 'gone'")
        return {"name": "a microphone", "default_samplerate": self.own_rate}

    def check_input_settings(self, *, device, channels, dtype, samplerate):
        assert dtype == "int16"
        if (samplerate, channels) not in self.takes:
            raise PortAudioError("Invalid sample rate")

    def RawInputStream(self, **settings):
        if self.is_busy:
            raise PortAudioError("Device unavailable")
        self.streams.append(Stream(settings))
        return self.streams[-1]


def listen(sounds, act):
    """What a microphone gives while ``act(stream, microphone)`` happens to it, and what it remarks."""
    remarks = []

    async def run():
        microphone = Microphone(sounds, None, remarks.append)
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
    sounds = Sounds(takes, own_rate)
    microphone = Microphone(sounds, None, print)
    assert (microphone.sample_rate, microphone.channels) == used
    listen(sounds, lambda stream, microphone: microphone.stop())
    assert (sounds.streams[0].settings["samplerate"], sounds.streams[0].settings["channels"]) == used


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
    def act(stream, microphone):
        for n in range(MAX_WAITING + 100):
            stream.record([n % 1000])

    pieces, error, _ = listen(Sounds(), act)
    assert len(pieces) == MAX_WAITING
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
        (Sounds(takes=()), None, "There is no microphone here"),
        (Sounds(), "gone", "There is no microphone 'gone' here"),
        (Sounds(takes=((96_000, 1),)), None, "'a microphone' records at no rate that the server takes"),
    ],
)
def test_a_device_that_cannot_be_used_is_told_in_a_sentence(sounds, device, sentence):
    with pytest.raises(ListenError, match=sentence):
        Microphone(sounds, device, print)


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        ("raise ImportError('no sounddevice')", "needs the package sounddevice: pip install 'reswhis[mic]'"),
        ("raise OSError('PortAudio library not found')", "needs the PortAudio library"),
    ],
)
def test_a_library_that_is_missing_is_told_in_a_sentence(tmp_path, module, sentence):
    (tmp_path / "sounddevice.py").write_text(module)
    run = subprocess.run(
        [sys.executable, "-c", "from reswhis.client.microphone import sound_library; sound_library()"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    *_, last = run.stderr.splitlines()
    assert last.startswith("reswhis.client.session.ListenError: The microphone ") and sentence in last
