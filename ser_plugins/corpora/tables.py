"""Label files in CSV, read so that every complaint names the file and the line."""

import csv
import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ser_plugins.errors import MissingPathError, SerError

MODES = {"train": "train", "valid": "valid", "dev": "valid", "test": "test"}  # what label files call the parts


@dataclass(frozen=True)
class Row:
    """One line of a label file.

    Arguments
    ---------
    source : str
        File and line, for messages.
    cells : dict
        ``{column: text}``, blanks at both ends removed.
    """

    source: str
    cells: dict

    def text(self, column: str) -> str:
        """Return what stands in a column; nothing is an error."""
        return self.cells[column] or self.wrong(column, "some text")

    def number(self, column: str, low: float, high: float) -> float:
        """Return a finite number from ``low`` to ``high``.

        Example
        -------
        >>> Row("label.csv, line 2", {"label": "4.5"}).number("label", -3, 3)
        Traceback (most recent call last):
        ser_plugins.errors.SerError: got: label.csv, line 2: label is '4.5'; expected: a number from -3 to 3; ...
        """
        try:
            value = float(self.cells[column])
        except ValueError:
            value = math.nan
        return value if low <= value <= high else self.wrong(column, f"a number from {low} to {high}")

    def one_of(self, column: str, meanings: Mapping) -> str:
        """Return the meaning of what stands in a column."""
        cell = self.cells[column]
        return meanings[cell] if cell in meanings else self.wrong(column, "one of " + ", ".join(meanings))

    def wrong(self, column: str, expected: str):
        """Raise the error that names this line."""
        raise SerError(
            got=f"{self.source}: {column} is {self.cells[column]!r}",
            expected=expected,
            remedy="restore the file from where it came, or correct the line",
        )


def read_rows(path, columns: Iterable[str], *, headerless: Iterable[str] = (), delimiter: str = ",") -> list[Row]:
    r"""Read a CSV in UTF-8, with or without a byte-order mark, with any line ends.

    Arguments
    ---------
    path : path-like
        The file.
    columns : iterable of str
        Those that must be there; a header may hold more, in any order.
    headerless : iterable of str
        All columns in order, for a file without a header; empty when a header is required.
    delimiter : str
        Between cells. With a tab, quotes are characters like any other.

    Raises
    ------
    MissingPathError, SerError
        No such file; another encoding; a column missing; a line with more or fewer cells than the header.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "label.csv"
    >>> _ = path.write_text("label,video\r\n0.2,_a_b\r\n")
    >>> [row.cells for row in read_rows(path, ["video", "label"])]
    [{'label': '0.2', 'video': '_a_b'}]
    """
    path = Path(path)
    columns = list(columns)
    header = list(headerless)
    if not path.is_file():
        raise MissingPathError(got=f"no file {path}", expected="the labels", remedy="check the folder")
    rows = []
    text = io.StringIO(decoded(path), newline="")
    if delimiter == "\t":
        reader = csv.reader(text, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    else:
        reader = csv.reader(text, delimiter=delimiter)
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            where = f"{path}, line {reader.line_num}"
            if not any(cells):
                continue
            if not header or (not rows and set(cells) & {*columns, *headerless}):
                header = cells
                _check_header(where, header, columns)
            elif len(cells) != len(header):
                raise SerError(
                    got=f"{where}: {len(cells)} columns",
                    expected=f"{len(header)}: {', '.join(header)}",
                    remedy="restore the file from where it came, or correct the line",
                )
            else:
                rows.append(Row(where, dict(zip(header, cells, strict=True))))
    except csv.Error as error:
        raise SerError(
            got=f"{path}, line {reader.line_num}: {error}", expected="CSV", remedy="restore or correct the file"
        ) from None
    if not rows:
        raise SerError(got=f"{path}: no line with a label", expected="one per utterance", remedy="restore the file")
    return rows


def _check_header(where, header, columns) -> None:
    missing = [c for c in columns if c not in header]
    twice = sorted({c for c in header if header.count(c) > 1})
    if missing or twice:
        wrong = f"no column {', '.join(missing)}" if missing else f"the column {', '.join(twice)} twice"
        raise SerError(
            got=f"{where}: {wrong} in {', '.join(header)}"[:500],
            expected="the columns " + ", ".join(columns),
            remedy="restore the file from where it came, or correct the first line",
        )


def decoded(path: Path) -> str:
    """The text of a file in UTF-8, without a byte-order mark; :class:`SerError` names the line of another encoding."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SerError(
            got=f"{path}, line {content[: error.start].count(10) + 1}: not UTF-8",
            expected="UTF-8 (or plain ASCII)",
            remedy="save it as UTF-8, such as: iconv -f GB18030 -t UTF-8 OLD.csv > NEW.csv",
        ) from None
