"""Whether anybody speaks: pitch that is there, moves, and comes in syllables. No model; a few ms for 3 s of sound.

Pitch is found as in Boersma (1993), *Accurate short-term analysis of the fundamental frequency and the
harmonics-to-noise ratio of a sampled sound*: the highest peak of a frame's autocorrelation, divided by that of its
window. What was chosen here, and on which recordings, is in docs/warnings.md.
"""

import math
from typing import NamedTuple

import numpy as np

FRAME, HOP = 0.04, 0.01  # s; a frame holds nearly three periods of the lowest voice
LOWEST, HIGHEST = 70.0, 500.0  # Hz, of pitch
EDGES = (100.0, 400.0, 800.0, 1300.0, 2000.0, 3000.0, 4000.0)  # Hz, of bands; harmonics are looked for up to the last
OCTAVE_COST = 0.02  # of a peak, per octave that it is lower than another: a period is not taken for two
BLOCK = 1000  # frames at once, so that memory is bounded

PERIODIC, LOUD = 0.45, 30.0  # a frame is voiced with such a peak, at most so many dB below the loudest frame
JUMP, STRETCH = 1.2, 5  # semitones from frame to frame, and frames: voiced frames make a stretch within these
STEADY, WILD = 0.15, 4.0  # semitones: the pitch of a stretch moves when its deviation is between these
SHORTEST, PIECE = 0.5, 5.0  # s: of less than a syllable nothing can be said; longer recordings are looked at in pieces

LEAST_MOVING = 0.05  # s, in stretches whose pitch moves
LEAST_STEP = 0.03  # semitones from frame to frame, median
LEAST_BALANCE = 1.2  # dB: how much the balance of the bands changes from sound to sound
LEAST_SWING = 1.2  # dB: deviation of the level over all frames


class Voice(NamedTuple):
    """What :func:`measure_voice` finds; all zero where nothing is voiced.

    Arguments
    ---------
    moving : float
        s, in stretches of voiced frames whose pitch moves.
    step : float
        Semitones: median change of pitch from frame to frame.
    balance : float
        dB: deviation of the powers in bands against their mean, over the voiced frames; root mean square.
    swing : float
        dB: deviation of the level over all frames, those 40 dB below the loudest counted as such.
    """

    moving: float
    step: float
    balance: float
    swing: float


def holds_speech(wave: np.ndarray, rate: int) -> bool:
    """Whether a recording may hold speech; what is shorter than half a second may.

    A few seconds with speech are enough. Voices are told from tones, chords, hums, beeps, noises and clicks. Singing,
    and instruments that bend their tones, may pass; whispering, which has no pitch, does not.

    Arguments
    ---------
    wave : numpy.ndarray
        (samples,), of any level.
    rate : int
        In Hz.

    Example
    -------
    >>> time = np.arange(32000) / 16000
    >>> holds_speech(0.1 * np.sin(2 * np.pi * 200 * time), 16000)
    False
    """
    if len(wave) < SHORTEST * rate:
        return True
    size = round(PIECE * rate)
    last = len(wave) - math.ceil(SHORTEST * rate)
    return any(_speaks(wave[start : start + size], rate) for start in range(0, last + 1, size))


def _speaks(piece: np.ndarray, rate: int) -> bool:
    voice = measure_voice(piece, rate)
    return (
        voice.moving >= LEAST_MOVING
        and voice.step >= LEAST_STEP
        and voice.balance >= LEAST_BALANCE
        and voice.swing >= LEAST_SWING
    )


