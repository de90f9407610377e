"""Frames -> frames: CNN front ends and recurrent stacks that never see padding.

Padded frames are set to zero before every convolution, and counted out of every stage with integers, so an utterance
alone and in any padded batch gives the same values. There is no batch normalisation here: its training statistics are
taken over the whole batch, padding and neighbours included, and could not be exact.
"""

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from ser_plugins.errors import SerError
from ser_plugins.gru import bidirectional_gru
from ser_plugins.lengths import clear_padding, frame_counts, frame_mask

# channels, kernel (time, bins), stride (time, bins), max-pool (time, bins)
PRESETS = {
    "fast": (
        (16, (5, 8), (2, 4), (1, 1)),
        (24, (3, 6), (2, 2), (1, 1)),
        (32, (3, 5), (1, 2), (1, 1)),
    ),
    # Satt, Rozenberg & Hoory (Interspeech 2017) by way of Liang, Li & Song (JIFS 2020): what the paper's text describes
    "xu2024": (
        (16, (12, 16), (1, 1), (2, 2)),
        (24, (8, 12), (1, 1), (2, 2)),
        (32, (5, 7), (1, 1), (2, 2)),
    ),
    # For mel bands, a tenth as wide as 400 bins: time / 4, bins / 8
    "mel": (
        (32, (5, 5), (2, 2), (1, 1)),
        (64, (3, 3), (2, 2), (1, 1)),
        (64, (3, 3), (1, 2), (1, 1)),
    ),
    # Ma et al. (Interspeech 2018), variable-length spectrograms: time is kept
    "vlss": (
        (6, (1, 12), (1, 1), (1, 2)),
        (10, (1, 8), (1, 1), (1, 2)),
    ),
}
CELLS = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}


