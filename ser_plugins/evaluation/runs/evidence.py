"""A finished run as two files, for keeping: ``run.json`` and ``predictions.csv.gz`` in the place of two files a fold.

``run.json`` is a :class:`~ser_plugins.evaluation.runs.run_record.RunRecord`: what all folds say alike stands there
once, under ``run``, and what is of a fold alone under ``folds``. The table has a row per seed and tested utterance:
``id, fold, seed, unit, true, predicted`` and a probability per class, then ``true_<target>, predicted_<target>`` of
every auxiliary target; numbers with eight digits. Scores are in neither file: they follow from the table.

The same run gives the same bytes. Readers bound both files before they build anything of them.
"""

import gzip
import hashlib
import io
import json
import zlib
from pathlib import Path
from typing import Any

import pandas as pd

from ser_plugins.evaluation.runs.run_record import RunRecord, damaged
from ser_plugins.files import read_json

RECORD, TABLE = "run.json", "predictions.csv.gz"
INNER_TABLE = "selection.csv.gz"  # of a nested choice: what every configuration of its list has predicted
MAX_RECORD, MAX_TABLE = 2**25, 2**27  # bytes, of the table unpacked: of 500,000 predictions and more
_ROW = ["id", "fold", "seed", "unit"]


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


def encode(folds: list, **optional: Any) -> dict[str, bytes]:
    """The content of the two files.

    Arguments
    ---------
    folds : list of FoldResults
        All folds of all seeds, in order.
    optional
        What else is said of the run: fields of :class:`~ser_plugins.evaluation.runs.run_record.RunRecord`.

    Returns
    -------
    dict
        Bytes by the name of the file.
    """
    table = _text_of(folds).encode()
    records = tuple(fold.record for fold in folds)
    record = RunRecord(predictions_sha256=hashlib.sha256(table).hexdigest(), folds=records, **optional)
    text = json.dumps(record.to_json(), ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
    return {TABLE: compressed(table), RECORD: text.encode()}


def read_record(folder) -> RunRecord:
    """``run.json`` of a packed run.

    Raises
    ------
    SerError
        When the file is too large, or is not what :func:`encode` makes.
    """
    path = Path(folder) / RECORD
    return RunRecord.from_json(read_json(path, most=MAX_RECORD), path)


def read_table(folder, record: RunRecord, tasks: dict) -> pd.DataFrame:
    """All predictions of a packed run, as texts.

    Arguments
    ---------
    folder : str or Path
        Of the run.
    record : RunRecord
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
    if hashlib.sha256(content).hexdigest() != record.predictions_sha256:
        raise damaged(path, "other predictions", f"those with the predictions_sha256 of {RECORD}")
    header = pd.DataFrame(columns=_columns(tasks)).to_csv(index=False, lineterminator="\n")
    if not content.startswith(header.encode()):  # before a hostile one makes a million columns
        first_line = content.partition(b"\n")[0]
        raise damaged(path, f"columns {first_line!a:.200}", f"columns {header.strip()}")
    try:
        return pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise damaged(path, str(error).strip(), "comma-separated values") from None


def of_target(table: pd.DataFrame, tasks: dict, target: str) -> pd.DataFrame:
    """The columns of one target, named as in the ``predictions.csv`` of a fold."""
    renamed = {_column(tasks, target, column): column for column in tasks[target].columns}
    return table[["id", "fold", "seed", *renamed]].rename(columns=renamed)


def _text_of(folds) -> str:
    tables = []
    for fold in folds:
        target, *auxiliary = fold.predictions
        table = fold.predictions[target].set_index("id", drop=False)
        for name in auxiliary:
            values = fold.predictions[name].set_index("id")
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
