"""Bytes to samples: formats, split frames, values that are no samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reswhis.audio.pcm import SAMPLE_BYTES, AudioFormat, PcmDecoder
from reswhis.core.errors import ClientError

encodings = st.sampled_from(sorted(SAMPLE_BYTES))
pieces = st.lists(st.binary(max_size=23), max_size=8)


def decoded(format, *pieces):
    decoder = PcmDecoder(format)
    return np.concatenate([decoder.decode(piece) for piece in pieces] or [np.empty(0, np.float32)])


@given(encodings, st.sampled_from([1, 2]), pieces)
def test_how_the_bytes_are_split_does_not_matter(encoding, channels, pieces):
    format = AudioFormat(encoding, 16000, channels)

    split, whole = decoded(format, *pieces), decoded(format, b"".join(pieces))

    assert split.dtype == np.float32
    assert split.tobytes() == whole.tobytes()
    assert len(split) == len(b"".join(pieces)) // (SAMPLE_BYTES[encoding] * channels)


@given(encodings, st.sampled_from([1, 2]), pieces)
def test_whatever_the_bytes_are_the_samples_stay_within_full_scale(encoding, channels, pieces):
    samples = decoded(AudioFormat(encoding, 16000, channels), *pieces)

    assert np.isfinite(samples).all()
    assert (np.abs(samples) <= 1).all()
    assert encoding == "pcm_f32le" or (samples < 1).all()


def test_what_does_not_complete_a_frame_is_pending():
    decoder = PcmDecoder(AudioFormat("pcm_s16le", 16000, channels=2))

    counts = []
    for size in (1, 2, 1, 7, 1):
        counts.append((len(decoder.decode(bytes(size))), decoder.pending))

    assert counts == [(0, 1), (0, 3), (1, 0), (1, 3), (1, 0)]


def test_s16le_is_a_fraction_of_full_scale():
    samples = decoded(AudioFormat(), np.array([0, 1, -1, 16384, 32767, -32768], "<i2").tobytes())

    assert samples.tolist() == [0, 1 / 32768, -1 / 32768, 0.5, 32767 / 32768, -1]


def test_f32le_is_clipped_and_what_is_not_a_number_is_silent():
    values = np.array([0.25, -0.5, 1.5, -3e38, np.nan, np.inf, -np.inf, 1], "<f4")

    assert decoded(AudioFormat("pcm_f32le"), values.tobytes()).tolist() == [0.25, -0.5, 1, -1, 0, 0, 0, 1]


@pytest.mark.parametrize("encoding", ["pcm_s16le", "pcm_f32le"])
def test_stereo_is_mixed_down(encoding):
    left_right = np.array([[0.5, 0.25], [-0.5, 0.5], [1, 1], [0, -0.125]])
    data = left_right.astype("<f4").tobytes()
    if encoding == "pcm_s16le":
        data = (left_right * 32768).clip(max=32767).astype("<i2").tobytes()

    samples = decoded(AudioFormat(encoding, 16000, channels=2), data)

    assert samples == pytest.approx([0.375, 0, 1, -0.0625], abs=1 / 32768)


# Of ITU-T G.711: both zeros, both ends, the steps between segments.
MULAW = {0x00: -32124, 0x01: -31100, 0x0F: -16764, 0x10: -15996, 0x42: -1756, 0x7E: -8, 0x7F: 0,
         0x80: 32124, 0x8F: 16764, 0xC3: 1692, 0xFE: 8, 0xFF: 0}  # fmt: skip
ALAW = {0x00: -5504, 0x01: -5248, 0x2A: -32256, 0x55: -8, 0x54: -24, 0x7F: -848,
        0x80: 5504, 0xAA: 32256, 0xD5: 8, 0xD4: 24, 0xFF: 848, 0x15: -2112}  # fmt: skip


@pytest.mark.parametrize(("encoding", "golden"), [("mulaw", MULAW), ("alaw", ALAW)])
def test_companded_codes_expand_as_g711_says(encoding, golden):
    samples = decoded(AudioFormat(encoding, 8000), bytes(golden))

    assert (samples * 32768).tolist() == list(golden.values())


@pytest.mark.filterwarnings("ignore:'audioop':DeprecationWarning")
@pytest.mark.parametrize("encoding", ["mulaw", "alaw"])
def test_every_companded_code_is_what_the_standard_library_says(encoding):
    audioop = pytest.importorskip("audioop", reason="gone from Python 3.13")
    expand = {"mulaw": audioop.ulaw2lin, "alaw": audioop.alaw2lin}[encoding]
    codes = bytes(range(256))

    samples = decoded(AudioFormat(encoding, 8000), codes)

    assert (samples * 32768).tolist() == np.frombuffer(expand(codes, 2), "=i2").tolist()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"encoding": "opus"}, "encoding must be one of pcm_s16le, pcm_f32le, mulaw, alaw"),
        ({"encoding": ""}, "encoding must be one of pcm_s16le, pcm_f32le, mulaw, alaw"),
        ({"sample_rate": 7999}, "sample_rate must be from 8000 to 48000 Hz"),
        ({"sample_rate": 48001}, "sample_rate must be from 8000 to 48000 Hz"),
        ({"sample_rate": -16000}, "sample_rate must be from 8000 to 48000 Hz"),
        ({"channels": 0}, "channels must be 1 or 2"),
        ({"channels": 3}, "channels must be 1 or 2"),
    ],
)
def test_an_unsupported_format_is_refused_with_what_is_allowed(wrong, said):
    with pytest.raises(ClientError) as refused:
        AudioFormat(**wrong)

    assert str(refused.value) == said


@pytest.mark.parametrize("sample_rate", [8000, 11025, 47999, 48000])
def test_any_rate_in_the_range_is_taken(sample_rate):
    assert AudioFormat(sample_rate=sample_rate).sample_rate == sample_rate
