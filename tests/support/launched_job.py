"""A job for launchers, which fails, or kills its process, as it is told."""

import os
from types import SimpleNamespace

from ser_plugins.errors import SerError


def ended(**extra):
    """Of a fold's record what the line of progress says."""
    return SimpleNamespace(metrics=None, sealed=None, wall_time_s=0.0, **extra)


def training(kind, folder):
    """Note the attempt, then do what the kind says; workers find this function by its module, and import that alone."""
    folder.mkdir(exist_ok=True)
    attempt = len(list(folder.glob("attempt*"))) + 1
    (folder / f"attempt{attempt}").touch()
    if kind == "wrong":
        raise SerError(got="a", expected="b", remedy="c")
    if kind == "fails" or (kind == "fails once" and attempt == 1):
        raise OSError("the disk went away")
    if kind == "killed" or (kind == "killed once" and attempt == 1):
        os._exit(9)  # as by SIGKILL: nothing is cleaned up
    return ended(process=os.getpid(), threads=os.environ.get("OMP_NUM_THREADS"))
