"""From the files of a run to its tables and figures; every number comes from the predictions and from nothing else.

How scores are put together:

- **Pooled** (primary): the predictions of all folds of one seed taken together, then the mean over the seeds.
- **Seed sd**: of those pooled scores over the seeds (n-1); ``None`` with one seed.
- **Fold mean and sd**: each fold's score (over the classes present in that fold) averaged over the seeds, then mean
  and sd (n-1) over the folds.
- **Per unit** (speaker, session or video): the same for each; ``n`` counts utterances, not utterances times seeds.
- Counts of the confusion matrix are summed over the seeds.
- **Calibration** is of the predictions of all folds and seeds together.
- **Auxiliary targets** of a multi-task training get all of this too, over the utterances that are rated.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ser_plugins.corpora.pretraining import contamination_lines
from ser_plugins.evaluation.metrics.calibration import calibration
from ser_plugins.evaluation.metrics.intervals import DRAWS, LEVEL
from ser_plugins.evaluation.metrics.regression import ConstantWarning
from ser_plugins.evaluation.metrics.tasks import mean, predictions_files
from ser_plugins.evaluation.report import figures
from ser_plugins.evaluation.report.run_summary import AuxiliarySummary, RunSummary
from ser_plugins.evaluation.report.tables import cautions, results_markdown, terminal_table, title
from ser_plugins.evaluation.runs.folds import FoldResults, MissingFoldError, fold_results, read_run
from ser_plugins.evaluation.runs.run_protocol import RunProtocol
from ser_plugins.files import atomic_path, write_json, write_text

__all__ = [
    "FoldResults",
    "MissingFoldError",
    "RunSummary",
    "aggregate",
    "fold_results",
    "protocol_line",
    "read_run",
    "terminal_table",
    "write_report",
]


def write_report(run_folder) -> RunSummary:
    """Aggregate a run and write ``results.json``, ``results.md``, predictions and ``figures/`` into its folder.

    Arguments
    ---------
    run_folder : str or Path
        ``results/<corpus>/<system>/<protocol>``; below it ``seed_<n>/<fold>/results.json`` and ``predictions.csv``.

    Returns
    -------
    RunSummary
        What the ``results.json`` holds.

    Raises
    ------
    MissingFoldError, MissingPathError, SerError
        See :func:`read_run`. Nothing is written then.
    """
    run_folder = Path(run_folder)
    folds = read_run(run_folder)
    summary = aggregate(folds)
    tables = _together(folds)
    for name, figure in _drawings(summary, folds, tables).items():
        figures.save(figure, run_folder / "figures" / name)
    for target, name in predictions_files(summary.tasks).items():
        with atomic_path(run_folder / name) as temporary:
            tables[target].drop(columns="unit").to_csv(temporary, index=False)
    write_text(run_folder / "results.md", results_markdown(summary))
    write_json(run_folder / "results.json", summary.to_json())
    return summary


def aggregate(folds: list[FoldResults]) -> RunSummary:
    """Put the folds of one run (see :func:`read_run`) together."""
    records, tables = [fold.record for fold in folds], _together(folds)
    first = records[0]
    protocol = first.protocol
    (target, task), *auxiliary = first.tasks.items()
    scores = _scores_of(task, tables[target], protocol, _training(records, target))
    seeds = tuple(sorted({record.seed for record in records}))
    line = protocol_line(protocol, seeds, scores["utterances"])
    return RunSummary(
        system=first.system,
        protocol=protocol,
        protocol_line="; ".join([line, *contamination_lines(protocol.pretrained, protocol.corpus)]),
        protocol_hash=protocol.test.hash,
        seeds=seeds,
        **scores,
        auxiliary={
            name: AuxiliarySummary(
                scale=task.scale, **_scores_of(task, tables[name], protocol, _training(records, name))
            )
            for name, task in auxiliary
            if tables[name]["true"].notna().any()
        },
        calibration=calibration(tables[target], task.classes) if task.kind == "classification" else None,
        audit=_common_audit(records),
        parameters=first.parameters,
        settings=first.settings,
        settings_sha256=first.settings_sha256,
        wall_time_s=float(sum(record.wall_time_s for record in records)),
        longest_fold_s=float(max(record.wall_time_s for record in records)),
        device=_distinct(record.device for record in records),
        machine=_distinct(record.machine for record in records),
        versions={name: _distinct(record.versions.get(name, "?") for record in records) for name in first.versions},
    )


def _together(folds) -> dict:
    """The predictions of all folds and seeds by target."""
    return {target: pd.concat([fold.predictions[target] for fold in folds]) for target in folds[0].predictions}


def _training(records, target) -> dict:
    return {record.fold: record.training.get(target) for record in records}


def _scores_of(task, table, protocol, training) -> dict:
    """The fields of a :class:`TaskSummary`: pooled, per seed, fold and unit, with intervals and baselines."""
    table, unit = table.dropna(subset="true"), protocol.unit_field
    seeds = table["seed"].unique().tolist()
    utterances, units = len(table) // len(seeds), table["unit"].nunique()
    per_seed = {seed: task.metrics(group["true"], group["predicted"]) for seed, group in table.groupby("seed")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConstantWarning)  # of a part; the whole has been told of
        per_fold, per_unit = _parts(task, table, "fold"), _parts(task, table, "unit")
    folds = _over_seeds(per_fold, "fold", task.scores)
    over_units = f"percentile bootstrap over {units} {unit}s, {DRAWS} draws; rough with few {unit}s"
    made_by = over_units if units > 1 else f"none: one {unit} says nothing about the next"
    return {
        "utterances": utterances,
        "metrics": task.over_seeds(list(per_seed.values())),
        "seed_sd": {name: _sd([scores[name] for scores in per_seed.values()]) for name in task.scores},
        "fold_mean": {name: mean([fold[name] for fold in folds]) for name in task.scores},
        "fold_sd": {name: _sd([fold[name] for fold in folds]) for name in task.scores},
        "intervals": {name: bounds and tuple(bounds) for name, bounds in task.intervals(table).items()},
        "intervals_made_by": {
            "level": LEVEL,
            **{
                name: f"Wilson, n = {utterances} utterances" if name in task.wilson else made_by for name in task.scores
            },
        },
        "baselines": tuple(task.baselines(table[table["seed"] == seeds[0]], training)),
        "per_seed": tuple(
            {"seed": int(seed), **{name: scores[name] for name in task.scores}} for seed, scores in per_seed.items()
        ),
        "per_fold": tuple(per_fold),
        "per_unit": tuple(sorted(_over_seeds(per_unit, "unit", task.per_unit), key=lambda row: row["unit"])),
    }


def _parts(task, table, column) -> list[dict]:
    """The scores of every part of every seed."""
    rows = []
    for (seed, name), group in table.groupby(["seed", column], sort=False):
        scores = task.metrics(group["true"], group["predicted"])
        rows.append({"seed": int(seed), column: name, "n": len(group), **{key: scores[key] for key in task.scores}})
    return rows


def _over_seeds(rows, column, names) -> list[dict]:
    """The mean scores of every part."""
    parts = {}
    for row in rows:
        parts.setdefault(row[column], []).append(row)
    return [
        {column: part, "n": same[0]["n"], **{name: mean([row[name] for row in same]) for name in names}}
        for part, same in parts.items()
    ]


def _drawings(summary: RunSummary, folds, tables) -> dict:
    (own_target, own_task), *_ = summary.tasks.items()
    note, unit = title(summary), summary.protocol.unit_field
    histories = [fold.record.history for fold in folds]
    score = own_task.scores[own_task.select]
    drawings = {"training_curves": figures.curves_figure(histories, note, own_task.select, score)}
    if summary.calibration:
        drawings["confusion_matrix"] = figures.confusion_figure(summary.metrics["confusion"], own_task.classes, note)
        drawings["calibration"] = figures.calibration_figure(summary.calibration, note)
        drawings[f"{unit}s"] = figures.unit_figure(summary.per_unit, summary.metrics["WA"], note, unit)
    for target, task in summary.tasks.items():
        if task.kind == "regression":
            suffix, table = "" if target == own_target else f"_{target}", tables[target].dropna(subset="true")
            drawings[f"scatter{suffix}"] = figures.scatter_figure(table["true"], table["predicted"], note, target)
            drawings[f"residuals{suffix}"] = figures.residual_figure(table["true"], table["predicted"], note, target)
    return drawings


def protocol_line(protocol: RunProtocol, seeds: Sequence[int], utterances: int) -> str:
    """How a run was tested, in one line: the test, and what its system has chosen.

    The hash beside it is that of the test alone (:class:`~ser_plugins.evaluation.runs.definition.TestDefinition`). What
    a front end was pretrained on comes after this line.

    Arguments
    ---------
    protocol : RunProtocol
        Of the run.
    seeds : sequence of int
        Training seeds.
    utterances : int
        Tested, all folds together.

    Example
    -------
    >>> protocol = RunProtocol(corpus="EmoDB", corpus_sha256="0123456789", task="classification", target="emotion",
    ...     scale=None, classes=("fear", "joy"), protocol="random", unit="speaker", unit_field="speaker",
    ...     folds=("a", "b"), subset="full", split_seed=0, utterances=9, selection="last", normalisation="bin",
    ...     disjoint=(), leaks=True, transductive=False, partial=False, statements=())
    >>> print(protocol_line(protocol, [1, 2], 9))
    LEAKING: EmoDB, emotion in 2 classes (fear, joy); protocol random, 2 folds, unit speaker; subset full; selection \
