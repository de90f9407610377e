"""Index files: a list of ids, or of numbers of rows in one table, in plain text or as numpy saves it."""

from pathlib import Path

import numpy as np

from ser_plugins.corpora.text import read_lines
from ser_plugins.corpora.verify import first_few
from ser_plugins.errors import SerError
from ser_plugins.sound.suffixes import MEDIA

SUFFIXES = (".txt", ".lst", ".list", ".npy", ".idx")


def read_index(path) -> list[str]:
    """The entries of an index file, as text.

    Raises
    ------
    MissingPathError, SerError
        No such file, nothing in it, or an entry twice.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy" and path.is_file():
        entries = _numbers(path)
    else:
        entries = [line.strip() for line in read_lines(path)[0] if line.strip()]
    if not entries or len(set(entries)) < len(entries):
        twice = next((entry for place, entry in enumerate(entries) if entry in entries[:place]), "nothing")
        raise SerError(
            got=f"{path}: {twice}{' twice' * bool(entries)}",
            expected="every id or number of a row once, a line each",
            remedy="write the index anew",
        )
    return entries


def _numbers(path) -> list[str]:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise SerError(got=f"{path}: {error}", expected="an array of numpy", remedy="np.save it anew") from None
    return [str(entry) for entry in array.ravel().tolist()]


def as_records(path, entries: list[str]) -> list[dict]:
    """An index that stands for itself: ids, or paths of recordings.

    Example
    -------
    >>> as_records("test.txt", ["a/x.wav", "y"])
    [{'wav': 'a/x.wav'}, {'id': 'y'}]
    """
    if all(entry.isdecimal() for entry in entries):
        raise SerError(
            got=f"{path}: numbers of rows, and no table",
            expected="the table whose rows they are",
            remedy="--table FILE",
        )
    return [{"wav" if entry.lower().endswith(MEDIA) else "id": entry} for entry in entries]


def select(path, entries: list[str], table: dict) -> tuple[dict, str]:
    """The rows of a table that an index names, by id or by number; and how, in words.

    Arguments
    ---------
    path : path-like
        The index, for messages.
    entries : list of str
        Of :func:`read_index`.
    table : dict
        A manifest of the whole corpus.

    Example
    -------
    >>> table = {"a": {"speaker": "anna"}, "b": {"speaker": "ben"}}
    >>> select("test.txt", ["1"], table)
    ({'b': {'speaker': 'ben'}}, 'row numbers from 0')
    >>> select("test.txt", ["a"], table)
    ({'a': {'speaker': 'anna'}}, '')
    """
    if all(entry in table for entry in entries):
        return {entry: table[entry] for entry in entries}, ""
    ids = list(table)
    absent = [e for e in entries if not (e.isdecimal() and int(e) < len(ids)) and e not in table]
    if absent or not all(entry.isdecimal() for entry in entries):
        raise SerError(
            got=f"{path}: {first_few(absent or entries)}",
            expected=f"ids of the table, or numbers of its rows from 0 to {len(ids) - 1}",
            remedy="check which table the index belongs to",
        )
    return {ids[int(entry)]: table[ids[int(entry)]] for entry in entries}, "row numbers from 0"
