"""Containers as they arrive: what a browser's recorder gives, cut anywhere, started again, broken, or made to burst."""

import io
import itertools
import os
import threading
import time

import av
import numpy as np
import pytest
import soundfile

from reswhis.audio.container import AT_ONCE, ContainerInput
from reswhis.core.errors import ClientError

RATE = 48_000
LIVE = {
    "webm": ("libopus", {"live": "1"}),
    "ogg": ("libopus", {"page_duration": "200000"}),
    "mp4": ("aac", {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "200000"}),
    "wav": ("pcm_s16le", {}),
    "flac": ("flac", {}),
    "mp3": ("libmp3lame", {}),
}
LATENCY_S = {"webm": 0.2, "ogg": 0.5, "mp4": 0.5, "wav": 0.1, "flac": 1.2, "mp3": 0.5}
"""Of the second half of a stream: some hold a page or a fragment, FLAC some frames."""


class Pipe(io.RawIOBase):
    """What cannot go back, as a recorder's output cannot."""

    def __init__(self):
        self.data = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.data += bytes(data)
        return len(data)


def packed(kind, seconds=2.0, *, rate=RATE, layout="mono"):
    """A tone that grows."""
    codec, options = LIVE[kind]
    time_ = np.arange(round(seconds * rate)) / rate
    tone = (np.sin(2 * np.pi * 440 * time_) * 20_000 * time_ / seconds).astype(np.int16)
    pipe = Pipe()
    with av.open(pipe, "w", format=kind, options=options) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        channels = len(stream.codec_context.layout.channels)
        frame = av.AudioFrame.from_ndarray(np.repeat(tone, channels)[None, :], "s16", layout)
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return bytes(pipe.data)