def measure_voice(wave: np.ndarray, rate: int) -> Voice:
    """Measure what :func:`holds_speech` decides by; the same arguments."""
    size = round(FRAME * rate)
    hop = max(1, round(HOP * rate))
    if len(wave) < size:
        wave = np.pad(wave, (0, size - len(wave)))
    frames = np.lib.stride_tricks.sliding_window_view(wave, size)[::hop]  # (frames, samples), a view
    blocks = [_frame_measures(frames[start : start + BLOCK], rate) for start in range(0, len(frames), BLOCK)]
    level, strength, pitch, bands = (np.concatenate(column) for column in zip(*blocks, strict=True))
    voiced = (strength >= PERIODIC) & (level > level.max() - LOUD)
    steps = np.abs(np.diff(pitch))
    stretches = _stretches(voiced[1:] & voiced[:-1] & (steps < JUMP))
    if not stretches:
        return Voice(0.0, 0.0, 0.0, 0.0)
    moving = sum(end - start for start, end in stretches if STEADY < pitch[start:end].std() < WILD)
    inside = np.concatenate([np.arange(start, end) for start, end in stretches])
    within = np.concatenate([steps[start : end - 1] for start, end in stretches])
    balance = bands[inside] - bands[inside].mean(axis=1, keepdims=True)
    return Voice(
        moving * HOP,
        float(np.median(within)),
        float(np.sqrt(balance.var(axis=0).mean())),
        float(np.maximum(level, level.max() - 40).std()),
    )


def _stretches(joined: np.ndarray) -> list[tuple[int, int]]:
    """(frames - 1,), whether a frame goes on in the next -> (first, behind the last) of stretches that are long enough.

    Example
    -------
    >>> _stretches(np.array([False, True, True, True, True, False, True]))
    [(1, 6)]
    """
    borders = np.flatnonzero(np.diff(joined.astype(int), prepend=0, append=0)).tolist()
    pairs = zip(borders[::2], borders[1::2], strict=True)
    return [(start, end + 1) for start, end in pairs if end + 1 - start >= STRETCH]


def _frame_measures(frames: np.ndarray, rate: int):
    """(frames, samples) -> level (dB), strength, pitch (semitones), each (frames,); bands (dB), (frames, bands)."""
    size = frames.shape[1]
    window = np.hanning(size + 2)[1:-1]
    points = 1 << (size + round(rate / LOWEST)).bit_length()  # no lag that is looked at wraps around
    line = rate / points  # Hz from one line of the spectrum to the next
    top = min(int(EDGES[-1] / line), points // 2)
    frames = frames - frames.mean(axis=1, keepdims=True)
    level = 10 * np.log10(np.square(frames).mean(axis=1) + 1e-12)
    spectrum = np.fft.rfft(frames * window, points)[:, : top + 1]
    powers = np.square(spectrum.real) + np.square(spectrum.imag)  # (frames, lines)
    edges = np.minimum(np.round(np.array(EDGES) / line).astype(int), top)
    bands = 10 * np.log10(np.add.reduceat(powers, edges, axis=1)[:, :-1] + 1e-12)
    powers[:, : int(LOWEST / 1.3 / line)] = 0  # rumble
    of_window = np.square(np.abs(np.fft.rfft(window, points)[: top + 1]))
    return level, *_pitch(_correlation(powers), _correlation(of_window), 2 * top * line), bands


def _correlation(powers: np.ndarray) -> np.ndarray:
    """Power spectrum (..., lines) -> autocorrelation (..., lags), at a rate of twice the last line's frequency."""
    correlation = np.fft.irfft(powers, 2 * (powers.shape[-1] - 1), axis=-1)
    return correlation / (correlation[..., :1] + 1e-20)


def _pitch(frames: np.ndarray, window: np.ndarray, rate: float):
    """Autocorrelations (frames, lags) and (lags,) -> strength of the pitch, 0..1, and the pitch in semitones."""
    shortest = int(rate / HIGHEST)
    longest = min(int(np.ceil(rate / LOWEST)), frames.shape[1] // 2 - 2)
    near = frames[:, shortest - 1 : longest + 2] / window[shortest - 1 : longest + 2]
    left, centre, right = near[:, :-2], near[:, 1:-1], near[:, 2:]
    lags = np.arange(shortest, longest + 1)
    peaks = np.where((centre > left) & (centre >= right), centre - OCTAVE_COST * np.log2(lags / shortest), 0.0)
    best = peaks.argmax(axis=1)
    rows = np.arange(len(best))
    before = left[rows, best]
    peak = centre[rows, best]
    after = right[rows, best]
    shift = 0.5 * (before - after) / np.minimum(before - 2 * peak + after, -1e-9)  # of a parabola through the three
    strength = np.where(peaks[rows, best] > 0, np.minimum(peak, 1.0), 0.0)
    return strength, 12 * np.log2(rate / (lags[best] + np.clip(shift, -0.5, 0.5)))
