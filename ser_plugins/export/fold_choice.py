"""Which trained fold is exported, and which measurement speaks for it."""

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.evaluation.report.run_summary import RunSummary
from ser_plugins.evaluation.report.summary import aggregate
from ser_plugins.evaluation.runs.evidence import is_packed
from ser_plugins.evaluation.runs.fold_record import FoldRecord
from ser_plugins.evaluation.runs.folds import FoldResults, fold_results, read_run, refuse_other_scores
from ser_plugins.files import read_json

# Settings in which a training on everything differs from the run that measured it.
_DIVISION = ("protocol", "split", "unit")


class Chosen(NamedTuple):
    """A trained fold.

    Arguments
    ---------
    folder : Path
        Holds ``hyperparams.yaml`` and the checkpoint.
    record : FoldRecord
        Its ``results.json``.
    measured : list of FoldResults
        The folds of the whole protocol; this one alone where others are missing.
    summary : RunSummary
        Their aggregate.
    whole : bool
        Which of the two.
    reason : str
        Why this fold, for the card.
    """

    folder: Path
    record: FoldRecord
    measured: list[FoldResults]
    summary: RunSummary
    whole: bool
    reason: str

    @property
    def temperature(self) -> float:
        """What the logits are divided by: fitted on the out-of-fold predictions of a whole protocol, else 1."""
        calibration = self.summary.calibration if self.whole else None
        return calibration["temperature"] if calibration else 1.0


def choose(source, measured_by=None) -> Chosen:
    """Choose a fold of a run, never by its score; see :func:`ser_plugins.export.folder.export_model`."""
    source = Path(source)
    if not source.is_dir():
        raise MissingPathError(got=f"no folder {source}", expected="a fold or run folder", remedy="check the path")
    if measured_by is not None:
        return _untested(source, measured_by)
    if any(source.glob("seed_*")):
        folds = refuse_other_scores(read_run(source), source)
        seed = folds[0].record.seed
        largest = min(
            (fold.record for fold in folds if fold.record.seed == seed),
            key=lambda record: (-record.counts.train, record.fold),
        )
        reason = (
            "of the first seed, the fold with the most training utterances, ties by name; scores were not looked at"
        )
        return Chosen(source / largest.place, largest, folds, aggregate(folds), True, reason)
    if is_packed(source):
        raise SerError(
            got=f"{source}: a packed run, which has predictions and no weights",
            expected="a finished fold or a run folder, with its checkpoints",
            remedy="export what it was packed from, or train it again",
        )
    if not (source / "results.json").is_file():
        raise SerError(
            got=f"{source} has no results.json",
            expected="a finished fold (results.json inside) or a run folder (seed_<n>/ inside)",
            remedy="train it to the end first",
        )
    [fold] = refuse_other_scores([fold_results(source)], source)
    record = fold.record
    real = source.resolve()
    reason = "named by whoever exported it"
    if f"{real.parent.name}/{real.name}" == record.place:
        # With folds missing or mixed the card has this fold's numbers only, and says so.
        folds = None
        with suppress(SerError):
            folds = read_run(real.parent.parent)
        if folds:
            return Chosen(source, record, folds, aggregate(refuse_other_scores(folds, source)), True, reason)
    return Chosen(source, record, [fold], aggregate([fold]), False, reason)


def _untested(source: Path, measured_by) -> Chosen:
    """A training on everything, with the numbers of a run that had the same settings but for the division."""
    path = next(iter(sorted(source.glob("seed_*/*/results.json"))), source / "results.json")
    record = FoldRecord.from_json(read_json(path), path)
    folds = refuse_other_scores(read_run(measured_by), measured_by)
    summary = aggregate(folds)
    if record.sealed or record.metrics is not None:
        raise SerError(
            got=f"{path}: a fold with a test set of its own",
            expected="with --measured-by a training on everything (--protocol all)",
            remedy="leave --measured-by out",
        )
    refuse_other_settings(path, record.settings, measured_by, summary.settings)
    used, tested = record.protocol.utterances, summary.protocol.utterances
    if used != tested:
        raise SerError(
            got=f"{path}: {used} utterances, and {tested} in {measured_by}",
            expected="the same utterances, trained on and measured on",
            remedy="measure with the protocol that uses all of them",
        )
    return Chosen(path.parent, record, folds, summary, True, "trained on everything, in the way that was measured")


def refuse_other_settings(path, trained: dict, measured_by, measured: dict) -> None:
    """The settings of a training, but for the division of the recordings, must be those of the run that measured it."""
    keys = sorted(key for key in trained.keys() | measured.keys() if trained.get(key) != measured.get(key))
    if differing := [key for key in keys if key not in _DIVISION]:
        values = (f"{key}: {trained.get(key)} instead of {measured.get(key)}" for key in differing)
        raise SerError(
            got=f"{path}: {', '.join(values)}",
            expected=f"the settings of {measured_by}, whose numbers would speak for it",
            remedy="train both with the same settings",
        )
