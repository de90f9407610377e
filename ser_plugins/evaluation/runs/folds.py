"""Reads and checks what training left behind: ``seed_<n>/<fold>/results.json``, ``predictions.csv``; or a packed run.

The packed form is that of :mod:`ser_plugins.evaluation.runs.evidence`; no table depends on which of the two was read.
"""

import io
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ser_plugins.corpora.protocols import INNER
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.evaluation.metrics.tasks import predictions_files, tasks_of
from ser_plugins.evaluation.runs import evidence
from ser_plugins.evaluation.runs.fold_record import bad_file, checked_record
from ser_plugins.files import read_json

_ROUNDING = 1e-5  # of a score: predictions are written with eight digits


class MissingFoldError(SerError):
    """A fold of the protocol has no results: an error, never a smaller mean."""


class SealedError(SerError):
    """The predictions are there and nobody has looked at them yet: see :mod:`ser_plugins.evaluation.runs.lockbox`."""


class FoldResults(NamedTuple):
    """One finished fold: its ``results.json``, and its predictions by target, the corpus' own first."""

    results: dict
    predictions: dict


def fold_results(folder) -> FoldResults:
    """Read and check one finished fold.

    Arguments
    ---------
    folder : str or Path
        Holds ``results.json`` and ``predictions.csv``.

    Returns
    -------
    FoldResults
        ``results`` as written by training; ``predictions`` as a table by target, a row per test utterance.

    Raises
    ------
    MissingPathError, SealedError, SerError
        A file is missing; nobody has looked at it yet; or does not keep the format, or the two do not belong together.
    """
    results = checked_results(folder)
    if "sealed" in results:
        raise SealedError(
            got=f"{folder}: predictions sealed at {results['sealed']['at']}",
            expected="a test set that was opened",
            remedy="when everything is chosen: ser report RUN --unseal, which notes it in the run's seal.log",
        )
    tasks = tasks_in(results)
    files = {target: Path(folder) / name for target, name in predictions_files(tasks).items()}
    return FoldResults(
        results, {target: read_predictions(files[target], results, task) for target, task in tasks.items()}
    )


def checked_results(folder) -> dict:
    """``results.json`` of one fold, sealed or not, checked."""
    path = Path(folder) / "results.json"
    return checked_record(read_json(path), path)


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
    names, runs = list(finished), list(finished.values())
    if runs[0].results["protocol"]["protocol"] in INNER:
        raise SerError(
            got=f"{run_folder}: inner validation, of which every utterance is scored more than once",
            expected="a run under a protocol that tests",
            remedy="choose from it with the recipe's nested.py; it is never a result",
        )
    first = runs[0].results
    for name, (results, _) in finished.items():
        if name != f"seed_{results['seed']}/{results['fold']}":
            raise bad_file(
                run_folder / name, f"results of seed {results['seed']}, fold {results['fold']}", "its own results"
            )
        _refuse_mixture(run_folder, names[0], first, name, results)
    folds, seeds = first["protocol"]["folds"], {name.partition("/")[0] for name in names}
    seeds |= {path.name for path in run_folder.glob("seed_*") if path.is_dir()}  # none of it may be finished
    missing = {seed: [fold for fold in folds if f"{seed}/{fold}" not in names] for seed in sorted(seeds)}
    if any(missing.values()):
        told = "; ".join(f"{seed} lacks {', '.join(absent)}" for seed, absent in missing.items() if absent)
        raise MissingFoldError(
            got=f"{run_folder}: {told}",
            expected=f"all {len(folds)} folds of the protocol in every seed",
            remedy="give the training command again: it finishes what is unfinished and keeps the rest",
        )
    unknown = sorted({run.results["fold"] for run in runs} - set(folds))
    if unknown:
        raise bad_file(run_folder, f"fold {', '.join(unknown)}", f"only folds of the protocol: {', '.join(folds)}")
    runs.sort(key=lambda run: (run.results["seed"], folds.index(run.results["fold"])))
    _check_across_folds(run_folder, runs)
    return runs


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
    path, record = run_folder / evidence.RECORD, evidence.read_record(run_folder)
    records = [checked_record({"units": {}, **record["run"], **fold}, path) for fold in record["folds"]]
    tasks = tasks_in(records[0])
    table = evidence.read_table(run_folder, record, tasks)
    tables, finished = dict(iter(table.groupby(["seed", "fold"], sort=False))), {}
    for results in records:
        name = f"seed_{results['seed']}/{results['fold']}"
        table = tables.pop((str(results["seed"]), results["fold"]), None)
        if table is None or "sealed" in results:
            raise evidence.damaged(path, f"{name} twice, sealed or without predictions", "every fold once, and open")
        finished[name] = _packed_fold(results, table, tasks, run_folder / evidence.TABLE)
    if tables:
        raise evidence.damaged(path, f"no seed_{'/'.join(next(iter(tables)))}", "every fold that the table has")
    return finished


