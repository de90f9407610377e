"""Commands about corpora and their manifests."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from ser_plugins.cli import app, complain
from ser_plugins.cli.output import show
from ser_plugins.errors import SerError
from ser_plugins.plain import visible


@app.command()
def audit(
    lists: Annotated[
        list[Path],
        Argument(
            metavar="LIST...",
            help="Train and test, or train, valid and test: JSON, JSON lines, CSV, TSV, ids (.txt), Kaldi folders. "
            "Or one: a table with a column split or fold, a folder of folds, an audformat database.",
        ),
    ],
    disjoint: Annotated[
        str | None,
        Option(
            help="Fields that no two may share, separated by commas.", show_default="speaker,session,video,recording"
        ),
    ] = None,
    speaker_from: Annotated[
        str | None,
        Option(
            help="Speakers out of names of files: a regular expression with a group, or emodb, ravdess, crema-d, "
            "savee, tess, iemocap, esd, emovo."
        ),
    ] = None,
    columns: Annotated[str, Option(help="Which column is what, such as speaker=who,label=affect.")] = "",
    table: Annotated[Path | None, Option(help="The whole corpus, for lists of ids or of row numbers.")] = None,
    data_root: Annotated[Path | None, Option(help="What {data_root} and relative paths stand for.")] = None,
    read_audio: Annotated[
        bool, Option("--audio/--no-audio", help="Read recordings: samples, near-duplicates, lengths, levels.")
    ] = True,
    memory: Annotated[Path | None, Option(help="Keep fingerprints of recordings in this .npz.")] = None,
    out: Annotated[Path | None, Option(help="Also write it to a .md or .json.")] = None,
    line: Annotated[bool, Option("--line", help="Print only the line for a paper.")] = False,
):
    """Check that nothing of a test set occurs in training, in every fold, whatever toolkit the lists are for.

    The exit code is 0 where nothing leaks, 1 for a leak, 2 for lists that cannot be read.

    Example: [cyan]ser audit folds/ --speaker-from emodb --out audit.md[/cyan]
    """
    from ser_plugins.corpora.audit import audit_lists
    from ser_plugins.corpora.auditing.page import page, statement, terminal
    from ser_plugins.corpora.lists.naming import Naming
    from ser_plugins.corpora.lists.reading import Reader
    from ser_plugins.files import refuse_unwritable, write_json, write_text

    if out:
        refuse_unwritable(out)
    if out and out.suffix not in (".md", ".json"):
        raise SerError(got=f"--out {out}", expected="a .md or .json", remedy="correct the option")
    reader = Reader(
        columns=_pairs(columns), naming=Naming.of(speaker_from) if speaker_from else None, data_root=data_root
    )
    if table:
        reader.table = reader.manifest(table)
    fields = disjoint.split(",") if disjoint else None
    found = audit_lists(lists, disjoint=fields, reader=reader, memory=memory, read_audio=read_audio)
    if line:
        print(visible(statement(found)))
    else:
        show(terminal(found))
    if out and out.suffix == ".md":
        write_text(out, page(found))
    elif out:
        write_json(out, found.to_json())
    if found.leaking:
        first = next(leak for fold in found.folds for leak in fold.leaks)
        complain(first.error())
        raise typer.Exit(1)


def _pairs(text: str) -> dict[str, str]:
    """What an option such as ``speaker=who,label=affect`` says."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if wrong := [name for name, sign, column in pairs if not (name.strip() and sign and column.strip())]:
        raise SerError(
            got=f"--columns {text}: {wrong[0]}",
            expected="NAME=COLUMN, separated by commas: id, wav, speaker, session, video, sentence, transcript, label, "
            "split, fold",
            remedy="correct the option",
        )
    return {name.strip(): column.strip() for name, _, column in pairs}


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
