"""From the files of a run to its tables and figures; every number comes from the predictions and from nothing else.

How scores are put together:

- **Pooled** (primary): the predictions of all folds of one seed taken together, then the mean over the seeds.
- **Seed sd**: of those pooled scores over the seeds (n-1); ``None`` with one seed.
- **Fold mean and sd**: each fold's score (over the classes present in that fold) averaged over the seeds, then mean
  and sd (n-1) over the folds.
- **Per speaker**: the same for each speaker; ``n`` counts utterances, not utterances times seeds.
- Counts of the confusion matrix are summed over the seeds.
"""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from ser_plugins.evaluation import figures
from ser_plugins.evaluation.folds import FoldResults, MissingFoldError, fold_results, read_run
from ser_plugins.evaluation.metrics import classification_metrics
from ser_plugins.evaluation.statistics import DRAWS, LEVEL, majority_baseline, speaker_bootstrap, wilson_interval
from ser_plugins.evaluation.tables import HEADLINE, results_markdown, terminal_table, title, warnings
from ser_plugins.files import atomic_path, write_json, write_text

__all__ = [
    "FoldResults",
    "MissingFoldError",
    "aggregate",
    "fold_results",
    "protocol_line",
    "read_run",
    "terminal_table",
    "write_report",
]


def write_report(run_folder) -> dict:
    """Aggregate a run and write ``results.json``, ``results.md``, ``predictions.csv`` and ``figures/`` into its folder.

    Arguments
    ---------
    run_folder : str or Path
        ``results/<corpus>/<system>/<protocol>``; below it ``seed_<n>/<fold>/results.json`` and ``predictions.csv``.

    Returns
    -------
    dict
        The aggregate, equal to the ``results.json`` written.

    Raises
    ------
    MissingFoldError, MissingPathError, SerError
        See :func:`read_run`. Nothing is written then.
    """
    run_folder = Path(run_folder)
    runs = read_run(run_folder)
    summary = aggregate(runs)
    note, metrics = title(summary), summary["metrics"]
    drawings = {
        "confusion_matrix": figures.confusion_figure(metrics["confusion"], summary["protocol"]["classes"], note),
        "speakers": figures.speaker_figure(summary["per_speaker"], metrics["WA"], note),
        "training_curves": figures.curves_figure([run.results["history"] for run in runs], note),
    }
    for name, figure in drawings.items():
        figures.save(figure, run_folder / "figures" / name)
    with atomic_path(run_folder / "predictions.csv") as temporary:
        pd.concat([run.predictions for run in runs]).drop(columns="speaker").to_csv(temporary, index=False)
    write_text(run_folder / "results.md", results_markdown(summary))
    write_json(run_folder / "results.json", summary)
    return summary


def aggregate(runs: list[FoldResults]) -> dict:
    """Put the folds of one run (see :func:`read_run`) together into one JSON-ready dict."""
    results = [run.results for run in runs]
    first, protocol = results[0], results[0]["protocol"]
    classes, seeds = protocol["classes"], sorted({fold["seed"] for fold in results})
    table = pd.concat([run.predictions for run in runs])
    utterances = len(table) // len(seeds)

    per_seed = _scores(table, ["seed"], classes)
    per_fold = _scores(table, ["seed", "fold"], classes)
    per_speaker = _scores(table, ["seed", "speaker"], classes)
    metrics = {name: float(np.mean([scores[name] for scores in per_seed.values()])) for name in HEADLINE}
    metrics["per_class"] = _mean_per_class([scores["per_class"] for scores in per_seed.values()])
    metrics["confusion"] = np.sum([scores["confusion"] for scores in per_seed.values()], axis=0).tolist()
    fold_means = {name: _over_seeds(per_fold, protocol["folds"], seeds, name) for name in HEADLINE}
    speakers = sorted(table["speaker"].unique())
    speaker_means = {name: _over_seeds(per_speaker, speakers, seeds, name) for name in ("WA", "UAR")}
    confusions = [[per_speaker[seed, speaker]["confusion"] for speaker in speakers] for seed in seeds]
    line = protocol_line(protocol, seeds, utterances)
    return {
        "schema": 1,
        "system": first["system"],
        "protocol": protocol,
        "protocol_line": line,
        "protocol_hash": hashlib.sha256(line.encode()).hexdigest()[:8],
        "seeds": seeds,
        "utterances": utterances,
        "metrics": metrics,
        "seed_sd": {name: _sd([scores[name] for scores in per_seed.values()]) for name in HEADLINE},
        "fold_mean": {name: float(np.mean(values)) for name, values in fold_means.items()},
        "fold_sd": {name: _sd(values) for name, values in fold_means.items()},
        "intervals": {"WA": wilson_interval(metrics["WA"], utterances), **speaker_bootstrap(confusions)},
        "intervals_made_by": {
            "level": LEVEL,
            "WA": f"Wilson, n = {utterances} utterances",
            "UAR": f"percentile bootstrap over {len(speakers)} speakers, {DRAWS} draws; rough with few speakers",
            "macro_F1": "as UAR",
        },
        "baseline": majority_baseline(list(table["true"]), classes),
        "per_seed": [{"seed": seed, **_headline(per_seed[seed])} for seed in seeds],
        "per_fold": [
            {"seed": seed, "fold": fold, "n": _count(scores), **_headline(scores)}
            for (seed, fold), scores in per_fold.items()
        ],
        "per_speaker": [
            {
                "speaker": speaker,
                "n": _count(per_speaker[seeds[0], speaker]),
                **{name: values[place] for name, values in speaker_means.items()},
            }
            for place, speaker in enumerate(speakers)
        ],
        "audit": _common_audit(results),
        "parameters": first["parameters"],
        "settings": first["settings"],
        "settings_sha256": first["settings_sha256"],
        "wall_time_s": float(sum(fold["wall_time_s"] for fold in results)),
        "longest_fold_s": float(max(fold["wall_time_s"] for fold in results)),
        "device": _distinct(fold["device"] for fold in results),
        "machine": _distinct(fold["machine"] for fold in results),
        "versions": {
            name: _distinct(fold["versions"].get(name, "?") for fold in results) for name in first["versions"]
        },
        "command": first.get("command"),
    }


