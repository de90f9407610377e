"""What the arguments of a model's modules may be: of each a kind and bounds, and a bound on what they make together.

The bounds are several times what any model of this field needs. Beyond them a model takes the machine's memory or time,
when it is built or when it judges a recording, so they are looked at before anything is built.
"""

import inspect
import re
from typing import Any, NamedTuple

from ser_plugins.classifier import ClassifierHead, LinearHead, RegressionHead, UtteranceEncoder
from ser_plugins.encoders import CELLS, PRESETS
from ser_plugins.lsh_attention import MAX_BUCKET, MAX_ROUNDS
from ser_plugins.pooling import POOLINGS
from ser_plugins.spectrogram import LogPowerSpectrogram, ZNorm
from ser_plugins.text import FUSIONS, Fusion, LogLinearHead, TextEncoder
from ser_plugins.whisper import WhisperEncoder, parse_states


class Whole(NamedTuple):
    """A whole number within bounds."""

    low: int
    high: int

    def read(self, text: str) -> int:
        """The number that a text is; :class:`ValueError` where it is none of these."""
        return _bounded(self, int(text) if re.fullmatch(r"-?(0|[1-9]\d{0,11})", text, re.ASCII) else None)

    def __str__(self):
        return f"a whole number, {self.low:,} to {self.high:,}"


class Real(NamedTuple):
    """A number within bounds, or also null."""

    low: float
    high: float
    optional: bool = False

    def read(self, text: str) -> float | None:
        """The number that a text is; :class:`ValueError` where it is none of these."""
        if self.optional and text == "null":
            return None
        if re.fullmatch(r"-?(0|[1-9]\d{0,11})", text, re.ASCII):
            return _bounded(self, int(text))
        number = r"-?(0|[1-9]\d{0,11})\.\d{1,20}(e[+-]\d{1,3})?"
        return _bounded(self, float(text) if re.fullmatch(number, text, re.ASCII) else None)

    def __str__(self):
        return f"a number, {self.low:g} to {self.high:g}" + (", or null" if self.optional else "")


class Truth:
    """``true`` or ``false``."""

    def read(self, text: str) -> bool:
        """The truth value that a text is; :class:`ValueError` where it is none."""
        if text not in ("true", "false"):
            raise ValueError(f"not {self}")
        return text == "true"

    def __str__(self):
        return "true or false"


class Name(NamedTuple):
    """One of a few names."""

    names: tuple

    def read(self, text: str) -> str:
        """The text itself; :class:`ValueError` where it is no such name."""
        if text not in self.names:
            raise ValueError(f"not {self}")
        return text

    def __str__(self):
        return f"one of {', '.join(self.names)}"


class States(NamedTuple):
    """Numbers of hidden states up to a bound, such as ``2``, ``1-4`` or ``1,3``."""

    high: int

    def read(self, text: str) -> str:
        """The text itself; :class:`ValueError` where it names other states, or none."""
        number = r"(0|[1-9]\d?)"
        if not re.fullmatch(rf"{number}([-,]{number})*", text, re.ASCII) or parse_states(text)[-1] > self.high:
            raise ValueError(f"not {self}")
        return text

    def __str__(self):
        return f"hidden states, 0 to {self.high}, such as 2, 1-4 or 1,3"


def _bounded(kind, value):
    if value is None or not kind.low <= value <= kind.high:
        raise ValueError(f"not {kind}")
    return value


