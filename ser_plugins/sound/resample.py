"""One rate of samples -> another, block by block, in numpy: the only place where a rate is changed.

A sinc under a squared-cosine window, with the values of ``torchaudio.functional.resample`` (tested), which cannot be
used here: corpora are converted where there is no torch.
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from ser_plugins.errors import AudioError

MAX_TAPS = 50_000_000  # of the filter: every usual rate needs less than a hundredth of it
ZEROS, ROLLOFF = 6, 0.99  # torchaudio's defaults: zero crossings on each side, cut-off relative to the lower Nyquist
AT_ONCE = 2**20  # numbers: of frames under the filter that are held side by side


def check_rate(rate: int, new_rate: int, name: str) -> None:
    """Raise :class:`AudioError` for a rate that cannot be, or shares hardly a factor with ``new_rate`` (both in Hz)."""
    whole = isinstance(rate, int) and not isinstance(rate, bool) and rate > 0
    if not whole or rate * new_rate // math.gcd(rate, new_rate) ** 2 > MAX_TAPS:
        raise AudioError(
            got=f"{name}: {rate} Hz",
            expected=f"a usual sample rate ({new_rate}, 8000, 22050, 44100, 48000 Hz ...)",
            remedy=f"convert it first: ffmpeg -i OLD -ar {new_rate} converted.wav",
        )


def resample(wave: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """Change the rate of a whole waveform: (samples,) -> (ceil(samples * new_rate / rate),), float32.

    Example
    -------
    >>> float(resample(np.ones(4410, np.float32), 44100, 16000)[800].round(3))
    1.0
    """
    return np.concatenate([np.zeros(0, np.float32), *resampled([wave], rate, new_rate)])


def resampled(blocks: Iterable[np.ndarray], rate: int, new_rate: int) -> Iterator[np.ndarray]:
    """Resample block by block; together the outcome is that of resampling the whole.

    Arguments
    ---------
    blocks : iterable of numpy.ndarray
        Each (samples,), of any length.
    rate, new_rate : int
        In Hz.

    Example
    -------
    >>> wave = np.random.default_rng(0).normal(size=44100).astype("float32")
    >>> sum(len(block) for block in resampled(np.array_split(wave, 7), 44100, 16000))
    16000
    """
    resampler = Resampler(rate, new_rate)
    for block in blocks:
        yield from filter(len, [resampler.feed(block)])
    yield from filter(len, [resampler.close()])


class Resampler:
    """Resamples what it is fed.

    The filter repeats itself every ``rate / gcd`` samples, a period, out of which come ``new_rate / gcd``; beyond its
    period it reaches ``reach`` samples to either side.

    Arguments
    ---------
    rate, new_rate : int
        In Hz.

    Attributes
    ----------
    delay : float
        Longest time in s from a sample that is fed to its return.

    Example
    -------
    >>> resampler = Resampler(48000, 16000)
    >>> len(resampler.feed(np.zeros(480, "float32"))), len(resampler.close()), resampler.delay < 0.001
    (153, 7, True)
    """

    def __init__(self, rate: int, new_rate: int) -> None:
        common = math.gcd(rate, new_rate)
        self.old, self.new = rate // common, new_rate // common
        self.same = rate == new_rate
        self.reach = math.ceil(ZEROS * self.old / (ROLLOFF * min(self.old, self.new)))
        self.delay = 0.0 if self.same else (self.reach + self.old) / rate
        self.filter = None if self.same else _filter(self.old, self.new, self.reach)  # (reach + old + reach, new)
        self.held = np.zeros(self.reach, np.float32)  # the left context, then what has not been resampled
        self.rest = 0  # samples out that are still owed, times `old`

    def feed(self, block: np.ndarray) -> np.ndarray:
        """(samples,) -> what is settled of the outcome, (fewer or more,)."""
        if self.same:
            return block
        self.held = np.concatenate([self.held, block.astype(np.float32, copy=False)])
        self.rest += len(block) * self.new
        return self._settled()

    def close(self) -> np.ndarray:
        """What is left once nothing follows, (samples,)."""
        if self.same:
            return np.zeros(0, np.float32)
        owed = -(-self.rest // self.old)
        self.held = np.concatenate([self.held, np.zeros(self.reach + self.old, np.float32)])
        return self._settled()[:owed]

    def _settled(self):
        taps = len(self.filter)
        periods = max(0, (len(self.held) - taps) // self.old + 1)
        if periods == 0:
            return np.zeros(0, np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(self.held, taps)[:: self.old][:periods]  # (periods, taps)
        step = max(1, AT_ONCE // taps)
        # A copy of each part: BLAS does not take rows that overlap.
        parts = [np.ascontiguousarray(frames[at : at + step]) @ self.filter for at in range(0, periods, step)]
        self.held = self.held[periods * self.old :]
        self.rest -= periods * self.new * self.old
        return np.concatenate(parts).reshape(-1)


def _filter(old: int, new: int, reach: int) -> np.ndarray:
    """The values under which a period and its context (taps) are summed, for every sample that comes out (new)."""
    cutoff = ROLLOFF * min(old, new)
    places = np.arange(-reach, old + reach)[:, None] / old - np.arange(new)[None, :] / new  # in periods
    crossings = np.clip(places * cutoff, -ZEROS, ZEROS)
    kernel = np.sinc(crossings) * np.cos(np.pi * crossings / (2 * ZEROS)) ** 2
    return (kernel * cutoff / old).astype(np.float32)
