"""The command ``ser``: each subcommand is one call into the package."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer import Argument, Option

from ser_plugins import __version__
from ser_plugins.errors import SerError

# Everything heavy is imported inside the commands, so that help comes at once.

app = typer.Typer(
    help="Speech emotion recognition on top of SpeechBrain: use, export, report and check models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def main():
    """Run the command line; input errors become one line on the error stream and exit code 2."""
    try:
        app()
    except SerError as error:
        _complain(error)
        raise SystemExit(2) from None


def _complain(error):
    print(f"error: {error}", file=sys.stderr)


def _show_version(wanted: bool):
    if wanted:
        print(f"ser {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[bool, Option("--version", callback=_show_version, is_eager=True, help="Print it.")] = False,
):
    """Hold the options of ``ser`` itself."""


@app.command()
def classify(
    files: Annotated[list[Path], Argument(help="Audio files: wav, flac, ogg, mp3; any rate, any channels.")],
    model: Annotated[Path, Option(help="Folder written by `ser export`.")],
    as_json: Annotated[bool, Option("--json", help="Print JSON instead of a table.")] = False,
):
    """Name the emotion in recordings, or rate their sentiment, whichever the model does.

    Files that cannot be used are reported at the end and make the exit code 1; they do not stop the others.

    Example: [cyan]ser classify speech.wav other.flac --model models/emodb[/cyan]
    """
    from ser_plugins.inference import open_model

    classifier = open_model(model)
    rows, errors = [], []
    for file in files:
        try:
            rows.append({"file": str(file), **classifier.predict_file(file)._asdict()})
        except SerError as error:
            rows.append({"file": str(file), "error": str(error)})
            errors.append(error)
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    elif len(errors) < len(rows):
        Console().print(_predictions_table([row for row in rows if "error" not in row]))
    for error in errors:
        _complain(error)
    if errors:
        raise typer.Exit(1)


def _predictions_table(rows) -> Table:
    table = Table()
    table.add_column("file", overflow="fold")
    if "score" in rows[0]:
        table.add_column("score", style="bold", justify="right", no_wrap=True)
        table.add_column("polarity", no_wrap=True)
        for row in rows:
            table.add_row(Text(row["file"]), f"{row['score']:.2f}", row["polarity"] or "–")
        return table
    table.add_column("emotion", style="bold", no_wrap=True)
    table.add_column("probability", no_wrap=True)
    table.add_column("then", style="dim")
    for row in rows:
        _, *others = sorted(row["probabilities"].items(), key=lambda pair: -pair[1])
        bar = "█" * round(10 * row["probability"])
        then = ", ".join(f"{label} {value:.0%}" for label, value in others[:2])
        table.add_row(Text(row["file"]), row["label"], f"{row['probability']:4.0%} {bar}", then)
    return table


@app.command()
def export(
    source: Annotated[Path, Argument(help="A finished fold, or a run folder (one fold is chosen, not by score).")],
    folder: Annotated[Path, Argument(help="Where to write the model.")],
    overwrite: Annotated[bool, Option("--overwrite", help="Replace an earlier export in FOLDER.")] = False,
):
    """Write a trained model as a folder that loads anywhere.

    It loads here and in plain SpeechBrain, and carries a card with what was measured.

    Example: [cyan]ser export results/EmoDB/bigru_mha/loso models/emodb[/cyan]
    """
    from ser_plugins.serving.export import export_model

    chosen = export_model(source, folder, overwrite)["this_model"]
    print(f"{folder}: fold {chosen['fold']}, seed {chosen['seed']} ({chosen['chosen']})")
    print(f"try it: ser classify FILE --model {folder}")


@app.command()
def report(run_folder: Annotated[Path, Argument(help="results/<corpus>/<system>/<protocol>")]):
    """Rebuild tables and figures of a run from its files.

    Example: [cyan]ser report results/EmoDB/bigru_mha/loso[/cyan]
    """
    from ser_plugins.evaluation.report import terminal_table, write_report

    Console().print(terminal_table(write_report(run_folder)))


@app.command()
def audit(
    train: Annotated[Path, Argument(help="Manifest (JSON) of the training set.")],
    valid: Annotated[Path, Argument(help="Of the validation set; it may hold {}.")],
    test: Annotated[Path, Argument(help="Of the test set.")],
    data_root: Annotated[Path | None, Option(help="What {data_root} in the manifests stands for.")] = None,
    disjoint: Annotated[
        str | None,
        Option(help="Fields that no two may share, separated by commas.", show_default="speaker,session,video"),
    ] = None,
):
    """Check that nothing of a test set occurs in training.

    Prints one line that says what is disjoint and what is shared; a leak makes the exit code 1.

    Example: [cyan]ser audit train.json valid.json test.json --disjoint speaker,session[/cyan]
    """
    from ser_plugins.corpora.audit import LeakageError, audit_files

    fields = disjoint.split(",") if disjoint else None
    try:
        print(audit_files(train, valid, test, disjoint=fields, data_root=data_root).line)
    except LeakageError as error:
        _complain(error)
        raise typer.Exit(1) from None


@app.command()
def toy(
    folder: Annotated[Path, Argument(help="Where to write the corpus.")],
    layout: Annotated[str, Option(help="emodb, iemocap, mosi or chsims.")] = "emodb",
    speakers: Annotated[int | None, Option(help="Speakers, sessions or videos; default: the layout's.")] = None,
    sentences: Annotated[int | None, Option(help="Of each; default: the layout's.")] = None,
    seed: Annotated[int, Option(help="The same files for the same seed.")] = 0,
):
    """Write a small synthetic corpus in the layout of a real one.

    Example: [cyan]ser toy data/toy --layout mosi --speakers 4[/cyan]
    """
    from importlib import import_module
    from inspect import signature

    rooms = {"emodb": "toy", "iemocap": "toy_iemocap", "mosi": "toy_sentiment", "chsims": "toy_sentiment"}
    if layout not in rooms:
        raise SerError(got=f"--layout {layout}", expected="one of " + ", ".join(rooms), remedy="correct the option")
    write = getattr(import_module(f"ser_plugins.corpora.{rooms[layout]}"), f"write_toy_{layout}")
    sizes = zip(list(signature(write).parameters)[1:3], (speakers, sentences), strict=True)  # after the folder
    print(write(folder, **{name: size for name, size in sizes if size is not None}, seed=seed))
