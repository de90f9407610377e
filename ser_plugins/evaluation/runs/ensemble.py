"""The seeds of a run put together: a row of its own, which costs as many trainings as it has seeds.

Every fold's probabilities are the normalised geometric mean of the seeds' (:mod:`ser_plugins.evaluation.runs.fusion`,
all weights 1 / n); numbers are averaged. Nothing is fitted, so nothing is learned from a test set.
"""

from pathlib import Path

from ser_plugins.errors import SerError
from ser_plugins.evaluation.runs.evidence import encode, is_packed
from ser_plugins.evaluation.runs.folds import FoldResults, read_run, tasks_in
from ser_plugins.evaluation.runs.fusion import fuse
from ser_plugins.evaluation.runs.packing import write_packed
from ser_plugins.files import write_json, write_text


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
    for run in read_run(run_folder):
        folds.setdefault(run.results["fold"], []).append(run)
    seeds = [run.results["seed"] for run in next(iter(folds.values()))]
    if len(seeds) < 2:
        raise SerError(
            got=f"{run_folder} with one seed", expected="two or more", remedy="train it with others: --seeds 1,2,3,4,5"
        )
    return write_beside(run_folder, [_together(seeds, runs) for runs in folds.values()])


def write_beside(run_folder: Path, folds: list) -> Path:
    """Write folds of a new run beside a run, in the form that it has, live or packed; the new run folder."""
    place, first = run_folder.resolve(), folds[0].results
    if is_packed(run_folder):
        target = place.with_name(f"{first['system']}.{first['protocol']['protocol']}")
        write_packed(encode(folds), target)
        return target
    target = place.parents[1] / first["system"] / place.name
    for fold in folds:
        _write(target / f"seed_{fold.results['seed']}" / fold.results["fold"], fold)
    return target


def _together(seeds, runs) -> FoldResults:
    """One fold, of the first seed."""
    first = runs[0].results
    (name, task), *_ = tasks_in(first).items()
    tables = {str(run.results["seed"]): run.predictions[name] for run in runs}
    table = fuse(tables, dict.fromkeys(tables, 1 / len(tables)), task)
    system = f"{first['system']}_ensemble"
    statement = f"{system}: one ensemble of {len(seeds)} seeds ({', '.join(map(str, seeds))})"
    results = {
        **{key: value for key, value in first.items() if key != "chosen"},
        "system": system,
        "protocol": {**first["protocol"], "statements": [*first["protocol"]["statements"], statement]},
        **of_parts([run.results for run in runs], name),
        "metrics": task.metrics(table["true"], table["predicted"]),
    }
    return FoldResults(results, {name: table})


def of_parts(parts: list[dict], target: str) -> dict:
    """What ``results.json`` says of several folds put together, of which nothing was trained as a whole."""
    return {
        "training": {target: parts[0]["training"].get(target)},
        "auxiliary": {},
        "history": [],
        "epochs": 0,
        "selected_epoch": None,
        "checkpoint": None,
        "parameters": sum(part["parameters"] for part in parts),
        "wall_time_s": sum(part["wall_time_s"] for part in parts),
    }


def _write(folder, fold: FoldResults) -> None:
    """``results.json`` last, as training does."""
    (table,) = fold.predictions.values()
    write_text(folder / "predictions.csv", table.drop(columns="unit").to_csv(index=False, float_format="%.8g"))
    write_json(folder / "results.json", fold.results)
