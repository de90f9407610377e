"""What tables show: on a terminal, in Markdown."""

import io

from rich.console import Console

from ser_plugins.evaluation.report.summary import terminal_table


def printed(summary):
    """A summary as the terminal shows it."""
    console = Console(width=160, file=io.StringIO())
    console.print(terminal_table(summary))
    return console.file.getvalue()


def rows(table):
    """The cells of a table in Markdown, without its head."""
    found = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")]
    return found[2:]
