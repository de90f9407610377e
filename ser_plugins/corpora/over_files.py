"""Many files read side by side, with progress."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from rich.progress import track

from ser_plugins.plain import console
from ser_plugins.threads import in_threads

File = TypeVar("File")
Result = TypeVar("Result")
MANY = 500  # files from which on progress is shown


def over_files(
    function: Callable[[File], Result], files: Sequence[File], what: str, many: int = MANY
) -> Iterator[Result]:
    """Yield the results of a function for each, in order, several at a time.

    Arguments
    ---------
    function : callable
        Of a file.
    files : sequence
        Paths.
    what : str
        Of the files, for whoever watches.
    many : int
        Files from which on progress is shown.
    """
    done = in_threads(function, files)
    yield from track(done, what, len(files), console=console(stderr=True), disable=len(files) < many)
