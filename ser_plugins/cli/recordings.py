"""Commands that judge recordings, many at once: classify, check."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text
from typer import Argument, Option

from ser_plugins.cli import app, complain

Files = Annotated[
    list[str],
    Argument(help="Audio files (wav, flac, ogg, mp3; any rate, any channels), folders, - for standard input."),
]
Model = Annotated[Path | None, Option(help="Folder written by `ser export`; default: the model in the box.")]


@app.command()
def classify(
    files: Files,
    model: Model = None,
    form: Annotated[
        Literal["table", "csv", "json", "jsonl", "audformat"],
        Option("--format", help="How to print; jsonl prints each file as soon as it is judged."),
    ] = "table",
    as_json: Annotated[bool, Option("--json", help="Short for --format json.")] = False,
    abstain_below: Annotated[
        float | None, Option(help="Give no label when its probability is lower than this.")
    ] = None,
):
    """Name the emotion in recordings, or rate their sentiment, whichever the model does.

    Recordings that are unlike what the model knows get a warning (see ser check). Files that cannot be used are
    reported at the end and make the exit code 1; they do not stop the others.

    Example: [cyan]ser classify speech.wav recordings/ --model models/emodb --format csv[/cyan]
    """
    from ser_plugins.inference import open_model
    from ser_plugins.serving.batch import judge
    from ser_plugins.serving.inputs import recordings

    classifier = open_model(model, **({} if abstain_below is None else {"abstain_below": abstain_below}))
    with recordings(files) as found:
        _print_rows(judge(classifier, found), len(found), "json" if as_json else form, _predictions_table)


@app.command()
def check(
    files: Files,
    model: Annotated[Path | None, Option(help="Compare with what this model was trained on as well.")] = None,
    form: Annotated[Literal["table", "csv", "json", "jsonl"], Option("--format", help="How to print.")] = "table",
):
    """Measure whether recordings are fit for a model, and say what to do where they are not.

    Length, rate, level, clipping, silence, bandwidth, and the distance from the model's training data. The exit code is
    1 when there is a finding or a file that cannot be used.

    Example: [cyan]ser check recordings/ --model models/emodb[/cyan]
    """
    from ser_plugins.inference import open_model
    from ser_plugins.serving.batch import inspect
    from ser_plugins.serving.inputs import recordings

    classifier = open_model(model) if model else None
    with recordings(files) as found:
        good = _print_rows(inspect(found, classifier), len(found), form, _checks_table)
    if any(row["warnings"] for row in good):
        raise typer.Exit(1)


def _print_rows(rows, count, form, table) -> list:
    """Print rows, then warnings and errors; the rows of good files, or exit code 1 after a bad one."""
    from ser_plugins.serving.formats import FORMATS

    screen = Console(stderr=True)
    done = []
    for row in track(rows, "listening", count, console=screen, transient=True, disable=not screen.is_terminal):
        done.append(row)
        if form == "jsonl":
            print(FORMATS[form]([row]), end="", flush=True)
    good = [row for row in done if "error" not in row]
    if form == "table":
        if good:
            Console().print(table(good))
    elif form != "jsonl":
        print(FORMATS[form](done), end="")
    for row in good:
        for warning in row["warnings"]:
            complain(f"{row['file']}: {warning}", "warning")
    for row in done:
        if "error" in row:
            complain(row["error"])
    if len(good) < len(done):
        raise typer.Exit(1)
    return good


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
        table.add_row(Text(row["file"]), row["label"] or "–", f"{row['probability']:4.0%} {bar}", then)
    return table


def _checks_table(rows) -> Table:
    table = Table()
    table.add_column("file", overflow="fold")
    for name in ("seconds", "rate Hz", "level dBFS", "clipped", "silence", "bandwidth Hz", "distance"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            Text(row["file"]),
            f"{row['seconds']:.1f}",
            f"{row['sample_rate']}",
            f"{row['level']:.0f}",
            f"{row['clipping']:.1%}",
            f"{row['silence']:.0%}",
            f"{row['bandwidth']:.0f}",
            "–" if row["distance"] is None else f"{row['distance']:.1f}",
        )
    return table
