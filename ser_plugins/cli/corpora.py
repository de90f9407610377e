"""Commands about corpora and their manifests."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from ser_plugins.cli import app, complain
from ser_plugins.errors import SerError
from ser_plugins.plain import visible


@app.command()
def audit(
    train: Annotated[Path, Argument(help="Manifest of the training set: JSON, JSON lines, CSV or TSV.")],
    valid: Annotated[Path, Argument(help="Of the validation set; it may hold {}.")],
    test: Annotated[Path, Argument(help="Of the test set.")],
    data_root: Annotated[Path | None, Option(help="What {data_root} and relative paths stand for.")] = None,
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
        print(visible(audit_files(train, valid, test, disjoint=fields, data_root=data_root).line))
    except LeakageError as error:
        complain(error)
        raise typer.Exit(1) from None


@app.command()
def toy(
    folder: Annotated[Path, Argument(help="Where to write the corpus.")],
    layout: Annotated[str, Option(help="emodb, iemocap, mosi, chsims, cremad, ravdess or nemo.")] = "emodb",
    speakers: Annotated[int | None, Option(help="Speakers, sessions or videos; default: the layout's.")] = None,
    sentences: Annotated[int | None, Option(help="Of each; default: the layout's.")] = None,
    seed: Annotated[int, Option(help="The same files for the same seed.")] = 0,
):
    """Write a small synthetic corpus in the layout of a real one.

    Example: [cyan]ser toy data/toy --layout mosi --speakers 4[/cyan]
    """
    from inspect import signature

    from ser_plugins.corpora.toy import WRITERS

    if layout not in WRITERS:
        raise SerError(got=f"--layout {layout}", expected="one of " + ", ".join(WRITERS), remedy="correct the option")
    write = WRITERS[layout]
    sizes = zip(list(signature(write).parameters)[1:3], (speakers, sentences), strict=True)  # after the folder
    print(write(folder, **{name: size for name, size in sizes if size is not None}, seed=seed))
