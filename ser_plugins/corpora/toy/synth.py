"""A small talking machine: sentence, speaker and emotion -> speech-like audio.

A harmonic source (pitch contour, spectral tilt) goes through formant resonators, one vowel per syllable, with noise for
consonants and breath. Pitch level, range, tempo, energy and tilt follow the emotion; vocal-tract length and pitch the
speaker. Not speech, but its spectrogram poses the same task, and it is the same samples for the same seed everywhere.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

SAMPLE_RATE = 16000  # Hz
VOWELS = (  # formants of an adult male in Hz, after Peterson & Barney (1952)
    (730, 1090, 2440),
    (530, 1840, 2480),
    (270, 2290, 3010),
    (570, 840, 2410),
    (300, 870, 2240),
)
BANDWIDTHS = (80, 110, 160, 250)  # Hz; the fourth formant is the speaker's own


@dataclass(frozen=True)
class Style:
    """How an emotion sounds, relative to a neutral voice."""

    pitch: float  # semitones
    range: float  # semitones between the accents and the rest
    tempo: float  # syllables per second, factor
    energy: float  # dB
    tilt: float  # dB per octave of the source
    breath: float  # noise in the source


STYLES = {
    "anger": Style(pitch=6, range=7, tempo=1.12, energy=6, tilt=-7, breath=0.02),
    "boredom": Style(pitch=-1.5, range=1.5, tempo=0.82, energy=-3, tilt=-12, breath=0.02),
    "disgust": Style(pitch=0.5, range=4, tempo=0.8, energy=0, tilt=-9.5, breath=0.06),
    "fear": Style(pitch=6, range=3, tempo=1.25, energy=0, tilt=-10, breath=0.05),
    "happiness": Style(pitch=5, range=8, tempo=1.05, energy=3, tilt=-8.5, breath=0.02),
    "sadness": Style(pitch=-1, range=1.5, tempo=0.72, energy=-5, tilt=-14, breath=0.05),
    "neutral": Style(pitch=0, range=3, tempo=1.0, energy=0, tilt=-11, breath=0.02),
}
# How far one utterance strays from its style: what keeps the task from being trivial.
SPREAD = Style(pitch=1.5, range=1.2, tempo=0.09, energy=2.0, tilt=1.5, breath=0.012)


@dataclass(frozen=True)
class Speaker:
    """A voice: pitch in Hz, vocal-tract length relative to an adult male, fourth formant in Hz, loudness in dB."""

    pitch: float
    tract: float
    formant: float
    loudness: float


def make_speaker(gender: str, rng: np.random.Generator) -> Speaker:
    """Draw a ``male`` or ``female`` voice.

    Example
    -------
    >>> make_speaker("female", np.random.default_rng(0)).pitch > 150
    True
    """
    pitch, tract = (115, 1.0) if gender == "male" else (205, 0.86)
    return Speaker(
        pitch=pitch * 2 ** (rng.uniform(-2, 2) / 12),
        tract=tract * rng.uniform(0.95, 1.05),
        formant=rng.uniform(3300, 3900),
        loudness=rng.uniform(-2, 2),
    )


def make_sentence(syllables: int, rng: np.random.Generator) -> list[tuple]:
    """Draw a sentence: (vowel, consonant or None, accented, pause after it) per syllable."""
    sentence = []
    for place in range(syllables):
        consonant = rng.uniform(1500, 5500) if rng.random() < 0.6 else None  # Hz, centre of its noise
        pause = rng.random() < 0.2 and place < syllables - 1
        sentence.append((int(rng.integers(len(VOWELS))), consonant, place % 3 == 1, pause))
    return sentence


def speak(sentence, speaker: Speaker, emotion: str, rng: np.random.Generator) -> np.ndarray:
    """Say a sentence.

    Arguments
    ---------
    sentence : list of tuple
        From :func:`make_sentence`.
    speaker : Speaker
        From :func:`make_speaker`.
    emotion : str
        A key of ``STYLES``.
    rng : numpy.random.Generator
        Of the chance in this one utterance.

    Returns
    -------
    numpy.ndarray
        (samples,), int16 at 16 kHz.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> speak(make_sentence(4, rng), make_speaker("male", rng), "anger", rng).dtype
    dtype('int16')
    """
    style = _stray(STYLES[emotion], rng)
    pieces = [_silence(0.06)]
    phase = 0.0
    for place, (vowel, consonant, accented, pause) in enumerate(sentence):
        seconds = (0.15 + 0.05 * accented) * rng.uniform(0.85, 1.15) / style.tempo
        if consonant is not None:
            pieces.append(_consonant(consonant / speaker.tract, 0.35 * seconds, rng))
        fall = 2 * place / len(sentence)  # semitones of declination
        peak = style.pitch - fall + style.range * (0.5 if accented else -0.5) + rng.normal(0, 0.3)
        piece, phase = _syllable(VOWELS[vowel], speaker, style, peak, seconds, phase, rng)
        pieces.append(piece * (1.2 if accented else 1.0))
        if pause:
            pieces.append(_silence(rng.uniform(0.05, 0.12) / style.tempo))
    wave = np.concatenate([*pieces, _silence(0.06)])
    wave *= 0.03 * 10 ** ((style.energy + speaker.loudness) / 20) / np.sqrt(np.mean(wave**2))
    wave += 0.0004 * rng.standard_normal(len(wave))  # the room
    return np.round(32767 * np.clip(wave, -0.99, 0.99)).astype(np.int16)


def _stray(style: Style, rng) -> Style:
    drawn = {name: value + getattr(SPREAD, name) * rng.standard_normal() for name, value in vars(style).items()}
    drawn["tempo"] = max(drawn["tempo"], 0.55)
    drawn["breath"] = max(drawn["breath"], 0.005)
    return Style(**drawn)


def _syllable(vowel, speaker, style, peak, seconds, phase, rng):
    """Return one vowel, (samples,), and the source's phase at its end in cycles."""
    time = np.linspace(0, 1, int(seconds * SAMPLE_RATE), endpoint=False)
    semitones = peak + 0.4 * style.range * np.sin(np.pi * time)  # (samples,)
    pitch = speaker.pitch * 2 ** (semitones / 12) * (1 + 0.005 * rng.standard_normal())
    phases = phase + np.cumsum(pitch) / SAMPLE_RATE
    source = _glottis(style.tilt, pitch.max(), phases) + style.breath * rng.standard_normal(len(time))
    for formant, bandwidth in zip((*vowel, speaker.formant), BANDWIDTHS, strict=True):
        source = lfilter(*_resonator(formant / speaker.tract, bandwidth), source)
    source = lfilter([1, -0.95], [1], source)  # radiation from the lips: + 6 dB per octave
    envelope = np.minimum(1, 6 * np.minimum(time, 1 - time))
    return source * envelope, phases[-1] % 1