def protocol_line(protocol: dict, seeds: list[int], utterances: int) -> str:
    """Everything that must be equal before two scores may be compared, in one line; its hash stands beside scores.

    Arguments
    ---------
    protocol : dict
        As in a fold's ``results.json``.
    seeds : list of int
        Training seeds.
    utterances : int
        Tested, all folds together.

    Example
    -------
    >>> protocol = {"corpus": "EmoDB", "corpus_sha256": "0123456789", "classes": ["fear", "joy"], "target": "emotion",
    ...     "protocol": "random", "unit": "speaker", "subset": "full", "selection": "last", "split_seed": 0,
    ...     "normalisation": "bin", "leaks": True, "transductive": False, "folds": ["a", "b"], "utterances": 9}
    >>> print(protocol_line(protocol, [1, 2], 9))
    LEAKING: EmoDB, emotion in 2 classes (fear, joy); protocol random, 2 folds, unit speaker; subset full; selection \
last; normalisation bin; 9 utterances; corpus 01234567; split seed 0; seeds 1, 2
    """
    classes, total = protocol["classes"], protocol["utterances"]
    tested = f"{utterances}" if utterances == total else f"{utterances} of {total}"
    parts = [
        f"{protocol['corpus']}, {protocol['target']} in {len(classes)} classes ({', '.join(classes)})",
        f"protocol {protocol['protocol']}, {len(protocol['folds'])} folds, unit {protocol['unit']}",
        f"subset {protocol['subset']}",
        f"selection {protocol['selection']}",
        f"normalisation {protocol['normalisation']}",
        f"{tested} utterances",
        f"corpus {protocol['corpus_sha256'][:8]}",
        f"split seed {protocol['split_seed']}",
        f"seeds {', '.join(map(str, seeds))}" if len(seeds) > 1 else f"seed {seeds[0]}",
    ]
    return "".join(f"{word}: " for word in warnings(protocol)) + "; ".join(parts)


def _scores(table, by, classes):
    """``classification_metrics`` of every group; the key is a scalar or a tuple, as ``by`` has one name or two."""
    groups = table.groupby(by[0] if len(by) == 1 else by, sort=False)
    return {key: classification_metrics(group["true"], group["predicted"], classes) for key, group in groups}


def _over_seeds(scores, names, seeds, metric):
    return [float(np.mean([scores[seed, name][metric] for seed in seeds])) for name in names]


def _mean_per_class(tables):
    """Mean over seeds; support, and hence what is undefined, is the same in all of them."""
    first = tables[0]
    return {
        name: {
            key: value if key == "support" or value is None else float(np.mean([table[name][key] for table in tables]))
            for key, value in row.items()
        }
        for name, row in first.items()
    }


def _sd(values):
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _headline(scores):
    return {name: scores[name] for name in HEADLINE}


def _count(scores):
    return int(np.sum(scores["confusion"]))


def _common_audit(results):
    lines = {fold["audit"] for fold in results}
    name = "" if len(lines) == 1 else f" (fold {results[0]['fold']})"
    return f"{results[0]['audit']}{name}; all {len(results)} folds audited"


def _distinct(values):
    return ", ".join(sorted(set(values)))
