"""What can be measured about a recording while its blocks pass by: length, level, clipping, silence, bandwidth."""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

FRAME = 0.02  # s
FULL_SCALE = 0.999  # a sample that stays here is clipped; 16-bit software clips at 32767 or a few steps below
DEEP, SILENT = 40.0, -60.0  # a frame is silent this many dB below the loudest one, and anyway below this level in dBFS
BAND = 40.0  # dB below the strongest frequency; speech falls off slower than that up to 4 kHz and beyond


class Statistics(NamedTuple):
    """What :class:`Measurement` finds.

    Arguments
    ---------
    seconds : float
        Length.
    sample_rate : int
        Of the file, in Hz.
    level : float
        Of the whole recording, in dB of full scale: ``10 log10`` of the variance, so that a sine has -3 at most.
    clipping : float
        Share of samples that stay at full scale with the two before them.
    silence : float
        Share of frames of 20 ms that are 40 dB below the loudest one, or below -60 dBFS.
    bandwidth : float
        Highest frequency, in Hz, at which the mean power spectrum is within 40 dB of its maximum.
    """

    seconds: float
    sample_rate: int
    level: float
    clipping: float
    silence: float
    bandwidth: float


class Measurement:
    """Measures the blocks (samples,) of a recording of any length, in one pass and bounded memory.

    Arguments
    ---------
    sample_rate : int
        In Hz.

    Example
    -------
    >>> measurement = Measurement(16000)
    >>> hum = 0.01 * np.sin(2 * np.pi * 100 * np.arange(16000) / 16000)
    >>> sum(len(block) for block in measurement.passing([hum]))
    16000
    >>> round(measurement.statistics().level), measurement.statistics().bandwidth
    (-43, 200.0)
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.size = max(1, round(FRAME * sample_rate))
        self.window = np.blackman(self.size)  # its side lobes are below BAND
        self.samples = self.flat = 0
        self.total = self.squares = 0.0
        self.last = np.zeros(2, np.float32)
        self.levels = np.zeros(200, int)  # frames per dB: index 0 holds 0 dBFS and above, 199 the rest
        self.spectrum = np.zeros(self.size // 2 + 1)

    def passing(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The same blocks, measured on their way."""
        for block in blocks:
            self.feed(block)
            yield block

    def feed(self, block: np.ndarray) -> None:
        """Take the next block, (samples,)."""
        exact = block.astype(np.float64)
        self.samples += len(block)
        self.total += exact.sum()
        self.squares += np.square(exact).sum()
        joined = np.concatenate([self.last, block])
        stays = (joined[2:] == joined[1:-1]) & (joined[2:] == joined[:-2])
        self.flat += int(np.count_nonzero(stays & (np.abs(block) >= FULL_SCALE)))
        self.last = joined[-2:]
        frames = exact[: len(block) // self.size * self.size].reshape(-1, self.size)  # (frames, samples)
        frames = frames - frames.mean(axis=1, keepdims=True)
        decibels = 10 * np.log10(np.square(frames).mean(axis=1) + 1e-19)
        self.levels += np.bincount(np.clip(-decibels, 0, 199).astype(int), minlength=200)
        self.spectrum += np.square(np.abs(np.fft.rfft(frames * self.window))).sum(axis=0)

    def statistics(self) -> Statistics:
        """What is known after the last block; there was at least one sample."""
        variance = self.squares / self.samples - (self.total / self.samples) ** 2
        loudest = np.flatnonzero(self.levels)[:1].sum()
        silent = self.levels[int(min(loudest + DEEP, -SILENT)) :].sum() / max(self.levels.sum(), 1)
        present = np.flatnonzero(self.spectrum >= self.spectrum.max() * 10 ** (-BAND / 10))
        return Statistics(
            seconds=self.samples / self.sample_rate,
            sample_rate=self.sample_rate,
            level=10 * math.log10(max(variance, 0.0) + 1e-12),
            clipping=float(self.flat / self.samples),
            silence=float(silent),
            bandwidth=float(min(present[-1] * self.sample_rate / self.size, self.sample_rate / 2)),
        )
