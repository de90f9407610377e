"""Transcripts -> numbers of subword pieces, learnt from the transcripts of a training fold.

A recording without a transcript has one piece, ``NO_TEXT``, whose vector is trained as that of every other piece.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sentencepiece
import torch
from torch import nn

from ser_plugins.errors import SerError

NO_TEXT = 0  # the piece of an empty transcript, and padding behind the others
MAX_PIECES = 2048  # of one transcript: attention takes memory by their square
KINDS = ("unigram", "bpe")


class SubwordEncoder(nn.Module):
    """Transcripts -> numbers of subword pieces, by SentencePiece (Kudo & Richardson, EMNLP 2018).

    It is fitted on the transcripts of a training fold, as the z-norm is on its frames, and kept in checkpoints. The
    same transcripts give the same pieces, in whatever order they come.

    Arguments
    ---------
    vocabulary : int
        Pieces at most, ``NO_TEXT`` and the unknown piece among them. Few transcripts give fewer.
    kind : str
        ``unigram`` (Kudo, ACL 2018) or ``bpe``.
    character_coverage : float
        Share of the characters of the training transcripts that are pieces, rarer ones are unknown: 1.0 for an
        alphabet, 0.9995 for Chinese, whose rarest characters would take the place of words.

    Example
    -------
    >>> subwords = SubwordEncoder(vocabulary=40).fit(["good morning", "good evening"])
    >>> pieces, counts = subwords(["good morning", None])
    >>> pieces.shape, counts[1:].tolist(), pieces[1].unique().tolist()
    (torch.Size([2, 10]), [1], [0])
    >>> len(subwords.pieces) <= 40
    True
    """

    model: torch.Tensor  # (bytes,), the content of a SentencePiece model file

    def __init__(self, vocabulary: int = 1000, kind: str = "unigram", character_coverage: float = 1.0) -> None:
        super().__init__()
        if kind not in KINDS or vocabulary < 3 or not 0.5 <= character_coverage <= 1:
            raise SerError(
                got=f"kind {kind!r}, vocabulary {vocabulary}, character_coverage {character_coverage}",
                expected=f"one of {', '.join(KINDS)}, 3 or more, 0.5 to 1.0",
                remedy="correct the YAML keys",
            )
        self.vocabulary, self.kind, self.character_coverage = vocabulary, kind, character_coverage
        self.processor: Any = None
        self.register_buffer("model", torch.zeros(0, dtype=torch.uint8))

    def fit(self, transcripts: Iterable[str | None]) -> "SubwordEncoder":
        """Learn the pieces of some transcripts; empty ones are passed over.

        Raises
        ------
        SerError
            No transcript; or more different characters than ``vocabulary``.
        """
        said = sorted(text for text in transcripts if text and text.strip())
        if not said:
            raise SerError(
                got="no transcript in the training set",
                expected="some: pieces are learnt from them",
                remedy="add the transcripts to the corpus, or train a system that hears alone",
            )
        content = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(said),
                model_writer=content,
                model_type=self.kind,
                vocab_size=self.vocabulary,
                hard_vocab_limit=False,  # as many as there are
                character_coverage=self.character_coverage,
                normalization_rule_name="nmt_nfkc_cf",  # without case
                pad_id=NO_TEXT,
                unk_id=1,
                bos_id=-1,
                eos_id=-1,
                num_threads=1,
                minloglevel=2,
            )
        except RuntimeError as error:
            raise SerError(
                got=f"{len(said)} transcripts and a vocabulary of {self.vocabulary}: {str(error).strip()}",
                expected="a vocabulary larger than the number of different characters",
                remedy="give a larger vocabulary, or a lower character_coverage",
            ) from None
        return self.load(content.getvalue())

    def load(self, content: bytes) -> "SubwordEncoder":
        """Take the content of a SentencePiece model file.

        Raises
        ------
        SerError
            It is none, has other special pieces than :meth:`fit` gives it, or more pieces than ``vocabulary``.
        """
        processor = sentencepiece.SentencePieceProcessor()
        try:
            processor.LoadFromSerializedProto(content)
            size = processor.get_piece_size()
            special = processor.pad_id(), processor.unk_id(), processor.bos_id(), processor.eos_id()
        except RuntimeError:
            size, special = 0, ()
        if special != (NO_TEXT, 1, -1, -1) or size > self.vocabulary:
            raise SerError(
                got=f"a model of {size} pieces, special ones {special}",
                expected=f"a SentencePiece model of ours with at most {self.vocabulary} pieces",
                remedy="train or export the model again",
            )
        self.processor = processor
        self.model = torch.frombuffer(bytearray(content), dtype=torch.uint8).to(self.model.device)
        return self

    @property
    def content(self) -> bytes:
        """A SentencePiece model file, which :meth:`load` takes back."""
        return self.model.cpu().numpy().tobytes()

    @property
    def pieces(self) -> list[str]:
        """Pieces by their numbers."""
        size = self.processor.get_piece_size() if self.processor else 0
        return [self.processor.id_to_piece(number) for number in range(size)]

    def forward(self, transcripts: Sequence[str | None]) -> tuple[torch.Tensor, torch.Tensor]:
        """Cut transcripts into pieces; None and blank ones become ``NO_TEXT``.

        Returns
        -------
        pieces : torch.Tensor
            (batch, pieces), int64, ``NO_TEXT`` where padded.
        counts : torch.Tensor
            (batch,), int64, 1 or more.

        Raises
        ------
        SerError
            A transcript beyond ``MAX_PIECES``; pieces that were never learnt.
        """
        if self.processor is None:
            raise SerError(
                got="transcripts for pieces that were never learnt",
                expected="a fitted SubwordEncoder",
                remedy="fit it on the training set's transcripts, or load a trained model",
            )
        rows = [self.processor.encode(text or "", out_type=int) for text in transcripts]
        return padded_pieces(rows, MAX_PIECES, self.model.device)

    if TYPE_CHECKING:
        __call__ = forward

    def _load_from_state_dict(self, state_dict, prefix, *arguments):
        """A checkpoint's pieces take the place of those at hand, however many bytes they are."""
        content = state_dict[f"{prefix}model"].cpu().numpy().tobytes()
        if content:
            self.load(content)
        super()._load_from_state_dict({**state_dict, f"{prefix}model": self.model}, prefix, *arguments)


