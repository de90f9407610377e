"""Frames -> frames: multi-head self-attention (Vaswani et al. 2017; the paper's equations 6 and 7).

head_i = softmax(Q_i K_i^T / sqrt(d_k)) V_i,    MultiHead = Concat(head_1, ..., head_h) W^O
"""

from typing import TYPE_CHECKING, Literal, overload

import torch
import torch.nn.functional as F
from torch import nn

from ser_plugins.errors import SerError
from ser_plugins.lengths import frame_counts, frame_mask


class MultiHeadSelfAttention(nn.Module):
    """Self-attention over real frames only.

    Fused kernels keep the memory linear in time; the (time x time) weights are made only when asked for.

    Arguments
    ---------
    size : int
        Width of input and output.
    heads : int
        Must divide ``size``.
    dropout : float
        On the attention weights, while training.

    Example
    -------
    >>> attention = MultiHeadSelfAttention(256, heads=8)
    >>> frames, weights = attention(torch.randn(2, 76, 256), torch.tensor([76, 20]), return_weights=True)
    >>> frames.shape, weights.shape
    (torch.Size([2, 76, 256]), torch.Size([2, 8, 76, 76]))
    """

    def __init__(self, size: int = 256, heads: int = 8, dropout: float = 0.2) -> None:
        super().__init__()
        if heads < 1 or size % heads:
            raise SerError(
                got=f"{heads} heads for frames of width {size}",
                expected="a number of heads that divides the width",
                remedy="choose heads or hidden_size anew",
            )
        self.heads, self.dropout = heads, dropout
        self.project_in = nn.Linear(size, 3 * size)  # W^Q, W^K and W^V side by side
        self.project_out = nn.Linear(size, size)  # W^O

    @overload
    def forward(
        self, frames: torch.Tensor, lengths: torch.Tensor | None = None, return_weights: Literal[False] = False
    ) -> torch.Tensor: ...

    @overload
    def forward(
        self, frames: torch.Tensor, lengths: torch.Tensor | None = None, *, return_weights: Literal[True]
    ) -> tuple[torch.Tensor, torch.Tensor]: ...

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor | None = None, return_weights: bool = False):
        """Attend within frames (batch, time, size).

        Returns
        -------
        frames : torch.Tensor
            (batch, time, size), zero where padded.
        weights : torch.Tensor
            Only with ``return_weights``: (batch, heads, time of query, time of key), rows of real frames sum to 1
            (before dropout), columns of padding are 0.
        """
        batch, time, size = frames.shape
        mask = frame_mask(frame_counts(lengths, frames), time)  # (batch, time)
        keys_allowed = mask[:, None, None, :]
        heads = self.project_in(frames).view(batch, time, 3, self.heads, size // self.heads)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each (batch, heads, time, size / heads)
        dropout = self.dropout if self.training else 0.0
        # On a CPU no fused kernel has dropout: torch would make the weights too, and take longer.
        if return_weights or (dropout and not frames.is_cuda):
            scores = query * (size // self.heads) ** -0.5 @ key.transpose(2, 3)
            weights = scores.masked_fill_(~keys_allowed, float("-inf")).softmax(-1)
            mixed = (_dropout(weights, dropout) if dropout else weights) @ value
        else:
            mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=keys_allowed, dropout_p=dropout)
        mixed = self.project_out(mixed.transpose(1, 2).reshape(batch, time, size)) * mask[..., None]
        return (mixed, weights) if return_weights else mixed

    if TYPE_CHECKING:
        __call__ = forward


def _dropout(weights, probability):
    """Dropout from 16 random bits per weight: on a CPU, torch's own takes as long as the rest of the attention."""
    if weights.is_cuda:
        return F.dropout(weights, probability)
    drawn = torch.empty(-(-weights.numel() // 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
    kept = drawn[: weights.numel()].view_as(weights) >= round(probability * 2**16) - 2**15
    return weights * (kept * (1 / (1 - probability)))
