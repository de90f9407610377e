"""Trained on which corpora, tested on which: a matrix of UAR from runs of ``recipes/Cross``.

Every cell is pooled over the seeds as a report's scores are: the mean over them, and an interval from a bootstrap over
the speakers of the tested corpus. The number of classes is that of the tested recordings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ser_plugins.errors import SerError
from ser_plugins.evaluation.report.tables import interval_text, markdown_table
from ser_plugins.evaluation.runs.folds import read_run
from ser_plugins.plain import bold, code

SCORE = "UAR"


@dataclass(frozen=True)
class Cell:
    """One corpus, tested with what one set of corpora has trained.

    Arguments
    ---------
    system, trained_on, tested_on : str
        Names; of several corpora joined by `` + ``, with ``other speakers`` where the tested corpus is among them.
    score : float or None
        UAR, mean over the seeds.
    interval : list of float or None
        95 %, over speakers; None with one speaker.
    classes, utterances : int
        Of what is tested.
    """

    system: str
    trained_on: str
    tested_on: str
    score: float | None
    interval: list | None
    classes: int
    utterances: int


def cells(run_folder) -> list[Cell]:
    """What one run of ``recipes/Cross`` says of every corpus that it tests.

    Raises
    ------
    SerError
        A run of another recipe, or of numbers; and what :func:`ser_plugins.evaluation.runs.folds.read_run` raises.
    """
    folds = read_run(run_folder)
    record = folds[0].record
    target, task = next(iter(record.tasks.items()))
    table = pd.concat([fold.predictions[target] for fold in folds])
    table["corpus"] = table["id"].str.partition("_")[0]
    corpora = sorted(table["corpus"].unique())
    if task.kind != "classification" or not table["unit"].str.startswith(tuple(f"{name}_" for name in corpora)).all():
        raise SerError(
            got=f"{run_folder}: speakers without the name of a corpus before their own",
            expected="a run of recipes/Cross",
            remedy="name those alone",
        )
    left_out = list(record.protocol.folds) == corpora
    tested = []
    for corpus, rows in table.groupby("corpus"):
        training = [name for name in corpora if not (left_out and name == corpus)]
        scores = [task.metrics(seed["true"], seed["predicted"])[SCORE] for _, seed in rows.groupby("seed")]
        score = sum(scores) / len(scores)
        trained_on = " + ".join(training) + ("" if left_out else ", other speakers")
        interval = task.intervals(rows)[SCORE]
        classes = rows["true"].nunique()
        utterances = rows["id"].nunique()
        tested.append(Cell(record.system, trained_on, str(corpus), score, interval, classes, utterances))
    return tested


def corpus_matrix(run_folders: Sequence) -> str:
    """A table in markdown: a row per system and set of training corpora, a column per tested corpus.

    Arguments
    ---------
    run_folders : sequence of str or Path
        Runs of ``recipes/Cross``.

    Raises
    ------
    SerError
        As :func:`cells`.
    """
    every = [cell for folder in run_folders for cell in cells(folder)]
    tested = sorted({cell.tested_on for cell in every})
    score = next(iter(read_run(run_folders[0])[0].record.tasks.values())).scores[SCORE]
    rows = {}
    for cell in every:
        row = rows.setdefault((cell.system, cell.trained_on), dict.fromkeys(tested, "–"))
        row[cell.tested_on] = (
            f"{score.text(cell.score)} ({interval_text(cell.interval, score)}); {cell.classes} classes"
        )
    lines = [[code(system), trained_on, *row.values()] for (system, trained_on), row in rows.items()]
    legend = (
        f"{SCORE} in percent, in brackets 95 % intervals over the speakers of the tested corpus. Every recording is "
        "judged among the classes of its corpus, and the score is over those that are tested: rows of a column with "
        "another number of classes are another test."
    )
    return f"{markdown_table(['system', 'trained on', *map(bold, tested)], lines)}\n\n{legend}\n"
