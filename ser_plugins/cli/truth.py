"""True labels beside a model's: a table of one's own recordings that anyone can judge the model by."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.table import Table

from ser_plugins.cli.output import one_line, table_signs
from ser_plugins.corpora.tables import read_rows
from ser_plugins.errors import SerError
from ser_plugins.plain import terminal

NAMES, LABELS = ("file", "id"), ("label", "true")  # columns of the CSV, either of each pair


class Truth:
    """True labels by recording.

    Arguments
    ---------
    path : Path
        A CSV with a column ``file`` or ``id`` (a path, a name, or a name without its suffix) and one ``label`` or
        ``true``; a ``predictions.csv`` is such.

    Raises
    ------
    MissingPathError, SerError
        As of :func:`ser_plugins.corpora.tables.read_rows`; no such columns; one recording with two labels.
    """

    def __init__(self, path: Path):
        rows = [row.cells for row in read_rows(path, ())]
        columns = rows[0]
        name, label = (next((key for key in keys if key in columns), None) for keys in (NAMES, LABELS))
        if name is None or label is None:
            raise SerError(
                got=f"{path}: the columns {', '.join(columns)}",
                expected=f"a row per recording with {' or '.join(NAMES)}, and {' or '.join(LABELS)}",
                remedy="correct the header",
            )
        self.labels = {}
        for row in (row for row in rows if row[label]):
            if self.labels.setdefault(row[name], row[label]) != row[label]:
                raise SerError(
                    got=f"{path}: {row[name]} with the labels {self.labels[row[name]]} and {row[label]}",
                    expected="one label for each recording",
                    remedy="correct the file",
                )

    def of(self, file: str) -> str | None:
        """The true label of a recording, by its path, else its name, else its name without the suffix."""
        path = Path(file)
        return next((self.labels[key] for key in (file, path.name, path.stem) if key in self.labels), None)

    def warnings(self, files: Iterable[str], labels: Iterable[str]) -> list[str]:
        """What of it does not fit the recordings, or the labels that a model gives."""
        unknown = sorted(set(self.labels.values()) - set(labels))
        found = [f"true labels that the model does not give: {', '.join(unknown)}"] if unknown else []
        if all(self.of(file) is None for file in files):
            found.append("no recording has a true label: the names are others")
        return found

    def beside(self, rows: Iterable[dict]) -> Iterator[dict]:
        """The rows of :func:`ser_plugins.inference.batch.judge`, each with ``true``."""
        for row in rows:
            yield {"file": row["file"], "true": self.of(row["file"]), **row}


def truth_table(rows: list[dict]) -> Table:
    """Recording, true label, the model's, its probability; those that differ are marked."""
    table = Table()
    table.add_column("file", overflow="fold")
    _, none = table_signs()
    for name in ("true", "said", "probability", ""):
        table.add_column(name, no_wrap=True)
    for row in rows:
        said = "no speech" if row["probabilities"] is None else row["label"] or none
        probability = none if row["probability"] is None else f"{row['probability']:4.0%}"
        mark = "wrong" if row["true"] is not None and row["true"] != row["label"] else ""
        cells = (row["file"], row["true"] or none, said, probability, mark)
        table.add_row(*(terminal(one_line(cell)) for cell in cells), style="bold" if mark else "")
    return table


def truth_line(rows: list[dict]) -> str:
    """How many were named as they are labelled, of each class and together.

    Example
    -------
    >>> rows = [{"true": "joy", "label": "joy"}, {"true": "joy", "label": None}, {"true": "fear", "label": "fear"}]
    >>> truth_line([*rows, {"true": None, "label": "joy"}])
    '2 of 3 as labelled (fear 1 of 1, joy 1 of 2); 1 without a true label'
    """
    counts = defaultdict(lambda: [0, 0])
    for row in rows:
        if row["true"] is not None:
            counts[row["true"]][0] += row["true"] == row["label"]
            counts[row["true"]][1] += 1
    right, total = (sum(pair[place] for pair in counts.values()) for place in (0, 1))
    classes = ", ".join(f"{label} {hits} of {all_}" for label, (hits, all_) in sorted(counts.items()))
    without = len(rows) - total
    parts = [f"{right} of {total} as labelled ({classes})"] if total else []
    parts += [f"{without} without a true label"] if without else []
    return "; ".join(parts)
