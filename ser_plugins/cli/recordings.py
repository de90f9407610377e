"""Commands that judge recordings, many at once: classify, check."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from typer import Argument, Option

from ser_plugins.cli import app
from ser_plugins.cli.output import Interruption, complain, one_line, show, table_signs, write
from ser_plugins.errors import SerError
from ser_plugins.plain import console, terminal

Files = Annotated[
    list[str],
    Argument(help="Audio files (wav, flac, ogg, mp3, m4a ...; any rate, any channels), folders, - for standard input."),
]
Model = Annotated[
    Path | None,
    Option(help="Folder written by `ser export`, or a name from `ser models`; default: its first."),
]

Device = Annotated[
    str | None, Option(help="Where to compute: cpu, cuda, cuda:1, mps ...; default: the GPU if there is one.")
]
Batch = Annotated[int, Option(min=1, help="Recordings judged at once: faster on a GPU, with the same results.")]
Quiet = Annotated[bool, Option("--quiet", help="Print results and errors alone: no progress, no warnings.")]
AnySound = Annotated[bool, Option("--any-sound", help="Judge also what does not sound like speech.")]


@app.command()
def classify(
    files: Files,
    model: Model = None,
    form: Annotated[
        Literal["table", "csv", "json", "jsonl", "audformat"],
        Option("--format", help="How to print; csv and jsonl come file by file."),
    ] = "table",
    as_json: Annotated[bool, Option("--json", help="Short for --format json.")] = False,
    abstain_below: Annotated[
        float | None, Option(help="Give no label when its probability is lower than this.")
    ] = None,
    any_sound: AnySound = False,
    text: Annotated[str | None, Option(help="What is said in the recording, for a model that reads.")] = None,
    truth: Annotated[
        Path | None, Option(help="A CSV with the true labels (columns file and label), to stand beside the model's.")
    ] = None,
    device: Device = None,
    batch: Batch = 1,
    quiet: Quiet = False,
):
    """Name the emotion in recordings, or rate their sentiment, whichever the model does.

    Where nobody speaks there is no label: the table says "no speech", the other formats leave it empty and warn.
    Recordings that are unlike what the model knows get a warning (see ser check). The line below the table says what
    was measured on corpora that training lacked: recordings of your own are such. Files that cannot be used are
    reported and make the exit code 1; they do not stop the others. After Ctrl-C what is done is printed.

    Example: [cyan]ser classify speech.wav recordings/ --model models/emodb --format csv[/cyan]
    """
    from ser_plugins.cli.inputs import recordings
    from ser_plugins.cli.truth import Truth, truth_line, truth_table
    from ser_plugins.inference import open_model
    from ser_plugins.inference.batch import judge, prediction_columns

    true_labels = Truth(truth) if truth else None
    options: dict[str, Any] = {} if abstain_below is None else {"abstain_below": abstain_below}
    classifier = open_model(model, device, any_sound=any_sound, **options)
    labels = getattr(classifier, "labels", None)
    if true_labels and labels is None:
        raise SerError(got="--truth for a model of sentiment", expected="one that names classes", remedy="leave it out")
    with recordings(files) as paths:
        if text is not None and len(paths) != 1:
            raise SerError(
                got=f"--text for {len(paths)} recordings",
                expected="one recording, in which that is said",
                remedy="judge the recordings one by one",
            )
        rows = judge(classifier, paths, text, batch)
        columns = prediction_columns(classifier)
        table = _predictions_table
        if true_labels:
            for warning in true_labels.warnings(paths, labels or ()):
                complain(f"{truth}: {warning}", "warning")
            rows = true_labels.beside(rows)
            columns.insert(1, "true")
            table = truth_table
        form = "json" if as_json else form
        done = _print_rows(rows, len(paths), columns, form, table, quiet)
    judged = [row for row in done if "error" not in row]
    if true_labels and form == "table" and judged:
        show(terminal(truth_line(judged)))
    if form == "table" and not quiet and judged:
        show(terminal(one_line(classifier.strangers)))
    if any("error" in row for row in done):
        raise typer.Exit(1)


@app.command()
def check(
    files: Files,
    model: Model = None,
    form: Annotated[Literal["table", "csv", "json", "jsonl"], Option("--format", help="How to print.")] = "table",
    device: Device = None,
    quiet: Quiet = False,
):
    """Measure whether recordings are fit for a model, and say what to do where they are not.

    Speech, length, rate, level, clipping, silence, bandwidth, and the distance from the model's training data; what
    each warning costs is in docs/warnings.md. The exit code is 1 when there is a finding or a file that cannot be used.

    Example: [cyan]ser check recordings/ --model models/emodb[/cyan]
    """
    from ser_plugins.cli.inputs import recordings
    from ser_plugins.inference import open_model
    from ser_plugins.inference.batch import CHECK_COLUMNS, inspect

    classifier = open_model(model, device)
    with recordings(files) as paths:
        done = _print_rows(inspect(paths, classifier), len(paths), CHECK_COLUMNS, form, _checks_table, quiet)
    if any("error" in row or row["warnings"] for row in done):
        raise typer.Exit(1)


def _print_rows(rows, count, columns, form, table, quiet) -> list:
    """Print rows as they come, as a table at the end, and give them back; Ctrl-C goes on once they are printed."""
    from ser_plugins.cli.formats import FORMATS

    done = []
    with Interruption() as interruption:
        reported = _told(_until(interruption, rows), count, form, done, quiet)
        if form == "table":
            judged = [row for row in reported if "error" not in row]
            if judged:
                show(table(judged))
        else:
            write(FORMATS[form](reported, columns))
    if interruption.came:
        raise KeyboardInterrupt
    return done


def _until(interruption, rows) -> Iterator[dict]:
    """The rows that come before Ctrl-C."""
    while not interruption.came:
        try:
            interruption.at_work = True
            row = next(rows, None)
            interruption.at_work = False
        except KeyboardInterrupt:
            return
        if row is None:
            return
        yield row


def _told(rows, count, form, done: list, quiet) -> Iterator[dict]:
    """The rows, put into ``done``; warnings and errors are printed at once.

    A bar shows how far they are, unless the results come on the same terminal.
    """
    screen = console(stderr=True)
    shown = screen.is_terminal and not quiet and (form == "table" or not sys.stdout.isatty())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True, disable=not shown, redirect_stdout=False) as bar:
        task = bar.add_task("listening", total=count)
        for row in rows:
            done.append(row)
            bar.advance(task)
            for warning in () if quiet else row.get("warnings", ()):
                complain(f"{row['file']}: {warning}", "warning")
            if "error" in row:
                complain(row["error"] if row["file"] in row["error"] else f"{row['file']}: {row['error']}")
            yield row


class _Rate(ProgressColumn):
    """How many are done in a second."""

    def render(self, task):
        speed = task.finished_speed or task.speed
        return terminal("" if speed is None else f"{speed:.1f}/s")


def _predictions_table(rows) -> Table:
    table = Table()
    table.add_column("file", overflow="fold")
    full, none = table_signs()
    silent = terminal("no speech")
    if "score" in rows[0]:
        table.add_column("score", style="bold", justify="right", no_wrap=True)
        table.add_column("polarity", no_wrap=True)
        for row in rows:
            score = silent if row["score"] is None else f"{row['score']:.2f}"
            table.add_row(terminal(one_line(row["file"])), score, row["polarity"] or none)
        return table
    table.add_column("emotion", style="bold", no_wrap=True)
    table.add_column("probability", no_wrap=True)
    table.add_column("then", style="dim")
    for row in rows:
        if row["probabilities"] is None:
            table.add_row(terminal(one_line(row["file"])), silent, none)
            continue
        _, *less_probable = sorted(row["probabilities"].items(), key=lambda pair: -pair[1])
        bar = full * round(10 * row["probability"])
        runners_up = ", ".join(f"{label} {value:.0%}" for label, value in less_probable[:2])
        label = terminal(one_line(row["label"] or none))
        table.add_row(
            terminal(one_line(row["file"])), label, f"{row['probability']:4.0%} {bar}", terminal(one_line(runners_up))
        )
    return table


def _checks_table(rows) -> Table:
    table = Table()
    table.add_column("file", overflow="fold")
    for name in ("length\ns", "rate\nHz", "level\ndBFS", "clipped", "silent", "up to\nHz", "away\nSD"):
        table.add_column(name, justify="right", no_wrap=True)
    _, none = table_signs()
    for row in rows:
        table.add_row(
            terminal(one_line(row["file"])),
            f"{row['seconds']:.1f}",
            f"{row['sample_rate']}",
            f"{row['level']:.0f}",
            f"{row['clipping']:.1%}",
            f"{row['silence']:.0%}",
            f"{row['bandwidth']:.0f}",
            none if row["distance"] is None else f"{row['distance']:.1f}",
        )
    return table
