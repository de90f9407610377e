"""Where trainings run: this process, or local workers. A third launcher, for many machines, is in ``ray.py``.

A launcher has one method, ``run(jobs, tick)``: it yields ``(job, record, error)`` as jobs end, in any order, each
once, with ``error`` None or ``record`` None, and now and then calls ``tick(running)`` with the list of jobs at work.
"""

import contextlib
import multiprocessing
import os
import threading
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ser_plugins.training.launch.ctrl_c import ignore_ctrl_c, out_of_reach_of_ctrl_c

# One thread per process: with two OpenMP threads on two busy cores a recurrent layer runs ten times slower. The other
# two keep glibc from handing every large activation back to the system, which costs a tenth of the time.
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
}
LOG = "console.log"


@dataclass(frozen=True, eq=False)  # eq: by identity, so that it may be a key
class Job:
    """One training: its name for people, its folder, its epochs, and the call that does it (``run_fold``)."""

    name: str
    folder: Path
    epochs: int
    function: Callable
    arguments: tuple


class Here:
    """In this process, one job after the other: a GPU, or ``torchrun``."""

    def run(self, jobs, tick):
        """Yield ``(job, record, error)``."""
        for job in jobs:
            with _ticking(tick, [job]):
                try:
                    outcome = job, run_job(job), None
                except Exception as error:  # one failed job must not lose the others; it is reported at the end
                    outcome = job, None, error
            yield outcome
        tick([])


class Local:
    """Worker processes of this machine that live across jobs, so that features are computed once per worker.

    Each worker is a pool of its own: one that is killed, as by a system out of memory, takes its own job along and no
    other, and a new one takes its place. (A pool of several breaks as a whole, and does not say by which job.)

    Arguments
    ---------
    workers : int
        Processes side by side.
    """

    def __init__(self, workers: int):
        self.workers = workers

    def run(self, jobs, tick):
        """Yield ``(job, record, error)``."""
        waiting = deque(jobs)
        idle = [_pool() for _ in range(min(self.workers, len(jobs)))]
        busy = {}
        try:
            while waiting or busy:
                while waiting and idle:
                    pool, job = idle.pop(), waiting.popleft()
                    # The process is spawned by its first job.
                    with environment(WORKER_ENVIRONMENT), out_of_reach_of_ctrl_c():
                        busy[pool.submit(run_quietly, job)] = pool, job
                done, _ = wait(busy, timeout=1, return_when=FIRST_COMPLETED)
                for future in done:
                    pool, job = busy.pop(future)
                    error = future.exception()
                    if isinstance(error, BrokenProcessPool):
                        pool.shutdown()
                        pool, error = _pool(), _killed(job)
                    idle.append(pool)
                    yield job, None if error else future.result(), error
                tick([job for _, job in busy.values()])
        finally:
            for pool, _ in busy.values():  # interrupted: the workers' jobs are resumable, so do not wait for them
                for process in list(pool._processes.values()):
                    process.terminate()
            for pool in (*idle, *(pool for pool, _ in busy.values())):
                pool.shutdown()


@contextlib.contextmanager
def _ticking(tick, running):
    """Call ``tick(running)`` now and every second from a thread of its own, since the job has this one."""
    over = threading.Event()

    def go_on():
        tick(running)
        while not over.wait(timeout=1):
            tick(running)

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _pool():
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_begin)


def _killed(job):
    message = "the worker process was killed"
    with contextlib.suppress(OSError), open(job.folder / LOG, "a", encoding="utf-8") as log:
        log.write(message + "\n")
    return RuntimeError(f"{message}, as by a system out of memory: try fewer --jobs")


def run_job(job: Job):
    """Run in this process; what goes wrong is told to the job's ``console.log`` in full."""
    try:
        return job.function(*job.arguments)
    except Exception:
        job.folder.mkdir(parents=True, exist_ok=True)
        with open(job.folder / LOG, "a", encoding="utf-8") as log:
            log.write(traceback.format_exc())
        raise


def run_quietly(job: Job):
    """Run in a worker, its output going to the job's ``console.log``."""
    job.folder.mkdir(parents=True, exist_ok=True)
    with (
        open(job.folder / LOG, "a", encoding="utf-8") as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        return run_job(job)


def _begin():
    ignore_ctrl_c()
    # tqdm's own lock is a semaphore of the system, which a worker that is ended would leave behind.
    tqdm.set_lock(threading.RLock())
    _die_with_parent()


def _die_with_parent():
    """End this worker when its parent is killed: an orphan would go on writing to a fold that is being resumed."""
    parent = multiprocessing.parent_process()

    def watch():
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def environment(values):
    """Set environment variables for the processes spawned inside."""
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            os.environ.pop(key) if value is None else os.environ.update({key: value})
