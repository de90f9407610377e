"""Ctrl-C, which a terminal sends to all processes, is heard by the one that started the others."""

import contextlib
import signal


@contextlib.contextmanager
def out_of_reach_of_ctrl_c():
    """Processes started inside do not hear Ctrl-C, which a terminal sends to all: their parent ends them.

    Without signal masks (Windows) they hear it while they start, until :func:`ignore_ctrl_c`.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore_ctrl_c() -> None:
    """In a worker: Ctrl-C is its parent's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
