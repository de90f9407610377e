"""The one place where commands write: results to standard output, complaints to the error stream.

Both may be anything: a terminal of another encoding, a pipe that nobody reads any more, a file on a full disk.
"""

import io
import os
import signal
import sys
import threading
from collections.abc import Iterable

from rich.console import Console

from ser_plugins.errors import SerError
from ser_plugins.plain import visible


def prepare_streams() -> None:
    """Let no character that the terminal lacks end a command: it is written as a backslash escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def write(pieces: Iterable[str]) -> None:
    """Write what other programs read, in UTF-8 whatever the terminal's encoding is, each piece as soon as it comes.

    Raises
    ------
    SerError
        Where standard output takes no more.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    for piece in pieces:
        try:
            sys.stdout.write(piece)
            sys.stdout.flush()
        except OSError as error:
            raise output_error(error) from None


def show(table) -> None:
    """Print what people read: a table of rich. Raises as :func:`write`."""
    try:
        _Screen(markup=False, emoji=False, highlight=False).print(table)
    except OSError as error:
        raise output_error(error) from None


class _Screen(Console):
    def on_broken_pipe(self):
        raise  # rich would end the program in silence


class Interruption:
    """Ctrl-C while it is entered: kept in ``came``, and raised only while ``at_work``, so that no output is cut in two.

    Example
    -------
    >>> with Interruption() as interruption:
    ...     signal.raise_signal(signal.SIGINT)
    ...     interruption.came
    True
    """

    def __init__(self):
        self.came = self.at_work = False

    def __enter__(self):
        ours = threading.current_thread() is threading.main_thread()
        self.before = signal.getsignal(signal.SIGINT) if ours else None
        if self.before is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._keep)
        return self

    def __exit__(self, *error):
        if self.before is signal.default_int_handler:
            signal.signal(signal.SIGINT, self.before)

    def _keep(self, *signal_and_frame):
        self.came = True
        if self.at_work:
            raise KeyboardInterrupt


def flush() -> None:
    """Hand over what is still buffered; raises as :func:`write`."""
    try:
        sys.stdout.flush()
    except OSError as error:
        raise output_error(error) from None


def output_error(error: OSError) -> SerError:
    """Standard output is dead: say why, and let nothing be written to it when Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return SerError(
        got=f"standard output: {error.strerror}",
        expected="a place that takes what is printed",
        remedy="what was printed until then stands; write to another disk, or read the pipe to its end",
    )


def complain(what, kind="error") -> None:
    """Print one line on the error stream, whatever ``what`` holds."""
    print(f"{kind}: {one_line(str(what))}", file=sys.stderr)


def one_line(text: str) -> str:
    r"""Text with everything that does not print, line ends too, as backslash escapes.

    Example
    -------
    >>> print(one_line("caf\udce9\n\x1b[2J.wav"))
    caf\udce9\n\x1b[2J.wav
    """
    return visible(text)


def table_signs() -> tuple[str, str]:
    """What a bar is made of, and what stands for nothing, in a table on this terminal."""
    return ("#", "-") if _Screen().options.ascii_only else ("█", "–")
