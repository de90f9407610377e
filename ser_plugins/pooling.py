"""Frames -> one vector per utterance, over real frames only."""

from typing import TYPE_CHECKING

import torch
from torch import nn

from ser_plugins.errors import SerError
from ser_plugins.lengths import frame_counts, frame_mask


class MeanPooling(nn.Module):
    """Mean over real frames: (batch, time, size) -> (batch, size).

    Example
    -------
    >>> MeanPooling(256)(torch.randn(2, 76, 256), torch.tensor([76, 20])).shape
    torch.Size([2, 256])
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.output_size = size

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Pool frames (batch, time, size)."""
        counts = frame_counts(lengths, frames)
        return (frames * frame_mask(counts, frames.shape[1])[..., None]).sum(1) / counts[:, None]

    if TYPE_CHECKING:
        __call__ = forward


class StatsPooling(nn.Module):
    """Mean and deviation over real frames: (batch, time, size) -> (batch, 2 * size); one frame has deviation 0.

    SpeechBrain's ``StatisticsPooling`` adds random noise, also while evaluating; this one does not.

    Example
    -------
    >>> StatsPooling(256)(torch.randn(2, 76, 256), torch.tensor([76, 20])).shape
    torch.Size([2, 512])
    """

    def __init__(self, size: int, floor: float = 1e-8) -> None:
        super().__init__()
        self.output_size, self.floor = 2 * size, floor
        self.mean = MeanPooling(size)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Pool frames (batch, time, size)."""
        counts = frame_counts(lengths, frames)
        mean = self.mean(frames, counts)
        variance = self.mean((frames - mean[:, None]).square(), counts)
        # The floor keeps the gradient of the root finite where a feature does not vary.
        return torch.cat([mean, (variance + self.floor).sqrt()], dim=1)

    if TYPE_CHECKING:
        __call__ = forward


class AttentivePooling(nn.Module):
    """SpeechBrain's attentive statistics pooling (Okabe et al. 2018): (batch, time, size) -> (batch, 2 * size).

    It holds a batch norm: exact under padding while evaluating, but in training its statistics are those of the whole
    padded batch, so there an utterance alone and in a batch differ.

    Example
    -------
    >>> AttentivePooling(256)(torch.randn(2, 76, 256), torch.tensor([76, 20])).shape
    torch.Size([2, 512])
    """

    def __init__(self, size: int, attention_channels: int = 64) -> None:
        # Imported only here: models with another pooling load without the seconds that SpeechBrain's import takes.
        from speechbrain.lobes.models.ECAPA_TDNN import AttentiveStatisticsPooling

        super().__init__()
        self.output_size = 2 * size
        self.pool = AttentiveStatisticsPooling(size, attention_channels=attention_channels)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Pool frames (batch, time, size)."""
        counts = frame_counts(lengths, frames)
        # Half a frame less: SpeechBrain rounds the fraction up, and a float error must not add a frame.
        relative = (counts - 0.5) / frames.shape[1]
        return self.pool(frames.transpose(1, 2), relative).squeeze(2)

    if TYPE_CHECKING:
        __call__ = forward


class WeightedPooling(nn.Module):
    """Mean and deviation weighted by a softmax over time of one linear score: (batch, time, size) -> (batch, 2 * size).

    As attentive statistics (Okabe, Koshinaka & Shinoda, Interspeech 2018) with the simplest score and no batch norm, so
    that it is exact under padding in training too.

    Example
    -------
    >>> WeightedPooling(256)(torch.randn(2, 76, 256), torch.tensor([76, 20])).shape
    torch.Size([2, 512])
    """

    def __init__(self, size: int, floor: float = 1e-6) -> None:
        super().__init__()
        self.output_size, self.floor = 2 * size, floor
        self.score = nn.Linear(size, 1)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Pool frames (batch, time, size)."""
        real = frame_mask(frame_counts(lengths, frames), frames.shape[1])[..., None]
        weights = self.score(frames).masked_fill(~real, float("-inf")).softmax(1)  # (batch, time, 1)
        mean = (frames * weights).sum(1)
        variance = ((frames - mean[:, None]).square() * weights).sum(1)
        return torch.cat([mean, (variance + self.floor).sqrt()], dim=1)

    if TYPE_CHECKING:
        __call__ = forward


POOLINGS = {"mean": MeanPooling, "stats": StatsPooling, "attentive": AttentivePooling, "weighted": WeightedPooling}


def make_pooling(kind: str, size: int) -> nn.Module:
    """Build ``mean``, ``stats``, ``attentive`` or ``weighted`` pooling for frames of width ``size``."""
    if kind not in POOLINGS:
        raise SerError(got=f"pooling {kind!r}", expected=f"one of {', '.join(POOLINGS)}", remedy="correct the YAML key")
    return POOLINGS[kind](size)