def unpacked(data, step):
    """Samples, and how many there were after each push."""
    source, pieces, counts = ContainerInput(), [], []
    for start in range(0, len(data), step):
        pieces += source.push(data[start : start + step])
        counts.append(sum(map(len, pieces)) // 2)
    pieces += source.finish()
    return np.frombuffer(b"".join(pieces), np.int16), counts


@pytest.mark.parametrize("kind", LIVE)
def test_a_container_is_decoded_while_it_arrives_and_whole_in_the_end(kind):
    data = packed(kind, 4.0)
    samples, counts = unpacked(data, max(1, len(data) // 40))
    assert len(samples) == pytest.approx(4 * 16_000, abs=2000)
    loudness = [np.abs(samples[at : at + 8000].astype(int)).mean() for at in range(8000, 56_000, 8000)]
    assert loudness == sorted(loudness) and loudness[-1] > 3 * loudness[0] > 0
    arrived = len(samples) * np.arange(1, len(counts) + 1) / len(counts)
    late = (arrived - counts)[len(counts) // 2 :] / 16_000
    assert late.max() < LATENCY_S[kind] + 0.2


@pytest.mark.parametrize("kind", ["webm", "wav"])
def test_how_the_bytes_are_split_does_not_matter(kind):
    data = packed(kind, 0.5)
    whole, _ = unpacked(data, len(data))
    for step in (1 if kind == "webm" else 333, 4097):
        assert np.array_equal(unpacked(data, step)[0], whole)


@pytest.mark.parametrize("kind", LIVE)
def test_a_recorder_that_is_started_again_goes_on(kind):
    data = packed(kind, 0.5)
    once, _ = unpacked(data, len(data))
    twice, _ = unpacked(data + data, len(data))
    assert len(twice) == pytest.approx(2 * len(once), abs=1200)


def test_stereo_at_another_rate_comes_out_as_the_rest():
    samples, _ = unpacked(packed("wav", 0.5, rate=44_100, layout="stereo"), 10_000)
    assert len(samples) == pytest.approx(8000, abs=20)


def test_a_container_that_is_cut_off_gives_what_it_has():
    data = packed("webm")
    samples, _ = unpacked(data[: len(data) // 2], 1000)
    assert len(samples) == pytest.approx(16_000, abs=3000)


@pytest.mark.parametrize(
    "data",
    [
        os.urandom(100_000),
        bytes(100_000),
        b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n" * 10,
        b"ffconcat version 1.0\nfile /etc/hostname\n",
        b"hello",
        packed("wav")[44:],
        packed("webm")[:4] + os.urandom(5000),
        packed("mp4")[:40] + os.urandom(5000),
    ],
    ids=["noise", "zeros", "playlist", "list", "text", "raw audio", "broken webm", "broken mp4"],
)
def test_what_is_no_container_is_refused_in_words(data):
    source = ContainerInput()
    with pytest.raises(ClientError) as refused:
        for start in range(0, len(data), 5000):
            list(source.push(data[start : start + 5000]))
        list(source.finish())
    assert refused.value.code == "undecodable_audio"


def test_raw_audio_by_mistake_is_noticed_soon():
    source, pushed = ContainerInput(), itertools.count()
    with pytest.raises(ClientError):
        while next(pushed) < 10:
            list(source.push(os.urandom(32_000)))
    assert next(pushed) < 5  # seconds


@pytest.mark.parametrize(
    "subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "IMA_ADPCM"]
)
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
def test_wav_of_every_kind_is_heard(form, subtype):
    if not soundfile.check_format(form, subtype):
        pytest.skip(f"{form} has no {subtype}")
    tone = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000) * 0.5
    file = io.BytesIO()
    soundfile.write(file, tone, 16_000, subtype, format=form)
    samples, counts = unpacked(file.getvalue(), 10_000)
    error = samples[:16_000] / 32_768 - tone
    assert np.sqrt(np.mean(error**2)) < 0.03
    assert counts[0] or subtype == "IMA_ADPCM"


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, None], ids=["no length", "any length", "its length"])
def test_wav_is_as_long_as_it_says_or_as_it_is(size):
    samples = np.arange(16_000, dtype=np.int16)
    head = b"RIFF\xff\xff\xff\xffWAVEJUNK\x03\0\0\0abc\0fmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0data"
    if size is None:
        data = head + (32_000).to_bytes(4, "little") + samples.tobytes() + b"LIST\x10\0\0\0INFOIART\4\0\0\0abcd"
    else:
        data = head + size.to_bytes(4, "little") + samples.tobytes()
    for step in (7, 40_000):
        assert np.array_equal(unpacked(data, step)[0], samples)


def test_a_rate_that_nobody_records_at_is_refused():
    data = bytearray(packed("wav"))
    data[24:28] = (1).to_bytes(4, "little")  # each sample would become 16 000
    with pytest.raises(ClientError):
        unpacked(bytes(data), len(data))


def silence(seconds):
    pipe = Pipe()
    with av.open(pipe, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=8_000, layout="mono", options={"frame_size": "65535"})
        frame = av.AudioFrame.from_ndarray(np.zeros((1, seconds * 8_000), np.int16), "s16", "mono")
        frame.sample_rate = 8_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return bytes(pipe.data)


def test_an_hour_of_silence_in_a_few_bytes_comes_a_few_seconds_at_a_time():
    data = silence(3600)
    assert len(data) < 50_000
    source = ContainerInput()
    pieces = source.push(data)
    for _ in range(5):
        assert 0 < len(next(pieces)) <= AT_ONCE + 4 * 65_535
    source.close()
    assert sum(map(len, pieces)) <= 2 * (AT_ONCE + 4 * 65_535)


def test_more_than_an_hour_at_once_is_refused():
    with pytest.raises(ClientError, match="hour"):
        unpacked(silence(7200), 1_000_000)


def test_no_thread_is_left_behind():
    def threads():
        return sum(thread.name == "container" for thread in threading.enumerate())

    sources = [ContainerInput() for _ in range(5)]
    for source in sources:
        list(source.push(packed("webm", 0.2)))
    assert threads() >= 5
    for source in sources:
        source.close()
    deadline = time.monotonic() + 10
    while threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not threads()
