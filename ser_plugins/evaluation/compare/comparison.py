"""Two runs, or many, held against each other on the same utterances; and what may be concluded, in a sentence.

- The scores of several seeds are averaged first, utterance by utterance: seeds are not further speakers.
- **McNemar** needs one answer per utterance: with several seeds, the class with the highest mean probability.
- **Sign flips over units** (speakers, sessions, videos) decide on the conclusion, on the pooled scores, because other
  speakers are what a system will meet. Pooled WA, UAR and MAE are sums over units; r and macro-F1 are not, and get an
  interval only.
- **Holm** is over all paired tests of two runs; of many runs, for each test, over the comparisons with the reference.
- The **ANOVA** of the paper is printed beside them and decides nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ser_plugins.errors import SerError
from ser_plugins.evaluation.compare import power, significance
from ser_plugins.evaluation.compare.comparable import (
    Run,
    difference_intervals,
    differing,
    read_comparable,
    run_names,
    unit_scores,
)
from ser_plugins.evaluation.compare.conclusion import conclude, conclude_many
from ser_plugins.evaluation.compare.nouns import ComparedRun, ManyComparison, PairComparison

ANOVA_UNITS = ("cell", "utterance", "fold")


def compare_runs(run_a, run_b, allow_differing: Sequence[str] = (), *, unit: str = "cell") -> PairComparison:
    """Everything that can be said of the difference between two runs.

    Arguments
    ---------
    run_a, run_b : str or Path
        Run folders, ``results/<corpus>/<system>/<protocol>``.
    allow_differing : sequence of str
        Of ``seeds``, ``normalisation``, ``selection``: what may differ.
    unit : str
        Of the ANOVA: ``cell`` (recall of run x unit x class), ``utterance`` (hits) or ``fold`` (WA).

    Raises
    ------
    SerError
        The runs were not put to the same test, or one cannot be read.
    """
    if unit not in ANOVA_UNITS:
        raise SerError(got=f"unit {unit}", expected=f"one of {', '.join(ANOVA_UNITS)}", remedy="correct the option")
    runs = read_comparable(run_names([run_a, run_b]), allow_differing)
    first, second = runs.values()
    tests, skipped = _tests(first, second)
    for test, adjusted in zip(tests, significance.holm([test["p"] for test in tests]), strict=True):
        test["p_holm"] = adjusted
    comparison = PairComparison(
        **_head(runs, allow_differing),
        scores=_scores(first, second),
        tests=tests,
        anova=_anova(first, second, unit),
        detectable=_detectable(first, second),
        not_applicable=skipped,
    )
    return replace(comparison, conclusion=conclude(comparison))


def compare_many(
    runs: Mapping[str, Path | Run],
    allow_differing: Sequence[str] = (),
    *,
    reference: str | None = None,
    score: str | None = None,
) -> ManyComparison:
    """Rank three runs or more over the folds, and hold each against one of them.

    Arguments
    ---------
    runs : dict
        Run folders by name, or what :func:`ser_plugins.evaluation.compare.comparable.read_one` gave of them.
    allow_differing : sequence of str
        Of ``seeds``, ``normalisation``, ``selection``: what may differ.
    reference : str, optional
        The run that all others are compared with; the first without it.
    score : str, optional
        What ranks and sign flips are of: ``WA`` (the default) or ``UAR``; of numbers ``MAE``.
    """
    reference = reference or next(iter(runs), None)
    if len(runs) < 3 or reference is None or reference not in runs:
        raise SerError(
            got=f"{len(runs)} runs ({', '.join(runs)}), reference {reference}",
            expected="at least three runs, the reference among them",
            remedy="use compare_runs for two, or name one of the runs",
        )
    compared = read_comparable({reference: runs[reference], **runs}, allow_differing)
    base = compared[reference]
    score = score or next(iter(_summed(base)))
    if score not in _summed(base):
        raise SerError(
            got=f"score {score}", expected=f"one of {', '.join(_summed(base))}", remedy="rank by one that is a sum"
        )
    ranks = _ranks(compared, score)
    pairs = [_pair(name, run, base, score) for name, run in compared.items() if run is not base]
    for test in ("sign_flip", "mcnemar"):
        tested = [pair[test] for pair in pairs if pair[test]]
        for row, adjusted in zip(tested, significance.holm([row["p"] for row in tested]), strict=True):
            row["p_holm"] = adjusted
    comparison = ManyComparison(
        **_head(compared, allow_differing),
        reference=reference,
        score=score,
        systems={name: _scores_and_intervals(compared[name]) for name in runs},
        **ranks,
        pairs=pairs,
        folds=len(base.summary.protocol.folds),
    )
    return replace(comparison, conclusion=conclude_many(comparison))


def _head(runs: dict[str, Run], allow_differing) -> dict:
    (_, first), *further = runs.items()
    protocol, differences = first.summary.protocol, {}
    for name, run in further:
        for key, sides in differing(first, run).items():
            differences.setdefault(key, {})[name] = sides
    return {
        "kind": first.task.kind,
        "protocol": protocol,
        "runs": [
            ComparedRun(
                name=name,
                system=run.summary.system,
                protocol_hash=run.summary.protocol_hash,
                protocol_line=run.summary.protocol_line,
                seeds=run.summary.seeds,
                pretrained=run.summary.protocol.pretrained,
            )
            for name, run in runs.items()
        ],
        "allow_differing": list(allow_differing),
        "differing": differences,
        "unit": protocol.unit_field,
        "units": int(first.answers["unit"].nunique()),
        "utterances": len(first.answers),
    }


def _summed(run) -> dict:
    """Scores that are sums over utterances, with +1 where more is better and -1 where less is."""
    return {"WA": 1, "UAR": 1} if run.task.kind == "classification" else {"MAE": -1}


def _difference(first, second, score, column, pooled=False) -> pd.Series:
    return unit_scores(first, score, column, pooled=pooled) - unit_scores(second, score, column, pooled=pooled)


def _scores(first, second) -> dict:
    intervals = difference_intervals(first, second)
    rows = {}
    for name in first.task.scores:
        a, b = (run.summary.metrics[name] for run in (first, second))
        rows[name] = {
            "a": a,
            "b": b,
            "difference": None if None in (a, b) else a - b,
            "interval": intervals.get(name),
            "seed_sd": [run.summary.seed_sd[name] for run in (first, second)],
        }
    return rows


def _tests(first, second) -> tuple[list[dict], list[str]]:
    """The paired tests that apply, and what to say of those that do not."""
    unit, units = first.summary.protocol.unit_field, first.answers["unit"].nunique()
    folds = first.answers["fold"].nunique()
    tests, skipped = [], []
    if "right" in first.answers:
        outcome = significance.mcnemar(first.answers["right"], second.answers["right"])
        observed = float(first.answers["right"].mean() - second.answers["right"].mean())
        tests.append({"test": "McNemar", "score": "WA", "over": "utterances", "difference": observed, **outcome})
    else:
        skipped.append("McNemar and the ANOVA of recalls are of classes; r is no sum over utterances: interval only.")
    for score in _summed(first):
        if units > 1:
            for pooled in (True, False):
                differences = _difference(first, second, score, "unit", pooled)
                observed = float(differences.sum() if pooled else differences.mean())
                over = f"{unit}s, {'pooled' if pooled else 'mean'}"
                row = {"test": "sign flip", "score": score, "over": over, "difference": observed}
                tests.append({**row, **significance.sign_flip(differences)})
        if folds > 1:
            differences = _difference(first, second, score, "fold")
            row = {"test": "Wilcoxon", "score": score, "over": "folds", "difference": float(differences.mean())}
            tests.append({**row, **significance.signed_rank(differences)})
    skipped += [f"One {unit} says nothing about the next: no interval, no sign flips."] * (units < 2)
    skipped += ["One fold only: no Wilcoxon."] * (folds < 2)
    return tests, skipped


def _anova(first, second, unit) -> dict | None:
    if first.task.kind != "classification":
        return None
    by = {"cell": ["seed", "unit", "true"], "utterance": ["seed", "id"], "fold": ["seed", "fold"]}[unit]
    groups = [run.trials.groupby(by)["utterance_score"].mean().to_numpy() for run in (first, second)]
    return {"unit": unit, **significance.anova(*groups)}


def _detectable(first, second) -> dict:
    """Smallest differences that are found with 80 % power at 5 %, before Holm; None where there is none."""
    score, n, units = next(iter(_summed(first))), len(first.answers), first.answers["unit"].nunique()
    detectable = {"score": score, "by_mcnemar": None, "by_units": None}
    if "right" in first.answers:
        discordance = float((first.answers["right"] != second.answers["right"]).mean())
        least = power.detectable_by_mcnemar(n, discordance)
        detectable["by_mcnemar"] = {"n": n, "discordance": discordance, "difference": least}
    if units > 1:
        sd = float(np.std(_difference(first, second, score, "unit"), ddof=1))
        detectable["by_units"] = {"n": units, "sd": sd, "difference": power.detectable_by_t(sd, units)}
    return detectable


def _ranks(runs: dict[str, Run], score) -> dict:
    """Friedman's test and mean ranks over the folds, of which there must be two."""
    table = pd.DataFrame({name: _summed(run)[score] * unit_scores(run, score, "fold") for name, run in runs.items()})
    if len(table) < 2:
        return {"mean_ranks": None, "friedman": None, "critical_difference": None}
    outcome = significance.friedman(table.to_numpy())
    ranks = dict(zip(table, outcome.pop("mean_ranks"), strict=True))
    return {
        "mean_ranks": ranks,
        "friedman": outcome,
        "critical_difference": significance.critical_difference(len(ranks), len(table)),
    }


def _scores_and_intervals(run) -> dict:
    scores = {key: run.summary.metrics[key] for key in run.task.scores}
    return {**scores, "intervals": run.summary.intervals, "seed_sd": run.summary.seed_sd}


def _pair(name, run, base, score) -> dict:
    differences = _difference(run, base, score, "unit", pooled=True)
    right = "right" in base.answers
    return {
        "system": name,
        "difference": float(differences.sum()),
        "interval": difference_intervals(run, base).get(score),
        "sign_flip": significance.sign_flip(differences) if len(differences) > 1 else None,
        "mcnemar": significance.mcnemar(run.answers["right"], base.answers["right"]) if right else None,
    }
