"""Commands about the results of a run."""

from pathlib import Path
from typing import Annotated

from rich.console import Console
from typer import Argument

from ser_plugins.cli import app


@app.command()
def report(run_folder: Annotated[Path, Argument(help="results/<corpus>/<system>/<protocol>")]):
    """Rebuild tables and figures of a run from its files.

    Example: [cyan]ser report results/EmoDB/bigru_mha/loso[/cyan]
    """
    from ser_plugins.evaluation.report import terminal_table, write_report

    Console().print(terminal_table(write_report(run_folder)))
