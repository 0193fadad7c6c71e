"""What the examples of the documentation find when they run: a recording, a model, a microphone that speaks."""

import glob
import shutil
import sys
import time

import pytest
import soundfile
from docs.snippets import ROOT, Running, environment

RECORDING = ROOT / "tests/recordings/flite-013.flac"
LENGTH_S = 1.6
"""Much of it is played as fast as it was spoken."""
START_S = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The working directory of the examples, with the files that they name."""
    folder = tmp_path_factory.mktemp("examples")
    audio, rate = soundfile.read(RECORDING, dtype="int16")
    soundfile.write(folder / "recording.wav", audio[: round(LENGTH_S * rate)], rate)
    return folder


@pytest.fixture(scope="module")
def words(folder):
    """What the fake backend makes of the recording: a word per second."""
    return [f"w{second}" for second in range(round(soundfile.info(folder / "recording.wav").duration))]


@pytest.fixture(scope="module")
def microphone(folder):
    """Variables that make a sound server's loopback, on which the recording is played again and again, the default
    microphone of whatever asks PulseAudio, ALSA or PortAudio. None where it cannot be had.
    """
    plugin = glob.glob("/usr/lib/*/alsa-lib/libasound_module_pcm_pulse.so")
    if not (sys.platform == "linux" and plugin and shutil.which("pulseaudio") and shutil.which("ffmpeg")):
        yield None
        return
    socket, state, alsa = folder / "pulse.socket", folder / "pulse", folder / "asound.conf"
    state.mkdir()
    alsa.write_text("</usr/share/alsa/alsa.conf>\npcm.!default { type pulse }\nctl.!default { type pulse }\n")
    env = {
        "PULSE_RUNTIME_PATH": str(state),
        "PULSE_STATE_PATH": str(state),
        "PULSE_SERVER": f"unix:{socket}",
        "ALSA_CONFIG_PATH": str(alsa),
    }
    modules = (
        f"module-native-protocol-unix socket={socket} auth-anonymous=1",
        "module-null-sink sink_name=speaker rate=16000 channels=1",
    )
    pulseaudio = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes"]
    pulseaudio += [part for module in modules for part in ("--load", module)]
    play = [
        "ffmpeg",
        "-loglevel",
        "error",
        "-re",
        "-stream_loop",
        "-1",
        "-i",
        "recording.wav",
        "-f",
        "pulse",
        "speaker",
    ]
    server = Running(pulseaudio, cwd=folder, env=environment(**env))
    try:
        deadline = time.monotonic() + START_S
        while not socket.exists() and server.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert socket.exists(), server.err
        player = Running(play, cwd=folder, env=environment(**env))
        try:
            yield env
        finally:
            player.kill()
            player.end()
    finally:
        server.kill()
        server.end()