def _glottis(tilt, highest_pitch, phases):
    """Read by phase one period made of harmonics that fall by ``tilt`` dB per octave and stay below 7.2 kHz."""
    harmonics = np.arange(1, int(0.45 * SAMPLE_RATE / highest_pitch) + 1)
    grid = np.arange(1025) / 1024
    period = 10 ** (tilt / 20 * np.log2(harmonics)) @ np.sin(2 * np.pi * harmonics[:, None] * grid)
    return np.interp(phases % 1, grid, period)


def _resonator(frequency, bandwidth):
    """Two-pole resonator with unit gain at 0 Hz (Klatt 1980)."""
    radius = np.exp(-np.pi * bandwidth / SAMPLE_RATE)
    feedback = np.array([1, -2 * radius * np.cos(2 * np.pi * frequency / SAMPLE_RATE), radius**2])
    return [feedback.sum()], feedback


def _consonant(frequency, seconds, rng):
    noise = rng.standard_normal(int(seconds * SAMPLE_RATE))
    burst = lfilter(*_resonator(min(frequency, 7000), 900), noise) * np.hanning(len(noise))
    return 0.15 * burst / max(np.abs(burst).max(), 1e-9)


def _silence(seconds):
    return np.zeros(int(seconds * SAMPLE_RATE))
