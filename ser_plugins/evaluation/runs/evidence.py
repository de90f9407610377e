"""A finished run as two files, for keeping: ``run.json`` and ``predictions.csv.gz`` in the place of two files a fold.

``run.json`` holds what all folds say alike once, under ``run``; what is of a fold alone under ``folds``; and, where
there is such a thing, ``lockbox_log`` (when a sealed run was opened), ``selection`` (of a nested choice),
``robustness`` (what other conditions cost) and ``equal_seeds`` (the seeds that were trained and predicted the same).
The table has a row per seed and tested utterance: ``id, fold, seed, unit, true, predicted`` and a probability per
class, then ``true_<target>, predicted_<target>`` of every auxiliary target; numbers with eight digits. Scores are in
neither file: they follow from the table.

The same run gives the same bytes. Readers bound both files before they build anything of them.
"""

import gzip
import hashlib
import io
import json
import zlib
from pathlib import Path

import pandas as pd

from ser_plugins.errors import SerError
from ser_plugins.files import read_json

RECORD, TABLE = "run.json", "predictions.csv.gz"
INNER_TABLE = "selection.csv.gz"  # of a nested choice: what every configuration of its list has predicted
SCHEMA = 1
MAX_RECORD, MAX_TABLE = 2**25, 2**27  # bytes, of the table unpacked: of 500,000 predictions and more
_ROW = ["id", "fold", "seed", "unit"]
_OF_FOLD = ("seed", "fold", "audit", "counts", "history", "wall_time_s")  # in `folds` also where all say the same
_IN_THE_TABLE = ("units", "metrics")


def is_packed(folder) -> bool:
    """Whether a folder holds a run as two files."""
    return (Path(folder) / RECORD).is_file()


def system_named_by(folder) -> str:
    """The system that a run folder is named by: ``<system>/<protocol>``, or ``<system>.<protocol>`` of a packed run.

    Example
    -------
    >>> system_named_by("results/EmoDB/bigru/loso")
    'bigru'
    """
    folder = Path(folder).resolve()
    return folder.name.rpartition(".")[0] or folder.name if is_packed(folder) else folder.parent.name


