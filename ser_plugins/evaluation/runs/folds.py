"""Reads and checks what training left behind: ``seed_<n>/<fold>/results.json``, ``predictions.csv``; or a packed run.

The packed form is that of :mod:`ser_plugins.evaluation.runs.evidence`; no table depends on which of the two was read.
"""

import io
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ser_plugins.corpora.protocols import INNER
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.evaluation.metrics.tasks import predictions_files
from ser_plugins.evaluation.runs import evidence
from ser_plugins.evaluation.runs.fold_record import AuxiliaryRecord, FoldRecord, bad_file
from ser_plugins.evaluation.runs.run_record import damaged
from ser_plugins.files import read_json

_ROUNDING = 1e-5  # of a score: predictions are written with eight digits


class MissingFoldError(SerError):
    """A fold of the protocol has no results: an error, never a smaller mean."""


class SealedError(SerError):
    """The predictions are there and nobody has looked at them yet: see :mod:`ser_plugins.evaluation.runs.lockbox`."""


class FoldResults(NamedTuple):
    """One finished fold: its record, and its predictions by target, the corpus' own first."""

    record: FoldRecord
    predictions: dict[str, pd.DataFrame]


def fold_results(folder) -> FoldResults:
    """Read and check one finished fold.

    Arguments
    ---------
    folder : str or Path
        Holds ``results.json`` and ``predictions.csv``.

    Returns
    -------
    FoldResults
        The record as training has written it; a table by target, a row per test utterance.

    Raises
    ------
    MissingPathError, SealedError, SerError
        A file is missing; nobody has looked at it yet; or does not keep the format, or the two do not belong together.
    """
    record = read_fold_record(folder)
    if record.sealed:
        raise SealedError(
            got=f"{folder}: predictions sealed at {record.sealed.at}",
            expected="a test set that was opened",
            remedy="when everything is chosen: ser report RUN --unseal, which notes it in the run's seal.log",
        )
    files = {target: Path(folder) / name for target, name in predictions_files(record.tasks).items()}
    tables = {target: read_predictions(files[target], record, task) for target, task in record.tasks.items()}
    return FoldResults(record, tables)


def read_fold_record(folder) -> FoldRecord:
    """``results.json`` of one fold with a test set, sealed or not."""
    path = Path(folder) / "results.json"
    record = FoldRecord.from_json(read_json(path), path)
    if record.metrics is None and not record.sealed:
        raise SerError(
            got=f"{folder}: a training on everything, which tests nothing",
            expected="a fold with a test set",
            remedy="report and export by the run that measured the same settings: ser export RUN FOLDER --measured-by",
        )
    return record


def read_run(run_folder, read=fold_results) -> list[FoldResults]:
    """Read and check every fold of every seed of a run, in the order of seeds and of ``protocol.folds``.

    Arguments
    ---------
    run_folder : str or Path
        ``results/<corpus>/<system>/<protocol>``, or a packed run.
    read : callable
        Reads one fold, of a run that is not packed.

    Raises
    ------
    MissingFoldError
        When a seed that has a folder lacks a fold; the message names them.
    MissingPathError, SerError
        Nothing there; folds of different systems, protocols or settings; or a fold that :func:`fold_results` refuses.
    """
    run_folder = Path(run_folder)
    finished = _packed(run_folder) if evidence.is_packed(run_folder) else _as_trained(run_folder, read)
    places, folds = list(finished), list(finished.values())
    protocol = folds[0].record.protocol
    if protocol.protocol in INNER:
        raise SerError(
            got=f"{run_folder}: inner validation, of which every utterance is scored more than once",
            expected="a run under a protocol that tests",
            remedy="choose from it with the recipe's nested.py; it is never a result",
        )
    for place, (record, _) in finished.items():
        if place != record.place:
            results = f"results of seed {record.seed}, fold {record.fold}"
            raise bad_file(run_folder / place, results, "its own results")
        _refuse_mixture(run_folder, places[0], folds[0].record, record)
    _refuse_missing(run_folder, protocol.folds, places)
    if unknown := sorted({fold.record.fold for fold in folds} - set(protocol.folds)):
        names = ", ".join(protocol.folds)
        raise bad_file(run_folder, f"fold {', '.join(unknown)}", f"only folds of the protocol: {names}")
    folds.sort(key=lambda fold: (fold.record.seed, protocol.folds.index(fold.record.fold)))
    _check_across_folds(run_folder, folds)
    return folds


