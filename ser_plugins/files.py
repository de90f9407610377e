"""Writing so that nothing is ever half-written: a temporary file or folder beside the target, then a rename."""

import hashlib
import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from ser_plugins.errors import MissingPathError, SerError


def sha256_of(path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def atomic_path(path):
    """Yield a temporary path beside ``path``; rename it to ``path`` on success, remove it on any error.

    Example
    -------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with atomic_path(target) as temporary:
    ...     _ = temporary.write_text("whole or not at all")
    >>> target.read_text()
    'whole or not at all'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix is kept: writers such as matplotlib choose the format by it.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)  # mkstemp makes private files; results are meant to be shared
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def built_aside(folder: Path):
    """An empty folder beside ``folder``, which takes its place at the end, when nothing has failed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        built = temporary / "new"
        built.mkdir()
        yield built
        _put_in_place(built, folder, aside=temporary / "old")
    finally:
        shutil.rmtree(temporary)


def _put_in_place(built: Path, folder: Path, aside: Path) -> None:
    """Rename ``built`` to ``folder``; what was there is set aside, and put back when that fails."""
    if folder.exists():
        os.replace(folder, aside)
    try:
        os.replace(built, folder)
    except OSError:
        if aside.exists():
            os.replace(aside, folder)
        raise


def refuse_unwritable(path) -> None:
    """Raise :class:`SerError` where no file can be written: before a long work, not after it. Nothing is left behind.

    Example
    -------
    >>> refuse_unwritable(tempfile.gettempdir())
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: ...: a folder; expected: a file that can be written; remedy: choose another path
    """
    path = Path(path)
    try:
        reason = "a folder" if path.is_dir() else None
        folder = next(folder for folder in path.absolute().parents if folder.exists())
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{path.name}."):  # which an occupied name forbids as well
            pass
    except OSError as error:
        reason = error.strerror
    if reason:
        raise SerError(
            got=f"{path}: {reason}", expected="a file that can be written", remedy="choose another path"
        ) from None


def write_text(path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path, value) -> None:
    """Write JSON atomically: UTF-8, two blanks of indent, keys in the order given, no NaN."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path, most: int | None = None):
    """Read a JSON file.

    Arguments
    ---------
    path : str or Path
        The file.
    most : int, optional
        Bytes that it may have.

    Raises
    ------
    MissingPathError, SerError
        When the file is not there, is larger, or is not JSON.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingPathError(got=f"no file {path}", expected="a JSON file", remedy="check the path")
    if most and (size := path.stat().st_size) > most:
        raise SerError(got=f"{path}: {size:,} bytes", expected=f"at most {most:,}", remedy="check where it comes from")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # also of a number with too many digits, and of lists in lists
        raise SerError(got=f"{path}: {error}", expected="valid JSON", remedy="write the file anew") from None
