"""Runs that may be compared: the same test, utterance by utterance. Everything else is refused, by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ser_plugins.errors import SerError
from ser_plugins.evaluation.metrics.classification import confusion
from ser_plugins.evaluation.metrics.intervals import cluster_bootstrap, paired_bootstrap
from ser_plugins.evaluation.metrics.regression import evaluate
from ser_plugins.evaluation.metrics.tasks import Classification, Regression
from ser_plugins.evaluation.report.run_summary import RunSummary
from ser_plugins.evaluation.report.summary import aggregate
from ser_plugins.evaluation.report.tables import cautions
from ser_plugins.evaluation.runs.definition import TestDefinition
from ser_plugins.evaluation.runs.evidence import system_named_by
from ser_plugins.evaluation.runs.folds import FoldResults, read_run, with_scores
from ser_plugins.evaluation.runs.foreign import foreign_classes, foreign_folds, is_foreign, read_foreign_table
from ser_plugins.evaluation.runs.run_protocol import RunProtocol

# What must be the same, and what a system may choose for itself, when told so.
_SAME = ("corpus", *TestDefinition.fields(), "partial", "leaks", "transductive")
CHOICES = ("seeds", "normalisation", "selection")


@dataclass(frozen=True, eq=False)
class Trials:
    """Predictions that can be paired with others of the same test, by utterance.

    ``task`` is that of the corpus. ``trials`` has a row per seed and utterance: ``seed``, ``id``, ``unit``, ``fold``,
    ``true``, ``predicted`` and ``utterance_score``, the part of the utterance in the scores (1 for a hit, 0 for a miss;
    the absolute error of a number). ``answers``, by id in a fixed order, has ``unit``, ``fold``, ``true``, the mean
    ``utterance_score`` over the seeds, and (of classes) ``right``: whether the mean of the seeds' probabilities is
    highest at the true class.
    """

    task: Classification | Regression
    trials: pd.DataFrame
    answers: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Run(Trials):
    """One run, and its summary."""

    summary: RunSummary


def run_names(run_folders: Sequence) -> dict[str, Path]:
    """Run folders by what tells them apart: the name of the system, or the whole path where that is not enough.

    Example
    -------
    >>> list(run_names(["results/EmoDB/bigru/loso", "results/EmoDB/cnn/loso"]))
    ['bigru', 'cnn']
    >>> list(run_names(["one/bigru/loso", "two/bigru/loso"]))
    ['one/bigru/loso', 'two/bigru/loso']
    """
    folders = [Path(folder) for folder in run_folders]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise SerError(
            got=f"{', '.join(map(str, folders))}",
            expected="different run folders",
            remedy="name each run once; one that is compared with itself differs in nothing",
        )
    systems = [folder.stem if is_foreign(folder) else system_named_by(folder) for folder in folders]
    names = systems if len(set(systems)) == len(systems) else [folder.as_posix() for folder in folders]
    return dict(zip(names, folders, strict=True))


def read_comparable(run_folders: Mapping[str, Path | Run], allow_differing: Sequence[str] = ()) -> dict[str, Run]:
    """Read runs, and refuse those that were not put to the same test.

    Arguments
    ---------
    run_folders : dict
        Run folders by name, or what :func:`read_one` gave of them; the first is what the others are held against.
    allow_differing : sequence of str
        Of ``CHOICES``: what may differ, being a choice of the system; never where a run is transductive or leaks.

    Raises
    ------
    SerError
        Naming what differs; and all that :func:`ser_plugins.evaluation.runs.folds.read_run` raises.
    """
    if unknown := sorted(set(allow_differing) - set(CHOICES)):
        raise SerError(
            got=f"allow_differing {', '.join(unknown)}",
            expected=f"some of {', '.join(CHOICES)}; everything else defines the test",
            remedy="train both systems under one protocol",
        )
    runs = _read_all(run_folders)
    if any(map(_is_table, run_folders.values())):  # what another toolkit has chosen, nobody has said
        allow_differing = CHOICES
    (first_name, first), *further = runs.items()
    for name, other in further:
        _refuse_other_test(first_name, first, name, other, allow_differing)
        _refuse_other_answers(first_name, first.answers, name, other.answers)
    return runs


def differing(first: Run, second: Run) -> dict[str, list]:
    """What two runs differ in, of all that their protocols say: ``{key: [of the first, of the second]}``."""
    sides = [{"seeds": list(run.summary.seeds), **run.summary.protocol.to_json()} for run in (first, second)]
    return {
        key: [side.get(key) for side in sides] for key in (*_SAME, *CHOICES) if sides[0].get(key) != sides[1].get(key)
    }


def utterance_weights(answers: pd.DataFrame, score: str, by: str | None = None) -> pd.Series:
    """What each utterance weighs in a score, which is then the sum of weight times utterance score.

    WA and MAE weigh all alike; UAR all of a class alike, and the classes that are present. With ``by``, a unit or fold,
    that is so within each of these.

    Example
    -------
    >>> answers = pd.DataFrame(
    ...     {"true": ["joy", "fear", "fear"], "utterance_score": [1.0, 0.0, 1.0], "unit": ["a", "a", "b"]})
    >>> float((utterance_weights(answers, "UAR") * answers["utterance_score"]).sum())
    0.75
    >>> utterance_weights(answers, "WA", by="unit").tolist()
    [0.5, 0.5, 1.0]
    """
    part = answers[by] if by else pd.Series("all", index=answers.index)
    if score != "UAR":
        return 1 / part.groupby(part).transform("size")
    support = answers.groupby([part, answers["true"]])["true"].transform("size")
    return 1 / (support * answers["true"].groupby(part).transform("nunique"))


def unit_scores(run: Run, score: str, column: str, *, pooled: bool = False) -> pd.Series:
    """The score of every unit or fold alone; or what each contributes to the pooled score, which is their sum.

    Arguments
    ---------
    run : Run
        As :func:`read_comparable` gives it.
    score : str
        ``WA``, ``UAR`` or ``MAE``.
    column : str
        ``unit`` or ``fold``.
    pooled : bool
        Contributions instead of scores.
    """
    weights = utterance_weights(run.answers, score, None if pooled else column)
    return (weights * run.answers["utterance_score"]).groupby(run.answers[column]).sum()


def difference_intervals(first: Trials, second: Trials) -> Mapping[str, list[float] | None]:
    """95 % intervals of the differences in the scores, bootstrap over units, the same draws for both runs."""
    task, answers = first.task, first.answers
    if answers["unit"].nunique() < 2:
        return {}
    if task.kind == "classification":
        return paired_bootstrap(*(_confusions(run) for run in (first, second)))
    true = answers["true"].to_numpy(float)
    tried = [
        run.trials.pivot(index="seed", columns="id", values="predicted")[answers.index].to_numpy()
        for run in (first, second)
    ]

    def score(rows):
        means = [_means([evaluate(true[rows], seed[rows], task.scale) for seed in seeds]) for seeds in tried]
        return {name: means[0][name] - means[1][name] for name in ("MAE", "r")}

    return cluster_bootstrap(score, answers["unit"])


def read_one(folder) -> Run:
    """Read one run folder; raises what :func:`ser_plugins.evaluation.runs.folds.read_run` raises."""
    return _run_of(read_run(folder))


def _is_table(run: Path | Run) -> bool:
    return not isinstance(run, Run) and is_foreign(run)


def _read_all(run_folders: Mapping[str, Path | Run]) -> dict[str, Run]:
    """Run folders, and files of predictions as runs of the same test: units and folds are those of the first run."""
    files = {name: path for name, path in run_folders.items() if _is_table(path)}
    own = {name: run for name, run in run_folders.items() if name not in files}
    runs = {name: run if isinstance(run, Run) else read_one(run) for name, run in own.items()}
    model = next(iter(runs.values()), None)
    if model is None:
        tables = {name: read_foreign_table(path) for name, path in files.items()}
        classes, like = foreign_classes(tables.values()), None
    else:
        answers = model.answers
        places = {"units": answers["unit"].to_dict(), "folds": answers["fold"].to_dict()}
        tables = {name: read_foreign_table(path, **places) for name, path in files.items()}
        classes, like = model.summary.protocol.classes, model.summary.protocol
    for name, table in tables.items():
        runs[name] = foreign_run(files[name], table, classes, like)
    return {name: runs[name] for name in run_folders}


def foreign_run(path, table: pd.DataFrame, classes, like: RunProtocol | None = None) -> Run:
    """A run of a file of predictions, see :func:`ser_plugins.evaluation.runs.foreign.foreign_folds`."""
    read = foreign_folds(path, table, classes, like)
    return _run_of([FoldResults(with_scores(record, tables), tables) for record, tables in read])


def _run_of(folds: list[FoldResults]) -> Run:
    summary = aggregate(folds)
    target, task = next(iter(summary.tasks.items()))
    trials = pd.concat([fold.predictions[target] for fold in folds], ignore_index=True)
    classes = task.kind == "classification"
    if classes:
        trials["utterance_score"] = (trials["true"] == trials["predicted"]).astype(float)
    else:  # by the task's own MAE, which may clip
        pairs = trials[["true", "predicted"]].to_numpy(float)
        trials["utterance_score"] = [evaluate(pair[:1], pair[1:], task.scale)["MAE"] for pair in pairs]
    trials = trials.sort_values(["id", "seed"])
    answers = trials.groupby("id").agg({"unit": "first", "fold": "first", "true": "first", "utterance_score": "mean"})
    if classes:
        answers["right"] = answers["utterance_score"] == 1 if len(summary.seeds) == 1 else _right_together(trials, task)
    return Run(task, trials, answers, summary)


def _right_together(trials, task):
    together = trials.groupby("id")[[f"p_{name}" for name in task.classes]].mean()
    chosen = np.array(task.classes)[together.to_numpy().argmax(axis=1)]
    return chosen == trials.groupby("id")["true"].first()


def _confusions(run):
    """(seeds, units, classes, classes), units in their sorted order."""
    return [
        [confusion(group["true"], group["predicted"], run.task.classes) for _, group in seed.groupby("unit")]
        for _, seed in run.trials.groupby("seed")
    ]


def _means(scores):
    return {name: np.mean([one[name] for one in scores]) for name in scores[0]}


def _refuse_other_test(first_name, first, name, other, allow_differing):
    differences = differing(first, other)
    unsound = [name for run in (first, other) for name in cautions(run.summary.protocol) if name != "PARTIAL"]
    forbidden = {key: sides for key, sides in differences.items() if key not in allow_differing or unsound}
    if not forbidden:
        return
    words = "; ".join(
        f"{key} {_brief(one)} in {first_name} but {_brief(two)} in {name}" for key, (one, two) in forbidden.items()
    )
    choices = [key for key in forbidden if key in CHOICES]
    free = set(choices) == set(forbidden) and not unsound
    why = f" ({' and '.join(sorted(set(unsound)))} runs may differ in nothing)" * bool(unsound)
    hashes = dict.fromkeys(run.summary.protocol_hash for run in (first, other))
    raise SerError(
        got=f"{words} (protocol{'s' * (len(hashes) > 1)} {' and '.join(hashes)})",
        expected=f"the same test for both{why}",
        remedy="train one of them anew, or, where that is a choice of the system: "
        f"--allow-differing {','.join(choices)}"
        if free
        else "train one of them anew under the protocol of the other",
    )


def _refuse_other_answers(first_name, first, name, other):
    for column, name_of_column in (("true", "label"), ("unit", "unit"), ("fold", "fold")):
        if stray := sorted({*first[column].items()} ^ {*other[column].items()}):
            id, value = stray[0]
            raise SerError(
                got=f"id {id} with the {name_of_column} {value} in only one of {first_name} and {name}",
                expected="the same utterances with the same labels, units and folds",
                remedy="train both on the same copy of the corpus",
            )


def _brief(value):
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