def _refuse_missing(run_folder, names, places) -> None:
    """Raise :class:`MissingFoldError` where a seed has not all folds of the protocol."""
    seeds = {place.partition("/")[0] for place in places}
    seeds |= {path.name for path in run_folder.glob("seed_*") if path.is_dir()}  # none of it may be finished
    missing = {seed: [name for name in names if f"{seed}/{name}" not in places] for seed in sorted(seeds)}
    if any(missing.values()):
        words = "; ".join(f"{seed} lacks {', '.join(absent)}" for seed, absent in missing.items() if absent)
        raise MissingFoldError(
            got=f"{run_folder}: {words}",
            expected=f"all {len(names)} folds of the protocol in every seed",
            remedy="give the training command again: it finishes what is unfinished and keeps the rest",
        )


def _as_trained(run_folder, read) -> dict[str, FoldResults]:
    """All finished folds, by ``seed_<n>/<fold>``."""
    paths = sorted(run_folder.glob("seed_*/*/results.json"))
    if not paths:
        raise MissingPathError(
            got=f"no seed_<n>/<fold>/results.json below {run_folder}",
            expected="a run folder, results/<corpus>/<system>/<protocol>, with finished folds",
            remedy="name the run folder, or train first",
        )
    return {path.parent.relative_to(run_folder).as_posix(): read(path.parent) for path in paths}


def _packed(run_folder) -> dict[str, FoldResults]:
    """All folds of a packed run, by ``seed_<n>/<fold>``."""
    path, run = run_folder / evidence.RECORD, evidence.read_record(run_folder)
    tasks = run.folds[0].tasks
    table = evidence.read_table(run_folder, run, tasks)
    tables, finished = dict(iter(table.groupby(["seed", "fold"], sort=False))), {}
    for record in run.folds:
        rows = tables.pop((str(record.seed), record.fold), None)
        if rows is None or record.sealed:
            raise damaged(path, f"{record.place} twice, sealed or without predictions", "every fold once, and open")
        finished[record.place] = _packed_fold(record, rows, tasks, run_folder / evidence.TABLE)
    if tables:
        raise damaged(path, f"no seed_{'/'.join(next(iter(tables)))}", "every fold that the table has")
    return finished


def _packed_fold(record, table, tasks, path) -> FoldResults:
    """One fold with all that its ``results.json`` would say; ``units`` and scores are those of the table."""
    record = replace(record, units={id_: unit or None for id_, unit in zip(table["id"], table["unit"], strict=True)})
    predictions = {
        target: _checked_predictions(evidence.of_target(table, tasks, target), path, record, task)
        for target, task in tasks.items()
    }
    return FoldResults(with_scores(record, predictions), predictions)


def with_scores(record: FoldRecord, predictions: dict[str, pd.DataFrame]) -> FoldRecord:
    """A record with the scores of its predictions."""
    (target, task), *auxiliary = record.tasks.items()
    return replace(
        record,
        metrics=task.metrics(predictions[target]["true"], predictions[target]["predicted"]),
        auxiliary={
            name: AuxiliaryRecord(
                scale=task.scale, metrics=task.metrics(predictions[name]["true"], predictions[name]["predicted"])
            )
            for name, task in auxiliary
        },
    )


