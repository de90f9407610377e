"""Launchers: every job ends once, whatever happens to a worker; a failure is tried once more, then told."""

import io
import multiprocessing
import os
import re
from dataclasses import replace

import pytest
from launched_job import ended, training
from rich.console import Console

from ser_plugins.errors import SerError
from ser_plugins.training.launch import ray as cluster
from ser_plugins.training.launch import run_jobs as crossval
from ser_plugins.training.launch.local import LOG, Here, Job, Local
from ser_plugins.training.launch.run_jobs import run_jobs


def jobs_in(folder, *kinds):
    folders = [folder / str(place) for place in range(len(kinds))]
    return [Job(f"job{f.name}", f, 1, training, (kind, f)) for kind, f in zip(kinds, folders, strict=True)]


def attempts(jobs):
    return [len(list(job.folder.glob("attempt*"))) for job in jobs]


def run(jobs, launcher):
    """What is printed, and the error at the end."""
    console = Console(file=io.StringIO(), width=1000)
    try:
        run_jobs(jobs, launcher, console)
    except SerError as error:
        return console.file.getvalue(), error
    return console.file.getvalue(), None


def no_tick(running):
    pass


@pytest.mark.parametrize("launcher", [Here(), Local(2)], ids=["here", "local"])
def test_a_failure_is_tried_once_more_and_loses_no_other(launcher, tmp_path):
    jobs = jobs_in(tmp_path, "fails", "fine", "fails once", "wrong", "fine")
    printed, error = run(jobs, launcher)
    assert attempts(jobs) == [2, 1, 2, 1, 1]  # a wrong setting stays wrong
    assert "2 of 5 trainings failed" in error.got
    assert all(f"(log: {jobs[place].folder / LOG})" in error.got for place in (0, 3))
    assert "the disk went away" in (jobs[0].folder / LOG).read_text()
    assert "3/5" in printed
    assert [line.split()[1] for line in printed.splitlines() if "nothing tested" in line].count("job2:") == 1


def begun(tmp_path):
    """Four jobs of ten epochs; 4, none and 3 of the last three's are in their logs."""
    jobs = [replace(job, epochs=10) for job in jobs_in(tmp_path, *["fine"] * 4)]
    for job, epochs in zip(jobs[1:], (4, 0, 3), strict=True):  # the last was interrupted
        job.folder.mkdir()
        write_epochs(job, epochs)
    return jobs


def write_epochs(job, epochs):
    lines = [f"epoch: {epoch}, lr: 1.00e-03 - train loss: {1 / epoch:.2e}\n" for epoch in range(1, epochs + 1)]
    (job.folder / "train_log.txt").write_text("".join(lines))


def test_the_live_line_counts_what_is_done_running_and_failed_and_the_epochs_in_the_logs(tmp_path):
    jobs = begun(tmp_path)
    console = Console(file=io.StringIO(), width=1000, force_terminal=True)
    board = crossval._Board(jobs, console)
    board.ended(jobs[0], ended(), None)
    board.ended(jobs[2], None, OSError("the disk went away"))
    board.tick([jobs[1]])
    task = board.progress.tasks[0]
    assert (task.description, task.completed, task.total) == ("1 done, 1 running, 1 failed", 10 + 4 + 3, 40)
    board.ended(jobs[2], ended(), None)  # tried once more
    board.tick([jobs[1], jobs[3]])
    assert task.description == "2 done, 2 running, 0 failed"


def test_every_running_fold_has_a_line_with_its_epochs_its_loss_and_the_time_left(tmp_path):
    jobs = begun(tmp_path)
    console = Console(file=io.StringIO(), width=80, force_terminal=True)
    board = crossval._Board(jobs, console)

    def lines():
        console.print(board.progress.get_renderable())
        text = re.sub("\x1b\\[[0-9;]*m", "", console.file.getvalue())
        console.file.truncate(console.file.seek(0))
        assert max(map(len, text.splitlines())) <= 80
        assert "…" not in text
        return [line.split() for line in text.splitlines()]

    board.tick(jobs[1:3])
    whole, *running = lines()
    assert [line[0] for line in running] == ["job1", "job2"]
    assert running[0][-5:] == ["4/10", "epochs", "loss", "0.25", "-:--:--"]
    assert running[1][-3:] == ["0/10", "epochs", "-:--:--"]
    for epochs in (5, 6, 7):
        write_epochs(jobs[1], epochs)
        board.tick(jobs[1:2])
    whole, running = lines()
    assert running[-5:-1] == ["7/10", "epochs", "loss", "0.143"]
    assert re.fullmatch(r"\d:\d\d:\d\d", running[-1])
    assert re.fullmatch(r"\d:\d\d:\d\d", whole[-1])


def test_without_a_terminal_every_finished_fold_says_how_long_the_rest_takes(tmp_path):
    printed, _ = run(jobs_in(tmp_path, *["fine"] * 4), Here())
    lines = printed.splitlines()
    assert [line.split()[0] for line in lines] == ["1/4", "2/4", "3/4", "4/4"]
    assert [" left" in line for line in lines] == [False, True, True, False]
    assert not re.search("\x1b|\r", printed)


def test_a_killed_worker_takes_its_own_job_along_and_no_other(tmp_path):
    jobs = jobs_in(tmp_path, "killed", *["fine"] * 4, "killed once")
    _, error = run(jobs, Local(2))
    assert attempts(jobs) == [2, 1, 1, 1, 1, 2]
    assert "1 of 6 trainings failed: job0: the worker process was killed" in error.got
    assert "the worker process was killed" in (jobs[0].folder / LOG).read_text()


def test_workers_live_across_jobs_with_one_thread_each(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    jobs = jobs_in(tmp_path, *["fine"] * 6)
    outcomes = list(Local(2).run(jobs, no_tick))
    assert {job for job, _, _ in outcomes} == set(jobs)
    assert len({record.process for _, record, _ in outcomes} | {os.getpid()}) == 3
    assert {record.threads for _, record, _ in outcomes} == {"1"}
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_an_interrupt_ends_the_workers(tmp_path):
    started = Local(1).run(jobs_in(tmp_path, "fine", "fine"), no_tick)
    _, record, _ = next(started)
    started.close()
    assert record.process not in [process.pid for process in multiprocessing.active_children()]


def test_a_folder_sent_back_is_whole_and_says_finished_last(tmp_path, monkeypatch):
    here, there, written = tmp_path / "here", tmp_path / "there", []
    for name in ("results.json", "predictions.csv", "save/CKPT/model.ckpt", ".lock"):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(name.encode())
    with monkeypatch.context() as patch:
        real = cluster.atomic_path
        patch.setattr(cluster, "atomic_path", lambda path: written.append(path.name) or real(path))
        cluster.unpack(cluster.pack(here), there)
    assert written == ["predictions.csv", "results.json"]
    assert (there / "predictions.csv").read_bytes() == b"predictions.csv"
    assert set(cluster.pack(here, checkpoints=True)) - set(cluster.pack(here)) == {"save/CKPT/model.ckpt"}


def test_options_of_ray_without_ray_are_refused(tmp_path):
    from argparse import ArgumentParser

    from ser_plugins.training.launch.options import add_launcher_options, choose_launcher

    parser = ArgumentParser()
    add_launcher_options(parser)
    with pytest.raises(SerError, match="--launcher ray"):
        choose_launcher(parser.parse_args(["--gpus-per-job", "0.1"]), 2)
    assert isinstance(choose_launcher(parser.parse_args([]), 0), Here)
    assert choose_launcher(parser.parse_args(["--launcher", "local"]), 0).workers == 1
