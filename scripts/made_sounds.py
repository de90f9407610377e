"""Sounds in which nobody speaks, and speech spoilt in known ways: what warnings_cost.py tries the warnings on."""

import numpy as np
from scipy.signal import butter, lfilter, resample_poly, sosfilt, sosfiltfilt

RATE = 16000


def noise(generator, samples: int, slope: float) -> np.ndarray:
    """Gaussian noise whose power goes with ``frequency ** slope``; peak 1."""
    spectrum = np.fft.rfft(generator.normal(size=samples)) * np.arange(1, samples // 2 + 2) ** (slope / 2)
    wave = np.fft.irfft(spectrum, samples)
    return wave / np.abs(wave).max()


def harmonics(pitch, time, count: int) -> np.ndarray:
    """Sawtooth-like sound; ``pitch`` in Hz, a number or (samples,)."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(pitch, time.shape)) / RATE
    return sum(np.sin(k * phase) / k for k in range(1, count + 1))


def notes(generator, time, chord: bool) -> np.ndarray:
    """Struck tones one after another, alone or as major and minor chords."""
    wave, start = np.zeros(len(time)), 0
    while start < len(time):
        length = int(RATE * generator.uniform(0.2, 0.6))
        here = time[: len(time[start : start + length])]
        fall = np.exp(-here * generator.uniform(0.5, 6)) * np.minimum(1, here / 0.01)
        steps = (0, generator.choice([3, 4]), 7) if chord else (0,)
        root = 220 * 2 ** (generator.integers(-12, 12) / 12)
        wave[start : start + length] = fall * sum(harmonics(root * 2 ** (step / 12), here, 5) for step in steps)
        start += length
    return wave


def pulses(generator, time, per_second: float) -> np.ndarray:
    """Clicks at random times."""
    wave = np.zeros(len(time))
    wave[generator.integers(0, len(time), max(1, int(per_second * time[-1])))] = generator.uniform(0.3, 1)
    return wave


OTHER_SOUNDS = {
    "tone": lambda g, t: np.sin(2 * np.pi * g.uniform(80, 3000) * t),
    "tone in noise, 0 to 20 dB": lambda g, t: (
        np.sin(2 * np.pi * g.uniform(80, 3000) * t) + g.normal(0, 10 ** (-g.uniform(0, 20) / 20) / 1.4, len(t))
    ),
    "white, pink, brown or blue noise": lambda g, t: noise(g, len(t), g.choice([0, -1, -2, 1])),
    "band of noise": lambda g, t: sosfilt(
        butter(3, np.array([1, g.uniform(1.3, 3)]) * g.uniform(80, 1500), "band", fs=RATE, output="sos"),
        g.normal(size=len(t)),
    ),
    "mains hum": lambda g, t: (
        harmonics(g.choice([50, 60, 100, 120]), t, 12) + g.normal(0, g.uniform(0.001, 0.3), len(t))
    ),
    "engine": lambda g, t: (
        harmonics(g.uniform(75, 180) * (1 + 0.1 * noise(g, len(t), -2)), t, 14) + g.normal(0, 0.2, len(t))
    ),
    "chord, held": lambda g, t: sum(harmonics(root, t, 4) for root in g.uniform(110, 440) * np.array([1, 1.26, 1.5])),
    "chords, struck": lambda g, t: notes(g, t, chord=True),
    "melody": lambda g, t: notes(g, t, chord=False),
    "melody in noise, 5 dB": lambda g, t: (lambda wave: wave + g.normal(0, 0.56 * wave.std(), len(t)))(
        notes(g, t, False)
    ),
    "clicks": lambda g, t: lfilter([1], [1, -0.5], pulses(g, t, g.uniform(2, 20))),
    "buzzer": lambda g, t: harmonics(g.uniform(75, 400), t, 30),
    "dialling tones": lambda g, t: (
        (np.sin(2 * np.pi * g.choice([697, 770, 852, 941]) * t) + np.sin(2 * np.pi * g.choice([1209, 1336, 1477]) * t))
        * (t % 0.2 < 0.1)
    ),
    "beeps": lambda g, t: np.sin(2 * np.pi * g.uniform(300, 2500) * t) * (t % g.uniform(0.3, 1) < g.uniform(0.1, 0.3)),
    "rain": lambda g, t: sosfilt(
        butter(2, [500, 6000], "band", fs=RATE, output="sos"), pulses(g, t, 2000) + noise(g, len(t), -1) / 20
    ),
    "wind": lambda g, t: noise(g, len(t), -2) * np.interp(t, np.linspace(0, t[-1], 8), g.uniform(0.1, 1, 8)),
    "sweep or siren": lambda g, t: harmonics(
        g.uniform(400, 900) * (1 + 0.3 * np.sin(2 * np.pi * g.uniform(0.2, 3) * t)), t, 1
    ),
    "tone that swells, 2 to 8 Hz": lambda g, t: (
        harmonics(g.uniform(90, 300), t, 6) * (1 + np.sin(2 * np.pi * g.uniform(2, 8) * t))
    ),
    "vibrato": lambda g, t: harmonics(g.uniform(150, 450) * 2 ** (np.sin(2 * np.pi * g.uniform(4, 7) * t) / 20), t, 7),
}


def other_sound(kind: str, seed: int) -> np.ndarray:
    """1.5 to 4 s of a sound of :data:`OTHER_SOUNDS`, with a peak of -1 to -30 dB."""
    generator = np.random.default_rng(seed)
    wave = OTHER_SOUNDS[kind](generator, np.arange(int(generator.uniform(1.5, 4) * RATE)) / RATE)
    return wave / np.abs(wave).max() * 10 ** (-generator.uniform(1, 30) / 20)


def telephone(wave: np.ndarray) -> np.ndarray:
    """300 to 3400 Hz at 8 kHz, in 8 bits by the mu-law (ITU-T G.711), and back to 16 kHz."""
    band = butter(6, [300, 3400], "band", fs=8000, output="sos")
    narrow = np.clip(sosfiltfilt(band, resample_poly(wave, 1, 2)), -1, 1)
    code = np.round(np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256) * 127) / 127
    return resample_poly(np.sign(code) * (256 ** np.abs(code) - 1) / 255, 2, 1)


def amplified(gain: float):
    """Speech whose peak would be at ``gain``, clipped."""
    return lambda wave: np.clip(wave / np.abs(wave).max() * gain, -1, 32767 / 32768)


def noisy(decibels: float):
    """Speech with white noise at a ratio in dB."""

    def add(wave):
        sound = np.random.default_rng(len(wave)).normal(0, wave.std() * 10 ** (-decibels / 20), len(wave))
        return (wave + sound) / max(1, np.abs(wave + sound).max())

    return add


SPOILT = {
    "telephone": ("bandwidth", telephone),
    "low-pass at 5 kHz, as of a small MP3": (
        "bandwidth",
        lambda wave: sosfiltfilt(butter(8, 5000, fs=RATE, output="sos"), wave),
    ),
    "clipped, gain 2 over full scale": ("clipping", amplified(2)),
    "clipped, gain 4": ("clipping", amplified(4)),
    "clipped, gain 10": ("clipping", amplified(10)),
    "at -50 dB of full scale": ("level", lambda wave: wave / wave.std() * 10 ** (-50 / 20)),
    "three times its length of digital silence behind it": ("silence", lambda wave: np.pad(wave, (0, 3 * len(wave)))),
    "the first 0.4 s": ("length", lambda wave: wave[: int(0.4 * RATE)]),
    "at -50 dB of full scale (distance)": ("distance", lambda wave: wave / wave.std() * 10 ** (-50 / 20)),
    "white noise at 20 dB": ("distance", noisy(20)),
    "white noise at 10 dB": ("distance", noisy(10)),
    "white noise at 0 dB": ("distance", noisy(0)),
}
