"""Commands about corpora."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from ser_plugins.cli import app
from ser_plugins.errors import SerError


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
