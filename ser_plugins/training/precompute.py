"""What the trainings of a system share is computed before they start, once, instead of by each of them."""

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ser_plugins.corpora.manifest import read_manifest
from ser_plugins.training.feature_store import store_of, training_items
from ser_plugins.training.preflight import build

_BUILT = ("compute_features", "compute_functionals", "copies")


def compute_ahead(plan, screen) -> None:
    """Compute the features that trainings of one system keep on disk, where they are not there yet.

    Arguments
    ---------
    plan : Plan
        Its jobs are calls of :func:`~ser_plugins.training.fold.run_fold`; finished ones need nothing.
    screen : rich.console.Console
        For the progress.
    """
    jobs = [job for job in plan.jobs if not (job.folder / "results.json").is_file()]
    if not jobs:
        return
    plain = plan.experiment.values()
    if not plain.get("cache_features", True):
        return
    hparams = {**plain, **build(plan.experiment, [key for key in _BUILT if key in plain])}
    store = store_of(hparams, plan.protocol)
    if store.folder is None:
        return
    items = {store.path(*item): item for job in jobs for item in _items(job, hparams.get("copies") or ())}
    missing = [item for path, item in items.items() if not path.exists()]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, *times, console=screen, disable=not screen.is_terminal) as progress:
        for item in progress.track(missing, description="features"):
            store.kept_features(*item)


def _items(job, copies):
    """Recordings that a training reads, and the copies of those that it trains on."""
    experiment, fold, seed, *_ = job.arguments
    values = experiment.values(fold, seed)
    for part in ("train", "valid", "test"):
        entries = read_manifest(values[f"{part}_annotation"])
        yield from training_items(entries, copies if part == "train" else ()).values()