last; normalisation bin; 9 utterances; corpus 01234567; split seed 0; seeds 1, 2
    """
    folds, total = len(protocol.folds), protocol.utterances
    tested = f"{utterances}" if utterances == total else f"{utterances} of {total}"
    parts = [
        f"{protocol.corpus}, {protocol.tasks({})[protocol.target].describe(protocol.target)}",
        f"protocol {protocol.protocol}, {folds} fold{'s' * (folds > 1)}, unit {protocol.unit}",
        f"subset {protocol.subset}",
        f"selection {protocol.selection}",
        f"normalisation {protocol.normalisation}",
        f"{tested} utterances",
        f"corpus {protocol.corpus_sha256[:8]}",
        f"split seed {protocol.split_seed}",
        f"seeds {', '.join(map(str, seeds))}" if len(seeds) > 1 else f"seed {seeds[0]}",
    ]
    return "".join(f"{word}: " for word in cautions(protocol)) + "; ".join(parts)


def _sd(values):
    return float(np.std(values, ddof=1)) if len(values) > 1 and None not in values else None


def _common_audit(records):
    lines = {record.audit for record in records}
    name = "" if len(lines) == 1 else f" (fold {records[0].fold})"
    return f"{records[0].audit}{name}; all {len(records)} folds audited"


def _distinct(values):
    return ", ".join(sorted(set(values)))
