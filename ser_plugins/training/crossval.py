"""Folds x seeds, side by side: single-thread workers that live across folds, progress, and no fold lost to another."""

import contextlib
import multiprocessing
import os
import threading
import traceback
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ser_plugins.errors import SerError
from ser_plugins.evaluation.tables import brief

# One thread per process: with two OpenMP threads on two busy cores a recurrent layer runs ten times slower. The other
# two keep glibc from handing every large activation back to the system, which costs a tenth of the time.
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
}


LOG = "console.log"


@dataclass(frozen=True)
class Job:
    """One training: its name for people, its folder, its epochs, and the arguments of ``run_fold``."""

    name: str
    folder: Path
    epochs: int
    arguments: tuple


def run_jobs(jobs, workers: int, console: Console | None = None) -> None:
    """Run every job; show progress; at the end raise for those that failed.

    Arguments
    ---------
    jobs : list of Job
        Independent of one another.
    workers : int
        Processes side by side. 0 runs in this process, one job after the other (a GPU, ``torchrun``).

    Raises
    ------
    SerError
        After the last job, naming the failed ones, their errors and logs.
    """
    console = console or Console(stderr=True)
    failures = {}
    run = _in_workers if workers else _here
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("epochs"))
    progress = Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, disable=not console.is_terminal
    )
    with progress:
        task = progress.add_task("training", total=sum(job.epochs for job in jobs))
        finished = 0
        for job, results, error in run(jobs, workers, lambda: _show_epochs(progress, task, jobs)):
            finished += 1
            if error is not None:
                failures[job.name] = f"{error} (log: {job.folder / LOG})"
                progress.console.print(f"{finished}/{len(jobs)} {job.name}: FAILED: {error}", style="red", markup=False)
                continue
            progress.console.print(
                f"{finished}/{len(jobs)} {job.name}: {brief(results)}, {results['wall_time_s']:.0f} s",
                markup=False,
                highlight=False,
            )
    if failures:
        raise SerError(
            got=f"{len(failures)} of {len(jobs)} trainings failed: "
            + "; ".join(f"{name}: {error}" for name, error in failures.items()),
            expected="all of them to finish",
            remedy="mend the cause and type the same command again: finished folds are kept, begun ones resumed",
        )


def _here(jobs, workers, tick):
    for job in jobs:
        try:
            yield job, _run(job), None
        except Exception as error:  # one failed fold must not lose the others; it is reported at the end
            yield job, None, error
        tick()


def _in_workers(jobs, workers, tick):
    with _environment(WORKER_ENVIRONMENT):
        pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_die_with_parent)
        futures = {pool.submit(_run_quietly, job): job for job in jobs}
    try:
        pending = set(futures)
        while pending:
            done, pending = wait(pending, timeout=1, return_when=FIRST_COMPLETED)
            tick()
            for future in done:
                error = future.exception()
                yield futures[future], None if error else future.result(), error
    finally:
        for future in futures:
            future.cancel()
        if pending:  # interrupted: the workers' folds are resumable, so do not wait for them
            for process in list(pool._processes.values()):
                process.terminate()
        pool.shutdown()


def _run(job: Job):
    """Run in this process; what goes wrong is told to the fold's ``console.log`` in full."""
    from ser_plugins.training.fold import run_fold

    try:
        return run_fold(*job.arguments)
    except Exception:
        job.folder.mkdir(parents=True, exist_ok=True)
        with open(job.folder / LOG, "a", encoding="utf-8") as log:
            log.write(traceback.format_exc())
        raise


def _run_quietly(job: Job):
    """Run in a worker, its output going to the fold's ``console.log``."""
    job.folder.mkdir(parents=True, exist_ok=True)
    with (
        open(job.folder / LOG, "a", encoding="utf-8") as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        return _run(job)


def _die_with_parent():
    """End this worker when its parent is killed: an orphan would go on writing to a fold that is being resumed."""
    parent = multiprocessing.parent_process()

    def watch():
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _environment(values):
    """Set environment variables for the processes spawned inside."""
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})


def _show_epochs(progress, task, jobs):
    """Count the finished epochs in the train logs: what a killed worker did is counted too."""
    if progress.disable:
        return
    done = 0
    for job in jobs:
        with contextlib.suppress(OSError):
            done += min(job.epochs, (job.folder / "train_log.txt").read_text(encoding="utf-8").count("epoch: "))
    progress.update(task, completed=done)
