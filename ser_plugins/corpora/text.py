"""Label files as people have them: UTF-8 with or without a byte order mark, else Latin-1; any end of line."""

from pathlib import Path

from ser_plugins.errors import MissingPathError, SerError


def read_lines(path) -> tuple[list[str], str]:
    r"""Read a text file: its lines without their ends, and the encoding they were read in.

    Raises
    ------
    MissingPathError, SerError
        No such file; or no text (UTF-16 is not read either).

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "labels.txt"
    >>> _ = path.write_bytes("J\xfcrgen\r\nfroh".encode("latin-1"))
    >>> read_lines(path)
    (['Jürgen', 'froh'], 'Latin-1')
    """
    path = Path(path)
    if not path.is_file():
        raise MissingPathError(got=f"no file {path}", expected="a text file", remedy="check the path")
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
        encoding = "UTF-8"
    except UnicodeDecodeError:
        text = content.decode("latin-1")
        encoding = "Latin-1"
    if "\0" in text:
        raise SerError(got=f"{path}: zero bytes", expected="text in UTF-8 or Latin-1", remedy="save it as UTF-8")
    # Not splitlines: a Latin-1 file may hold \x85, which that takes for the end of a line.
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), encoding
