"""What is said beside how it is said: transcripts -> subword pieces -> an embedding, alone or fused with that of sound.

A share of the transcripts is hidden in training, so that one model serves recordings with and without text.
"""

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ser_plugins.classifier import ClassifierHead, UtteranceEncoder
from ser_plugins.errors import SerError
from ser_plugins.lengths import frame_mask
from ser_plugins.subwords import NO_TEXT

FUSIONS = ("concatenation", "gated", "cross")


class TextEncoder(nn.Module):
    """Pieces -> one embedding per transcript: vectors of the pieces, Bi-GRU, multi-head attention, pooling.

    Arguments
    ---------
    vocabulary : int
        That of the :class:`~ser_plugins.subwords.SubwordEncoder`.
    piece_size : int
        Width of the pieces' vectors.
    dropout : float
        On these vectors.
    hidden_size, layers, heads, attention_dropout, pooling
        As of :class:`~ser_plugins.classifier.UtteranceEncoder`.
    pretrained : torch.nn.Module, optional
        A :class:`~ser_plugins.pretrained_text.PretrainedText`: its states stand in the place of the pieces' vectors,
        and ``vocabulary`` and ``piece_size`` are then its own.

    Attributes
    ----------
    output_size, width : int
        Of the embedding, and of what is pooled to it.

    Example
    -------
    >>> text = TextEncoder(vocabulary=100, hidden_size=16, heads=2)
    >>> text(None, None, torch.tensor([[5, 7, 9], [0, 0, 0]]), torch.tensor([3, 1])).shape
    torch.Size([2, 1, 32])
    """

    front_end = attention = None  # of sound, which it does not hear

    def __init__(
        self,
        vocabulary: int = 1000,
        piece_size: int = 64,
        dropout: float = 0.2,
        hidden_size: int = 64,
        layers: int = 1,
        heads: int = 4,
        attention_dropout: float = 0.2,
        pooling: str = "mean",
        pretrained: Any = None,
    ) -> None:
        super().__init__()
        if pretrained is not None:
            vocabulary, piece_size = pretrained.vocabulary, pretrained.width
        self.vocabulary = vocabulary
        self.vectors = nn.Embedding(vocabulary, piece_size) if pretrained is None else pretrained
        self.dropout = nn.Dropout(dropout)
        self.encoder = UtteranceEncoder(
            piece_size,
            front_end="none",
            hidden_size=hidden_size,
            layers=layers,
            heads=heads,
            attention_dropout=attention_dropout,
            pooling=pooling,
        )
        self.output_size, self.width = self.encoder.output_size, self.encoder.width

    def read(self, pieces: torch.Tensor, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pieces (batch, pieces), counts (batch,) -> states (batch, pieces, width), embeddings (batch, output_size)."""
        pieces = pieces.masked_fill(~frame_mask(counts, pieces.shape[1]), NO_TEXT)
        states, counts, _ = self.encoder.encode(self.dropout(self.vectors(pieces)), counts)
        return states, self.encoder.pooling(states, counts)

    def forward(self, frames: Any, lengths: Any, pieces: torch.Tensor, counts: torch.Tensor, return_weights=False):
        """Encode pieces (batch, pieces) with counts (batch,): (batch, 1, output_size).

        All else is as of :class:`Fusion`: frames and their lengths are not looked at, and with ``return_weights`` None
        stands for those of attention among frames.
        """
        _, embedding = self.read(pieces, counts)
        return (embedding.unsqueeze(1), None) if return_weights else embedding.unsqueeze(1)

    if TYPE_CHECKING:
        __call__ = forward


class Fusion(nn.Module):
    """An utterance's frames and pieces -> one embedding.

    ==================  ===============================================================================================
    ``concatenation``   of both embeddings; with a :class:`LogLinearHead` behind it, late fusion
    ``gated``           z tanh(A a) + (1 - z) tanh(B t), with z = sigmoid(C [a, t]) (gated multimodal unit, Arevalo et
                        al., ICLR workshop 2017)
    ``cross``           frames attend to pieces and pieces to frames, each added to what attends; then concatenation
                        (Tsai et al., ACL 2019)
    ==================  ===============================================================================================

    Arguments
    ---------
    bins : int
        Width of the input frames.
    fusion : str
        One of those.
    hidden_share : float
        Share of the transcripts that are hidden in training, each batch anew (modality dropout; Neverova et al., TPAMI
        2016).
    vocabulary, piece_size, text_dropout, text_hidden_size, text_layers, text_heads, pretrained
        Of its :class:`TextEncoder`.
    fusion_heads : int
        Of ``cross``.
    attention_dropout : float
        On the weights of all attention.
    **audio
        Further arguments of its :class:`~ser_plugins.classifier.UtteranceEncoder`.

    Attributes
    ----------
    output_size, text_size : int
        Width of the embedding; of a concatenation, how much of it at the end is of text.

    Example
    -------
    >>> fusion = Fusion(bins=400, fusion="cross", vocabulary=100, hidden_size=16, heads=2)
    >>> pieces, counts = torch.tensor([[5, 7, 9], [0, 0, 0]]), torch.tensor([3, 1])
    >>> fusion(torch.randn(2, 101, 400), torch.tensor([1.0, 0.5]), pieces, counts).shape
    torch.Size([2, 1, 160])
    """

    def __init__(
        self,
        bins: int = 400,
        fusion: str = "concatenation",
        hidden_share: float = 0.3,
        vocabulary: int = 1000,
        piece_size: int = 64,
        text_dropout: float = 0.2,
        text_hidden_size: int = 64,
        text_layers: int = 1,
        text_heads: int = 4,
        fusion_heads: int = 4,
        attention_dropout: float = 0.2,
        pretrained: Any = None,
        **audio: Any,
    ) -> None:
        super().__init__()
        if fusion not in FUSIONS or not 0 <= hidden_share <= 1:
            raise SerError(
                got=f"fusion {fusion!r}, hidden_share {hidden_share}",
                expected=f"one of {', '.join(FUSIONS)}, a share from 0 to 1",
                remedy="correct the YAML keys",
            )
        self.fusion, self.hidden_share = fusion, hidden_share
        self.audio = UtteranceEncoder(bins, attention_dropout=attention_dropout, **audio)
        self.text = TextEncoder(
            vocabulary,
            piece_size,
            text_dropout,
            text_hidden_size,
            text_layers,
            text_heads,
            attention_dropout,
            pretrained=pretrained,
        )
        self.vocabulary = self.text.vocabulary
        sizes = self.audio.output_size, self.text.output_size
        self.output_size, self.text_size = sum(sizes), sizes[1]
        if fusion == "gated":
            self.output_size = self.text_size = sizes[0]
            self.of_audio = nn.Linear(sizes[0], self.output_size)
            self.of_text = nn.Linear(sizes[1], self.output_size)
            self.gate = nn.Linear(sum(sizes), self.output_size)
        elif fusion == "cross":
            widths = self.audio.width, self.text.width
            self.to_pieces = _attention(*widths, fusion_heads, attention_dropout)
            self.to_frames = _attention(*widths[::-1], fusion_heads, attention_dropout)

    @property
    def front_end(self) -> nn.Module | None:
        """That of its encoder of sound."""
        return self.audio.front_end

    @property
    def attention(self) -> nn.Module | None:
        """That of its encoder of sound."""
        return self.audio.attention

    def forward(
        self,
        frames: torch.Tensor,
        lengths: torch.Tensor | None,
        pieces: torch.Tensor,
        counts: torch.Tensor,
        return_weights: bool = False,
    ):
        """Fuse.

        Arguments
        ---------
        frames, lengths : torch.Tensor
            (batch, time, bins) and (batch,), as of :class:`~ser_plugins.classifier.UtteranceEncoder`.
        pieces, counts : torch.Tensor
            (batch, pieces) and (batch,), as of :class:`~ser_plugins.subwords.SubwordEncoder`.
        return_weights : bool
            Whether to return the weights of the attention among frames as well.

        Returns
        -------
        embedding : torch.Tensor
            (batch, 1, output_size).
        weights : torch.Tensor or None
            Only with ``return_weights``, as of :class:`~ser_plugins.classifier.UtteranceEncoder`.
        """
        pieces, counts = self._hidden(pieces, counts)
        heard, frame_counts, weights = self.audio.encode(frames, lengths, return_weights)
        read, embedding = self.text.read(pieces, counts)
        if self.fusion == "cross":
            real, real_pieces = frame_mask(frame_counts, heard.shape[1]), frame_mask(counts, read.shape[1])
            heard, read = (
                heard + self.to_pieces(heard, read, read, ~real_pieces, need_weights=False)[0],
                read + self.to_frames(read, heard, heard, ~real, need_weights=False)[0],
            )
            embedding = self.text.encoder.pooling(read, counts)
        sound = self.audio.pooling(heard, frame_counts)
        both = torch.cat([sound, embedding], dim=-1)  # (batch, audio + text)
        if self.fusion == "gated":
            share = self.gate(both).sigmoid()  # (batch, output_size)
            both = share * self.of_audio(sound).tanh() + (1 - share) * self.of_text(embedding).tanh()
        return (both.unsqueeze(1), weights) if return_weights else both.unsqueeze(1)

    if TYPE_CHECKING:
        __call__ = forward

    def _hidden(self, pieces, counts):
        """In training, ``NO_TEXT`` in the place of a share of the transcripts."""
        if not self.training or not self.hidden_share:
            return pieces, counts
        hidden = torch.rand(len(pieces), device=pieces.device) < self.hidden_share
        return pieces.masked_fill(hidden[:, None], NO_TEXT), counts.masked_fill(hidden, 1)


def _attention(size, other, heads, dropout):
    if heads < 1 or size % heads:
        raise SerError(
            got=f"{heads} fusion_heads for a width of {size}", expected="a divisor", remedy="correct the YAML key"
        )
    return nn.MultiheadAttention(size, heads, dropout, kdim=other, vdim=other, batch_first=True)


class LogLinearHead(ClassifierHead):
    """Late fusion: log-probabilities of two heads, of sound and of text, added and normalised anew.

    That is a log-linear pool, p ~ p_audio^v p_text^w (Genest & Zidek, Statistical Science 1(1), 1986); the output
    layers hold the weights.

    Arguments
    ---------
    input_size, text_size : int
        Width of a concatenation, and of the text at its end.
    classes, hidden_size, dropout
        Of each head, as of :class:`~ser_plugins.classifier.ClassifierHead`.

    Example
    -------
    >>> LogLinearHead(384, text_size=128, classes=7)(torch.randn(2, 1, 384)).shape
    torch.Size([2, 1, 7])
    """

    def __init__(
        self, input_size: int, text_size: int, classes: int, hidden_size: int = 64, dropout: float = 0.2
    ) -> None:
        super().__init__(input_size, classes, 2 * hidden_size, dropout)
        if not 0 < text_size < input_size:
            raise SerError(
                got=f"text_size {text_size} of {input_size}",
                expected="sound and text side by side: fusion concatenation or cross",
                remedy="choose another fusion, or a ClassifierHead",
            )
        self.hidden = _SideBySide(input_size - text_size, text_size, hidden_size)


class _SideBySide(nn.Module):
    """A linear layer for the beginning of an embedding and one for its end, whose outputs stand side by side."""

    def __init__(self, first, last, hidden_size):
        super().__init__()
        self.sizes = first, last
        self.audio, self.text = nn.Linear(first, hidden_size), nn.Linear(last, hidden_size)

    def forward(self, embedding):
        sound, text = embedding.split(self.sizes, dim=-1)
        return torch.cat([self.audio(sound), self.text(text)], dim=-1)


READERS = (TextEncoder, Fusion)  # embedding models that take pieces beside frames
