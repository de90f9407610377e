"""The text of an exported model's ``hyperparams.yaml``: written, and read back without a YAML reader.

In SpeechBrain a YAML runs what it names, and plain values too: HyperPyYAML hands a text in brackets to a reader that
builds any object, follows references and calculates with them. A list of what is forbidden would always be one short.
What is read here is what an export writes and nothing else: its lines in their order, classes of a short list, and
arguments that are plain numbers, truth values, nulls, known names or numbers of states. That is harmless in every
reader of YAML.
"""

import re
from typing import NamedTuple

from ser_plugins.classifier import ClassifierHead, LinearHead, RegressionHead, UtteranceEncoder
from ser_plugins.errors import SerError
from ser_plugins.inference.bounds import read_argument
from ser_plugins.scales import SCALES
from ser_plugins.spectrogram import LogPowerSpectrogram, ZNorm
from ser_plugins.text import READERS, LogLinearHead
from ser_plugins.whisper import WhisperEncoder

# What each module of a model may be, in the order they are written and built in.
MODULES = {
    "compute_features": (LogPowerSpectrogram, WhisperEncoder),
    "mean_var_norm": (ZNorm,),
    "embedding_model": (UtteranceEncoder, *READERS),
    "classifier": (ClassifierHead, LinearHead, RegressionHead, LogLinearHead),
}
WITHOUT_WEIGHTS = (LogPowerSpectrogram,)
_COMMENT = "# Written by `ser export`. Constructors only; the weights lie beside this file."
# Of the lines below the modules only plain SpeechBrain makes use. There are no paths in them: it looks for the files
# where this one came from, so the folder may be moved.
_MODULES = ["modules:", *(f"    {name}: !ref <{name}>" for name in MODULES)]
_LABELS = "label_encoder: !new:speechbrain.dataio.encoder.CategoricalEncoder"
_PRETRAINER = ["pretrainer: !new:ser_plugins.checkpoints.Pretrainer", "    loadables:"]


class Description(NamedTuple):
    """What a model is made of.

    Arguments
    ---------
    modules : dict
        By the names of ``MODULES``: the class, and its arguments by name, as texts.
    scale : str
        Of a regression head, one of :data:`ser_plugins.scales.SCALES`; else None.
    """

    modules: dict
    scale: str | None = None

    @property
    def with_weights(self) -> tuple[str, ...]:
        """The modules that have a file of weights."""
        return tuple(name for name, (kind, _) in self.modules.items() if kind not in WITHOUT_WEIGHTS)


def dotted(kind) -> str:
    """A class as YAML names it."""
    return f"{kind.__module__}.{kind.__qualname__}"


def tag_of(kind) -> str:
    """The tag that makes YAML build a class."""
    return f"!new:{dotted(kind)}"


def write_description(description: Description) -> str:
    """The text of ``hyperparams.yaml``."""
    lines = [_COMMENT, ""]
    for name, (kind, arguments) in description.modules.items():
        lines += [f"{name}: {tag_of(kind)}", *(f"    {key}: {text}" for key, text in arguments.items()), ""]
    lines += [*_MODULES, ""]
    lines += [f"scale: {description.scale}", ""] if description.scale else []
    lines += [_LABELS, "", *_PRETRAINER, *_loadables(description)]
    return "\n".join(lines) + "\n"


def read_description(content: bytes, path) -> Description:
    """Read what :func:`write_description` has written; empty lines make no difference.

    Raises
    ------
    SerError
        At the first line that an export does not have, with its number.

    Example
    -------
    >>> read_description(b"compute_features: !apply:os.system [reboot]", "hyperparams.yaml")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: hyperparams.yaml, line 1: compute_features: !apply:os.system [reboot]; expected: \
compute_features: !new:ser_plugins.spectrogram.LogPowerSpectrogram or compute_features: \
!new:ser_plugins.whisper.WhisperEncoder; ...
    """
    lines = _Lines(content, path)
    modules = {name: _module(lines, name, kinds) for name, kinds in MODULES.items()}
    for line in _MODULES:
        lines.expect(line)
    scale = None
    if modules["classifier"][0] is RegressionHead:
        scale = lines.one_of({f"scale: {name}": name for name in SCALES})
    description = Description(modules, scale)
    for line in [_LABELS, *_PRETRAINER, *_loadables(description)]:
        lines.expect(line)
    lines.end()
    return description


def _loadables(description):
    return [f"        {name}: !ref <{name}>" for name in (*description.with_weights, "label_encoder")]


def _module(lines, name, kinds):
    kind = lines.one_of({f"{name}: {tag_of(kind)}": kind for kind in kinds})
    arguments = {}
    while lines.next_is("    "):
        entry = re.fullmatch(r" {4}([a-z_0-9]+): (\S+)", lines.line, re.ASCII)
        if not entry or entry[1] in arguments:
            raise lines.refused(f"an argument of {dotted(kind)}, each once, as `    name: value`")
        arguments[entry[1]] = entry[2]
        try:
            read_argument(kind, *entry.groups())
        except ValueError as error:
            raise lines.refused(f"arguments of {dotted(kind)}; {name}: {error}") from None
        lines.step()
    return kind, arguments


class _Lines:
    """The lines of a text, one after another, empty ones left out."""

    number: int
    line: str | None

    def __init__(self, content: bytes, path):
        self.path = path
        try:
            text = content.decode("ascii")
        except UnicodeDecodeError as error:
            self.number = content.count(b"\n", 0, error.start) + 1
            self.line = str(error)
            raise self.refused("plain ASCII text") from None
        numbered = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line]
        self.following = iter(numbered[1:] if numbered and numbered[0][1] == _COMMENT else numbered)
        self.number = 0
        self.line = None
        self.step()

    def step(self):
        self.number, self.line = next(self.following, (self.number + 1, None))

    def next_is(self, beginning: str) -> bool:
        return self.line is not None and self.line.startswith(beginning)

    def one_of(self, meanings: dict):
        """What the next line means, of the lines that may stand there."""
        if self.line not in meanings:
            raise self.refused(" or ".join(meanings))
        meaning = meanings[self.line]
        self.step()
        return meaning

    def expect(self, line: str):
        self.one_of({line: None})

    def end(self):
        if self.line is not None:
            raise self.refused("no further line")

    def refused(self, expected: str) -> SerError:
        place = "the end of the file" if self.line is None else self.line.strip()[:100]
        return SerError(
            got=f"{self.path}, line {self.number}: {place}",
            expected=f"{expected}; nothing else is built from a model's YAML, since it could run any code",
            remedy="load only models written by ser export; if the training is yours, export it again",
        )
