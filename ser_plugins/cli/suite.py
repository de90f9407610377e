"""The command that puts all systems of a corpus beside the paper."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from ser_plugins.cli import app


@app.command()
def suite(
    results_folders: Annotated[
        list[Path], Argument(metavar="RESULTS...", help="results/<corpus>, with <system>/<protocol>, or packed runs")
    ],
    out: Annotated[Path, Argument(help="folder for tables.md, tables/ and figures/")],
    protocol: Annotated[str, Option(help="which runs of every system")] = "loso",
):
    """Write the paper's tables and figures with our numbers beside its own; sealed runs are left out.

    Example: [cyan]ser suite results/EmoDB tables/EmoDB[/cyan]
    """
    from ser_plugins.evaluation.paper.suite import find_runs, write_suite

    runs = find_runs(results_folders, protocol)
    folders = " ".join(map(str, results_folders))
    command = f"ser suite {folders} {out}" + f" --protocol {protocol}" * (protocol != "loso")
    for path in write_suite(runs, out, command=command):
        print(path)
