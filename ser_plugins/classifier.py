"""All stages together: front end -> recurrence -> attention -> pooling -> head, each of the first three optional.

Encoder and heads are cut where SpeechBrain's ``EncoderClassifier`` cuts: ``embedding_model`` and ``classifier``. The
systems of the paper's Tables 3 and 6 are settings of these, not classes of their own::

    CNN                    front_end: fast   recurrence: none  heads: 0
    LSTM, RNN              front_end: none   recurrence: lstm  heads: 0   bidirectional: False
    CNN + LSTM             front_end: fast   recurrence: lstm  heads: 0   bidirectional: False
    Bi-GRU                 front_end: fast   recurrence: gru   heads: 0
    Self-Attention         front_end: none   recurrence: none  heads: 1
    Bi-GRU + Self-Att      front_end: fast   recurrence: gru   heads: 1
    Multi-head Attention   front_end: none   recurrence: none  heads: 8
    Bi-GRU + MHA           front_end: fast   recurrence: gru   heads: 4, 8, 16, 32
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, overload

import torch
from torch import nn

from ser_plugins.attention import MultiHeadSelfAttention
from ser_plugins.encoders import ConvFrontEnd, RecurrentStack, StateMix
from ser_plugins.errors import SerError
from ser_plugins.lengths import frame_counts
from ser_plugins.lsh_attention import LSHSelfAttention
from ser_plugins.pooling import make_pooling


class UtteranceEncoder(nn.Module):
    """Frames -> one embedding per utterance.

    Arguments
    ---------
    bins : int
        Width of the input frames.
    front_end : str
        ``fast``, ``xu2024``, ``mel``, ``vlss``; ``states``, for those of a pretrained encoder; or ``none``.
    recurrence : str
        ``gru``, ``lstm``, ``rnn`` or ``none``.
    hidden_size : int
        Recurrent units per direction; attention without recurrence works on a projection to twice as many.
    layers : int
        Recurrent layers.
    bidirectional : bool
        Whether the recurrence runs both ways.
    heads : int
        Attention heads; 0 leaves attention out.
    attention_dropout : float
        On the attention weights.
    pooling : str
        ``mean``, ``stats``, ``attentive`` or ``weighted``.
    attention : str
        ``full``, or ``lsh``: :class:`~ser_plugins.lsh_attention.LSHSelfAttention`, for long inputs.
    bucket_size, rounds : int
        Of ``lsh``.
    deltas : bool
        Whether the front end sees the first and second differences of the frames too.
    layer_norm : bool
        Whether frames are normalised (Ba, Kiros & Hinton 2016) after the front end, and after attention, which is then
        added to what it attends to (Vaswani et al. 2017). The paper has neither.
    states, states_size, states_dropout
        Of ``states``: see :class:`~ser_plugins.encoders.StateMix`.

    Attributes
    ----------
    output_size : int
        Width of the embedding.
    width : int
        Of the frames that are pooled to it.

    Example
    -------
    >>> encoder = UtteranceEncoder(front_end="fast", recurrence="gru", heads=8)
    >>> encoder(torch.randn(2, 301, 400), torch.tensor([1.0, 0.5])).shape
    torch.Size([2, 1, 256])
    """

    def __init__(
        self,
        bins: int = 400,
        front_end: str = "fast",
        recurrence: str = "gru",
        hidden_size: int = 128,
        layers: int = 2,
        bidirectional: bool = True,
        heads: int = 8,
        attention_dropout: float = 0.2,
        pooling: str = "mean",
        attention: str = "full",
        bucket_size: int = 64,
        rounds: int = 2,
        deltas: bool = False,
        layer_norm: bool = False,
        states: int = 1,
        states_size: int = 128,
        states_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        _refuse_unknown(front_end, attention, deltas)
        size = bins
        self.front_end: ConvFrontEnd | StateMix | None = None
        self.attention: MultiHeadSelfAttention | LSHSelfAttention | None = None
        self.recurrence = self.projection = self.front_end_norm = self.attention_norm = None
        if front_end == "states":
            self.front_end = StateMix(bins, states, states_size, states_dropout)
        elif front_end != "none":
            self.front_end = ConvFrontEnd(bins, front_end, deltas)
        if self.front_end is not None:
            size = self.front_end.output_size
            self.front_end_norm = nn.LayerNorm(size) if layer_norm else None
        if recurrence != "none":
            self.recurrence = RecurrentStack(size, hidden_size, layers, recurrence, bidirectional)
            size = self.recurrence.output_size
        elif heads:
            self.projection = nn.Linear(size, 2 * hidden_size)
            size = 2 * hidden_size
        if heads:
            if attention == "lsh":
                self.attention = LSHSelfAttention(size, heads, attention_dropout, bucket_size, rounds)
            else:
                self.attention = MultiHeadSelfAttention(size, heads, attention_dropout)
            self.attention_norm = nn.LayerNorm(size) if layer_norm else None
        self.width: int = size  # type: ignore[assignment]  # what a module has is of no type that mypy knows
        self.pooling = make_pooling(pooling, size)
        self.output_size: int = self.pooling.output_size  # type: ignore[assignment]

    @overload
    def forward(
        self, frames: torch.Tensor, lengths: torch.Tensor | None = None, return_weights: Literal[False] = False
    ) -> torch.Tensor: ...

    @overload
    def forward(
        self, frames: torch.Tensor, lengths: torch.Tensor | None = None, *, return_weights: Literal[True]
    ) -> tuple[torch.Tensor, torch.Tensor | None]: ...

    def forward(self, frames: torch.Tensor, lengths: torch.Tensor | None = None, return_weights: bool = False):
        """Encode frames.

        Arguments
        ---------
        frames : torch.Tensor
            (batch, time, bins), normalised.
        lengths : torch.Tensor, optional
            (batch,), relative or integer frame counts.
        return_weights : bool
            Whether to return the attention weights as well.

        Returns
        -------
        embedding : torch.Tensor
            (batch, 1, output_size), the shape that SpeechBrain's ``EncoderClassifier`` hands on.
        weights : torch.Tensor
            Only with ``return_weights``: (batch, heads, frames, frames), or None in a system without attention.
        """
        frames, counts, weights = self.encode(frames, lengths, return_weights)
        embedding = self.pooling(frames, counts).unsqueeze(1)  # (batch, 1, output_size)
        return (embedding, weights) if return_weights else embedding

    def encode(
        self, frames: torch.Tensor, lengths: torch.Tensor | None = None, return_weights: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """All stages but the last: what is pooled, (batch, fewer frames, width), counts (batch,), and the weights."""
        counts = frame_counts(lengths, frames)
        weights = None
        if self.front_end is not None:
            frames, counts = self.front_end(frames, counts)
        if self.front_end_norm is not None:
            frames = self.front_end_norm(frames)
        if self.recurrence is not None:
            frames = self.recurrence(frames, counts)
        if self.projection is not None:
            frames = self.projection(frames)
        attended = None
        if self.attention is not None and return_weights:
            attended, weights = self.attention(frames, counts, return_weights=True)
        elif self.attention is not None:
            attended = self.attention(frames, counts)
        if attended is not None:
            frames = attended if self.attention_norm is None else self.attention_norm(frames + attended)
        return frames, counts, weights

    if TYPE_CHECKING:
        __call__ = forward


def _refuse_unknown(front_end, attention, deltas):
    if attention not in ("full", "lsh"):
        raise SerError(got=f"attention {attention!r}", expected="full or lsh", remedy="correct the YAML key")
    if deltas and front_end in ("none", "states"):
        raise SerError(
            got=f"deltas with front_end {front_end}",
            expected="a CNN, to see them",
            remedy="choose another front_end, or no deltas",
        )


class _Head(nn.Module):
    """What heads have in common: linear, ReLU, dropout, linear."""

    def __init__(
        self, input_size: int, outputs: int, hidden_size: int, dropout: float, input_dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.input_dropout = nn.Dropout(input_dropout)
        self.hidden: nn.Module = nn.Linear(input_size, hidden_size)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(hidden_size, outputs)

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        return self.output(self.dropout(self.hidden(self.input_dropout(embedding)).relu()))


class ClassifierHead(_Head):
    """Embedding -> log-probabilities: linear, ReLU, dropout, linear, log-softmax.

    Arguments
    ---------
    input_size : int
        Width of the embedding.
    classes : int
        Number of classes.
    hidden_size : int
        Width of the first linear layer.
    dropout : float
        Between the two.
    input_dropout : float
        On the embedding.

    Example
    -------
    >>> ClassifierHead(256, classes=7)(torch.randn(2, 1, 256)).shape
    torch.Size([2, 1, 7])
    """

    def __init__(
        self, input_size: int, classes: int, hidden_size: int = 64, dropout: float = 0.2, input_dropout: float = 0.0
    ) -> None:
        super().__init__(input_size, classes, hidden_size, dropout, input_dropout)

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        """(..., input_size) -> (..., classes), natural logarithms of probabilities."""
        return super().forward(embedding).log_softmax(-1)

    if TYPE_CHECKING:
        __call__ = forward


class LinearHead(nn.Module):
    """Embedding -> log-probabilities: one linear layer, log-softmax.

    Arguments
    ---------
    input_size : int
        Width of the embedding.
    classes : int
        Number of classes.

    Example
    -------
    >>> LinearHead(2048, classes=7)(torch.randn(2, 1, 2048)).shape
    torch.Size([2, 1, 7])
    """

    def __init__(self, input_size: int, classes: int) -> None:
        super().__init__()
        self.output = nn.Linear(input_size, classes)

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        """(..., input_size) -> (..., classes), natural logarithms of probabilities."""
        return self.output(embedding).log_softmax(-1)

    if TYPE_CHECKING:
        __call__ = forward


# Heads whose outputs are log-probabilities.
CLASSIFIERS = (ClassifierHead, LinearHead)


class RegressionHead(_Head):
    """Embedding -> one number, such as a sentiment: the layers of :class:`ClassifierHead` with one output.

    Arguments
    ---------
    input_size : int
        Width of the embedding.
    hidden_size : int
        Width of the first linear layer.
    dropout : float
        Between the two.
    low, high : float, optional
        Both: the output is a tanh scaled to this range. Neither (the default): it is unbounded.

    Example
    -------
    >>> RegressionHead(256)(torch.randn(2, 1, 256)).shape
    torch.Size([2, 1, 1])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int = 64,
        dropout: float = 0.2,
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        super().__init__(input_size, 1, hidden_size, dropout)
        unbounded = low is None and high is None
        bounded = low is not None and high is not None and low < high
        if not unbounded and not bounded:
            raise SerError(
                got=f"low={low}, high={high}",
                expected="two numbers, low below high, or neither",
                remedy="mend the YAML",
            )
        self.low, self.high = low, high

    def forward(self, embedding: torch.Tensor) -> torch.Tensor:
        """(..., input_size) -> (..., 1)."""
        value = super().forward(embedding)
        if self.low is None or self.high is None:
            return value
        return self.low + (self.high - self.low) * (1 + value.tanh()) / 2

    if TYPE_CHECKING:
        __call__ = forward


class MultiTaskHead(nn.Module):
    """Several heads on one embedding; :class:`ser_plugins.losses.MultiTask` is the loss for it.

    Arguments
    ---------
    heads : dict
        Heads by name; in a recipe the names are the fields of the manifest that hold the targets.

    Example
    -------
    >>> head = MultiTaskHead({"emotion": ClassifierHead(256, classes=4), "valence": RegressionHead(256)})
    >>> {name: tuple(output.shape) for name, output in head(torch.randn(2, 1, 256)).items()}
    {'emotion': (2, 1, 4), 'valence': (2, 1, 1)}
    """

    def __init__(self, heads: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.heads = nn.ModuleDict(heads)

    def forward(self, embedding: torch.Tensor) -> dict:
        """(..., input_size) -> what each head makes of it, by name."""
        return {name: head(embedding) for name, head in self.heads.items()}

    if TYPE_CHECKING:
        __call__ = forward
