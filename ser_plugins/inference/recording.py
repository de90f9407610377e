"""One recording on its way to a label and to warnings: opened, decoded, measured and checked once."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch

from ser_plugins.errors import AudioError
from ser_plugins.sound.measure import Measurement, Statistics
from ser_plugins.sound.read import read_blocks
from ser_plugins.sound.resample import check_rate, resampled
from ser_plugins.sound.usable import check_usable

LONGEST = 600  # s of one recording: a whole one is held in memory, and none that a model was trained on is near that


@dataclass(frozen=True)
class Recording:
    """A recording that a model can judge.

    Arguments
    ---------
    source : str
        Where it is from, for messages.
    wave : torch.Tensor
        (samples,), one channel at ``sample_rate``.
    sample_rate : int
        Of ``wave``, the model's, in Hz.
    statistics : Statistics
        Measured at the file's own rate.
    """

    source: str
    wave: torch.Tensor
    sample_rate: int
    statistics: Statistics


class Heard(NamedTuple):
    """What a model has made of one recording on the way to its outcome.

    Arguments
    ---------
    frames : torch.Tensor
        (time, bins), of the first member's front end.
    speech : bool
        Whether anybody may speak in it.
    """

    frames: torch.Tensor
    speech: bool


class Reading:
    """A file that is being read, mixed down, resampled and measured, block by block.

    Arguments
    ---------
    source : str, Path or seekable binary file
        As :func:`ser_plugins.sound.read.read_blocks` takes it.
    sample_rate : int
        That the model takes, in Hz.
    seconds : float
        Length of a block.

    Attributes
    ----------
    blocks : iterator of torch.Tensor
        Each (samples,), at ``sample_rate``.
    measurement : ser_plugins.sound.measure.Measurement
        Of what has passed so far.
    """

    def __init__(self, source, sample_rate: int, seconds: float = 1.0) -> None:
        self.source = str(source)
        self.sample_rate = sample_rate
        rate, blocks = read_blocks(source, seconds)
        check_rate(rate, sample_rate, self.source)
        self.measurement = Measurement(rate)
        self.blocks = map(torch.from_numpy, resampled(self.measurement.passing(blocks), rate, sample_rate))

    def recording(self, blocks: list[torch.Tensor], min_samples: int) -> Recording:
        """The recording that all the blocks make; :class:`AudioError` for one that cannot be used."""
        wave = torch.cat([torch.zeros(0), *blocks])
        check_usable(wave.numpy(), self.sample_rate, self.source, min_samples)
        return Recording(self.source, wave, self.sample_rate, self.measurement.statistics())


def read_recording(source: str | Path, sample_rate: int, min_samples: int) -> Recording:
    """Read a whole file of any rate and number of channels.

    Arguments
    ---------
    source : str, Path or seekable binary file
        The file.
    sample_rate : int
        That the model takes, in Hz.
    min_samples : int
        Fewest samples that it can judge.

    Raises
    ------
    MissingPathError, AudioError
        No such file; or unreadable, empty, cut short, too short, too long, silent, or holding NaN.
    """
    reading = Reading(source, sample_rate, seconds=60.0)
    blocks = []
    samples = 0
    for block in reading.blocks:
        blocks.append(block)
        samples += len(block)
        refuse_longer(samples / sample_rate, reading.source)
    return reading.recording(blocks, min_samples)


def refuse_longer(seconds: float, name: str) -> None:
    """Raise :class:`AudioError` for what is held in memory and longer than :data:`LONGEST`."""
    if seconds > LONGEST:
        raise AudioError(
            got=f"{name}: more than {LONGEST} s",
            expected="one utterance",
            remedy="judge long recordings window by window: ser timeline, or classify_windows",
        )
