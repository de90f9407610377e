"""Trained on which corpora, tested on which: a matrix of UAR from runs of ``recipes/Cross``.

Every cell is pooled over the seeds as a report's scores are: the mean over them, and an interval from a bootstrap over
the speakers of the tested corpus. The number of classes is that of the tested recordings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ser_plugins.errors import SerError
from ser_plugins.evaluation.report.tables import interval_text, markdown_table
from ser_plugins.evaluation.runs.folds import FoldResults, read_run
from ser_plugins.plain import bold, code

SCORE = "UAR"


@dataclass(frozen=True)
class Cell:
    """One corpus, tested with what one set of corpora has trained.

    Arguments
    ---------
    system, trained_on, tested_on : str
        Names; of several corpora joined by `` + ``, with ``other speakers`` where the tested corpus is among them.
    score : float
        UAR, mean over the seeds.
    interval : list of float or None
        95 %, over speakers; None with one speaker.
    classes, utterances, speakers : int
        Of what is tested.
    """

    system: str
    trained_on: str
    tested_on: str
    score: float
    interval: list | None
    classes: int
    utterances: int
    speakers: int


def predictions_by_corpus(folds: list[FoldResults], place) -> dict[str, pd.DataFrame]:
    """The predictions of a run of ``recipes/Cross``, all folds and seeds, by the name of the tested corpus.

    Raises
    ------
    SerError
        A run of another recipe, or of numbers; ``place`` is named in it.
    """
    record = folds[0].record
    target, task = next(iter(record.tasks.items()))
    table = pd.concat([fold.predictions[target] for fold in folds])
    corpus = table["id"].str.partition("_")[0]
    starts = tuple(f"{name}_" for name in corpus.unique())
    if task.kind != "classification" or not table["unit"].str.startswith(starts).all():
        raise SerError(
            got=f"{place}: speakers without the name of a corpus before their own",
            expected="a run of recipes/Cross",
            remedy="name those alone",
        )
    return {str(name): rows for name, rows in table.groupby(corpus)}


def leaves_corpora_out(folds: list[FoldResults]) -> bool:
    """Whether every corpus was tested by models of the others."""
    return "corpus" in folds[0].record.protocol.disjoint


def cells(folds: list[FoldResults], place) -> list[Cell]:
    """What one run of ``recipes/Cross`` says of every corpus that it tests.

    Arguments
    ---------
    folds : list of FoldResults
        Of the run.
    place : str or Path
        Where it was read, for messages.

    Raises
    ------
    SerError
        As :func:`predictions_by_corpus`.
    """
    record = folds[0].record
    task = next(iter(record.tasks.values()))
    corpora = predictions_by_corpus(folds, place)
    left_out = leaves_corpora_out(folds)
    tested = []
    for corpus, rows in corpora.items():
        training = [name for name in corpora if not (left_out and name == corpus)]
        scores = [task.metrics(seed["true"], seed["predicted"])[SCORE] for _, seed in rows.groupby("seed")]
        score = sum(scores) / len(scores)
        trained_on = " + ".join(training) + ("" if left_out else ", other speakers")
        interval = task.intervals(rows)[SCORE]
        counts = (rows[column].nunique() for column in ("true", "id", "unit"))
        tested.append(Cell(record.system, trained_on, corpus, score, interval, *counts))
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
    every = [cell for folder in run_folders for cell in cells(read_run(folder), folder)]
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
