"""A run as tables, figures, comparisons and cards read it: its folds put together."""

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ser_plugins.evaluation.runs.fold_record import bad_file
from ser_plugins.evaluation.runs.run_protocol import RunProtocol
from ser_plugins.typed_json import noun_json, read_noun

SCHEMA = 2
_FIRST = ("system", "protocol", "protocol_line", "protocol_hash", "seeds")  # in the file, whoever reads it


@dataclass(frozen=True, kw_only=True)
class TaskSummary:
    """All scores of one task; those that are undefined are None.

    Arguments
    ---------
    utterances : int
        With a label, all folds together, each counted once.
    metrics : dict
        Pooled scores, mean over the seeds; of classes also ``per_class`` and ``confusion``.
    seed_sd : dict
        By score: standard deviation over the seeds.
    fold_mean, fold_sd : dict
        By score: mean and standard deviation over the folds.
    intervals : dict
        By score: both ends of its 95 % interval.
    intervals_made_by : dict
        By score: how; and ``level``.
    baselines : tuple of dict
        What knowing nothing would score: ``name``, ``answer`` and a value per score.
    per_seed, per_fold, per_unit : tuple of dict
        A row of scores each; ``n`` counts utterances.
    """

    utterances: int
    metrics: dict[str, Any]
    seed_sd: dict[str, float | None]
    fold_mean: dict[str, float | None]
    fold_sd: dict[str, float | None]
    intervals: dict[str, tuple[float, ...] | None]
    intervals_made_by: dict[str, Any]
    baselines: tuple[dict[str, Any], ...]
    per_seed: tuple[dict[str, Any], ...]
    per_fold: tuple[dict[str, Any], ...]
    per_unit: tuple[dict[str, Any], ...]


@dataclass(frozen=True, kw_only=True)
class AuxiliarySummary(TaskSummary):
    """The scores of a further target, over the utterances that are rated, and its scale."""

    scale: str


@dataclass(frozen=True, kw_only=True)
class RunSummary(TaskSummary):
    """The scores of the corpus' own target, and all that is said beside them.

    Arguments
    ---------
    system : str
        What was tested.
    protocol : RunProtocol
        How.
    protocol_line, protocol_hash : str
        The same in words, and the hash of the test.
    seeds : tuple of int
        Of the trainings.
    auxiliary : dict
        Further targets, where any utterance has them.
    calibration : dict or None
        See :func:`ser_plugins.evaluation.metrics.calibration.calibration`; None of numbers.
    audit : str
        What the auditor said of the folds.
    parameters : int
        Of the model.
    settings, settings_sha256
        Everything that defines the experiment, and its hash.
    wall_time_s, longest_fold_s : float
        Seconds of all trainings, and of the longest.
    device, machine : str
        Where they ran.
    versions : dict
        Of Python and packages.
    """

    system: str
    protocol: RunProtocol
    protocol_line: str
    protocol_hash: str
    seeds: tuple[int, ...]
    auxiliary: dict[str, AuxiliarySummary] = field(default_factory=dict)
    calibration: dict[str, Any] | None
    audit: str
    parameters: int
    settings: dict[str, Any]
    settings_sha256: str
    wall_time_s: float
    longest_fold_s: float
    device: str
    machine: str
    versions: dict[str, str]

    @property
    def tasks(self) -> dict:
        """Its tasks by target, that of the corpus first."""
        return self.protocol.tasks({target: part.scale for target, part in self.auxiliary.items()})

    def to_json(self) -> dict:
        """The content of the ``results.json`` of a run."""
        values = noun_json(self)
        return {"schema": SCHEMA, **{key: values.pop(key) for key in _FIRST}, **values}

    @classmethod
    def from_json(cls, content, path: Path) -> "RunSummary":
        """Read and check what :meth:`to_json` makes; :class:`SerError` where it is something else."""
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            schema = content.get("schema") if isinstance(content, dict) else type(content).__name__
            raise bad_file(path, f"schema {schema!s:.50}", f"the results of a run, schema {SCHEMA}: ser report RUN")
        return read_noun(cls, content, partial(bad_file, path))
