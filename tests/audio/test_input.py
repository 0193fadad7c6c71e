"""A client's bytes to what the core takes."""

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from reswhis.audio.input import AudioInput
from reswhis.audio.pcm import SAMPLE_BYTES, AudioFormat, PcmDecoder

RATES = [8000, 11025, 16000, 22050, 24000, 44100, 48000]
formats = st.builds(AudioFormat, st.sampled_from(sorted(SAMPLE_BYTES)), st.sampled_from(RATES), st.sampled_from([1, 2]))


def noise(format, seconds, seed=0):
    """Bytes that end in the middle of a frame, if it has more than one."""
    count = round(seconds * format.sample_rate) * format.channels
    sound = np.random.default_rng(seed).uniform(-1, 1, count)
    match format.encoding:
        case "pcm_s16le":
            data = (sound * 32767).astype("<i2").tobytes()
        case "pcm_f32le":
            data = sound.astype("<f4").tobytes()
        case _:
            data = ((sound + 1) * 127).astype(np.uint8).tobytes()
    return data + bytes(format.frame_bytes - 1)


def heard(audio, pieces):
    return np.concatenate([*(audio.push(piece) for piece in pieces), audio.finish()])


def cut(data, places):
    edges = [0, *sorted(round(place * len(data)) for place in places), len(data)]
    return [data[begin:end] for begin, end in zip(edges, edges[1:], strict=False)]


@settings(max_examples=80, deadline=None)
@given(formats, st.lists(st.floats(0, 1), max_size=10), st.floats(0, 0.4))
def test_any_split_of_the_bytes_gives_the_same_samples(format, places, seconds):
    data = noise(format, seconds)

    split, whole = heard(AudioInput(format), cut(data, places)), heard(AudioInput(format), [data])

    assert split.dtype == np.int16
    assert len(split) == len(whole)
    assert split.astype(int) == pytest.approx(whole.astype(int), abs=1)


@settings(max_examples=40, deadline=None)
@given(formats)
def test_every_format_sounds_as_its_samples_resampled_whole(format):
    data, audio = noise(format, 0.3), AudioInput(format)

    out = heard(audio, [data])

    expected = soxr.resample(PcmDecoder(format).decode(data), format.sample_rate, 16000)
    assert len(out) == len(expected)
    assert out / 32768 == pytest.approx(expected.clip(-1, 1), abs=1e-3)
    assert audio.pending == format.frame_bytes - 1


@given(st.lists(st.binary(max_size=50)))
def test_s16le_at_16_khz_passes_bit_by_bit_and_at_once(pieces):
    audio, data = AudioInput(AudioFormat()), b"".join(pieces)

    out = b"".join(audio.push(piece).astype("<i2").tobytes() for piece in pieces)

    assert out == data[: len(data) // 2 * 2]
    assert len(audio.drain()) == len(audio.finish()) == 0


def test_loud_audio_is_clipped_where_resampling_overshoots():
    square = np.tile(np.repeat([32767, -32768], 12), 100).astype("<i2")

    out = heard(AudioInput(AudioFormat(sample_rate=24000)), [square.tobytes()])[160:-160].reshape(-1, 16)

    # Eight samples up, eight down: none wraps around to the other side.
    assert len({tuple(np.sign(period)) for period in out}) == 1
    assert out.max() == 32767
    assert out.min() == -32768


def test_a_drain_gives_all_the_audio_so_far_and_the_rest_follows():
    format = AudioFormat("mulaw", 8000)
    data, audio = noise(format, 1), AudioInput(format)

    first = np.concatenate((audio.push(data[:3000]), audio.drain()))
    rest = np.concatenate((audio.push(data[3000:]), audio.finish()))

    assert len(first) == 6000
    assert len(rest) == 10000
    # Only the last 8 ms before the drain would have heard what follows.
    undrained = np.delete(heard(AudioInput(format), [data]), slice(6000 - 128, 6000))
    assert np.concatenate((first[:-128], rest)).astype(int) == pytest.approx(undrained.astype(int), abs=33)  # 1e-3
