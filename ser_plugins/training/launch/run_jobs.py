"""Run a table of trainings: live progress, no job lost to another, a failed one tried once more."""

import contextlib
import math
import re

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

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
    """In a terminal a live line per running job and one for all; anywhere, one line per finished job."""

    def __init__(self, jobs, console):
        self.jobs = jobs
        self.done = set()
        self.failed = set()
        self.lines = {}  # of jobs at work
        columns = (
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(12),
            MofNCompleteColumn(),
            TextColumn("epochs"),
            TextColumn("{task.fields[loss]}"),
            TimeRemainingColumn(),
        )
        # An epoch may take longer than any shorter period that a speed could be estimated over.
        self.progress = Progress(
            *columns, console=console, disable=not console.is_terminal, speed_estimate_period=math.inf
        )
        self.task = self.progress.add_task("training", total=sum(job.epochs for job in jobs), loss="")

    def say(self, text, **style):
        self.progress.console.print(plain.terminal(text), **style)

    def ended(self, job, record, error):
        if error is not None:
            self.failed.add(job)
            self.say(f"{len(self.done)}/{len(self.jobs)} {job.name}: FAILED: {error}", style="red")
            return
        self.failed.discard(job)
        self.done.add(job)
        if self.progress.disable:
            self.progress.update(self.task, completed=self.epochs())
        outcome = f"{brief(record)}, {record.wall_time_s:.0f} s{self.time_left()}"
        self.say(f"{len(self.done)}/{len(self.jobs)} {job.name}: {outcome}")

    def time_left(self) -> str:
        """For where no live line tells it; empty until two jobs have shown how long one takes, and after the last."""
        (task,) = (task for task in self.progress.tasks if task.id == self.task)
        seconds = task.time_remaining
        if not self.progress.disable or not seconds:
            return ""
        return f"; about {seconds:.0f} s left" if seconds < 100 else f"; about {seconds / 60:.0f} min left"

    def epochs(self) -> int:
        """Finished epochs of all jobs: what a killed worker did is counted too."""
        return sum(
            job.epochs if job in self.done else min(job.epochs, finished_epochs(job.folder)) for job in self.jobs
        )

    def tick(self, running):
        """Redraw the lines, given the jobs at work."""
        if self.progress.disable:
            return
        for job in set(self.lines) - set(running):
            self.progress.remove_task(self.lines.pop(job))
        for job in running:
            done = min(job.epochs, finished_epochs(job.folder))
            if job not in self.lines:
                name = plain.visible(job.name)
                self.lines[job] = self.progress.add_task(name, total=job.epochs, completed=done, loss="")
            self.progress.update(self.lines[job], completed=done, loss=_last_loss(job.folder))
        counts = f"{len(self.done)} done, {len(running)} running, {len(self.failed)} failed"
        self.progress.update(self.task, completed=self.epochs(), description=counts)


def finished_epochs(folder) -> int:
    """Finished epochs of a fold: lines of its train log; where another logger writes none, those of its checkpoints."""
    epochs = [_train_log(folder).count("epoch: ")]
    with contextlib.suppress(OSError, UnicodeDecodeError):  # one that is being written or deleted
        for path in folder.glob("save/CKPT*/CKPT.yaml"):
            epochs += map(int, re.findall(r"^epoch: (\d+)$", path.read_text(encoding="utf-8"), re.MULTILINE))
    return max(epochs)


def _last_loss(folder) -> str:
    """The training loss of the last finished epoch, in words; empty where the train log has none."""
    losses = re.findall(r"train loss: (\S+)", _train_log(folder))
    return f"loss {float(losses[-1]):.3g}" if losses else ""


def _train_log(folder) -> str:
    with contextlib.suppress(OSError):
        return (folder / "train_log.txt").read_text(encoding="utf-8")
    return ""
