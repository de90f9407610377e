"""A table with its notes, written as markdown, CSV and LaTeX (booktabs). Cells are texts; nothing is computed here."""

import csv
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from ser_plugins.evaluation.report.tables import markdown_table
from ser_plugins.files import write_text
from ser_plugins.plain import bold, code, csv_cell, latex, unmarked, visible

NONE = "–"


@dataclass(frozen=True)
class Sheet:
    r"""A table that can be published.

    Arguments
    ---------
    name : str
        Of its files.
    title : str
        What it shows; ends in a full stop.
    header : list of str
        Names of the columns, each once.
    rows : list of list of str
        One cell per column; a dash where there is nothing.
    notes : list of str
        What it must not be shown without, in markdown (backticks and bold only; see ``ser_plugins.plain``).

    Example
    -------
    >>> sheet = Sheet("table_1", "Counts.", ["class", "n"], [["fear", "69"], ["joy", "–"]], ["All of `a_b`."])
    >>> print(sheet.csv(), end="")
    class,n
    fear,69
    joy,
    >>> print(sheet.latex().splitlines()[-3])
    All of \texttt{a\_b}.
    """

    name: str
    title: str
    header: list
    rows: list
    notes: list = field(default_factory=list)

    def markdown(self) -> str:
        """Title, table and notes."""
        notes = ["\n".join(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n\n".join([bold(self.title), markdown_table(self.header, self.rows), *notes])

    def csv(self) -> str:
        """Header and rows; a dash becomes an empty cell."""
        stream = StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        for row in (self.header, *self.rows):
            writer.writerow("" if cell == NONE else csv_cell(cell) for cell in row)
        return stream.getvalue()

    def latex(self, command: str = "") -> str:
        r"""Write a floating table for ``\usepackage{booktabs}``: notes below it, the command in a comment."""
        lines = [" & ".join(map(latex, row)) + r" \\" for row in (self.header, *self.rows)]
        return "\n".join([
            *([f"% {visible(command)}"] if command else []),
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex(self.title)}}}\label{{tab:{self.name.replace('_', '-')}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(self.header) - 1)}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}",
            *([r"\par\footnotesize"] if self.notes else []),
            *(f"{_marked_up(note)}\n" for note in self.notes),
            r"\end{table}",
        ]) + "\n"  # fmt: skip

    def write(self, folder, command: str = "") -> list[Path]:
        """Write ``<name>.md``, ``<name>.csv`` and ``<name>.tex`` into a folder."""
        made_by = f"\n\nWritten by {code(command)}." if command else ""
        texts = {".md": f"{self.markdown()}{made_by}\n", ".csv": self.csv(), ".tex": self.latex(command)}
        texts = {Path(folder) / f"{self.name}{suffix}": text for suffix, text in texts.items()}
        for path, text in texts.items():
            write_text(path, text)
        return list(texts)


def _marked_up(note):
    """A note with its backticks and bold as LaTeX commands."""
    return unmarked(
        note,
        code=lambda inside: rf"\texttt{{{latex(inside)}}}",
        bold=lambda inside: rf"\textbf{{{inside}}}",
        plain=latex,
    )
