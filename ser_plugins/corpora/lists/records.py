"""Files of records: SpeechBrain's JSON, a list in JSON, JSON lines, CSV, TSV -> a dictionary per recording."""

import csv
import json
from pathlib import Path

from ser_plugins.corpora.lists.columns import ALIASES
from ser_plugins.corpora.text import read_lines
from ser_plugins.errors import SerError

_IDENTIFYING = {*ALIASES["id"], *ALIASES["wav"]}


def read_records(path, identifying=()) -> list[dict]:
    r"""Read the records of a file.

    Arguments
    ---------
    path : path-like
        ``{id: {field: value}}`` or a list of objects in JSON; an object a line; or a table with a header, separated by
        commas, semicolons or tabs.
    identifying : sequence of str
        Further columns that may tell one recording from another.

    Raises
    ------
    MissingPathError, SerError
        No such file; or none of these.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "train.tsv"
    >>> _ = path.write_text("Path\tSpeaker\n/a/1.wav\tanna\n")
    >>> read_records(path)
    [{'Path': '/a/1.wav', 'Speaker': 'anna'}]
    """
    path = Path(path)
    lines = [line for line in read_lines(path)[0] if line.strip()]
    head = lines[0].lstrip()[:1] if lines else ""
    if head == "{" and len(lines) > 1 and isinstance(_json(lines[0]), dict):
        records = [_json(line) for line in lines]
    elif head in ("{", "[") or path.suffix.lower() == ".json":
        records = _whole(path, "\n".join(lines))
    else:
        records = _table(path, lines, {*_IDENTIFYING, *(name.lower() for name in identifying)})
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise SerError(
            got=f"{path}: JSON of another shape",
            expected='a SpeechBrain manifest, {"id": {"wav": ..., "speaker": ..., ...}, ...}, or an object a recording',
            remedy="name the train, valid and test manifests of one experiment",
        )
    return records


def _whole(path, text) -> list | None:
    """The records of a file that is one JSON value."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SerError(got=f"{path}: {error}", expected="valid JSON", remedy="write the file anew") from None
    if isinstance(value, dict) and all(isinstance(fields, dict) for fields in value.values()):
        return [{**fields, "id": id_} for id_, fields in value.items()]
    return value if isinstance(value, list) else None


def _table(path, lines, identifying) -> list[dict]:
    delimiter = max(",;\t", key=lines[0].count) if lines else ","
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, strict=True)
    try:
        header, *rows = ([cell.strip() for cell in cells] for cells in reader) if lines else [[]]
    except csv.Error as error:
        raise SerError(
            got=f"{path}, line {reader.line_num}: {error}", expected="a table", remedy="correct the file"
        ) from None
    names = {name.lower() for name in header}
    wrong = next((number for number, cells in enumerate(rows, start=2) if len(cells) != len(header)), None)
    if wrong or not names & identifying or len(names) < len(header) or not rows:
        got = f"row {wrong} has another number of cells" if wrong else f"the first line is {', '.join(header)[:200]}"
        raise SerError(
            got=f"{path}: {got}",
            expected="JSON, JSON lines, or a table with a header (id or wav, speaker, ...), as many cells in each row",
            remedy="name the columns in the first line, or say which is which: --columns wav=COLUMN,speaker=COLUMN",
        )
    return [dict(zip(header, cells, strict=True)) for cells in rows]


def _json(line):
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None
