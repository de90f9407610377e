"""Commands about the results of a run."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from ser_plugins.cli import app
from ser_plugins.cli.output import show
from ser_plugins.errors import SerError
from ser_plugins.plain import visible


@app.command()
def report(
    run_folder: Annotated[Path, Argument(help="results/<corpus>/<system>/<protocol>, or a packed run")],
    unseal: Annotated[bool, Option("--unseal", help="open sealed test scores; noted in the run's seal.log")] = False,
):
    """Rebuild tables and figures of a run from its files.

    Example: [cyan]ser report results/EmoDB/bigru_mha/loso[/cyan]
    """
    from ser_plugins.evaluation.report.summary import terminal_table, write_report
    from ser_plugins.evaluation.runs.lockbox import LOG
    from ser_plugins.evaluation.runs.lockbox import unseal as open_sealed

    if unseal and (opened := open_sealed(run_folder)):
        print(visible(f"opened {len(opened)} folds, noted in {run_folder / LOG}"))

    show(terminal_table(write_report(run_folder)))


@app.command()
def pack(
    run_folder: Annotated[Path, Argument(help="results/<corpus>/<system>/<protocol>, finished and open")],
    folder: Annotated[Path | None, Argument(help="default: evidence/<corpus>/<system>.<protocol>")] = None,
):
    """Keep a finished run as two files, run.json and predictions.csv.gz, which every command reads as it reads the run.

    Example: [cyan]ser pack results/EmoDB/bigru_mha/loso[/cyan]
    """
    from ser_plugins.evaluation.runs.packing import pack_run

    print(visible(str(pack_run(run_folder, folder))))


@app.command()
def ensemble(
    run_folders: Annotated[list[Path], Argument(metavar="RUN [RUN]...", help="results/<corpus>/<system>/<protocol>")],
    system: Annotated[str, Option(help="what several systems together are called")] = "pool",
):
    """Put the seeds of a run together, or several systems seed by seed, as a run of its own, and report that.

    Example: [cyan]ser ensemble results/EmoDB/bigru_mha_mel/loso[/cyan]
    """
    from ser_plugins.evaluation.report.summary import terminal_table, write_report
    from ser_plugins.evaluation.runs.ensemble import ensemble_seeds
    from ser_plugins.evaluation.runs.pool import pool_systems

    several = len(run_folders) > 1
    show(terminal_table(write_report(pool_systems(run_folders, system) if several else ensemble_seeds(*run_folders))))


@app.command()
def compare(
    run_folders: Annotated[
        list[Path],
        Argument(
            metavar="RUN_A RUN_B [RUN]...",
            help="run folders of one protocol, predictions in CSV, or two folders of ser stress",
        ),
    ],
    allow_differing: Annotated[str, Option(help="what may differ: seeds,normalisation,selection")] = "",
    reference: Annotated[str, Option(help="of three runs or more, the one that others are held against")] = "",
    anova_unit: Annotated[str, Option(help="of two runs: cell (run x speaker x class), utterance, fold")] = "cell",
    out: Annotated[Path | None, Option(help="also write it to a .md or .json")] = None,
):
    """Say which differences between runs are real: intervals, paired tests, and what may be concluded.

    Of two folders that ser stress has filled with the same recordings: which model loses more, condition by condition.

    Example: [cyan]ser compare results/EmoDB/bigru_mha/loso results/EmoDB/bigru/loso[/cyan]
    """
    from ser_plugins.evaluation.compare.comparable import run_names
    from ser_plugins.evaluation.compare.comparison import compare_many, compare_runs
    from ser_plugins.evaluation.compare.tables import comparison_markdown, comparison_terminal
    from ser_plugins.files import refuse_unwritable, write_json, write_text
    from ser_plugins.stress.folder import is_stress

    if len(run_folders) < 2 or (out and out.suffix not in (".md", ".json")):
        raise SerError(
            got=f"{len(run_folders)} run folder(s), --out {out}",
            expected="at least two run folders, and a .md or .json to write to",
            remedy="ser compare --help",
        )
    if out:
        refuse_unwritable(out)
    if any(map(is_stress, run_folders)):
        _compare_stress(run_folders, allow_differing or reference, out)
        return
    allowed = [word.strip() for word in allow_differing.split(",") if word.strip()]
    if len(run_folders) == 2:
        first, second = run_folders
        comparison = compare_runs(first, second, allow_differing=allowed, unit=anova_unit)
    else:
        comparison = compare_many(run_names(run_folders), allow_differing=allowed, reference=reference or None)
    show(comparison_terminal(comparison))
    if out and out.suffix == ".md":
        write_text(out, comparison_markdown(comparison))
    elif out:
        write_json(out, comparison.to_json())


def _compare_stress(folders: list[Path], option: str, out: Path | None) -> None:
    """Two folders of ser stress."""
    from ser_plugins.files import write_json, write_text
    from ser_plugins.stress.compare import compare_stress
    from ser_plugins.stress.compare_page import comparison_markdown, comparison_terminal
    from ser_plugins.stress.folder import is_stress

    if others := [folder for folder in folders if not is_stress(folder)]:
        raise SerError(
            got=f"{others[0]}, which is no folder of ser stress, beside one that is",
            expected="run folders, or two folders of ser stress",
            remedy="name only the one kind",
        )
    if len(folders) > 2 or option:
        raise SerError(
            got=f"{len(folders)} folders of ser stress{' and an option of runs' if option else ''}",
            expected="two, and of the options --out alone",
            remedy="compare them two by two",
        )
    comparison = compare_stress(*folders)
    show(comparison_terminal(comparison))
    if out and out.suffix == ".md":
        write_text(out, comparison_markdown(comparison))
    elif out:
        write_json(out, comparison.to_json())


@app.command()
def leaks(
    run_folders: Annotated[
        list[Path], Argument(metavar="RUN...", help="run folders of one corpus, under any protocol")
    ],
    out: Annotated[Path | None, Option(help="also write it to a .md")] = None,
):
    """Say what a leak is worth: the same system under protocols that leak and protocols that do not.

    Example: [cyan]ser leaks results/EmoDB/mfcc_svm/loso results/EmoDB/mfcc_svm/random[/cyan]
    """
    from ser_plugins.evaluation.compare.leaks import leak_table
    from ser_plugins.files import refuse_unwritable, write_text

    if out:
        refuse_unwritable(out)
    table = leak_table(run_folders)
    print(table, end="")
    if out:
        write_text(out, table)


@app.command()
def ablation(
    file: Annotated[Path, Argument(help="inner.json or selection.json of a recipe's nested.py, its .csv beside it")],
    out: Annotated[Path | None, Option(help="also write it to a .md")] = None,
):
    """Say what each configuration of a list is worth against the first, by inner validation.

    Example: [cyan]ser ablation results/EmoDB/ablation/inner.json[/cyan]
    """
    from ser_plugins.evaluation.compare.ablation import ablation_table
    from ser_plugins.files import refuse_unwritable, write_text

    if out:
        refuse_unwritable(out)
    table = ablation_table(file)
    print(table, end="")
    if out:
        write_text(out, table)