def _packed_fold(results, table, tasks, path) -> FoldResults:
    """One fold with all that its ``results.json`` would say; ``units`` and scores are those of the table."""
    results["units"] = {key: unit or None for key, unit in zip(table["id"], table["unit"], strict=True)}
    predictions, scores = {}, {}
    for target, task in tasks.items():
        values = _checked_predictions(evidence.of_target(table, tasks, target), path, results, task)
        predictions[target], scores[target] = values, task.metrics(values["true"], values["predicted"])
    (target, _), *auxiliary = tasks.items()
    results["metrics"] = scores[target]
    results["auxiliary"] = {name: {"scale": task.scale, "metrics": scores[name]} for name, task in auxiliary}
    return FoldResults(results, predictions)


def tasks_in(results: dict) -> dict:
    """The tasks of a fold, or of an aggregate, by target."""
    auxiliary = {target: part["scale"] for target, part in results["auxiliary"].items()}
    return tasks_of(results["protocol"], auxiliary)


def read_predictions(path, results: dict, task, text: str | None = None) -> pd.DataFrame:
    """Read and check one ``predictions.csv``: a row per test utterance, with its ``unit``.

    Arguments
    ---------
    path : Path
        The file.
    results : dict
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
    return _checked_predictions(table, path, results, task)


def _checked_predictions(table, path, results, task) -> pd.DataFrame:
    """Texts of one target's table as values; the table of a fold with its ``unit``."""
    columns = ["id", "fold", "seed", *task.columns]
    if list(table.columns) != columns:
        raise bad_file(path, f"columns {', '.join(table.columns)}", f"columns {', '.join(columns)}")
    if repeated := sorted(table["id"][table["id"].duplicated()]):
        raise bad_file(path, f"id {repeated[0]} more than once", "every utterance once")
    for column in ("fold", "seed"):
        if stray := sorted(set(table[column]) - {str(results[column])}):
            raise bad_file(path, f"{column} {stray[0]}", f"{column} {results[column]}, as results.json says")
    if odd := sorted(set(table["id"]) ^ set(results["units"])):
        raise bad_file(path, f"id {odd[0]} not in both files", "the same ids as `units` in results.json")
    try:
        table = task.read(table)
    except SerError as error:
        raise bad_file(path, error.got, error.expected) from None
    return table.assign(seed=int(results["seed"]), unit=table["id"].map(results["units"]))


def refuse_other_scores(runs: list[FoldResults], source) -> list[FoldResults]:
    """The folds as they are, once the scores in each ``results.json`` are found to be those of its predictions."""
    for results, predictions in runs:
        (target, task), *_ = tasks_in(results).items()
        table = predictions[target]
        computed, said = task.metrics(table["true"], table["predicted"]), results["metrics"]
        odd = [key for key in task.scores if not _same(computed[key], said.get(key))]
        if odd:
            raise SerError(
                got=f"{source}: seed {results['seed']}, fold {results['fold']}: {odd[0]} {said.get(odd[0])} in "
                "results.json",
                expected=f"{computed[odd[0]]}, what predictions.csv beside it gives",
                remedy="train the fold again: one of the two files was changed",
            )
    return runs


def _same(computed, said) -> bool:
    if computed is None or said is None:
        return computed is said
    return isinstance(said, (int, float)) and abs(computed - said) <= _ROUNDING


def _refuse_mixture(run_folder, first_name, first, name, results):
    for what, told in (("system", "system"), ("protocol", "protocol"), ("settings_sha256", "settings")):
        if results[what] == first[what]:
            continue
        mine, theirs = results[told], first[told]
        if isinstance(mine, dict):
            keys = sorted(key for key in mine.keys() | theirs.keys() if mine.get(key) != theirs.get(key))
            mine, theirs = ({key: side.get(key) for key in keys} for side in (mine, theirs))
        raise SerError(
            got=f"{run_folder}: {told} {mine} in {name}, but {theirs} in {first_name}",
            expected="one system, one protocol and one set of settings per run folder",
            remedy="train into another output folder, or remove the folds that do not belong",
        )


def _check_across_folds(run_folder, runs):
    """Every seed has tested the same utterances, each once, with the same labels."""
    labels = {}
    for results, tables in runs:
        predictions = next(iter(tables.values()))
        seen = labels.setdefault(results["seed"], {})
        if repeated := sorted(seen.keys() & set(predictions["id"])):
            raise bad_file(
                run_folder, f"id {repeated[0]} in two folds of seed {results['seed']}", "disjoint test folds"
            )
        seen.update(zip(predictions["id"], predictions["true"], strict=True))
    first, *others = labels.items()
    for seed, seen in others:
        if odd := sorted(dict(seen.items() ^ first[1].items())):
            raise bad_file(
                run_folder, f"id {odd[0]} differs between seeds {first[0]} and {seed}", "the same test utterances"
            )