def encode(runs: list, notes: dict | None = None) -> dict[str, bytes]:
    """The content of the two files.

    Arguments
    ---------
    runs : list of FoldResults
        All folds of all seeds, in order.
    notes : dict, optional
        What else is said of the run, by the key of ``run.json``; JSON values.

    Returns
    -------
    dict
        Bytes by the name of the file.
    """
    folds = [_of_fold(run.results) for run in runs]
    shared = {
        key: value
        for key, value in folds[0].items()
        if key not in _OF_FOLD and len({key in fold and json.dumps(fold[key]) for fold in folds}) == 1
    }
    table = _text_of(runs).encode()
    record = {
        "schema": SCHEMA,
        "predictions_sha256": hashlib.sha256(table).hexdigest(),
        "run": shared,
        "folds": [{key: value for key, value in fold.items() if key not in shared} for fold in folds],
    }
    text = json.dumps({**record, **(notes or {})}, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
    return {TABLE: compressed(table), RECORD: text.encode()}


def read_record(folder) -> dict:
    """``run.json`` of a packed run: ``run`` is an object, ``folds`` a list of objects with ``seed`` and ``fold``.

    Raises
    ------
    SerError
        When the file is too large, or is not what :func:`encode` makes.
    """
    path = Path(folder) / RECORD
    record = read_json(path, most=MAX_RECORD)
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        found = f"schema {record.get('schema')!a:.50}" if isinstance(record, dict) else f"a {type(record).__name__}"
        raise damaged(path, found, f"a packed run, schema {SCHEMA}")
    for key, kind in (("run", dict), ("folds", list), ("predictions_sha256", str)):
        if not isinstance(record.get(key), kind) or not record[key]:
            raise damaged(path, f"{key}: {record.get(key)!a:.50}", "what ser pack writes there")
    for fold in record["folds"]:
        if not isinstance(fold, dict) or type(fold.get("seed")) is not int or not isinstance(fold.get("fold"), str):
            raise damaged(path, f"folds: {fold!a:.50}", "an object per fold, with its seed and name")
    return record


def read_table(folder, record: dict, tasks: dict) -> pd.DataFrame:
    """All predictions of a packed run, as texts.

    Arguments
    ---------
    folder : str or Path
        Of the run.
    record : dict
        Its ``run.json``.
    tasks : dict
        The tasks by target, the corpus' own first.

    Raises
    ------
    SerError
        When the file is missing, damaged, too large, not the one that ``run.json`` was written with, or has other
        columns than the tasks ask for.
    """
    path = Path(folder) / TABLE
    content = unpacked(path)
    if hashlib.sha256(content).hexdigest() != record["predictions_sha256"]:
        raise damaged(path, "other predictions", f"those with the predictions_sha256 of {RECORD}")
    header = pd.DataFrame(columns=_columns(tasks)).to_csv(index=False, lineterminator="\n")
    if not content.startswith(header.encode()):  # before a hostile one makes a million columns
        found = content.partition(b"\n")[0]
        raise damaged(path, f"columns {found!a:.200}", f"columns {header.strip()}")
    try:
        return pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise damaged(path, str(error).strip(), "comma-separated values") from None


def of_target(table: pd.DataFrame, tasks: dict, target: str) -> pd.DataFrame:
    """The columns of one target, named as in the ``predictions.csv`` of a fold."""
    renamed = {_column(tasks, target, column): column for column in tasks[target].columns}
    return table[["id", "fold", "seed", *renamed]].rename(columns=renamed)


def damaged(path, got, expected) -> SerError:
    """What is raised of a packed run that is none."""
    return SerError(got=f"{path}: {got}", expected=expected, remedy="restore the file, or pack the run again: ser pack")


def _of_fold(results: dict) -> dict:
    """What is kept of a fold's ``results.json``."""
    auxiliary = {target: {"scale": part["scale"]} for target, part in results["auxiliary"].items()}
    return {**{key: value for key, value in results.items() if key not in _IN_THE_TABLE}, "auxiliary": auxiliary}


def _text_of(runs) -> str:
    tables = []
    for run in runs:
        target, *auxiliary = run.predictions
        table = run.predictions[target].set_index("id", drop=False)
        for name in auxiliary:
            values = run.predictions[name].set_index("id")
            table = table.assign(**{f"{column}_{name}": values[column] for column in ("true", "predicted")})
        tables.append(table[[*_ROW, *(column for column in table.columns if column not in _ROW)]])
    return pd.concat(tables).to_csv(index=False, float_format="%.8g", lineterminator="\n")


def _columns(tasks) -> list[str]:
    return [*_ROW, *(_column(tasks, target, name) for target, task in tasks.items() for name in task.columns)]


def _column(tasks, target, name) -> str:
    return name if target == next(iter(tasks)) else f"{name}_{target}"


def compressed(content: bytes) -> bytes:
    """By gzip, without a name and a time: the same content gives the same bytes."""
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as stream:
        stream.write(content)
    return packed.getvalue()


def unpacked(path: Path) -> bytes:
    """What a file compressed by gzip holds, at most ``MAX_TABLE`` bytes of it.

    Raises
    ------
    SerError
        When the file is missing, damaged or too large.
    """
    if not path.is_file():
        raise damaged(path, "no such file", f"it beside {RECORD}")
    try:
        with gzip.open(path) as stream:
            content = stream.read(MAX_TABLE + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise damaged(path, str(error).strip(), "a whole file, compressed by gzip") from None
    if len(content) > MAX_TABLE:
        raise damaged(path, f"more than {MAX_TABLE:,} bytes unpacked", "a smaller table")
    return content
