"""What one fold leaves behind: the content of its ``results.json``, in a run folder or in a packed run."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ser_plugins.errors import SerError
from ser_plugins.evaluation.runs.run_protocol import RunProtocol
from ser_plugins.files import write_json
from ser_plugins.typed_json import noun_json, read_noun

SCHEMA = 2
READABLE = (1, SCHEMA)  # they differ in the number alone


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Utterances of a fold's parts, and the copies that training has made of its own."""

    train: int
    valid: int
    test: int
    copies: int = 0


@dataclass(frozen=True, kw_only=True)
class TrainingConstants:
    """What a baseline may know of the numbers in a training set: median, mean and more frequent sign."""

    median: float
    mean: float
    majority: str | None


@dataclass(frozen=True, kw_only=True)
class AuxiliaryRecord:
    """A further target: its scale, and its scores once the test is open."""

    scale: str
    metrics: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Seal:
    """When predictions were put away unread (UTC), their SHA-256 by file, and when they were opened."""

    at: str
    sha256: dict[str, str]
    opened_at: str | None = None


@dataclass(frozen=True, kw_only=True)
class ChosenConfiguration:
    """What a nested choice has taken for a fold, and the weight of each of its parts."""

    name: str
    weights: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class FoldRecord:
    """All that a trained and tested fold says of itself, but for its predictions.

    Arguments
    ---------
    system, fold, seed
        Which training it is.
    protocol : RunProtocol
        How it was tested.
    about_corpus : dict
        ``licence``, ``citation``, ``language`` and ``speech`` of the corpus, as far as they are known.
    audit : str
        What the auditor said before the training.
    units : dict
        The unit (speaker, session or video) of every tested utterance, by id; None where nobody knows it.
    training : dict
        By target; of one that is a number it holds what :class:`TrainingConstants` has.
    counts : Counts
        Utterances.
    metrics : dict or None
        Scores of the corpus' own target; None where they are sealed, or nothing was tested.
    auxiliary : dict
        Further targets.
    history : tuple of dict
        A row of numbers per epoch, ``epoch`` (from 1) among them.
    epochs, selected_epoch : int
        Of the whole training, and the one that was tested; None of a system without epochs.
    checkpoint : str or None
        Where the weights are, below the fold's folder.
    parameters : int
        Of the model.
    wall_time_s : float
        Seconds of the training.
    device, machine : str
        Where it ran.
    settings, settings_sha256
        Everything that defines the experiment, and its hash.
    versions : dict
        Of Python and packages.
    sealed, was_sealed : Seal, optional
        Of predictions that nobody has read yet, or that were opened.
    chosen : ChosenConfiguration, optional
        Of a fold that a nested choice has put together.
    """

    system: str
    fold: str
    seed: int
    protocol: RunProtocol
    about_corpus: dict[str, str]
    audit: str
    units: dict[str, str | None]
    training: dict[str, dict[str, Any] | None]
    counts: Counts
    metrics: dict[str, Any] | None
    auxiliary: dict[str, AuxiliaryRecord]
    history: tuple[dict[str, float | None], ...]
    epochs: int
    selected_epoch: int | None
    checkpoint: str | None
    parameters: int
    wall_time_s: float
    device: str
    settings: dict[str, Any]
    settings_sha256: str
    machine: str
    versions: dict[str, str]
    sealed: Seal | None = None
    was_sealed: Seal | None = None
    chosen: ChosenConfiguration | None = None

    @property
    def tasks(self) -> dict:
        """Its tasks by target, that of the corpus first."""
        return self.protocol.tasks({target: part.scale for target, part in self.auxiliary.items()})

    @property
    def place(self) -> str:
        """Its folder below that of the run."""
        return f"seed_{self.seed}/{self.fold}"

    def to_json(self) -> dict:
        """The content of ``results.json``."""
        return {"schema": SCHEMA, **noun_json(self)}

    def write(self, folder) -> None:
        """Write ``results.json``, after everything else: its presence says that the fold is finished."""
        write_json(Path(folder) / "results.json", self.to_json())

    @classmethod
    def from_json(cls, content, path: Path) -> "FoldRecord":
        """Read and check what one fold says, sealed or not.

        Arguments
        ---------
        content : object
            The content of ``results.json``.
        path : Path
            Where it was read.

        Raises
        ------
        SerError
            Another schema, or keys that are missing or hold another kind of value.

        Example
        -------
        >>> FoldRecord.from_json({"schema": 3}, Path("results.json"))
        Traceback (most recent call last):
        ser_plugins.errors.SerError: got: results.json: schema 3; expected: the results of one fold, schema 2; \
remedy: train the fold again, or restore its files
        """
        if not isinstance(content, dict) or content.get("schema") not in READABLE:
            schema = content.get("schema") if isinstance(content, dict) else type(content).__name__
            raise bad_file(path, f"schema {schema!s:.50}", f"the results of one fold, schema {SCHEMA}")
        return cls.from_fields(content, path)

    @classmethod
    def from_fields(cls, fields: dict, path: Path) -> "FoldRecord":
        """As :meth:`from_json`, of what a packed run says of one fold."""
        refusal = partial(bad_file, path)
        record = read_noun(cls, {"about_corpus": {}, **fields}, refusal)  # which the first records do not have
        _check_epochs(record, refusal)
        _check_constants(record, refusal)
        return record


def bad_file(path, got, expected) -> SerError:
    """What is raised of a fold's file that does not keep the format."""
    return SerError(got=f"{path}: {got}", expected=expected, remedy="train the fold again, or restore its files")


def _check_epochs(record: FoldRecord, refusal: Callable) -> None:
    for number, row in enumerate(record.history):
        if not isinstance(row.get("epoch"), int):
            raise refusal(f"history[{number}]: {row!a:.100}", "numbers by name, `epoch` among them, a whole one")


def _check_constants(record: FoldRecord, refusal: Callable) -> None:
    """Of every target that is a number, what its baselines need."""
    for target, task in record.tasks.items():
        if task.kind == "regression":
            read_noun(TrainingConstants, record.training.get(target) or {}, refusal, f"training.{target}.")
