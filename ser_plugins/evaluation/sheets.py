"""A table with its notes, written as markdown, CSV and LaTeX (booktabs). Cells are texts; nothing is computed here."""

import csv
import re
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from ser_plugins.evaluation.tables import markdown_table
from ser_plugins.files import write_text

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
        What it must not be shown without, in markdown (backticks and bold only).

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
        rows = [[cell.replace("|", r"\|") for cell in row] for row in self.rows]
        notes = ["\n".join(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n\n".join([f"**{self.title}**", markdown_table(self.header, rows), *notes])

    def csv(self) -> str:
        """Header and rows; a dash becomes an empty cell."""
        stream = StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerows([self.header, *(["" if cell == NONE else cell for cell in row] for row in self.rows)])
        return stream.getvalue()

    def latex(self, command: str = "") -> str:
        r"""Write a floating table for ``\usepackage{booktabs}``: notes below it, the command in a comment."""
        lines = [" & ".join(map(escaped, row)) + r" \\" for row in (self.header, *self.rows)]
        return "\n".join([
            *([f"% {command}"] if command else []),
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escaped(self.title)}}}\label{{tab:{self.name.replace('_', '-')}}}",
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
        made_by = f"\n\nWritten by `{command}`." * bool(command)
        texts = {".md": f"{self.markdown()}{made_by}\n", ".csv": self.csv(), ".tex": self.latex(command)}
        texts = {Path(folder) / f"{self.name}{suffix}": text for suffix, text in texts.items()}
        for path, text in texts.items():
            write_text(path, text)
        return list(texts)


_SPECIAL = {
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "–": "--", "±": r"$\pm$", "−": "$-$", "·": r"$\cdot$", "…": r"\dots{}", "<": r"$<$", ">": r"$>$", "²": "$^2$",
}  # fmt: skip


def escaped(text: str) -> str:
    r"""Text for LaTeX.

    Example
    -------
    >>> print(escaped("bigru_mha: 50 % ± 3 – 4"))
    bigru\_mha: 50 \% $\pm$ 3 -- 4
    """
    return text.translate(str.maketrans(_SPECIAL))


def _marked_up(note):
    """A note with its backticks and bold as LaTeX commands."""
    text = re.sub(r"`(.*?)`", r"\\texttt{\1}", escaped(note))
    return re.sub(r"\*\*(.*?)\*\*", r"\\textbf{\1}", text)
