"""Several systems put together, seed by seed, as a row of its own: a log-linear pool with equal weights.

Probabilities are their normalised geometric mean (:mod:`ser_plugins.evaluation.runs.fusion`, all weights 1 / n);
numbers are averaged. Nothing is fitted, so nothing is learned from a test set.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ser_plugins.corpora.manifest import digest
from ser_plugins.errors import SerError
from ser_plugins.evaluation.runs.ensemble import record_of_members, write_beside
from ser_plugins.evaluation.runs.folds import FoldResults, read_run, with_scores
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
        folds = {(fold.record.seed, fold.record.fold): fold for fold in read_run(folder)}
        members.setdefault(next(iter(folds.values())).record.system, folds)
    _refuse_misfits(run_folders, members)
    seeds = max(({seed for seed, _ in folds} for folds in members.values()), key=len)
    names = list(dict.fromkeys(fold for _, fold in next(iter(members.values()))))
    folds = [
        _together(system, seed, {name: _fold_of(folds, seed, fold) for name, folds in members.items()})
        for seed in sorted(seeds)
        for fold in names
    ]
    return write_beside(Path(run_folders[0]), folds)


def _fold_of(folds, seed, name) -> FoldResults:
    """Of this seed, or of the only one."""
    return folds.get((seed, name)) or next(fold for (_, fold_name), fold in folds.items() if fold_name == name)


def _refuse_misfits(run_folders, members):
    records = [next(iter(folds.values())).record for folds in members.values()]
    tests = [{key: record.settings.get(key) for key in _TEST} for record in records]
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


def _together(system, seed, members: dict[str, FoldResults]) -> FoldResults:
    """One fold."""
    records = [member.record for member in members.values()]
    first = records[0]
    (target, task), *_ = first.tasks.items()
    tables = {name: member.predictions[target].assign(seed=seed) for name, member in members.items()}
    predictions = {target: fuse(tables, dict.fromkeys(tables, 1 / len(tables)), task)}
    protocols = [record.protocol for record in records]
    settings = {
        **{key: first.settings[key] for key in _TEST if key in first.settings},
        "pool": {name: member.record.settings for name, member in members.items()},
    }
    record = replace(
        record_of_members(records, target),
        system=system,
        seed=seed,
        protocol=replace(
            first.protocol,
            normalisation=", ".join(dict.fromkeys(protocol.normalisation for protocol in protocols)),
            transductive=any(protocol.transductive for protocol in protocols),
            statements=(*first.protocol.statements, f"{system}: {' and '.join(members)}, equal weights"),
            pretrained=tuple(sorted({model for protocol in protocols for model in protocol.pretrained})),
        ),
        settings=settings,
        settings_sha256=digest(settings),
        sealed=None,
        was_sealed=None,
    )
    return FoldResults(with_scores(record, predictions), predictions)
