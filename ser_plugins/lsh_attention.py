"""Frames -> frames: self-attention among frames that hash alike (Kitaev, Kaiser & Levskaya, Reformer, ICLR 2020).

Query and key are one vector q, as a key scaled to length 1. In each of several rounds a frame falls into the bucket
h(q) = argmax([q R; -q R]) of a random rotation R. Frames are sorted by bucket, cut into chunks of ``bucket_size``, and
attend to P: the frames of their bucket in their own chunk and the one before. With z_r = log sum_P exp(s_ij)::

    o_i = sum_r exp(z_r - log sum_r' exp(z_r')) softmax_P(s_ij) v_j,    s_ij = q_i . q_j / (|q_j| sqrt(d)) - log N_ij

where N_ij counts the rounds in which i sees j (equations 5 to 8 there), so that o is one softmax over all that i sees.
A frame sees itself only when it sees no other. Time and memory grow linearly with the number of frames.
"""

from typing import TYPE_CHECKING, Literal, overload

import torch
import torch.nn.functional as F
from torch import nn

from ser_plugins.attention import _dropout
from ser_plugins.errors import SerError
from ser_plugins.lengths import frame_counts, frame_mask

ITSELF = -1e5  # the score of a frame for itself: nothing beside any other, all there is when alone
MAX_BUCKET, MAX_ROUNDS = 1024, 16


