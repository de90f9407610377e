"""Transcripts -> states of a pretrained text encoder, in the place of vectors that are learnt on the training fold.

BERT, DistilBERT, ELECTRA, RoBERTa, XLM-RoBERTa and CamemBERT run in transformers, each with its own tokenizer, from
safetensors only. An utterance in a batch is as alone. The state of ``NO_TEXT``, the one piece of a recording without a
transcript, is learnt. The encoder's own dropout stays off, also while it is trained.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.hub import PREFIX as HUB
from ser_plugins.hub import fetch, model_name, on_hub
from ser_plugins.subwords import MAX_PIECES, NO_TEXT, padded_pieces

FILES = {"config.json": 2**20, "tokenizer.json": 2**26, "model.safetensors": 2**32}  # bytes at most
KINDS = ("bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta")


class PretrainedSubwords(nn.Module):
    """Transcripts -> numbers of the pieces of a pretrained tokenizer, in the place of a SubwordEncoder.

    The numbers are the tokenizer's own and one more, since 0 is ``NO_TEXT``.

    Arguments
    ---------
    source : str
        As of :class:`PretrainedText`.

    Raises
    ------
    MissingPathError, SerError
        As of :class:`PretrainedText`.

    Example
    -------
    >>> PretrainedSubwords("no/such/folder")
    Traceback (most recent call last):
    ser_plugins.errors.MissingPathError: got: no folder no/such/folder; expected: a folder with config.json, \
tokenizer.json, model.safetensors, or hf:OWNER/NAME@COMMIT; remedy: check the path
    """

    def __init__(self, source: str) -> None:
        super().__init__()
        folder = _folder(source)
        tokenizers = _package("tokenizers")
        try:
            self.tokenizer: Any = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the reader's own class is Exception itself
            raise _unfit(source, error) from None
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()
        self.longest = min(MAX_PIECES, _longest(_config(source, folder)))
        self.place: torch.Tensor
        self.register_buffer("place", torch.zeros(0), persistent=False)  # on the device that pieces go to

    def fit(self, transcripts: Iterable[str | None]) -> "PretrainedSubwords":
        """Nothing is learnt: the pieces are those of the pretrained model."""
        return self

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
            A transcript with more pieces than the model has positions.
        """
        rows = [
            [number + 1 for number in self.tokenizer.encode(text).ids] if text and text.strip() else []
            for text in transcripts
        ]
        return padded_pieces(rows, self.longest, self.place.device)

    if TYPE_CHECKING:
        __call__ = forward


