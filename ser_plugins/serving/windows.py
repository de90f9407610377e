"""A recording of any length, block by block: read -> resampled -> cut into windows; nothing else is kept in memory."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ser_plugins.audio import read_blocks
from ser_plugins.errors import AudioError

MAX_RESAMPLING_TAPS = 50_000_000  # of torchaudio's filter: every usual rate needs less than a hundredth of it
FILTER_REACH = 7  # periods of the slower rate; torchaudio's filter sees 6 / 0.99 of them on either side


class Window(NamedTuple):
    """What :meth:`ser_plugins.inference.EmotionClassifier.classify_windows` yields: plain Python values for one window.

    Arguments
    ---------
    start, end : float
        In s from the beginning of the recording.
    label : str or None
        The most probable class; None where the window is silent, and then the next two are None as well.
    probability : float or None
        Of that class.
    probabilities : dict or None
        By class name, in the order of the model's labels.
    """

    start: float
    end: float
    label: str | None
    probability: float | None
    probabilities: dict | None


class SentimentWindow(NamedTuple):
    """What :meth:`ser_plugins.inference.SentimentRegressor.classify_windows` yields, likewise.

    Arguments
    ---------
    start, end : float
        In s from the beginning of the recording.
    score : float or None
        On the model's scale; None where the window is silent.
    polarity : str or None
        ``negative``, ``neutral`` or ``positive``; None where silent, and on a scale without polarity.
    """

    start: float
    end: float
    score: float | None
    polarity: str | None


def open_recording(path, sample_rate: int, seconds: float = 1.0) -> Iterator[torch.Tensor]:
    """Blocks (samples,) of a file of any rate and number of channels, one channel at ``sample_rate``.

    Raises
    ------
    MissingPathError, AudioError
        As :func:`ser_plugins.audio.read_blocks`; and for a rate that shares hardly a factor with ``sample_rate``.
    """
    rate, blocks = read_blocks(path, seconds)
    common = math.gcd(rate, sample_rate)
    if rate // common * (sample_rate // common) > MAX_RESAMPLING_TAPS:
        raise AudioError(
            got=f"{path}: {rate} Hz",
            expected=f"a usual sample rate ({sample_rate}, 8000, 22050, 44100, 48000 Hz ...)",
            remedy=f"convert it first: ffmpeg -i {Path(path).name} -ar {sample_rate} converted.wav",
        )
    return resampled(blocks, rate, sample_rate)


def resampled(blocks: Iterable[np.ndarray], rate: int, new_rate: int) -> Iterator[torch.Tensor]:
    """Resample block by block; together the outcome is that of resampling the whole.

    The filter repeats itself every ``rate / gcd`` samples, so blocks are cut there, and each is given the neighbouring
    samples that the filter reaches.

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
    if rate == new_rate:
        yield from map(torch.from_numpy, blocks)
        return
    from torchaudio.functional import resample

    old, new = rate // math.gcd(rate, new_rate), new_rate // math.gcd(rate, new_rate)
    reach = math.ceil(FILTER_REACH / min(old, new))  # periods of the filter, each `old` samples in and `new` out
    held = torch.zeros(reach * old)  # the left context, then what has not been resampled
    for block in blocks:
        held = torch.cat([held, torch.from_numpy(block)])
        periods = len(held) // old - 2 * reach
        if periods > 0:
            yield resample(held[: (periods + 2 * reach) * old], rate, new_rate)[reach * new : (reach + periods) * new]
            held = held[periods * old :]
    if len(held) > reach * old:
        yield resample(held, rate, new_rate)[reach * new :]


def cut_windows(blocks: Iterable[torch.Tensor], rate: int, window: float, hop: float, least: int = 1):
    """Cut a stream into windows; no more than a window and a block is held.

    Window k begins at ``k * hop``, rounded to a sample. When the last one leaves a rest that is in no window, a shorter
    window follows, provided that it has ``least`` samples or is all there is.

    Arguments
    ---------
    blocks : iterable of torch.Tensor
        Each (samples,), of any length.
    rate : int
        Of the blocks, in Hz.
    window, hop : float
        In s; with a ``hop`` beyond ``window`` there are gaps.
    least : int
        Samples.

    Yields
    ------
    start : int
        Index of the first sample.
    wave : torch.Tensor
        (samples,).

    Example
    -------
    >>> [(start, len(wave)) for start, wave in cut_windows([torch.zeros(75)], rate=10, window=3, hop=2)]
    [(0, 30), (20, 30), (40, 30), (60, 15)]
    """
    size, number, covered = round(window * rate), 0, 0
    held, position = torch.zeros(0), 0  # held[0] is sample number `position`
    for block in blocks:
        held = torch.cat([held, block])
        while True:
            start = round(number * hop * rate)
            passed = min(start - position, len(held))
            held, position = held[passed:], position + passed
            if position < start or len(held) < size:
                break
            yield start, held[:size]
            number, covered = number + 1, start + size
    rest = position + len(held) > covered and position == start
    if rest and (len(held) >= least or start == 0):
        yield start, held


def batched(items: Iterable, size: int) -> Iterator[list]:
    """Lists of ``size`` items, the last one shorter; items that came before an :class:`AudioError` are not lost.

    Example
    -------
    >>> list(batched("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    batch, damage = [], None
    try:
        for item in items:
            batch.append(item)
            if len(batch) == size:
                yield batch
                batch = []
    except AudioError as error:
        damage = error
    if batch:
        yield batch
    if damage is not None:
        raise damage