_BINS, _SHARE, _HIDDEN = Whole(1, 2**15), Real(0, 1), Whole(1, 2**12)
_LAYERS = 48  # of a pretrained encoder
ARGUMENTS: dict[type, dict[str, Any]] = {
    LogPowerSpectrogram: {
        "sample_rate": Whole(4_000, 96_000),  # Hz
        "win_length": Real(1, 1_000),  # ms
        "hop_length": Real(2, 1_000),  # ms
        "n_fft": Whole(16, 2**16),
        "max_frequency": Real(50, 48_000),  # Hz
        "floor": Real(1e-30, 1),
        "mel_bands": Whole(0, 2**10),
    },
    WhisperEncoder: {
        "states": States(_LAYERS),
        "mix": Name(("stack", "mean")),
        "pool": Whole(1, 2**7),
        "merge": Whole(1, 2),
        "level": Truth(),
        "width": Whole(4, 2**11),
        "heads": Whole(1, 2**5),
        "hidden_size": Whole(1, 2**13),
        "bands": Whole(1, 2**7),
        "last": Whole(1, _LAYERS),
    },
    ZNorm: {
        "bins": _BINS,
        "mode": Name(tuple(mode for mode in ZNorm.MODES if mode != "speaker")),  # which needs more than a recording
        "floor": Real(1e-30, 1),
    },
    UtteranceEncoder: {
        "bins": _BINS,
        "front_end": Name((*PRESETS, "states", "none")),
        "recurrence": Name((*CELLS, "none")),
        "hidden_size": _HIDDEN,
        "layers": Whole(1, 64),
        "bidirectional": Truth(),
        "heads": Whole(0, 2**10),
        "attention_dropout": _SHARE,
        "pooling": Name(tuple(POOLINGS)),
        "attention": Name(("full", "lsh")),
        "bucket_size": Whole(1, MAX_BUCKET),
        "rounds": Whole(1, MAX_ROUNDS),
        "deltas": Truth(),
        "layer_norm": Truth(),
        "states": Whole(1, _LAYERS + 1),
        "states_size": Whole(1, 2**13),
        "states_dropout": _SHARE,
    },
    ClassifierHead: {
        "input_size": Whole(1, 2**17),
        "classes": Whole(1, 2**10),
        "hidden_size": _HIDDEN,
        "dropout": _SHARE,
        "input_dropout": _SHARE,
    },
    LinearHead: {
        "input_size": Whole(1, 2**17),
        "classes": Whole(1, 2**10),
    },
    RegressionHead: {
        "input_size": Whole(1, 2**17),
        "hidden_size": _HIDDEN,
        "dropout": _SHARE,
        "low": Real(-1e6, 1e6, optional=True),
        "high": Real(-1e6, 1e6, optional=True),
    },
}
_VOCABULARY, _PIECE = Whole(3, 2**16), Whole(1, 2**11)
ARGUMENTS |= {
    TextEncoder: {
        "vocabulary": _VOCABULARY,
        "piece_size": _PIECE,
        "dropout": _SHARE,
        **{
            name: ARGUMENTS[UtteranceEncoder][name]
            for name in ("hidden_size", "layers", "heads", "attention_dropout", "pooling")
        },
    },
    Fusion: {
        **ARGUMENTS[UtteranceEncoder],
        "fusion": Name(FUSIONS),
        "hidden_share": _SHARE,
        "vocabulary": _VOCABULARY,
        "piece_size": _PIECE,
        "text_dropout": _SHARE,
        "text_hidden_size": _HIDDEN,
        "text_layers": Whole(1, 64),
        "text_heads": Whole(0, 2**10),
        "fusion_heads": Whole(1, 2**10),
    },
    LogLinearHead: {name: bound for name, bound in ARGUMENTS[ClassifierHead].items() if name != "input_dropout"}
    | {"text_size": Whole(1, 2**17)},
}
# All weights of a model together, twice our largest; 128 MiB in single precision.
MAX_VALUES = 2**25
# Points of the DFT per second of sound, six times ours; and those of the matrix that makes mel bands.
MAX_POINTS, MAX_BANDS = 2**20, 2**22


def read_arguments(kind: type, texts: dict) -> dict:
    """The values of a constructor's arguments, each within its bounds and all of them together.

    Arguments
    ---------
    kind : type
        Of ``ARGUMENTS``.
    texts : dict
        Arguments by name, as the YAML has them.

    Raises
    ------
    ValueError
        An argument that the constructor lacks, or a value out of bounds.

    Example
    -------
    >>> read_arguments(LogPowerSpectrogram, {"hop_length": "2.0", "n_fft": "65536"})
    Traceback (most recent call last):
    ValueError: n_fft 65536 every 2.0 ms: 32,768,000 points a second (at most 1,048,576)
    """
    values = {name: read_argument(kind, name, text) for name, text in texts.items()}
    if kind is LogPowerSpectrogram:
        _check_spectrogram(with_defaults(kind, values))
    return values


def read_argument(kind: type, name: str, text: str):
    """The value of one argument; :class:`ValueError` where there is no such argument, or its value is out of bounds."""
    if name not in ARGUMENTS[kind]:
        raise ValueError(f"no argument {name[:40]}, only {', '.join(ARGUMENTS[kind])}")
    try:
        return ARGUMENTS[kind][name].read(text)
    except ValueError as error:
        raise ValueError(f"{name} {text[:40]}: {error}") from None


def _check_spectrogram(arguments: dict) -> None:
    n_fft, hop, bands = arguments["n_fft"], arguments["hop_length"], arguments["mel_bands"]
    points = n_fft * 1000 / hop
    if points > MAX_POINTS:
        raise ValueError(f"n_fft {n_fft} every {hop} ms: {points:,.0f} points a second (at most {MAX_POINTS:,})")
    if n_fft * bands > MAX_BANDS:
        raise ValueError(f"{bands} mel_bands of n_fft {n_fft}: {n_fft * bands:,} points (at most {MAX_BANDS:,})")


def with_defaults(kind: type, arguments: dict) -> dict:
    """The arguments of a constructor, those it adds itself included."""
    defaults = {name: given.default for name, given in inspect.signature(kind).parameters.items()}
    return {**defaults, **arguments}


def as_text(value) -> str:
    """A value as an exported YAML has it.

    Example
    -------
    >>> [as_text(value) for value in (None, True, 16, 1e-10, 0.5, "mel")]
    ['null', 'true', '16', '1.0e-10', '0.5', 'mel']
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value)
    # YAML 1.1, which some readers have, takes 1e-10 for text.
    return text.replace("e", ".0e", 1) if isinstance(value, float) and "e" in text and "." not in text else text