def read_predictions(path, record: FoldRecord, task, text: str | None = None) -> pd.DataFrame:
    """Read and check one ``predictions.csv``: a row per test utterance, with its ``unit``.

    Arguments
    ---------
    path : Path
        The file.
    record : FoldRecord
        ``results.json`` beside it.
    task : Classification or Regression
        Whose columns it has.
    text : str, optional
        What to read in the place of the file, where that is sealed.
    """
    if text is None and not path.is_file():
        raise MissingPathError(got=f"no file {path}", expected="it beside results.json", remedy="train the fold again")
    try:
        table = pd.read_csv(path if text is None else io.StringIO(text), dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise bad_file(path, str(error).strip(), "comma-separated values") from None
    return _checked_predictions(table, path, record, task)


def _checked_predictions(table, path, record, task) -> pd.DataFrame:
    """Texts of one target's table as values; the table of a fold with its ``unit``."""
    columns = ["id", "fold", "seed", *task.columns]
    if list(table.columns) != columns:
        raise bad_file(path, f"columns {', '.join(table.columns)}", f"columns {', '.join(columns)}")
    if repeated := sorted(table["id"][table["id"].duplicated()]):
        raise bad_file(path, f"id {repeated[0]} more than once", "every utterance once")
    for column, value in (("fold", record.fold), ("seed", record.seed)):
        if stray := sorted(set(table[column]) - {str(value)}):
            raise bad_file(path, f"{column} {stray[0]}", f"{column} {value}, as results.json says")
    if stray := sorted(set(table["id"]) ^ set(record.units)):
        raise bad_file(path, f"id {stray[0]} not in both files", "the same ids as `units` in results.json")
    try:
        table = task.read(table)
    except SerError as error:
        raise bad_file(path, error.got, error.expected) from None
    return table.assign(seed=record.seed, unit=table["id"].map(record.units))


def refuse_other_scores(folds: list[FoldResults], source) -> list[FoldResults]:
    """The folds as they are, once the scores in each ``results.json`` are found to be those of its predictions."""
    for record, predictions in folds:
        (target, task), *_ = record.tasks.items()
        written = record.metrics or {}
        computed = task.metrics(predictions[target]["true"], predictions[target]["predicted"])
        if different := [key for key in task.scores if not _same_score(computed[key], written.get(key))]:
            key = different[0]
            raise SerError(
                got=f"{source}: seed {record.seed}, fold {record.fold}: {key} {written.get(key)} in results.json",
                expected=f"{computed[key]}, what predictions.csv beside it gives",
                remedy="train the fold again: one of the two files was changed",
            )
    return folds


def _same_score(computed, written) -> bool:
    if computed is None or written is None:
        return computed is written
    return isinstance(written, (int, float)) and abs(computed - written) <= _ROUNDING


def _refuse_mixture(run_folder, first_place, first, record):
    for key in ("system", "protocol", "settings_sha256"):
        if getattr(record, key) == getattr(first, key):
            continue
        name = key.removesuffix("_sha256")
        value, first_value = (side.to_json()[name] for side in (record, first))
        if isinstance(value, dict):
            keys = sorted(key for key in value.keys() | first_value.keys() if value.get(key) != first_value.get(key))
            value, first_value = ({key: side.get(key) for key in keys} for side in (value, first_value))
        raise SerError(
            got=f"{run_folder}: {name} {value} in {record.place}, but {first_value} in {first_place}",
            expected="one system, one protocol and one set of settings per run folder",
            remedy="train into another output folder, or remove the folds that do not belong",
        )


def _check_across_folds(run_folder, folds):
    """Every seed has tested the same utterances, each once, with the same labels."""
    seeds = {}
    for record, tables in folds:
        predictions = next(iter(tables.values()))
        labels = seeds.setdefault(record.seed, {})
        if repeated := sorted(labels.keys() & set(predictions["id"])):
            raise bad_file(run_folder, f"id {repeated[0]} in two folds of seed {record.seed}", "disjoint test folds")
        labels.update(zip(predictions["id"], predictions["true"], strict=True))
    (first_seed, first_labels), *further_seeds = seeds.items()
    for seed, labels in further_seeds:
        if different := sorted(dict(labels.items() ^ first_labels.items())):
            name = f"id {different[0]} differs between seeds {first_seed} and {seed}"
            raise bad_file(run_folder, name, "the same test utterances")
