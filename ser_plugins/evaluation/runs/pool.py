"""Several systems put together, seed by seed, as a row of its own: a log-linear pool with equal weights.

Probabilities are their normalised geometric mean (:mod:`ser_plugins.evaluation.runs.fusion`, all weights 1 / n);
numbers are averaged. Nothing is fitted, so nothing is learned from a test set.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from ser_plugins.corpora.manifest import digest
from ser_plugins.corpora.pretraining import pretrained_key
from ser_plugins.errors import SerError
from ser_plugins.evaluation.runs.ensemble import of_parts, write_beside
from ser_plugins.evaluation.runs.folds import FoldResults, read_run, tasks_in
from ser_plugins.evaluation.runs.fusion import fuse

_TEST = ("corpus_sha256", "split")  # of the settings: what is tested, and how it is divided


def pool_systems(run_folders: Sequence, system: str = "pool") -> Path:
    """Write the pool of several systems beside the first of them, of every seed.

    Arguments
    ---------
    run_folders : sequence of str or Path
        ``results/<corpus>/<system>/<protocol>`` of two systems or more, complete and open. One with a single seed, as
        of a system in which nothing is drawn, goes with every seed of the others.
    system : str
        What the pool is called.

    Returns
    -------
    Path
        The new run folder, for ``ser report``.

    Raises
    ------
    MissingFoldError, MissingPathError, SealedError, SerError
        As :func:`~ser_plugins.evaluation.runs.folds.read_run`; one run only, a system twice, other tests,
        or other seeds.

    Example
    -------
    >>> pool_systems(["results/EmoDB/bigru_mha/loso"])
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: 1 run folder; expected: two or more, of different systems; remedy: name them all
    """
    if len(run_folders) < 2:
        raise SerError(
            got=f"{len(run_folders)} run folder", expected="two or more, of different systems", remedy="name them all"
        )
    if not re.fullmatch(r"\w[\w.+-]*", system):
        raise SerError(
            got=f"--system {system}", expected="a name of letters, digits and . + - _", remedy="choose another name"
        )
    members = {}
    for folder in run_folders:
        folds = {(run.results["seed"], run.results["fold"]): run for run in read_run(folder)}
        members.setdefault(next(iter(folds.values())).results["system"], folds)
    _refuse_misfits(run_folders, members)
    seeds = max(({seed for seed, _ in folds} for folds in members.values()), key=len)
    names = list(dict.fromkeys(fold for _, fold in next(iter(members.values()))))
    folds = [
        _together(system, seed, {name: _fold_of(folds, seed, fold) for name, folds in members.items()})
        for seed in sorted(seeds)
        for fold in names
    ]
    return write_beside(Path(run_folders[0]), folds)


def _fold_of(folds, seed, fold):
    """Of this seed, or of the only one."""
    return folds.get((seed, fold)) or next(run for (_, name), run in folds.items() if name == fold)


def _refuse_misfits(run_folders, members):
    first, *others = (next(iter(folds.values())).results for folds in members.values())
    tests = [{key: results["settings"].get(key) for key in _TEST} for results in (first, *others)]
    several = [seeds for folds in members.values() if len(seeds := {seed for seed, _ in folds}) > 1]
    if len(members) < len(run_folders):
        problem, expected = f"{', '.join(members)} more than once", "different systems"
    elif any(test != tests[0] for test in tests[1:]):
        problem, expected = f"other tests in {' and '.join(members)}", "one protocol on one corpus"
    elif any(seeds != several[0] for seeds in several[1:]):
        problem, expected = f"other seeds in {' and '.join(members)}", "the same seeds, or one"
    else:
        return
    raise SerError(got=problem, expected=expected, remedy="name other run folders")


def _together(system, seed, runs) -> FoldResults:
    """One fold."""
    results = [run.results for run in runs.values()]
    first = results[0]
    (target, task), *_ = tasks_in(first).items()
    tables = {name: run.predictions[target].assign(seed=seed) for name, run in runs.items()}
    table = fuse(tables, dict.fromkeys(tables, 1 / len(tables)), task)
    settings = {
        **{key: first["settings"][key] for key in _TEST if key in first["settings"]},
        "pool": {name: run.results["settings"] for name, run in runs.items()},
    }
    protocol = {
        **first["protocol"],
        "normalisation": ", ".join(dict.fromkeys(each["protocol"]["normalisation"] for each in results)),
        "transductive": any(each["protocol"]["transductive"] for each in results),
        "statements": [*first["protocol"]["statements"], f"{system}: {' and '.join(runs)}, equal weights"],
        **pretrained_key(name for each in results for name in each["protocol"].get("pretrained", ())),
    }
    pooled = {
        **{key: value for key, value in first.items() if key not in ("chosen", "was_sealed", "sealed")},
        "system": system,
        "seed": seed,
        "protocol": protocol,
        **of_parts(results, target),
        "metrics": task.metrics(table["true"], table["predicted"]),
        "settings": settings,
        "settings_sha256": digest(settings),
    }
    return FoldResults(pooled, {target: table})
