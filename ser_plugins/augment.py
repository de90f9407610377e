"""Frames -> frames, for training only: other speakers, tempi and microphones out of the recordings at hand.

With nine training speakers the variety of speakers is what is missing. All of these work on log-power frames *before*
they are normalised, draw anew for every utterance from torch's own generator, and touch real frames only, so what
happens to an utterance does not depend on its neighbours' lengths. In evaluation they do nothing.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn

from ser_plugins.errors import SerError
from ser_plugins.lengths import frame_counts, frame_mask


class FrequencyWarp(nn.Module):
    """Another vocal tract: the frequency axis stretched by a factor per utterance (Jaitly & Hinton, ICML WDLASL 2013).

    A factor of 1.1 moves what is at 1.1 kHz to 1 kHz; above the last bin the last bin is repeated.

    Arguments
    ---------
    spread : float
        Factors are drawn evenly from 1 - spread to 1 + spread; 0 does nothing.

    Example
    -------
    >>> frames, counts = FrequencyWarp(0.2)(torch.randn(2, 50, 400), torch.tensor([50, 30]))
    >>> frames.shape, counts
    (torch.Size([2, 50, 400]), tensor([50, 30]))
    """

    def __init__(self, spread: float = 0.2) -> None:
        super().__init__()
        self.spread = _fraction("spread", spread)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, time, bins) -> (batch, time, bins), counts."""
        counts = frame_counts(lengths, frames)
        if not (self.training and self.spread):
            return frames, counts
        bins = frames.shape[2]
        source = torch.arange(bins, device=frames.device) * _factors(frames, self.spread)[:, None]  # (batch, bins)
        source = source.clamp(max=bins - 1)
        lower = source.long().clamp(max=max(bins - 2, 0))
        share = (source - lower)[:, None, :].to(frames.dtype)
        index = lower[:, None, :].expand(frames.shape)
        steps = torch.nn.functional.pad(frames.diff(dim=2), (0, 1))  # from a bin to the next
        return frames.gather(2, index).addcmul_(steps.gather(2, index), share), counts

    if TYPE_CHECKING:
        __call__ = forward


class TimeWarp(nn.Module):
    """Another tempo: the time axis stretched by a factor per utterance, which changes the number of frames.

    Arguments
    ---------
    spread : float
        Factors are drawn evenly from 1 - spread to 1 + spread; 1.1 is faster, and so shorter. 0 does nothing.

    Example
    -------
    >>> frames, counts = TimeWarp(0.2)(torch.randn(2, 50, 400), torch.tensor([50, 30]))
    >>> bool((counts <= frames.shape[1]).all()), bool((frames[1, counts[1] :] == 0).all())
    (True, True)
    """

    def __init__(self, spread: float = 0.2) -> None:
        super().__init__()
        self.spread = _fraction("spread", spread)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, time, bins) -> (batch, other time, bins), counts."""
        counts = frame_counts(lengths, frames)
        if not (self.training and self.spread):
            return frames, counts
        factors = _factors(frames, self.spread)
        new_counts = ((counts - 1) / factors).long() + 1  # the last frame that is read is a real one
        # On a GPU the longest possible, because reading the counts would make the host wait.
        longest = math.ceil(frames.shape[1] / (1 - self.spread)) if frames.is_cuda else int(new_counts.max())
        source = torch.arange(longest, device=frames.device) * factors[:, None]  # (batch, time)
        last = counts[:, None] - 1
        lower = torch.minimum(source.long(), last)
        share = (source - lower).clamp(0, 1)[..., None].to(frames.dtype)
        items = torch.arange(len(frames), device=frames.device)[:, None]
        warped = torch.lerp(frames[items, lower], frames[items, torch.minimum(lower + 1, last)], share)
        return warped.mul_(frame_mask(new_counts, longest)[..., None]), new_counts

    if TYPE_CHECKING:
        __call__ = forward


class RandomGain(nn.Module):
    """Another distance to the microphone: one gain per utterance.

    Arguments
    ---------
    decibels : float
        Gains are drawn evenly from -decibels to +decibels; 0 does nothing.

    Example
    -------
    >>> frames, counts = RandomGain(10.0)(torch.zeros(2, 5, 4), torch.tensor([5, 3]))
    >>> bool((frames[0] == frames[0, 0, 0]).all())
    True
    """

    def __init__(self, decibels: float = 6.0) -> None:
        super().__init__()
        self.decibels = decibels

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, time, bins) -> same, counts; padding too is shifted, and counted out by whatever comes next."""
        counts = frame_counts(lengths, frames)
        if not (self.training and self.decibels):
            return frames, counts
        gains = (2 * torch.rand(len(frames), 1, 1, device=frames.device) - 1) * self.decibels
        return frames + gains * (math.log(10) / 10), counts  # frames are natural logarithms of power

    if TYPE_CHECKING:
        __call__ = forward


