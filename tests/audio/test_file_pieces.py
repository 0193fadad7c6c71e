"""Files piece by piece: without a seam, in memory that does not grow, and a sentence for what is none."""

import io
import threading
import tracemalloc

import av
import numpy as np
import pytest
import soundfile
from audio.test_files import tone, write_m4a

from reswhis.audio.file_pieces import AudioFile
from reswhis.audio.files import AudioFileError


def pieces(path):
    with open(path, "rb") as file:
        return list(AudioFile(file, "a"))


def refusal(content):
    with pytest.raises(AudioFileError) as refused:
        list(AudioFile(io.BytesIO(content), "talk.mp3"))
    return str(refused.value)


@pytest.mark.parametrize("rate", [16000, 44100])
@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3", "m4a"])
def test_the_pieces_together_are_the_whole_without_a_seam(tmp_path, kind, rate):
    path = tmp_path / f"a.{kind}"
    if kind == "m4a":
        write_m4a(path, tone(rate, 9), rate)
    else:
        soundfile.write(path, tone(rate, 9), rate)

    parts = pieces(path)

    assert len(parts) >= 5 and all(part.dtype == np.int16 and len(part) for part in parts)
    heard = np.concatenate(parts)[1000:-3000] / 32768
    # A sine has twice the cosine of its step between its neighbours' mean and itself.
    expected = (heard[2:] + heard[:-2]) / (2 * np.cos(2 * np.pi * 440 / 16000))
    assert len(heard) == pytest.approx(9 * 16000 - 4000, abs=2500)  # AAC pads both ends
    assert np.abs(heard[1:-1] - expected).max() < 0.03
    assert heard.std() == pytest.approx(0.5 / np.sqrt(2), rel=0.03)


def test_opus_whose_encoder_was_told_no_times_does_not_jump_after_the_first_piece():
    """Such a file counts what the decoder is to skip as sound: libsndfile skips it only once it has been sought in."""
    noise, file = np.random.default_rng(0).integers(-8000, 8000, 5 * 16000).astype(np.int16), io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(noise[None], "s16", "mono")
        frame.sample_rate = 16000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    heard = np.concatenate(list(AudioFile(io.BytesIO(file.getvalue()), "a")))
    assert len(heard) == len(noise)
    for start in (8000, 48000):
        part = heard[start : start + 16000].astype(float)
        assert np.correlate(part, noise[start + 2000 : start + 14000].astype(float), "valid").argmax() == 2000


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg"])
def test_nothing_is_lost_or_added_at_any_rate(tmp_path, kind):
    for rate in (8000, 44100):
        soundfile.write(tmp_path / f"a.{kind}", tone(rate, 5), rate)
        assert sum(map(len, pieces(tmp_path / f"a.{kind}"))) == pytest.approx(5 * 16000, abs=1)


def test_a_compressed_hour_does_not_take_the_memory_of_an_hour(tmp_path):
    with soundfile.SoundFile(tmp_path / "a.flac", "w", 8000, 1) as file:
        for _ in range(60):
            file.write(np.zeros(60 * 8000, np.int16))
    with open(tmp_path / "a.flac", "rb") as file:
        next(audio := AudioFile(file, "a"))
        tracemalloc.start()
        heard = sum(map(len, audio))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert heard > 3590 * 16000
    assert peak < 2_000_000


def test_a_thousand_channels_are_read_in_smaller_pieces(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full((16000, 1000), 0.5, np.float32), 16000)
    parts = pieces(tmp_path / "a.wav")
    assert max(map(len, parts)) < 1100 and sum(map(len, parts)) == 16000
    assert (np.concatenate(parts) == 16384).all()


def test_what_is_no_sound_is_refused_by_the_name_that_it_was_sent_under(tmp_path):
    lying = io.BytesIO()
    soundfile.write(lying, tone(16000), 3, format="WAV")
    nan = io.BytesIO()
    soundfile.write(nan, np.full(16000, np.nan, np.float32), 44100, format="WAV", subtype="FLOAT")
    assert refusal(b"") == "The file talk.mp3 has no sound in it."
    assert refusal(b"not audio\n" * 100).startswith("The file talk.mp3 is not audio")
    assert refusal(np.random.default_rng(0).bytes(20_000)).startswith("The file talk.mp3 is not audio")
    assert "3 samples a second" in refusal(lying.getvalue())
    assert "not numbers" in refusal(nan.getvalue())


def test_a_file_that_names_another_file_does_not_have_it_opened(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "secret.wav", tone(16000), 16000)
    monkeypatch.chdir(tmp_path)
    assert refusal(b"ffconcat version 1.0\nfile secret.wav\n").startswith("The file talk.mp3 is not audio")


def test_where_one_library_gives_up_the_other_goes_on_without_saying_anything_twice(tmp_path):
    sound = tone(16000, 20) + np.random.default_rng(0).normal(0, 0.1, 20 * 16000).astype(np.float32)
    soundfile.write(tmp_path / "a.flac", sound, 16000)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[len(content) // 2 : len(content) // 2 + 2000] = b"\0" * 2000
    (tmp_path / "a.flac").write_bytes(content)
    try:
        heard = np.concatenate(pieces(tmp_path / "a.flac")) / 32768
    except AudioFileError as error:
        assert "is damaged after" in str(error)
    else:
        assert len(heard) <= len(sound)
        assert np.abs(heard[: 5 * 16000] - sound[: 5 * 16000]).max() < 1e-3


def test_closing_waits_for_a_piece_that_is_being_read(tmp_path):
    reading, go_on = threading.Event(), threading.Event()
    soundfile.write(tmp_path / "a.wav", tone(16000, 9), 16000)

    class Slow(io.BytesIO):
        def readinto(self, buffer):
            reading.set()
            go_on.wait(5)
            assert not self.closed
            return super().readinto(buffer)

    file = Slow((tmp_path / "a.wav").read_bytes())
    audio = AudioFile(file, "a")
    parts = []
    reader = threading.Thread(target=lambda: parts.extend(audio))
    reader.start()
    assert reading.wait(5)
    threading.Timer(0.05, go_on.set).start()
    audio.close()
    file.close()
    reader.join(5)
    assert len(parts) <= 1
