"""How a command of a recipe ends when it does not end well: in one line, and a status that scripts understand."""

import contextlib
import logging
import sys
from pathlib import Path

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


def close_experiment_log(folder: Path) -> None:
    """Close ``log.txt`` of an experiment, which SpeechBrain leaves open until the process begins the next one."""
    root = logging.getLogger()
    log = str((Path(folder) / "log.txt").resolve())
    for handler in root.handlers[:]:
        if isinstance(handler, logging.FileHandler) and str(Path(handler.baseFilename).resolve()) == log:
            root.removeHandler(handler)
            handler.close()
