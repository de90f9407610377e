"""The lines of an audformat database (``db.yaml`` beside ``db.<table>.csv``), as if they stood in a user's CSV.

audformat is what audb's corpora come in: https://audeering.github.io/audformat. Emotions are taken from the table that
has a column with the scheme ``emotion``, speakers and all else from that and from the other tables of whole files.
"""

from pathlib import Path

import yaml

from ser_plugins.corpora.lists.parts import PARTS, place_of
from ser_plugins.corpora.tables import read_rows
from ser_plugins.corpora.text import read_lines
from ser_plugins.corpora.verify import first_few
from ser_plugins.errors import SerError

HEADER = "db.yaml"
LABEL = "emotion"
SPEAKER = "speaker"
KEYS = ("file", "start", "end")
LINE = "#line"  # where a recording's line number is kept; not the name of a column: a user may have one called line


def is_audformat(path: Path) -> bool:
    """Whether a path is a database's folder, its header, or one of its tables."""
    folder = path if path.is_dir() else path.parent
    return (folder / HEADER).is_file() and (path.is_dir() or path.name == HEADER or _table_named(path) is not None)


def read_audformat(path: Path) -> list[dict]:
    """Read a database, or of one with several tables of emotions the one that ``path`` is.

    Returns
    -------
    list of dict
        A dictionary per recording, with its line under ``LINE``: wav, label, speaker and other columns.

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
        number = int(row.source.rpartition(" ")[2])
        rows[row.cells["file"]] = {"wav": row.cells["file"], **_cells(row, label), LINE: number}
    _add_other_tables(rows, folder, tables, table)
    if lacking := [wav for wav, row in rows.items() if not row.get(SPEAKER)]:
        raise SerError(
            got=f"{folder}: no speaker of {first_few(lacking)}",
            expected=f"a column {SPEAKER} in a table of whole files, for every file of the table {table}",
            remedy="without speakers no test is speaker-independent: add them, or choose another corpus",
        )
    columns = dict.fromkeys(name for row in rows.values() for name in row)
    return [{name: row.get(name, "") for name in columns} for row in rows.values()]


def tables_of_parts(path: Path) -> dict[str, Path]:
    """The files of the tables of emotions for training, validation and test: by their split, or by their names.

    Raises
    ------
    SerError
        A part without a table, or with several.
    """
    folder = path if path.is_dir() else path.parent
    tables = _tables(folder)
    splits = _header(folder).get("splits") or {}
    found = {"train": [], "valid": [], "test": []}
    for name in tables:
        split = str(tables[name].get("split_id") or "")
        kind = str((splits.get(split) or {}).get("type") or split).lower()
        place = place_of(f"{name.replace('.', '_')}.csv")
        part = PARTS.get(kind) or (place[1] if place else None)
        if part and _column_of(tables, name, LABEL):
            found[part].append(name)
    if len(found["train"]) != 1 or len(found["test"]) != 1 or len(found["valid"]) > 1:
        counts = "; ".join(f"{part}: {', '.join(names) or 'none'}" for part, names in found.items())
        raise SerError(
            got=f"{folder}: tables of emotions by part: {counts}",
            expected="one for training and one for test",
            remedy="name their files one after the other: db.TRAIN.csv db.TEST.csv",
        )
    return {part: folder / f"db.{names[0]}.csv" for part, names in found.items() if names}


def read_audformat_table(path: Path) -> list[dict]:
    """One table, a dictionary per line: as :func:`read_audformat`, but of any table, and of parts of files too.

    A part of a file has the file as its ``recording``, and no ``wav`` of its own.
    """
    folder, table = path.parent, _table_named(path) or ""
    tables = _tables(folder)
    label = _column_of(tables, table, LABEL)
    rows, files = [], {}
    for row in read_rows(path, ["file"]):
        file, start, end = (row.cells.get(key, "") for key in KEYS)
        whole = not _is_part(row)
        place = {"wav": file} if whole else {"id": f"{file} {start}-{end}", "recording": file}
        rows.append({**place, **_cells(row, label)})
        files.setdefault(file, []).append(rows[-1])
    shared = {file: {} for file in files}
    _add_other_tables(shared, folder, tables, table)
    for file, lines in files.items():
        for line in lines:
            line.update({name: text for name, text in shared[file].items() if name not in line})
    return rows


def _cells(row, label: str | None) -> dict:
    """What a line says of a file, its label under that name."""
    cells = {name: text for name, text in row.cells.items() if name not in (*KEYS, label) and text}
    return cells if label is None else {"label": row.cells[label], **cells}


def _header(folder: Path) -> dict:
    text = "\n".join(read_lines(folder / HEADER)[0])
    try:
        header = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SerError(got=f"{folder / HEADER}: {error}", expected="YAML", remedy="restore the file") from None
    return header if isinstance(header, dict) else {}


def _tables(folder: Path) -> dict:
    """The tables that a header describes and that are there as CSV."""
    tables = _header(folder).get("tables")
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


def _is_part(row) -> bool:
    """Whether a line is about a part: one about a whole file has no start and end, or is of a table that has none."""
    return bool(row.cells.get("end") or row.cells.get("start", "").replace("0 days", "").strip("0:. "))


def _refuse_parts(row) -> None:
    start, end = row.cells.get("start", ""), row.cells.get("end", "")
    if _is_part(row):
        raise SerError(
            got=f"{row.source}: {row.cells['file']} from {start or 'its start'} to {end or 'its end'}",
            expected="labels of whole files",
            remedy="cut the recordings there first, and describe the pieces in a CSV",
        )


def _add_other_tables(rows: dict, folder: Path, tables: dict, table: str) -> None:
    """Columns of the other tables of whole files."""
    for name in tables:
        if name != table and tables[name].get("type") == "filewise":
            _add_columns(rows, folder / f"db.{name}.csv")


def _add_columns(rows: dict, path: Path) -> None:
    """What another table says of the same files; what is said already stays."""
    for row in read_rows(path, ["file"]):
        if row.cells["file"] in rows:
            for name, text in row.cells.items():
                if name not in KEYS and text:
                    rows[row.cells["file"]].setdefault(name, text)
