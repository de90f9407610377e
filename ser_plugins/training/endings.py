"""What a recipe's command says beside its own lines: how it ends when it does not end well, and SpeechBrain's log."""

import contextlib
import io
import logging
import sys
from pathlib import Path

from speechbrain.utils.logger import TqdmCompatibleStreamHandler

from ser_plugins.errors import SerError

INTERRUPTED = 130  # 128 + SIGINT, as shells have it


@contextlib.contextmanager
def one_line_endings():
    """Turn a :class:`SerError` into one line and status 2, and Ctrl-C into one line and status 130.

    Example
    -------
    >>> with one_line_endings():
    ...     raise KeyboardInterrupt
    Traceback (most recent call last):
    SystemExit: 130
    """
    try:
        yield
    except SerError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        print("interrupted; the same command resumes", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None


@contextlib.contextmanager
def quiet_console():
    """While SpeechBrain sets up its log: the console gets none of it, and later warnings alone; ``log.txt`` has all."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
    for handler in logging.getLogger().handlers:
        if isinstance(handler, TqdmCompatibleStreamHandler):
            handler.setStream(sys.stdout)
            handler.setLevel(logging.WARNING)


def close_experiment_log(folder: Path) -> None:
    """Close ``log.txt`` of an experiment, which SpeechBrain leaves open until the process begins the next one."""
    root = logging.getLogger()
    log = str((Path(folder) / "log.txt").resolve())
    for handler in root.handlers[:]:
        if isinstance(handler, logging.FileHandler) and str(Path(handler.baseFilename).resolve()) == log:
            root.removeHandler(handler)
            handler.close()
