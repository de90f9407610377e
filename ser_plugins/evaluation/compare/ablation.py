"""What each idea is worth: the configurations of a list under inner validation, each held against the first.

Inner validation (``loso-pairs``) predicts every utterance twice, by models that know neither its speaker nor one of two
others; no test is opened. The utterances are the same for all configurations, so differences are paired, and their
intervals are bootstraps over the same speakers.
"""

import io
from pathlib import Path

import pandas as pd

from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.evaluation.compare.comparable import Trials, difference_intervals
from ser_plugins.evaluation.compare.selection import selection_marks, selection_notes
from ser_plugins.evaluation.compare.tables import difference_text
from ser_plugins.evaluation.metrics.tasks import tasks_of
from ser_plugins.evaluation.report.tables import markdown_table
from ser_plugins.evaluation.runs.evidence import INNER_TABLE, is_packed, read_record, unpacked
from ser_plugins.files import read_json
from ser_plugins.plain import Markup, bold, code

_ROW = ["fold", "seed", "id", "unit", "true"]  # what a row is; after it a column per configuration


def side_by_side(tables: dict) -> pd.DataFrame:
    """Predictions of several configurations for the same tests.

    Arguments
    ---------
    tables : dict
        Configuration -> a table per pair and seed, with ``id``, ``fold``, ``seed``, ``unit``, ``true``, ``predicted``.

    Returns
    -------
    pandas.DataFrame
        A row per seed, pair and utterance: ``fold``, ``seed``, ``id``, ``unit``, ``true``, then a column of predictions
        per configuration.

    Example
    -------
    >>> table = pd.DataFrame([["a-b", 1, "u", "a", "joy", "fear"]], columns=[*_ROW, "predicted"])
    >>> side_by_side({"plain": [table], "warped": [table.assign(predicted="joy")]}).columns[4:].tolist()
    ['true', 'plain', 'warped']
    """
    together = [
        pd.concat(parts, ignore_index=True).set_index(_ROW)["predicted"].rename(name) for name, parts in tables.items()
    ]
    return pd.concat(together, axis=1, verify_integrity=True).reset_index()


def ablation_table(file) -> str:
    """A table in markdown: a row per configuration, its scores, and what they differ by from the first one's.

    Arguments
    ---------
    file : str or Path
        ``inner.json`` or ``selection.json`` of a recipe's ``nested.py``; the predictions are in the ``.csv`` or
        ``.csv.gz`` beside it. Or a packed run of a nested choice, with its ``selection.csv.gz``.

    Raises
    ------
    MissingPathError, SerError
        A file is missing, or is no such file.
    """
    selection, table = _read(Path(file))
    task = next(iter(tasks_of(selection["task"]).values()))
    runs = {name: _run(table, name, task) for name in table.columns[len(_ROW) :]}
    scores = {key: task.scores[key] for key in list(task.scores)[:2]}  # WA and UAR, or MAE and r
    pooled = {name: _scores(run) for name, run in runs.items()}
    first_name, rows = next(iter(runs)), []
    for name, run in runs.items():
        bounds = difference_intervals(run, runs[first_name])
        differences = [
            difference_text(pooled[name][key] - pooled[first_name][key], bounds.get(key), score)
            for key, score in scores.items()
        ]
        values = [score.text(pooled[name][key]) for key, score in scores.items()]
        title = Markup(" ".join([code(name), *map(bold, selection_marks(name, selection))]))
        rows.append([title, *values, *(["–"] * len(scores) if name == first_name else differences)])
    labels = [score.label for score in scores.values()]
    seeds, pairs, units = (table[column].nunique() for column in ("seed", "fold", "unit"))
    note = (
        f"Inner validation: {pairs} pairs of {units} speakers held out in turn, each utterance predicted "
        f"{_times(pairs, units)}; {seeds} seed{'s' * (seeds > 1)}. For comparing, never a "
        f"result. Differences are from {code(first_name)}; in brackets 95 %, paired bootstrap over speakers."
    )
    header = ["", *labels, *(f"{label}: difference" for label in labels)]
    return "\n\n".join([markdown_table(header, rows), note, *selection_notes(selection)]) + "\n"


def _times(pairs, units) -> str:
    """How often an utterance is predicted: twice on a ring, once beside each other speaker in all pairs."""
    if pairs == units:
        return "twice"
    return f"{units - 1} times" if pairs == units * (units - 1) // 2 else "once or twice"


def _read(file) -> tuple:
    """What the file says, and the predictions side by side."""
    if is_packed(file):
        selection, predictions = read_record(file).selection, file / INNER_TABLE
    else:
        selection, predictions = read_json(file), file.with_suffix(".csv")
        if not predictions.is_file():
            predictions = file.with_suffix(".csv.gz")
    if not predictions.is_file():
        raise MissingPathError(
            got=f"no file {predictions}", expected=f"it beside {file.name}", remedy="call the recipe's nested.py again"
        )
    try:
        source = io.BytesIO(unpacked(predictions)) if predictions.suffix == ".gz" else predictions
        table = pd.read_csv(source, dtype=dict.fromkeys(("fold", "id", "unit"), str))
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError):
        table = pd.DataFrame()
    if not isinstance(selection, dict) or "task" not in selection or list(table.columns[: len(_ROW)]) != _ROW:
        raise SerError(
            got=f"{file} without `task`, or its .csv without the columns {', '.join(_ROW)}",
            expected="both as nested.py writes them",
            remedy="call the recipe's nested.py again",
        )
    return selection, table


def _run(table, name, task) -> Trials:
    """What one configuration has predicted; its tests are those of the pairs."""
    trials = table[["seed", "unit", "true"]].assign(id=table["fold"] + "/" + table["id"], predicted=table[name])
    return Trials(task, trials, trials.drop_duplicates("id").set_index("id").sort_index())


def _scores(run) -> dict:
    """Means over the seeds."""
    return run.task.over_seeds(
        [run.task.metrics(group["true"], group["predicted"]) for _, group in run.trials.groupby("seed")]
    )
