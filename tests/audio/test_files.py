"""Whole files: what can be read, and one sentence for what cannot."""

import os
import sys
import threading

import numpy as np
import pytest
import soundfile

from reswhis.audio.files import AudioFileError, load


def tone(rate, seconds=1.0):
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def write_m4a(path, samples, rate):
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
        frame.rate = rate
        container.mux([*stream.encode(frame), *stream.encode(None)])


def test_16_khz_mono_is_read_as_it_is(tmp_path):
    samples = np.random.default_rng(0).integers(-32768, 32767, 5000).astype(np.int16)
    soundfile.write(tmp_path / "a.flac", samples, 16000)

    audio = load(tmp_path / "a.flac")

    assert audio.dtype == np.float32
    assert (audio * 32768 == samples).all()


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("rate", [8000, 44100])
def test_any_rate_and_stereo_become_16_khz_mono(tmp_path, kind, rate):
    path = tmp_path / f"a.{kind}"
    soundfile.write(path, np.stack((tone(rate), np.zeros(rate)), axis=1), rate)

    audio = load(str(path))

    assert len(audio) == pytest.approx(16000, abs=1)
    assert audio[1000:15000] == pytest.approx(tone(16000)[1000:15000] / 2, abs=0.05)  # MP3 and Vorbis lose a little


def test_m4a_is_read_without_any_program_installed(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    write_m4a(tmp_path / "a.m4a", tone(44100), 44100)

    audio = load(tmp_path / "a.m4a")

    assert len(audio) == pytest.approx(16000, abs=1000)  # AAC pads both ends
    spectrum = np.abs(np.fft.rfft(audio[2000:14000]))
    assert np.argmax(spectrum) * 16000 / 12000 == pytest.approx(440, abs=2)


def test_samples_beyond_full_scale_are_clipped(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.array([0.5, 1.5, -7], np.float32), 16000, subtype="FLOAT")

    assert load(tmp_path / "a.wav").tolist() == [0.5, 1, -1]


def refusal(path):
    with pytest.raises(AudioFileError) as refused:
        load(path)
    sentence = str(refused.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert str(path) in sentence
    return sentence.replace(str(path), "FILE")


def test_a_missing_file_is_named(tmp_path):
    assert refusal(tmp_path / "a.wav") == "There is no file FILE."


def test_a_directory_cannot_be_read(tmp_path):
    assert refusal(tmp_path).startswith("The file FILE cannot be read: ")


@pytest.mark.parametrize(
    "content",
    [b"R", b"not audio\n" * 100, np.random.default_rng(0).bytes(20_000), b"RIFF\xff\xff\xff\xffWAVEfmt "],
    ids=["one byte", "text", "random bytes", "half a header"],
)
def test_what_is_not_audio_is_refused(tmp_path, content):
    (tmp_path / "a.mp3").write_bytes(content)

    assert refusal(tmp_path / "a.mp3").startswith("The file FILE is not audio")


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in the file system")
def test_a_pipe_is_read_like_a_file(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(16000), 16000)
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes((tmp_path / "a.wav").read_bytes()))
    writer.start()

    assert np.array_equal(load(tmp_path / "pipe"), load(tmp_path / "a.wav"))
    writer.join()


def test_an_empty_file_and_one_without_samples_have_no_sound(tmp_path):
    (tmp_path / "a.wav").touch()
    soundfile.write(tmp_path / "b.wav", np.empty(0, np.float32), 44100)

    assert refusal(tmp_path / "a.wav") == refusal(tmp_path / "b.wav") == "The file FILE has no sound in it."


@pytest.mark.parametrize("rate", [16000, 44100])
def test_a_file_whose_samples_are_not_numbers_is_refused(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", np.full(4000, np.nan, np.float32), rate, subtype="FLOAT")

    assert refusal(tmp_path / "a.wav").startswith("The file FILE is damaged")


def test_a_header_that_promises_days_of_sound_is_no_reason_to_crash(tmp_path):
    soundfile.write(tmp_path / "a.flac", tone(16000), 16000)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    content[21] |= 0x0F
    content[22:26] = b"\xff" * 4  # how many samples there are: 36 bits of the first block
    (tmp_path / "a.flac").write_bytes(content)

    try:
        assert len(load(tmp_path / "a.flac")) <= 16000
    except AudioFileError as error:
        assert "damaged" in str(error)


def test_a_file_that_names_another_file_does_not_have_it_opened(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "secret.wav", tone(16000), 16000)
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile secret.wav\n")
    monkeypatch.chdir(tmp_path)

    assert refusal("list.ffconcat").startswith("The file FILE is not audio")


def test_sound_that_changes_its_channels_on_the_way_is_read_whole(tmp_path):
    import av

    def adts(layout, channels):
        with av.open(str(tmp_path / "part.aac"), "w", format="adts") as container:
            stream = container.add_stream("aac", rate=16000, layout=layout)
            frame = av.AudioFrame.from_ndarray(np.stack([tone(16000)] * channels), format="fltp", layout=layout)
            frame.rate = 16000
            container.mux([*stream.encode(frame), *stream.encode(None)])
        return (tmp_path / "part.aac").read_bytes()

    broadcast = tmp_path / "broadcast.aac"
    broadcast.write_bytes(adts("stereo", 2) + adts("mono", 1))
    assert len(load(broadcast)) == pytest.approx(2 * 16000, abs=6000)


def test_a_header_that_lies_about_the_length_is_told(tmp_path):
    path = tmp_path / "lies.flac"
    soundfile.write(path, tone(16000), 16000)
    data = bytearray(path.read_bytes())
    data[21] |= 0x0F  # the upper bits of the number of samples
    data[22:26] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    with pytest.raises(AudioFileError, match=r"lies\.flac"):
        load(path)


def test_a_video_without_sound_is_told_as_such(tmp_path):
    import av

    path = tmp_path / "silent.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 32
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))
        container.mux([*stream.encode(frame), *stream.encode(None)])
    with pytest.raises(AudioFileError, match="has no sound in it"):
        load(path)
