"""What a user names on the command line -> audio files: files, folders, standard input."""

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ser_plugins.errors import SerError
from ser_plugins.sound.suffixes import MEDIA, UNREAD, USUAL

STANDARD_INPUT = "-"


@contextmanager
def recording(name, stdin=None) -> Iterator[Path]:
    """The path of one audio file; ``-`` is standard input, kept in a temporary file meanwhile.

    Arguments
    ---------
    name : str or Path
        Taken as it is, also where there is no such file.
    stdin : binary file, optional
        In place of standard input.

    Example
    -------
    >>> import io
    >>> with recording("-", stdin=io.BytesIO(b"RIFF")) as path:
    ...     path.read_bytes()
    b'RIFF'
    """
    if str(name) != STANDARD_INPUT:
        yield Path(name)
        return
    with tempfile.TemporaryDirectory() as folder:  # decoders have to seek
        path = Path(folder) / "stdin"
        with open(path, "wb") as target:
            shutil.copyfileobj(stdin or sys.stdin.buffer, target)
        yield path


@contextmanager
def recordings(names: Iterable, stdin=None) -> Iterator[dict[str, Path]]:
    """Find the audio files that are meant; leave the context when they are read.

    Arguments
    ---------
    names : iterable of str or Path
        As :func:`recording` has them; folders are searched to any depth for all that can be read.
    stdin : binary file, optional
        In place of standard input.

    Yields
    ------
    dict
        Paths by the name that the user knows them by, each once; those of a folder in order.

    Raises
    ------
    SerError
        A folder without audio files.

    Example
    -------
    >>> with recordings(["b.wav", "a.wav", "b.wav"]) as found:
    ...     list(found)
    ['b.wav', 'a.wav']
    """
    with ExitStack() as stack:
        files = {}
        for name in dict.fromkeys(map(str, names)):
            if os.path.isdir(name):  # unlike pathlib's, it takes names that no file can have
                files |= {str(path): path for path in _below(Path(name))}
            else:
                files[name] = stack.enter_context(recording(name, stdin))
        yield files


def _below(folder) -> list[Path]:
    """Recordings in a folder and in those below it, linked ones too; what may be meant and cannot be read is told."""
    paths = []
    unread = Counter()
    been = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        place = os.path.realpath(root)
        if place in been:  # a link that leads back
            folders.clear()
            continue
        been.add(place)
        # "._a.wav" is what macOS leaves beside "a.wav" on other file systems: no audio.
        for name in (name for name in names if not name.startswith("._")):
            suffix = os.path.splitext(name)[1].lower()
            if suffix in MEDIA:
                paths.append(Path(root, name))
            elif suffix in UNREAD:
                unread[suffix] += 1
    if unread:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(unread.items()))
        print(f"{folder}: left out, for want of a decoder: {kinds}", file=sys.stderr)
    if not paths:
        raise SerError(got=f"no audio file in {folder}", expected=f"at least one of {USUAL}", remedy="check the folder")
    return sorted(paths)