class RandomEqualizer(nn.Module):
    """Another room, microphone and long-term voice: a smooth curve over the bins is added, one per utterance.

    ``sum_k a_k cos(pi k b + phase_k)`` over the place ``b`` of a bin, 0 to 1, with normal ``a_k`` and even phases.

    Arguments
    ---------
    decibels : float
        Deviation of the curve; 0 does nothing.
    terms : int
        Cosines in it: the more, the finer its ripple.

    Example
    -------
    >>> frames, counts = RandomEqualizer(3.0)(torch.zeros(2, 5, 40), torch.tensor([5, 3]))
    >>> bool((frames[0] == frames[0, 0]).all()), bool((frames[0, 0] == frames[0, 0, 0]).all())
    (True, False)
    """

    def __init__(self, decibels: float = 3.0, terms: int = 4) -> None:
        super().__init__()
        self.decibels, self.terms = decibels, terms

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, time, bins) -> same, counts; padding too is shifted, and counted out by whatever comes next."""
        counts = frame_counts(lengths, frames)
        if not (self.training and self.decibels):
            return frames, counts
        batch, _, bins = frames.shape
        place = torch.linspace(0, math.pi, bins, device=frames.device)[:, None]  # (bins, 1)
        turns = place * torch.arange(1, self.terms + 1, device=frames.device)  # (bins, terms)
        phases = 2 * math.pi * torch.rand(batch, 1, self.terms, device=frames.device)
        sizes = torch.randn(batch, 1, self.terms, device=frames.device) * self.decibels * (2 / self.terms) ** 0.5
        curve = (sizes * torch.cos(turns + phases)).sum(-1)  # (batch, bins), dB
        return frames + curve[:, None] * (math.log(10) / 10), counts

    if TYPE_CHECKING:
        __call__ = forward


class SpecAugment(nn.Module):
    """Stretches of time and frequency hidden (Park et al., Interspeech 2019), here by the utterance's own mean per bin.

    Arguments
    ---------
    time_masks, frequency_masks : int
        How many of each.
    time_share, frequency_share : float
        Largest width of a mask, as a share of the utterance's frames and of the bins; drawn evenly from 0 to that.

    Example
    -------
    >>> frames, counts = SpecAugment()(torch.randn(2, 50, 400), torch.tensor([50, 30]))
    >>> frames.shape
    torch.Size([2, 50, 400])
    """

    def __init__(
        self, time_masks: int = 2, frequency_masks: int = 2, time_share: float = 0.15, frequency_share: float = 0.1
    ) -> None:
        super().__init__()
        self.time_masks, self.frequency_masks = time_masks, frequency_masks
        self.time_share = _fraction("time_share", time_share)
        self.frequency_share = _fraction("frequency_share", frequency_share)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, time, bins) -> same, counts."""
        counts = frame_counts(lengths, frames)
        if not (self.training and self.time_masks + self.frequency_masks):
            return frames, counts
        time, bins = frames.shape[1:]
        real = frame_mask(counts, time)[..., None]
        mean = (frames * real).sum(1, keepdim=True) / counts[:, None, None]
        of_time = _masks(self.time_masks, self.time_share, counts, time)
        of_bins = _masks(self.frequency_masks, self.frequency_share, torch.full_like(counts, bins), bins)
        hidden = (of_time[..., None] | of_bins[:, None, :]) & real
        return torch.where(hidden, mean, frames), counts

    if TYPE_CHECKING:
        __call__ = forward


class Augmentation(nn.Module):
    """Several of the above, one after the other; in a recipe's ``modules`` under the name ``augmentation``.

    Arguments
    ---------
    steps : list of torch.nn.Module
        In their order.

    Example
    -------
    >>> augmentation = Augmentation([FrequencyWarp(), TimeWarp(), SpecAugment()])
    >>> frames = torch.randn(2, 50, 400)
    >>> augmentation.eval()(frames, torch.tensor([50, 30]))[0] is frames
    True
    """

    def __init__(self, steps: Sequence[nn.Module]) -> None:
        super().__init__()
        self.steps = nn.ModuleList(steps)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """(batch, time, bins) -> (batch, time, bins), counts."""
        counts = frame_counts(lengths, frames)
        for step in self.steps:
            frames, counts = step(frames, counts)
        return frames, counts

    if TYPE_CHECKING:
        __call__ = forward


def _factors(frames, spread):
    return 1 + spread * (2 * torch.rand(len(frames), device=frames.device) - 1)  # (batch,)


def _masks(number, share, sizes, width):
    """``number`` stretches per item, each of at most ``share`` of its size: (batch, width), True where hidden."""
    places = torch.arange(width, device=sizes.device)
    hidden = torch.zeros(len(sizes), width, dtype=torch.bool, device=sizes.device)
    for _ in range(number):
        widths = torch.rand(len(sizes), device=sizes.device) * share * sizes
        starts = torch.rand(len(sizes), device=sizes.device) * (sizes - widths)
        hidden |= (places >= starts[:, None].round()) & (places < (starts + widths)[:, None].round())
    return hidden


def _fraction(name, value):
    if not 0 <= value < 1:
        raise SerError(got=f"{name} {value}", expected="0 or more, below 1", remedy="correct the YAML")
    return value
