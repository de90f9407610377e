"""Can a recording be used? One rule where corpora are prepared, where models are trained and where they are used.

A sample is a finite number within the ceiling; channels do not cancel each other out when they are averaged; a
recording is long enough to be analysed, and somewhere departs from its mean.
"""

import math

import numpy as np

from ser_plugins.errors import AudioError

CEILING = 10.0  # +20 dB of full scale: floating-point files may exceed 1, but samples beyond this are on another scale
SILENCE = 1e-3  # -60 dB of full scale: a recording that never departs further from its mean is called silent
SHORTEST = 0.04  # s: the analysis window of all recipes
CANCELLED = 0.01  # -20 dB: mean power of the average of channels, relative to theirs; that of independent ones is 1/2


class Downmix:
    """Averages channels, block after block, and finds what cannot be used.

    Arguments
    ---------
    name : str
        Of the recording, for errors.
    sample_rate : int, optional
        In Hz; with it errors say at which second.

    Example
    -------
    >>> downmix = Downmix("a.wav", 16000)
    >>> downmix.average(np.array([[0.25, -0.25], [0.5, -0.5]], np.float32)).tolist()
    [0.0, 0.0]
    >>> downmix.check()
    Traceback (most recent call last):
    ser_plugins.errors.AudioError: got: a.wav: 2 channels that cancel each other out: ...
    """

    def __init__(self, name: str, sample_rate: int | None = None):
        self.name = name
        self.sample_rate = sample_rate
        self.frames, self.channels = 0, 1
        self.peak = self.power = self.averaged = 0.0  # of the channels, and of their average

    def usable(self, block: np.ndarray) -> int:
        """How many samples of ``block`` (samples, channels) come before the first that cannot be used."""
        finite = (np.abs(block) <= CEILING).all(axis=1)  # NaN is not
        return len(block) if finite.all() else int(finite.argmin())

    def average(self, block: np.ndarray) -> np.ndarray:
        """(samples, channels) -> (samples,), float32."""
        usable = self.usable(block)
        if usable < len(block):
            raise self._bad_sample(block[usable], usable)
        self.frames += len(block)
        self.channels = max(self.channels, block.shape[1])
        if block.shape[1] == 1:
            return block[:, 0].astype(np.float32)
        average = block.mean(axis=1, dtype=np.float32)
        if len(block):
            self.peak = max(self.peak, float(np.abs(block).max()))
            self.power += float(np.square(block, dtype=np.float64).mean(axis=1).sum())
            self.averaged += float(np.square(average, dtype=np.float64).sum())
        return average

    def check(self) -> None:
        """Raise :class:`AudioError` when the channels of all that came cancelled each other out."""
        if self.peak >= SILENCE and self.averaged < CANCELLED * self.power:
            raise AudioError(
                got=f"{self.name}: {self.channels} channels that cancel each other out: nothing is left of their mean",
                expected="channels of one polarity",
                remedy='take one channel, or turn the other one round: ffmpeg -i OLD -af "pan=mono|c0=c0" NEW.wav',
            )

    def _bad_sample(self, values, place) -> AudioError:
        second = None if self.sample_rate is None else (self.frames + place) / self.sample_rate
        where = "" if second is None else f", first at {second:.3f} s"
        if not np.isfinite(values).all():
            return AudioError(
                got=f"{self.name}: NaN or infinity in the samples{where}",
                expected="finite samples",
                remedy="record or convert it again",
            )
        return AudioError(
            got=f"{self.name}: a sample of {np.abs(values).max():g}{where}",
            expected=f"full scale +-1, at most {CEILING:g}",
            remedy="16-bit integers that were stored as floating-point numbers have to be divided by 32768; "
            "convert other scales likewise",
        )


def peak(wave: np.ndarray) -> float:
    """The farthest that a recording (samples,) departs from its mean; full scale is 1.

    Example
    -------
    >>> peak(np.array([0.5, 0.75, 0.25]))
    0.25
    """
    return float(np.abs(wave - wave.mean(dtype=np.float64)).max())


def check_length(samples: int, least: int, sample_rate: int, name: str) -> None:
    """Raise :class:`AudioError` for a recording of fewer than ``least`` samples."""
    if samples < least:
        raise AudioError(
            got=f"{name}: {samples / sample_rate:.3f} s ({samples} samples at {sample_rate} Hz)",
            expected=f"at least {least / sample_rate:.3f} s ({least} samples)",
            remedy="leave out or lengthen the recording",
        )


def check_usable(wave: np.ndarray, sample_rate: int, name: str, least: int | None = None) -> None:
    """Raise :class:`AudioError` for a recording that is too short, silent, or beyond the ceiling.

    Arguments
    ---------
    wave : numpy.ndarray
        (samples,), one channel, full scale is +-1.
    sample_rate : int
        In Hz.
    name : str
        Of the recording, for errors.
    least : int, optional
        Fewest samples; by default those of ``SHORTEST``.

    Example
    -------
    >>> check_usable(np.zeros(16000, np.float32), 16000, "a.wav")
    Traceback (most recent call last):
    ser_plugins.errors.AudioError: got: a.wav: silent (peak digital silence); ...
    """
    check_length(len(wave), math.ceil(SHORTEST * sample_rate) if least is None else least, sample_rate, name)
    Downmix(name, sample_rate).average(wave[:, None])
    highest = peak(wave)
    if highest < SILENCE:
        level = f"{20 * math.log10(highest):.0f} dB of full scale" if highest > 0 else "digital silence"
        raise AudioError(
            got=f"{name}: silent (peak {level})",
            expected=f"a peak of at least {20 * math.log10(SILENCE):.0f} dB, the mean taken off",
            remedy="check the microphone and the file; use recordings in which somebody speaks",
        )
