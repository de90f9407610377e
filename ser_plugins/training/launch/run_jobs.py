"""Run a table of trainings: live progress, no job lost to another, a failed one tried once more."""

import contextlib
import re

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ser_plugins import plain
from ser_plugins.errors import SerError
from ser_plugins.evaluation.report.tables import brief
from ser_plugins.training.launch.local import LOG


def run_jobs(jobs, launcher, console: Console | None = None) -> None:
    """Run every job; show progress; try failed ones once more; at the end raise for those that failed again.

    Arguments
    ---------
    jobs : list of Job
        Independent of one another.
    launcher : Here, Local or RayCluster
        Where they run; see :mod:`ser_plugins.training.launch.local`.

    Raises
    ------
    SerError
        After the last job, naming the failed ones, their errors and logs.
    """
    board = _Board(jobs, console or plain.console(stderr=True))
    with board.progress:
        failures = _round(jobs, launcher, board)
        # A wrong setting stays wrong; anything else (memory, a disk, a machine) may be over.
        again = [job for job, error in failures.items() if not isinstance(error, SerError)]
        if again:
            board.say(f"trying once more: {', '.join(job.name for job in again)}")
            for job in again:
                del failures[job]
            failures |= _round(again, launcher, board)
    if failures:
        raise SerError(
            got=f"{len(failures)} of {len(jobs)} trainings failed: "
            + "; ".join(f"{job.name}: {error} (log: {job.folder / LOG})" for job, error in failures.items()),
            expected="all of them to finish",
            remedy="mend the cause and type the same command again: finished folds are kept, begun ones resumed",
        )


def _round(jobs, launcher, board) -> dict:
    failures = {}
    for job, record, error in launcher.run(jobs, board.tick):
        if error is not None:
            failures[job] = error
        board.ended(job, record, error)
    return failures


class _Board:
    """The live line (done, running, failed, epochs, time left), and one line per finished job."""

    def __init__(self, jobs, console):
        self.jobs = jobs
        self.done = set()
        self.failed = set()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("epochs"))
        self.progress = Progress(
            *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, disable=not console.is_terminal
        )
        self.task = self.progress.add_task("training", total=sum(job.epochs for job in jobs))

    def say(self, text, **style):
        self.progress.console.print(plain.terminal(text), **style)

    def ended(self, job, record, error):
        if error is not None:
            self.failed.add(job)
            self.say(f"{len(self.done)}/{len(self.jobs)} {job.name}: FAILED: {error}", style="red")
            return
        self.failed.discard(job)
        self.done.add(job)
        self.say(f"{len(self.done)}/{len(self.jobs)} {job.name}: {brief(record)}, {record.wall_time_s:.0f} s")

    def tick(self, running):
        """Count the finished epochs of all jobs: what a killed worker did is counted too."""
        if self.progress.disable:
            return
        epochs = 0
        for job in self.jobs:
            if job in self.done:
                epochs += job.epochs
                continue
            epochs += min(job.epochs, finished_epochs(job.folder))
        counts = f"{len(self.done)} done, {running} running, {len(self.failed)} failed"
        self.progress.update(self.task, completed=epochs, description=counts)


def finished_epochs(folder) -> int:
    """Finished epochs of a fold: lines of its train log; where another logger writes none, those of its checkpoints."""
    epochs = [0]
    with contextlib.suppress(OSError):
        epochs.append((folder / "train_log.txt").read_text(encoding="utf-8").count("epoch: "))
    with contextlib.suppress(OSError, UnicodeDecodeError):  # one that is being written or deleted
        for path in folder.glob("save/CKPT*/CKPT.yaml"):
            epochs += map(int, re.findall(r"^epoch: (\d+)$", path.read_text(encoding="utf-8"), re.MULTILINE))
    return max(epochs)
