"""Sounds in which nobody speaks, made by formula and seed. Decodes nothing; for tests and benchmarks of inventions."""

from collections.abc import Callable, Mapping

import numpy as np

from reswhis.core.types import SAMPLE_RATE, Samples, samples

Signal = np.ndarray
"""float64, mono, 16 kHz, of any level."""
Maker = Callable[[int, np.random.Generator], Signal]

LEVELS_DB = (-60, -45, -30, -20, -10)
"""From a quiet room to about as loud as a recording can be."""
LOUDEST = SAMPLE_RATE // 10


def make(name: str, duration_s: float, level_db: float, seed: int = 0) -> Samples:
    """A sound whose loudest tenth of a second has this level (RMS, below full scale)."""
    signal = SOUNDS[name](samples(duration_s), np.random.default_rng(seed))
    tenths = np.resize(signal, (-(-len(signal) // LOUDEST), LOUDEST))
    loudest = np.sqrt((tenths**2).mean(axis=1)).max()
    if loudest > 0:
        signal = signal * (32768 * 10 ** (level_db / 20) / loudest)
    return np.rint(signal).clip(-32768, 32767).astype(np.int16)


def _silence(length: int, random: np.random.Generator) -> Signal:
    return np.zeros(length)


def _noise(tilt: float) -> Maker:
    """Whose power falls with the frequency to this power: 0 white, 1 pink, 2 brown."""

    def noise(length: int, random: np.random.Generator) -> Signal:
        return _filtered(random.normal(0, 1, length), lambda hz: (hz >= 20) / np.maximum(hz, 20) ** (tilt / 2))

    return noise


def _hum(length: int, random: np.random.Generator) -> Signal:
    """Of the mains, with harmonics, over a little noise."""
    tones = sum(np.sin(2 * np.pi * 50 * n * _time(length) + n) / n for n in (1, 2, 3, 5, 7))
    return tones + random.normal(0, 0.01, length)


def _clicks(length: int, random: np.random.Generator) -> Signal:
    """Short and dull or sharp, as of keys, several in a second."""
    signal = random.normal(0, 1e-4, length)
    at = 0
    while (at := at + samples(random.exponential(0.2) + 0.02)) < length:
        pitch, decay = random.uniform(300, 4000), random.uniform(100, 800)
        click = _strike(min(length - at, samples(0.05)), pitch, decay) * random.uniform(0.3, 1)
        signal[at : at + len(click)] += click
    return signal


def _music(length: int, random: np.random.Generator) -> Signal:
    """Chords of three struck strings, twice a second, with their overtones."""
    signal = random.normal(0, 1e-4, length)
    for at in range(0, length, samples(0.5)):
        root = 220 * 2 ** (random.integers(-5, 8) / 12)
        for interval in (0, random.choice((3, 4)), 7):
            for overtone in range(1, 6):
                tone = _strike(min(length - at, samples(1.5)), root * 2 ** (interval / 12) * overtone, 3.0)
                signal[at : at + len(tone)] += tone / overtone**1.5
    return signal


def _tones(length: int, random: np.random.Generator) -> Signal:
    """A melody on an organ: pure, steady, each with vibrato."""
    signal = np.zeros(length)
    for at in range(0, length, samples(0.4)):
        time = _time(min(length - at, samples(0.4)))
        pitch = 440 * 2 ** (random.integers(-12, 13) / 12)
        edges = np.minimum(1, 50 * np.minimum(time, time[::-1]))
        signal[at : at + len(time)] = edges * np.sin(2 * np.pi * pitch * time + 0.3 * np.sin(2 * np.pi * 5 * time))
    return signal


def _ringing(length: int, random: np.random.Generator) -> Signal:
    """A telephone's bell: two notes hammered 20 times a second, for two seconds of six."""
    time = _time(length)
    hammer = np.exp(-30 * (time % 0.05))
    bell = sum(np.sin(2 * np.pi * hz * time) / n for n, hz in enumerate((1000, 1250, 2010, 3120), 1))
    return bell * hammer * (time % 6 < 2) + random.normal(0, 1e-4, length)


def _dialling(length: int, random: np.random.Generator) -> Signal:
    """What the caller hears: 440 and 480 Hz, for two seconds of six."""
    time = _time(length)
    return (np.sin(2 * np.pi * 440 * time) + np.sin(2 * np.pi * 480 * time)) * (time % 6 < 2)


def _breathing(length: int, random: np.random.Generator) -> Signal:
    """Noise through a mouth, in and out every four seconds, out lower than in."""
    time = _time(length)
    noise = random.normal(0, 1, length)
    inward = _filtered(noise, lambda hz: _peak(hz, 1800, 700) + 0.3 * _peak(hz, 4000, 900))
    outward = _filtered(noise, lambda hz: _peak(hz, 900, 500) + 0.3 * _peak(hz, 2600, 700))
    phase = time % 4
    swell = np.sin(np.pi * np.clip(phase / 1.4, 0, 1)) ** 2, np.sin(np.pi * np.clip((phase - 1.8) / 1.8, 0, 1)) ** 2
    return inward * swell[0] + outward * swell[1] + 1e-3 * noise


def _time(length: int) -> Signal:
    return np.arange(length) / SAMPLE_RATE


def _strike(length: int, hz: float, decay: float) -> Signal:
    time = _time(length)
    return np.sin(2 * np.pi * hz * time) * np.exp(-decay * time)


def _peak(hz: Signal, centre: float, width: float) -> Signal:
    return np.exp(-(((hz - centre) / width) ** 2))


def _filtered(signal: Signal, gain: Callable[[Signal], Signal]) -> Signal:
    spectrum = np.fft.rfft(signal) * gain(np.fft.rfftfreq(len(signal), 1 / SAMPLE_RATE))
    return np.fft.irfft(spectrum, len(signal))


SOUNDS: Mapping[str, Maker] = {
    "silence": _silence,
    "white": _noise(0),
    "pink": _noise(1),
    "brown": _noise(2),
    "hum": _hum,
    "clicks": _clicks,
    "music": _music,
    "tones": _tones,
    "ringing": _ringing,
    "dialling": _dialling,
    "breathing": _breathing,
}
