"""A recording of any length, block by block: read -> resampled -> cut into windows; nothing else is kept in memory."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch

from ser_plugins.errors import AudioError
from ser_plugins.sound.read import read_blocks
from ser_plugins.sound.resample import check_rate, resampled


class Window(NamedTuple):
    """What :meth:`ser_plugins.inference.EmotionClassifier.classify_windows` yields: plain Python values for one window.

    Arguments
    ---------
    start, end : float
        In s from the beginning of the recording.
    label : str or None
        The most probable class; None where the window is silent or nobody speaks, and then the next two are None as
        well.
    probability : float or None
        Of that class.
    probabilities : dict or None
        By class name, in the order of the model's labels.
    """

    start: float
    end: float
    label: str | None
    probability: float | None
    probabilities: dict[str, float] | None


class SentimentWindow(NamedTuple):
    """What :meth:`ser_plugins.inference.SentimentRegressor.classify_windows` yields, likewise.

    Arguments
    ---------
    start, end : float
        In s from the beginning of the recording.
    score : float or None
        On the model's scale; None where the window is silent or nobody speaks.
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
        As :func:`ser_plugins.sound.read.read_blocks`; and for a rate that shares hardly a factor with ``sample_rate``.
    """
    rate, blocks = read_blocks(path, seconds)
    check_rate(rate, sample_rate, str(path))
    return map(torch.from_numpy, resampled(blocks, rate, sample_rate))


def watched(
    blocks: Iterable[torch.Tensor], rate: int, passed: Callable[[float], object] | None
) -> Iterator[torch.Tensor]:
    """The blocks (samples,) at ``rate``; behind each of them ``passed`` is told how many s have gone by.

    Example
    -------
    >>> [len(block) for block in watched([torch.zeros(5), torch.zeros(10)], 10, print)]
    0.5
    1.5
    [5, 10]
    """
    samples = 0
    for block in blocks:
        yield block
        samples += len(block)
        if passed is not None:
            passed(samples / rate)


def cut_windows(blocks: Iterable[torch.Tensor], rate: int, window: float, hop: float, least: int = 1):
    """Cut blocks into windows, as :class:`WindowCutter` does, and yield them.

    Example
    -------
    >>> [(start, len(wave)) for start, wave in cut_windows([torch.zeros(75)], rate=10, window=3, hop=2)]
    [(0, 30), (20, 30), (40, 30), (60, 15)]
    """
    cutter = WindowCutter(rate, window, hop, least)
    for block in blocks:
        yield from cutter.feed(block)
    yield from cutter.close()


class WindowCutter:
    """Cuts what it is fed into windows; no more than a window and a block is held.

    Window k begins at ``k * hop``, rounded to a sample. When the last one leaves a rest that is in no window, a shorter
    window follows, provided that it has ``least`` samples or is all there is.

    Arguments
    ---------
    rate : int
        Of the blocks, in Hz.
    window, hop : float
        In s; with a ``hop`` beyond ``window`` there are gaps.
    least : int
        Samples.

    Example
    -------
    >>> cutter = WindowCutter(rate=10, window=3, hop=2)
    >>> [(start, len(wave)) for start, wave in cutter.feed(torch.zeros(55))]
    [(0, 30), (20, 30)]
    >>> [(start, len(wave)) for start, wave in cutter.close()]
    [(40, 15)]
    """

    def __init__(self, rate, window, hop, least=1):
        self.size = round(window * rate)
        self.step = hop * rate
        self.least = least
        self.number, self.covered = 0, 0
        self.held, self.position = torch.zeros(0), 0  # held[0] is sample number `position`

    def feed(self, block: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
        """The windows that ``block`` (samples,) completes: index of the first sample, and (samples,)."""
        self.held = torch.cat([self.held, block])
        while self._at_start() and len(self.held) >= self.size:
            start = self.position
            yield start, self.held[: self.size]
            self.number, self.covered = self.number + 1, start + self.size

    def close(self) -> Iterator[tuple[int, torch.Tensor]]:
        """The shorter window at the end, if there is one."""
        rest = self._at_start() and self.position + len(self.held) > self.covered
        if rest and (len(self.held) >= self.least or self.position == 0):
            yield self.position, self.held

    def _at_start(self) -> bool:
        """Drop what lies before the next window; whether all of that has been fed."""
        start = round(self.number * self.step)
        passed = min(start - self.position, len(self.held))
        self.held = self.held[passed:]
        self.position = self.position + passed
        return self.position == start


def batched(items: Iterable, size: int) -> Iterator[list]:
    """Lists of ``size`` items, the last one shorter; items that came before an :class:`AudioError` are not lost.

    Example
    -------
    >>> list(batched("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    batch = []
    damage = None
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
