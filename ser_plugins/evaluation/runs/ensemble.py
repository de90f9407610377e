"""The seeds of a run put together: a row of its own, which costs as many trainings as it has seeds.

Every fold's probabilities are the normalised geometric mean of the seeds' (:mod:`ser_plugins.evaluation.runs.fusion`,
all weights 1 / n); numbers are averaged. Nothing is fitted, so nothing is learned from a test set.
"""

from dataclasses import replace
from pathlib import Path

from ser_plugins.errors import SerError
from ser_plugins.evaluation.runs.evidence import encode, is_packed
from ser_plugins.evaluation.runs.fold_record import FoldRecord
from ser_plugins.evaluation.runs.folds import FoldResults, read_run, with_scores
from ser_plugins.evaluation.runs.fusion import fuse
from ser_plugins.evaluation.runs.packing import write_packed
from ser_plugins.files import write_text


def ensemble_seeds(run_folder) -> Path:
    """Write the ensemble of a run's seeds beside it, as ``<system>_ensemble`` of the same protocol, packed as that is.

    Arguments
    ---------
    run_folder : str or Path
        ``results/<corpus>/<system>/<protocol>``, or a packed run; complete, open, with two seeds or more.

    Returns
    -------
    Path
        The new run folder, for ``ser report``.

    Raises
    ------
    MissingFoldError, MissingPathError, SealedError, SerError
        As :func:`~ser_plugins.evaluation.runs.folds.read_run`; or one seed only.

    Example
    -------
    >>> ensemble_seeds("results/nothing")
    Traceback (most recent call last):
    ser_plugins.errors.MissingPathError: got: no seed_<n>/<fold>/results.json below results/nothing; expected: a run \
folder, results/<corpus>/<system>/<protocol>, with finished folds; remedy: name the run folder, or train first
    """
    run_folder = Path(run_folder)
    folds = {}
    for fold in read_run(run_folder):
        folds.setdefault(fold.record.fold, []).append(fold)
    seeds = [fold.record.seed for fold in next(iter(folds.values()))]
    if len(seeds) < 2:
        raise SerError(
            got=f"{run_folder} with one seed", expected="two or more", remedy="train it with others: --seeds 1,2,3,4,5"
        )
    return write_beside(run_folder, [_together(seeds, members) for members in folds.values()])


def write_beside(run_folder: Path, folds: list[FoldResults]) -> Path:
    """Write folds of a new run beside a run, in the form that it has, live or packed; the new run folder."""
    run, record = run_folder.resolve(), folds[0].record
    if is_packed(run_folder):
        target = run.with_name(f"{record.system}.{record.protocol.protocol}")
        write_packed(encode(folds), target)
        return target
    target = run.parents[1] / record.system / run.name
    for fold in folds:
        _write(target / fold.record.place, fold)
    return target


def _together(seeds, members: list[FoldResults]) -> FoldResults:
    """One fold, of the first seed."""
    first = members[0].record
    (target, task), *_ = first.tasks.items()
    tables = {str(member.record.seed): member.predictions[target] for member in members}
    predictions = {target: fuse(tables, dict.fromkeys(tables, 1 / len(tables)), task)}
    system = f"{first.system}_ensemble"
    statement = f"{system}: one ensemble of {len(seeds)} seeds ({', '.join(map(str, seeds))})"
    record = replace(
        record_of_members([member.record for member in members], target),
        system=system,
        protocol=replace(first.protocol, statements=(*first.protocol.statements, statement)),
    )
    return FoldResults(with_scores(record, predictions), predictions)


def record_of_members(members: list[FoldRecord], target: str) -> FoldRecord:
    """The first record, with what is to be said of several folds together, of which nothing was trained as a whole."""
    return replace(
        members[0],
        training={target: members[0].training.get(target)},
        auxiliary={},
        history=(),
        epochs=0,
        selected_epoch=None,
        checkpoint=None,
        parameters=sum(member.parameters for member in members),
        wall_time_s=sum(member.wall_time_s for member in members),
        chosen=None,
    )


def _write(folder, fold: FoldResults) -> None:
    """``results.json`` last, as training does."""
    (table,) = fold.predictions.values()
    write_text(folder / "predictions.csv", table.drop(columns="unit").to_csv(index=False, float_format="%.8g"))
    fold.record.write(folder)