class LSHSelfAttention(nn.Module):
    """A drop-in for :class:`~ser_plugins.attention.MultiHeadSelfAttention` whose cost is linear in time.

    An utterance of at most ``bucket_size`` frames is one bucket: full attention with shared queries and keys. How many
    buckets a longer one has depends on its own length only, and the rotations are drawn once and kept among the
    weights, so neither padding nor neighbours change what a frame sees. (Only a frame that lies between two buckets to
    the last bit may fall into the other one when a batch is multiplied in another order.)

    Arguments
    ---------
    size : int
        Width of input and output.
    heads : int
        Must divide ``size``.
    dropout : float
        On the attention weights, while training.
    bucket_size : int
        Frames per chunk, and per bucket on average; at most 1024.
    rounds : int
        Hashings, at most 16; more of them see more of what full attention sees.
    max_buckets : int
        Even; with more than ``max_buckets * bucket_size`` frames buckets grow, and chunks, hence the cost, do not.

    Example
    -------
    >>> attention = LSHSelfAttention(256, heads=8, bucket_size=32)
    >>> frames, weights = attention(torch.randn(2, 76, 256), torch.tensor([76, 20]), return_weights=True)
    >>> frames.shape, weights.shape
    (torch.Size([2, 76, 256]), torch.Size([2, 8, 76, 76]))
    """

    def __init__(
        self,
        size: int = 256,
        heads: int = 8,
        dropout: float = 0.2,
        bucket_size: int = 64,
        rounds: int = 2,
        max_buckets: int = 256,
    ) -> None:
        super().__init__()
        # Bounds: what a model's YAML asks for must not take the machine's memory.
        fits = 0 < bucket_size <= MAX_BUCKET and 0 < rounds <= MAX_ROUNDS and max_buckets > 0 == max_buckets % 2
        if heads < 1 or size % heads or not fits:
            raise SerError(
                got=f"{heads} heads for width {size}, buckets of {bucket_size}, {rounds} rounds, {max_buckets} buckets",
                expected=f"heads that divide the width, buckets of 1 to {MAX_BUCKET}, 1 to {MAX_ROUNDS} rounds, an "
                "even number of buckets",
                remedy="choose heads, bucket_size or rounds anew",
            )
        self.heads, self.dropout, self.bucket_size = heads, dropout, bucket_size
        self.project_in = nn.Linear(size, 2 * size)  # W^QK and W^V side by side
        self.project_out = nn.Linear(size, size)  # W^O
        self.register_buffer("rotations", torch.randn(rounds, size // heads, max_buckets // 2))

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
            (before dropout), columns of padding are 0 for them. This takes memory quadratic in time.
        """
        time, size = frames.shape[1:]
        counts = frame_counts(lengths, frames)
        frames = F.pad(frames, (0, 0, 0, -time % self.bucket_size))
        mask = frame_mask(counts, frames.shape[1])
        heads = self.project_in(frames).view(*mask.shape, 2, self.heads, size // self.heads)
        shared, value = heads.permute(2, 0, 3, 1, 4)  # each (batch, heads, time, size / heads)
        with torch.no_grad():
            buckets = self._buckets(shared, counts, mask)
            order = (buckets * mask.shape[1] + torch.arange(mask.shape[1], device=mask.device)).argsort(-1)
            rank = order.argsort(-1)  # both (batch, heads, rounds, time)
            bias = self._bias(buckets, order, rank)
        weights = self._weights(shared, bias, order, rank)
        dropped = _dropout(weights, self.dropout) if self.training and self.dropout else weights
        mixed = dropped @ _with_previous(self._sorted(value[:, :, None], order))
        mixed = mixed.flatten(3, 4).take_along_dim(rank[..., None], 3).sum(2)  # (batch, heads, time, size / heads)
        mixed = (self.project_out(mixed.transpose(1, 2).flatten(2)) * mask[..., None])[:, :time]
        return (mixed, self._dense(weights, order)[..., :time, :time]) if return_weights else mixed

    if TYPE_CHECKING:
        __call__ = forward

    def _buckets(self, shared, counts, mask):
        """The bucket of every frame in every round, (batch, heads, rounds, time); padding has one of its own."""
        columns = ((counts - 1) // (2 * self.bucket_size) + 1).clamp(max=self.rotations.shape[2])  # two buckets each
        most = int(columns.max())
        turned = shared[:, :, None] @ self.rotations[..., :most].to(shared.dtype)
        unused = torch.arange(most, device=mask.device) >= columns[:, None, None, None, None]
        turned = torch.cat([turned.masked_fill(unused, -torch.inf), (-turned).masked_fill(unused, -torch.inf)], -1)
        # A column that only others in the batch use moves the second half, but the order of buckets stays.
        buckets = turned.argmax(-1) * (counts > self.bucket_size)[:, None, None, None]
        return buckets.masked_fill(~mask[:, None, None], 2 * most)

    def _bias(self, buckets, order, rank):
        """What is added to scores: -log N_ij, or -inf where i does not see j in this round."""
        chunks = rank // self.bucket_size
        # Same bucket, and same chunk or the one before: codes of i and j differ by 0 or 1.
        codes = (buckets * (chunks.shape[-1] + 2) + chunks).int()
        rounds, visible = 0, []
        for turn, code in enumerate(codes.unbind(2)):
            code = self._sorted(code[:, :, None, :, None], order)  # of one round, in the order of each
            back = code - _with_previous(code).transpose(-1, -2)
            sees = (back == 0) | (back == 1)
            rounds = rounds + sees.to(torch.int8)
            visible.append(sees[:, :, turn])
        visible = torch.stack(visible, 2)
        visible[:, :, :, 0, :, : self.bucket_size] = False  # nothing lies before the first chunk
        return torch.where(visible, -rounds.float().log(), -torch.inf)

    def _weights(self, shared, bias, order, rank):
        """Softmax over all that a frame sees in all rounds: (batch, heads, rounds, chunks, bucket_size, 2 of them)."""
        query = self._sorted(shared[:, :, None] * shared.shape[-1] ** -0.5, order)
        key = _with_previous(self._sorted(F.normalize(shared, dim=-1)[:, :, None], order))
        itself = torch.eye(self.bucket_size, dtype=torch.bool, device=bias.device)
        itself = torch.cat([torch.zeros_like(itself), itself], 1)
        scores = ((query @ key.transpose(-1, -2)).float() + bias).masked_fill(itself, ITSELF)
        total = scores.logsumexp(-1).flatten(3).take_along_dim(rank, 3)  # z, (batch, heads, rounds, time)
        share = self._sorted(total.softmax(2)[..., None], order)
        return (scores.softmax(-1) * share).to(shared.dtype)

    def _sorted(self, values, order):
        """(batch, heads, 1 or rounds, time, width) -> (batch, heads, rounds, chunks, bucket_size, width)."""
        return values.take_along_dim(order[..., None], 3).unflatten(3, (-1, self.bucket_size))

    def _dense(self, weights, order):
        """The weights of all rounds as (batch, heads, time, time)."""
        time = order.shape[3]
        frames = order.unflatten(3, (-1, self.bucket_size))[..., None]
        places = (frames * time + _with_previous(frames).transpose(-1, -2)).flatten(2)
        dense = weights.new_zeros(*order.shape[:2], time * time)
        return dense.scatter_add(2, places, weights.flatten(2)).unflatten(2, (time, time))


def _with_previous(chunks):
    """Every chunk behind the one before it; the first one behind the last, which nobody looks at."""
    return torch.cat([chunks.roll(1, 3), chunks], 4)
