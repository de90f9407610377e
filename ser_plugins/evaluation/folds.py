"""Reads and checks what training left behind: ``seed_<n>/<fold>/results.json`` and ``predictions.csv``."""

import io
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ser_plugins.corpora.protocols import INNER
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.evaluation.tasks import predictions_files, tasks_of
from ser_plugins.files import read_json

SCHEMA = 1
# fmt: off
_KEYS = (
    "system", "fold", "seed", "protocol", "audit", "units", "training", "history", "parameters", "settings",
    "settings_sha256", "wall_time_s", "device", "machine", "versions",
)
_PROTOCOL_KEYS = (
    "corpus", "corpus_sha256", "classes", "target", "protocol", "unit", "subset", "selection", "split_seed", "leaks",
    "folds", "utterances", "normalisation", "transductive",
)
# fmt: on
# What results of version 0.1.0, all of them of emotions and speakers, do not say.
_BEFORE = {"task": "classification", "scale": None, "unit_field": "speaker", "partial": False, "statements": []}


class MissingFoldError(SerError):
    """A fold of the protocol has no results: an error, never a smaller mean."""


class SealedError(SerError):
    """The predictions are there and nobody has looked at them yet: see :mod:`ser_plugins.evaluation.sealing`."""


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
    folder = Path(folder)
    results = read_json(folder / "results.json")
    if not isinstance(results, dict) or results.get("schema") != SCHEMA:
        found = results.get("schema") if isinstance(results, dict) else type(results).__name__
        raise _bad(folder / "results.json", f"schema {found}", f"the results of one fold, schema {SCHEMA}")
    if results.get("metrics", {}) is None and "sealed" not in results:
        raise SerError(
            got=f"{folder}: a training on everything, which tests nothing",
            expected="a fold with a test set",
            remedy="report and export by the run that measured the same settings: ser export RUN FOLDER --measured-by",
        )
    if "speakers" in results:  # version 0.1.0
        results = {"units": results["speakers"], "training": {}, **results}
    missing = [key for key in _KEYS if key not in results]
    missing += [f"protocol.{key}" for key in _PROTOCOL_KEYS if key not in results.get("protocol", {})]
    if missing:
        raise _bad(folder / "results.json", f"no {', '.join(missing)}", "all the keys that training writes")
    return {**results, "protocol": {**_BEFORE, **results["protocol"]}}


def read_run(run_folder, read=fold_results) -> list[FoldResults]:
    """Read and check every fold of every seed below a run folder, in the order of seeds and of ``protocol.folds``.

    Arguments
    ---------
    run_folder : str or Path
        ``results/<corpus>/<system>/<protocol>``.
    read : callable
        Reads one fold.

    Raises
    ------
    MissingFoldError
        When a seed that has a folder lacks a fold; the message names them.
    MissingPathError, SerError
        Nothing there; folds of different systems, protocols or settings; or a fold that :func:`fold_results` refuses.
    """
    run_folder = Path(run_folder)
    paths = sorted(run_folder.glob("seed_*/*/results.json"))
    if not paths:
        raise MissingPathError(
            got=f"no seed_<n>/<fold>/results.json below {run_folder}",
            expected="a run folder, results/<corpus>/<system>/<protocol>, with finished folds",
            remedy="name the run folder, or train first",
        )
    runs = [read(path.parent) for path in paths]
    if runs[0].results["protocol"]["protocol"] == INNER:
        raise SerError(
            got=f"{run_folder}: inner validation, of which every utterance is scored twice",
            expected="a run under a protocol that tests",
            remedy="choose from it with the recipe's nested.py; it is never a result",
        )
    first, names = runs[0].results, [path.parent.relative_to(run_folder).as_posix() for path in paths]
    for name, results in zip(names, (run.results for run in runs), strict=True):
        if name != f"seed_{results['seed']}/{results['fold']}":
            raise _bad(
                run_folder / name, f"results of seed {results['seed']}, fold {results['fold']}", "its own results"
            )
        _refuse_mixture(run_folder, names[0], first, name, results)
    folds, seeds = first["protocol"]["folds"], sorted(path.name for path in run_folder.glob("seed_*") if path.is_dir())
    missing = {seed: [fold for fold in folds if f"{seed}/{fold}" not in names] for seed in seeds}
    if any(missing.values()):
        told = "; ".join(f"{seed} lacks {', '.join(absent)}" for seed, absent in missing.items() if absent)
        raise MissingFoldError(
            got=f"{run_folder}: {told}",
            expected=f"all {len(folds)} folds of the protocol in every seed",
            remedy="give the training command again: it finishes what is unfinished and keeps the rest",
        )
    unknown = sorted({run.results["fold"] for run in runs} - set(folds))
    if unknown:
        raise _bad(run_folder, f"fold {', '.join(unknown)}", f"only folds of the protocol: {', '.join(folds)}")
    runs.sort(key=lambda run: (run.results["seed"], folds.index(run.results["fold"])))
    _check_across_folds(run_folder, runs)
    return runs


def tasks_in(results: dict) -> dict:
    """The tasks of a fold, or of an aggregate, by target."""
    auxiliary = {target: part["scale"] for target, part in results.get("auxiliary", {}).items()}
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
    units = results["units"]
    if text is None and not path.is_file():
        raise MissingPathError(got=f"no file {path}", expected="it beside results.json", remedy="train the fold again")
    try:
        table = pd.read_csv(path if text is None else io.StringIO(text), dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise _bad(path, str(error).strip(), "comma-separated values") from None
    columns = ["id", "fold", "seed", *task.columns]
    if list(table.columns) != columns:
        raise _bad(path, f"columns {', '.join(table.columns)}", f"columns {', '.join(columns)}")
    if repeated := sorted(table["id"][table["id"].duplicated()]):
        raise _bad(path, f"id {repeated[0]} more than once", "every utterance once")
    for column in ("fold", "seed"):
        if stray := sorted(set(table[column]) - {str(results[column])}):
            raise _bad(path, f"{column} {stray[0]}", f"{column} {results[column]}, as results.json says")
    if odd := sorted(set(table["id"]) ^ set(units)):
        raise _bad(path, f"id {odd[0]} not in both files", "the same ids as `units` in results.json")
    try:
        table = task.read(table)
    except SerError as error:
        raise _bad(path, error.got, error.expected) from None
    return table.assign(seed=int(results["seed"]), unit=table["id"].map(units))


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
            raise _bad(run_folder, f"id {repeated[0]} in two folds of seed {results['seed']}", "disjoint test folds")
        seen.update(zip(predictions["id"], predictions["true"], strict=True))
    first, *others = labels.items()
    for seed, seen in others:
        if odd := sorted(dict(seen.items() ^ first[1].items())):
            raise _bad(
                run_folder, f"id {odd[0]} differs between seeds {first[0]} and {seed}", "the same test utterances"
            )


def _bad(path, got, expected):
    return SerError(got=f"{path}: {got}", expected=expected, remedy="train the fold again, or restore its files")