class PretrainedText(nn.Module):
    """Pieces -> the last hidden states of a pretrained text encoder, (batch, pieces, width).

    A checkpoint holds what is trained and nothing else: the rest comes from ``source`` again.

    Arguments
    ---------
    source : str
        A folder with ``config.json``, ``tokenizer.json`` and ``model.safetensors`` as the hub has them, or
        ``hf:OWNER/NAME@COMMIT``, which is fetched once: see :mod:`ser_plugins.hub`.
    freeze : bool
        Whether the pretrained weights stay as they are.

    Attributes
    ----------
    width, vocabulary : int
        Of the states; numbers of pieces, ``NO_TEXT`` among them.
    pretrained : str
        Name of the pretrained model; see :func:`ser_plugins.hub.model_name`.

    Raises
    ------
    MissingPathError, SerError
        No such folder; transformers is missing; files missing, too large, damaged or of another kind of model.

    Example
    -------
    >>> PretrainedText("hf:someone/bert")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: hf:someone/bert; expected: hf:OWNER/NAME@COMMIT with all 40 digits ...
    """

    def __init__(self, source: str, freeze: bool = True) -> None:
        super().__init__()
        folder = _folder(source)
        config = _config(source, folder)
        transformers = _package("transformers")
        try:
            self.encoder: Any
            self.encoder, loading = transformers.AutoModel.from_pretrained(
                folder,
                local_files_only=True,
                use_safetensors=True,
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
            )
            # What is missing would be random. The pooler is not used here.
            if missing := sorted(name for name in loading["missing_keys"] if not name.startswith("pooler.")):
                raise ValueError(f"no weights {', '.join(missing[:3])}")
        except Exception as error:  # transformers raises nearly anything
            raise _unfit(source, error) from None
        self.encoder.eval().requires_grad_(not freeze)
        self.width, self.vocabulary = self.encoder.config.hidden_size, self.encoder.config.vocab_size + 1
        self.padding = config.get("pad_token_id") or 0
        self.freeze, self.pretrained = freeze, model_name(str(source))
        self.no_text = nn.Parameter(torch.zeros(self.width))

    def train(self, mode=True):
        """The pretrained model stays in evaluation mode: no dropout."""
        super().train(mode)
        self.encoder.eval()
        return self

    def forward(self, pieces: torch.Tensor) -> torch.Tensor:
        """Pieces (batch, pieces), ``NO_TEXT`` behind the last of each -> states (batch, pieces, width)."""
        real = pieces != NO_TEXT
        numbers = torch.where(real, pieces - 1, self.padding)
        read = real.clone()
        read[:, 0] = True  # of no text, whose state is not used, attention to nothing would be undefined
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze):
            states = self.encoder(input_ids=numbers, attention_mask=read.long()).last_hidden_state
        return torch.where(real[..., None], states, self.no_text)

    if TYPE_CHECKING:
        __call__ = forward

    def _frozen(self) -> dict:
        return dict(self.encoder.state_dict()) if self.freeze else {}

    def state_dict(self, *arguments, destination=None, prefix="", keep_vars=False):
        """What is trained; of a frozen encoder nothing but the state of no text."""
        state = super().state_dict(*arguments, destination=destination, prefix=prefix, keep_vars=keep_vars)
        for name in self._frozen():
            del state[f"{prefix}encoder.{name}"]
        return state

    def _load_from_state_dict(self, state_dict, prefix, *arguments):
        """What a checkpoint leaves out is at hand."""
        state_dict |= {f"{prefix}encoder.{name}": value for name, value in self._frozen().items()}
        super()._load_from_state_dict(state_dict, prefix, *arguments)


def _folder(source: str) -> Path:
    """Where the files are, each of them there and no larger than it may be."""
    if on_hub(source):
        return fetch(source, FILES, "a text encoder")
    folder = Path(source)
    if not folder.is_dir():
        raise MissingPathError(
            got=f"no folder {source}",
            expected=f"a folder with {', '.join(FILES)}, or {HUB}OWNER/NAME@COMMIT",
            remedy="check the path",
        )
    for name, most in FILES.items():
        if not (folder / name).is_file() or (folder / name).stat().st_size > most:
            raise SerError(
                got=f"{source}: no {name}, or one of more than {most:,} bytes",
                expected=f"a text encoder: {', '.join(FILES)}",
                remedy="copy the folder again; weights in a pickle are not read: look for model.safetensors",
            )
    return folder


def _config(source: str, folder: Path) -> dict:
    """What ``config.json`` says of an encoder of a known kind."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
        if config["model_type"] in KINDS:
            return config
        reason: Exception = ValueError(f"model_type {config['model_type']}")
    except (ValueError, KeyError, TypeError) as error:
        reason = error
    raise _unfit(source, reason)


def _longest(config: dict) -> int:
    """Positions of the model; the RoBERTa family counts them from behind that of padding."""
    offset = 0 if config["model_type"] in ("bert", "distilbert", "electra") else config.get("pad_token_id", 1) + 1
    return config.get("max_position_embeddings", 512) - offset


def _package(name: str):
    try:
        return __import__(name)
    except ImportError as error:
        raise SerError(
            got=f"no package {error.name}",
            expected="transformers and tokenizers, which only pretrained text encoders need",
            remedy='pip install "ser-plugins[ssl]"',
        ) from None


def _unfit(source: str, error: Exception) -> SerError:
    return SerError(
        got=f"{source}: {type(error).__name__}: {' '.join(str(error).split())[:200]}",
        expected=f"a text encoder, one of {', '.join(KINDS)}",
        remedy="copy the folder again from where it came, or choose another model",
    )
