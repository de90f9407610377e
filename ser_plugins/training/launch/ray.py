"""Many machines: every training is a task of a Ray cluster, rescheduled when its machine is lost."""

import contextlib
import os
from pathlib import Path

from filelock import FileLock

from ser_plugins.errors import SerError
from ser_plugins.files import atomic_path
from ser_plugins.training.launch.local import WORKER_ENVIRONMENT, Job, environment, run_job, run_quietly

RETRIES = 3  # of a job whose machine is lost; one that fails by itself is the caller's to retry
DYING_S = 60  # seconds that the process of a lost machine may go on holding its fold
STORE_BYTES = 80_000_000  # results are small: near the least that Ray takes


class RayCluster:
    """A launcher (see :mod:`ser_plugins.training.launch.local`) for a Ray cluster.

    Every machine has the code and the corpus at the paths of this one. With the results folder on storage that all
    share, a job whose machine is lost resumes from its checkpoint on another. Without, its manifests travel with the
    job and its files come back through Ray, and a job whose machine is lost begins anew.

    Arguments
    ---------
    address : str, optional
        Of a running cluster, such as ``auto``; without, one is started on this machine, and ended with the run.
    cpus, gpus : float
        What a job takes; a fraction of a GPU lets several share one.
    send_back : {"results", "checkpoints"}, optional
        Where the results folder is not shared: send every job's folder back, with its checkpoints or without.

    Raises
    ------
    SerError
        When Ray is not installed, or, in :meth:`run`, when there is no cluster or it can never hold one job.
    """

    def __init__(self, address=None, *, cpus=1.0, gpus=0.0, send_back=None):
        try:
            import ray
        except ImportError:
            raise SerError(
                got="--launcher ray without Ray", expected="the extra `cluster`", remedy='pip install "ray>=2.40"'
            ) from None
        self.ray = ray
        self.address = address
        self.cpus = cpus
        self.gpus = gpus
        self.send_back = send_back

    def run(self, jobs, tick):
        """Yield ``(job, results, error)``."""
        ray = self.ray
        pending = {}
        with self._connected():
            slots = self._slots()
            task = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_retries=RETRIES, max_calls=0)(_on_machine)
            try:
                for job in jobs:
                    if self.send_back and (job.folder / "results.json").is_file():
                        yield job, *_attempt(run_job, job)  # finished, and other machines cannot see it
                        continue
                    manifests = _manifests(job) if self.send_back else {}
                    pending[task.remote(job, str(Path.cwd()), manifests, self.send_back)] = job
                while pending:
                    done, _ = ray.wait(list(pending), num_returns=1, timeout=1)
                    for reference in done:
                        job = pending.pop(reference)
                        try:
                            results, error, files = ray.get(reference)
                            unpack(files, job.folder)
                        except ray.exceptions.RayError as lost:
                            results, error = None, RuntimeError(f"lost {RETRIES + 1} times: {lost}")
                        yield job, results, error
                    tick(list(pending.values())[:slots])
            finally:
                for reference in pending:
                    ray.cancel(reference, force=True)

    @contextlib.contextmanager
    def _connected(self):
        ray = self.ray
        connects = not ray.is_initialized()
        where = {"address": self.address} if self.address else {"object_store_memory": STORE_BYTES}
        if connects:
            try:
                with environment(WORKER_ENVIRONMENT):
                    ray.init(**where, include_dashboard=False if not self.address else None, log_to_driver=False)
            except ConnectionError as error:
                raise SerError(
                    got=f"--address {self.address}: {error}",
                    expected="a running cluster",
                    remedy="`ray start --head` on one machine, `ray start --address` on the others",
                ) from None
        try:
            yield
        finally:
            if connects:
                ray.shutdown()

    def _slots(self) -> int:
        """How many jobs the cluster holds at once; one that holds none would let them wait for ever."""
        there = self.ray.cluster_resources()
        wanted = {"CPU": self.cpus, "GPU": self.gpus}
        slots = int(min(there.get(kind, 0) / amount for kind, amount in wanted.items() if amount))
        if not slots:
            raise SerError(
                got=f"a cluster with {there.get('CPU', 0):g} CPU cores and {there.get('GPU', 0):g} GPUs",
                expected=f"at least {self.cpus:g} and {self.gpus:g} for one job",
                remedy="ask for less with --cpus-per-job and --gpus-per-job, or add machines",
            )
        return slots


def _on_machine(job: Job, folder: str, manifests: dict, send_back):
    """Run on a machine of the cluster: ``(results, error, files to send back)``."""
    import torch

    torch.set_num_threads(1)
    Path(folder).mkdir(parents=True, exist_ok=True)
    os.chdir(folder)  # paths in a YAML are relative to where the command was typed
    unpack(manifests, Path())
    job.folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(TimeoutError), FileLock(job.folder / ".lock", timeout=DYING_S):
        pass  # until the process of the machine that was lost is gone
    results, error = _attempt(run_quietly, job)
    return results, error, pack(job.folder, checkpoints=send_back == "checkpoints") if send_back else {}


def _attempt(run, job):
    try:
        return run(job), None
    except Exception as error:
        return None, error


def _manifests(job) -> dict:
    experiment, fold, seed, *_ = job.arguments
    values = experiment.values(fold, seed)
    paths = [values[f"{part}_annotation"] for part in ("train", "valid", "test")]
    return {path: Path(path).read_bytes() for path in paths}


def pack(folder: Path, *, checkpoints: bool = False) -> dict[str, bytes]:
    """The files of a job's folder, by path; ``save/`` among them only with ``checkpoints``.

    Example
    -------
    >>> import tempfile
    >>> here, there = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
    >>> _ = (here / "results.json").write_text("{}")
    >>> unpack(pack(here), there)
    >>> [path.name for path in there.iterdir()]
    ['results.json']
    """
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path): (folder / path).read_bytes() for path in paths if checkpoints or path.parts[0] != "save"}


def unpack(files: dict[str, bytes], folder: Path) -> None:
    """Write what :func:`pack` took, each file whole or not at all, ``results.json``, which says finished, last."""
    for name in sorted(files, key=lambda name: name == "results.json"):
        if (folder / name).is_file() and (folder / name).read_bytes() == files[name]:
            continue  # the folder is shared after all
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(files[name])