class ConvFrontEnd(nn.Module):
    """A stack of convolution, ReLU and max-pooling over (time, bins).

    Arguments
    ---------
    bins : int
        Width of the input frames.
    preset : str
        ``fast`` (time / 4), ``xu2024`` (time / 8, the faithful one), ``mel`` (time / 4, for mel bands) or ``vlss``
        (time kept).
    deltas : bool
        Whether the first and second differences over time are two more input channels (3-D input; Chen, He, Yang &
        Zhang, IEEE Signal Processing Letters 25(10), 2018). What lies outside the utterance counts as 0.

    Attributes
    ----------
    output_size : int
        Width of the output frames: channels times remaining bins.
    min_frames : int
        Shortest input that leaves a frame.

    Example
    -------
    >>> frames, counts = ConvFrontEnd(400, "xu2024")(torch.randn(2, 301, 400), torch.tensor([301, 100]))
    >>> frames.shape, counts
    (torch.Size([2, 37, 1600]), tensor([37, 12]))
    """

    def __init__(self, bins: int = 400, preset: str = "fast", deltas: bool = False) -> None:
        super().__init__()
        if preset not in PRESETS:
            raise SerError(
                got=f"front end {preset!r}", expected=f"one of {', '.join(PRESETS)}", remedy="correct the YAML key"
            )
        self.layers = nn.ModuleList()
        self.deltas = deltas
        self.min_frames, channels = 1, 3 if deltas else 1
        for out_channels, kernel, stride, pool in PRESETS[preset]:
            # Zeros on both sides: (k - 1) // 2 of them before, k // 2 after, as "same" does for an even kernel.
            padding = "same" if stride == (1, 1) else tuple((k - 1) // 2 for k in kernel)
            self.layers.append(_ConvLayer(channels, out_channels, kernel, stride, padding, pool))
            self.min_frames *= pool[0]
            channels = out_channels
            bins = -(-bins // stride[1]) // pool[1]
        self.output_size = channels * bins
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Convolve frames (batch, time, bins).

        Returns
        -------
        frames : torch.Tensor
            (batch, fewer frames, output_size); padding is zero.
        counts : torch.Tensor
            (batch,), int64.

        Raises
        ------
        SerError
            When an utterance is too short to leave a frame.
        """
        counts = frame_counts(lengths, frames)
        if not frames.is_cuda and int(counts.min()) < self.min_frames:
            raise SerError(
                got=f"an utterance of {int(counts.min())} frames",
                expected=f"at least {self.min_frames} frames for this front end",
                remedy="leave out or lengthen the recording",
            )
        real = frame_mask(counts, frames.shape[1])[..., None]
        frames = frames * real
        # Channels last, said by strides because one channel fits both layouts: convolutions run up to 7 times faster.
        channels = _with_deltas(frames, real) if self.deltas else frames.unsqueeze(-1)  # (batch, time, bins, channels)
        maps = channels.permute(0, 3, 1, 2)
        for layer in self.layers:
            maps, counts = layer(maps, counts)
        return maps.permute(0, 2, 3, 1).flatten(2), counts  # (batch, time, bins * channels)

    if TYPE_CHECKING:
        __call__ = forward


class StateMix(nn.Module):
    """Hidden states of a pretrained encoder, side by side -> their trained mean, projected.

    The weights of the mean are a softmax (Yang et al., SUPERB, Interspeech 2021), equal when training begins.

    Arguments
    ---------
    bins : int
        Width of the input frames: ``states`` times the width of the encoder.
    states : int
        How many stand side by side.
    size : int
        Width of the output frames.
    dropout : float
        On the mean, before the projection.

    Attributes
    ----------
    output_size, min_frames : int
        As :class:`ConvFrontEnd` has them.

    Example
    -------
    >>> frames, counts = StateMix(bins=2048, states=4)(torch.randn(2, 19, 2048), torch.tensor([19, 7]))
    >>> frames.shape, counts
    (torch.Size([2, 19, 128]), tensor([19,  7]))
    """

    min_frames = 1

    def __init__(self, bins: int, states: int = 1, size: int = 128, dropout: float = 0.0) -> None:
        super().__init__()
        if states < 1 or bins % states:
            raise SerError(
                got=f"{states} states in frames of {bins} bins", expected="a divisor", remedy="correct the YAML key"
            )
        self.states, self.output_size = states, size
        self.weights = nn.Parameter(torch.zeros(states))
        self.dropout = nn.Dropout(dropout)
        self.projection = nn.Linear(bins // states, size)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Mix frames (batch, time, bins) -> (batch, time, output_size), and counts (batch,)."""
        counts = frame_counts(lengths, frames)
        states = frames.view(*frames.shape[:2], self.states, -1)  # (batch, time, states, width)
        mean = (states * self.weights.softmax(0)[:, None]).sum(2)
        return self.projection(self.dropout(mean)), counts

    if TYPE_CHECKING:
        __call__ = forward


def _with_deltas(frames, real):
    """Frames (batch, time, bins), their slope and its slope, scaled to about the same size; zero where padded."""
    slope = _slope(frames) * real
    return torch.stack([frames, 2 * slope, 3 * _slope(slope) * real], dim=-1)  # (batch, time, bins, 3)


def _slope(frames):
    beyond = nn.functional.pad(frames, (0, 0, 1, 1))
    return (beyond[:, 2:] - beyond[:, :-2]) / 2


class _ConvLayer(nn.Module):
    """Convolution -> max-pooling -> ReLU (the same in either order) -> zero the padding again."""

    def __init__(self, in_channels, out_channels, kernel, stride, padding, pool):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding)
        self.pool = nn.MaxPool2d(pool) if pool != (1, 1) else nn.Identity()
        self.time_stride, self.time_pool = stride[0], pool[0]

    def forward(self, maps, counts):
        maps, counts = self.before_relu(maps, counts)
        return _MaskedReLU.apply(maps, counts), counts

    def before_relu(self, maps, counts):
        return self.pool(self.conv(maps)), ((counts - 1) // self.time_stride + 1) // self.time_pool


class _MaskedReLU(torch.autograd.Function):
    """ReLU of maps (batch, channels, time, bins), zero where padded, in place; as padding is 0, its gradient is too."""

    @staticmethod
    def forward(ctx, maps, counts):
        ctx.mark_dirty(maps)
        clear_padding(maps.relu_().permute(0, 2, 3, 1), counts)
        ctx.save_for_backward(maps)
        return maps

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        (maps,) = ctx.saved_tensors
        return torch.ops.aten.threshold_backward(gradient, maps, 0), None


class RecurrentStack(nn.Module):
    """RNN, LSTM or GRU layers, one- or two-directional, exact under padding without packing.

    The backward direction runs over each utterance reversed within its own length: the same values as a packed
    bidirectional layer at half its cost on a CPU. A Bi-GRU in training on a CPU is :mod:`ser_plugins.gru`'s.

    Arguments
    ---------
    input_size : int
        Width of the input frames.
    hidden_size : int
        Units per direction.
    layers : int
        Depth.
    cell : str
        ``gru``, ``lstm`` or ``rnn`` (tanh).
    bidirectional : bool
        Whether to add the backward direction.
    dropout : float
        Between layers.

    Example
    -------
    >>> RecurrentStack(800)(torch.randn(2, 76, 800), torch.tensor([76, 20])).shape
    torch.Size([2, 76, 256])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int = 128,
        layers: int = 2,
        cell: str = "gru",
        bidirectional: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise SerError(
                got=f"recurrent cell {cell!r}",
                expected=f"one of {', '.join(CELLS)}",
                remedy="correct the YAML key",
            )
        self.output_size = hidden_size * (2 if bidirectional else 1)
        sizes = [input_size] + [self.output_size] * (layers - 1)

        def stack():
            return nn.ModuleList(CELLS[cell](size, hidden_size, batch_first=True) for size in sizes)

        self.forward_layers = stack()
        self.backward_layers = stack() if bidirectional else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Run over frames (batch, time, input_size); returns (batch, time, output_size), zero where padded."""
        counts = frame_counts(lengths, frames)
        mask = frame_mask(counts, frames.shape[1])
        run = self._run_by_hand if self._may_be_by_hand(frames) else self._run
        for depth in range(len(self.forward_layers)):
            frames = run(depth, frames if depth == 0 else self.dropout(frames), mask, counts)
        return frames * mask[..., None]

    if TYPE_CHECKING:
        __call__ = forward

    def _may_be_by_hand(self, frames):
        """Whether :mod:`ser_plugins.gru` has this case: the training of bidirectional GRUs on a CPU."""
        gru = self.backward_layers is not None and isinstance(self.forward_layers[0], nn.GRU)
        return gru and self.training and not frames.is_cuda

    def _run_by_hand(self, depth, frames, mask, counts):
        return bidirectional_gru(frames, mask, self.forward_layers[depth], self.backward_layers[depth])

    def _run(self, depth, frames, mask, counts):
        ahead, _ = self.forward_layers[depth](frames)
        if self.backward_layers is None:
            return ahead
        steps = torch.arange(frames.shape[1], device=frames.device)[None, :]
        order = torch.where(mask, counts[:, None] - 1 - steps, steps)[..., None]  # its own inverse
        back, _ = self.backward_layers[depth](_reordered(frames, order))
        return torch.cat([ahead, _reordered(back, order)], dim=-1)  # (batch, time, 2 * hidden)


def _reordered(frames, order):
    return frames.gather(1, order.expand(-1, -1, frames.shape[2]))