def padded_pieces(
    rows: Sequence[Sequence[int]], longest: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers of the pieces of each transcript -> a batch; a transcript without pieces has one, ``NO_TEXT``.

    Arguments
    ---------
    rows : sequence of sequence of int
        Of any lengths.
    longest : int
        Pieces that a transcript may have.
    device : torch.device
        Of what is returned.

    Returns
    -------
    pieces : torch.Tensor
        (batch, pieces), int64, ``NO_TEXT`` where padded.
    counts : torch.Tensor
        (batch,), int64, 1 or more.

    Raises
    ------
    SerError
        A transcript with more than ``longest`` pieces.

    Example
    -------
    >>> pieces, counts = padded_pieces([[5, 7, 9], []], longest=8, device=torch.device("cpu"))
    >>> pieces.tolist(), counts.tolist()
    ([[5, 7, 9], [0, 0, 0]], [3, 1])
    """
    tensors = [torch.tensor(row or [NO_TEXT]) for row in rows]
    counts = torch.tensor([len(row) for row in tensors])  # (batch,)
    if (most := int(counts.max())) > longest:
        raise SerError(
            got=f"a transcript of {most:,} pieces",
            expected=f"that of one utterance, {longest:,} at most",
            remedy="cut recording and transcript into utterances",
        )
    pieces = nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=NO_TEXT)  # (batch, pieces)
    return pieces.to(device), counts.to(device)


def pieces_of(
    modules: Mapping[str, nn.Module] | nn.ModuleDict, transcripts: Sequence[str | None]
) -> tuple[torch.Tensor, ...]:
    """What an ``embedding_model`` takes beside frames and lengths: pieces and counts; nothing where it hears alone.

    Example
    -------
    >>> subwords = SubwordEncoder(vocabulary=40).fit(["good morning"])
    >>> len(pieces_of({"subwords": subwords}, ["good"])), pieces_of({}, ["good"])
    (2, ())
    """
    return modules["subwords"](transcripts) if "subwords" in modules else ()
