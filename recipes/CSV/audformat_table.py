"""The lines of an audformat database (``db.yaml`` beside ``db.<table>.csv``), as if they stood in a user's CSV.

audformat is what audb's corpora come in: https://audeering.github.io/audformat. Emotions are taken from the table that
has a column with the scheme ``emotion``, speakers and all else from that and from the other tables of whole files.
"""

from pathlib import Path

import yaml
from csv_table import LINE

from ser_plugins.corpora.tables import read_rows
from ser_plugins.corpora.text import read_lines
from ser_plugins.corpora.verify import first_few
from ser_plugins.errors import SerError

HEADER = "db.yaml"
LABEL = "emotion"
SPEAKER = "speaker"
KEYS = ("file", "start", "end")


def is_audformat(path: Path) -> bool:
    """Whether a path is a database's folder, its header, or one of its tables."""
    folder = path if path.is_dir() else path.parent
    return (folder / HEADER).is_file() and (path.is_dir() or path.name == HEADER or _table_named(path) is not None)


def read_audformat(path: Path) -> list[dict]:
    """Read a database, or of one with several tables of emotions the one that ``path`` is.

    Returns
    -------
    list of dict
        A dictionary per recording, as :func:`csv_table.read_table` gives it: wav, label, speaker and other columns.

    Raises
    ------
    SerError
        A header that is none; no table of emotions, or several; no speakers; parts of files instead of whole ones.
    """
    folder = path if path.is_dir() else path.parent
    tables = _tables(folder)
    table = _table_named(path) or _only_table_of_emotions(folder, tables)
    label = _column_of(tables, table, LABEL)
    if label is None:
        raise SerError(
            got=f"{folder}: table {table}, no column with the scheme {LABEL}",
            expected="one with it",
            remedy="name another table: db.TABLE.csv",
        )
    rows = {}
    for row in read_rows(folder / f"db.{table}.csv", ["file", label]):
        _refuse_parts(row)
        cells = {name: text for name, text in row.cells.items() if name not in (*KEYS, label) and text}
        number = int(row.source.rpartition(" ")[2])
        rows[row.cells["file"]] = {"wav": row.cells["file"], "label": row.cells[label], **cells, LINE: number}
    for name in tables:
        if name != table and tables[name].get("type") == "filewise":
            _add_columns(rows, folder / f"db.{name}.csv")
    if lacking := [wav for wav, row in rows.items() if not row.get(SPEAKER)]:
        raise SerError(
            got=f"{folder}: no speaker of {first_few(lacking)}",
            expected=f"a column {SPEAKER} in a table of whole files, for every file of the table {table}",
            remedy="without speakers no test is speaker-independent: add them, or choose another corpus",
        )
    columns = dict.fromkeys(name for row in rows.values() for name in row)
    return [{name: row.get(name, "") for name in columns} for row in rows.values()]


def _tables(folder: Path) -> dict:
    """The tables that a header describes and that are there as CSV."""
    text = "\n".join(read_lines(folder / HEADER)[0])
    try:
        header = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SerError(got=f"{folder / HEADER}: {error}", expected="YAML", remedy="restore the file") from None
    tables = header.get("tables") if isinstance(header, dict) else None
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise SerError(
            got=f"{folder / HEADER}: no tables",
            expected="the header of an audformat database",
            remedy="restore the file",
        )
    stored = {name: table for name, table in tables.items() if (folder / f"db.{name}.csv").is_file()}
    if not stored:
        raise SerError(
            got=f"{folder}: none of the tables {', '.join(tables)} as db.TABLE.csv",
            expected="tables in CSV",
            remedy='with audformat: audformat.Database.load(FOLDER).save(FOLDER, storage_format="csv")',
        )
    return stored


def _table_named(path: Path) -> str | None:
    """The table whose file a path is.

    Example
    -------
    >>> _table_named(Path("emodb/db.emotion.categories.test.csv")), _table_named(Path("my.csv"))
    ('emotion.categories.test', None)
    """
    named = path.name.startswith("db.") and path.name.endswith(".csv") and path.name != "db.csv"
    return path.name[3:-4] if named else None


def _column_of(tables: dict, table: str, scheme: str) -> str | None:
    """The first column of a table that has a scheme, or its name."""
    columns = tables.get(table, {}).get("columns") or {}
    of_scheme = [
        name for name, column in columns.items() if (column or {}).get("scheme_id") == scheme or name == scheme
    ]
    return of_scheme[0] if of_scheme else None


def _only_table_of_emotions(folder: Path, tables: dict) -> str:
    tables_of_emotions = [name for name in tables if _column_of(tables, name, LABEL)]
    if len(tables_of_emotions) != 1:
        raise SerError(
            got=f"{folder}: {len(tables_of_emotions)} tables with the scheme {LABEL}: "
            f"{', '.join(tables_of_emotions) or 'of ' + ', '.join(tables)}",
            expected="one",
            remedy="name the file of one of them: db.TABLE.csv",
        )
    return tables_of_emotions[0]


def _refuse_parts(row) -> None:
    """A line about a whole file has no start and end, or is of a table that has none."""
    start, end = row.cells.get("start", ""), row.cells.get("end", "")
    if end or start.replace("0 days", "").strip("0:. "):
        raise SerError(
            got=f"{row.source}: {row.cells['file']} from {start or 'its start'} to {end or 'its end'}",
            expected="labels of whole files",
            remedy="cut the recordings there first, and describe the pieces in a CSV",
        )


def _add_columns(rows: dict, path: Path) -> None:
    """What another table says of the same files; what is said already stays."""
    for row in read_rows(path, ["file"]):
        if row.cells["file"] in rows:
            for name, text in row.cells.items():
                if name not in KEYS and text:
                    rows[row.cells["file"]].setdefault(name, text)
