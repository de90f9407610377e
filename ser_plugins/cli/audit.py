"""The auditor as a command, for lists of any toolkit."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from ser_plugins.cli import app
from ser_plugins.cli.output import complain, show
from ser_plugins.errors import SerError
from ser_plugins.plain import visible


@app.command()
def audit(
    lists: Annotated[
        list[Path] | None,
        Argument(
            metavar="LIST...",
            help="Train and test, or train, valid and test: JSON, JSON lines, CSV, TSV, ids (.txt), Kaldi folders. "
            "Or one: a table with a column split or fold, a folder of folds, an audformat database.",
        ),
    ] = None,
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
    score: Annotated[
        Path | None, Option(help="Predictions of any system: id, true, predicted; speaker, p_CLASS.")
    ] = None,
    pretrained: Annotated[list[str] | None, Option(help="What a pretrained model has heard, by the register.")] = None,
    corpus: Annotated[str, Option(help="Of which --pretrained says whether it was among that.")] = "",
    out: Annotated[Path | None, Option(help="Also write it to a .md or .json.")] = None,
    line: Annotated[bool, Option("--line", help="Print only the line for a paper.")] = False,
):
    """Check that nothing of a test set occurs in training, in every fold, whatever toolkit the lists are for.

    The exit code is 0 where nothing leaks, 1 for a leak, 2 for lists that cannot be read.

    Example: [cyan]ser audit folds/ --speaker-from emodb --out audit.md[/cyan]
    """
    from ser_plugins.corpora.audit import audit_folds
    from ser_plugins.corpora.auditing.page import statement, terminal
    from ser_plugins.corpora.lists.division import read_division
    from ser_plugins.corpora.lists.naming import Naming
    from ser_plugins.corpora.lists.reading import Reader
    from ser_plugins.files import refuse_unwritable

    if out:
        refuse_unwritable(out)
    if out and out.suffix not in (".md", ".json"):
        raise SerError(got=f"--out {out}", expected="a .md or .json", remedy="correct the option")
    heard = _register_lines(pretrained or [], corpus)
    if not lists:
        _without_lists(score, heard, out)
        return
    reader = Reader(
        columns=_pairs(columns), naming=Naming.of(speaker_from) if speaker_from else None, data_root=data_root
    )
    if table:
        reader.table = reader.manifest(table)
    division = read_division(lists, reader)
    fields = disjoint.split(",") if disjoint else None
    found = audit_folds(division, disjoint=fields, data_root=data_root, memory=memory, read_audio=read_audio)
    found = replace(found, remarks=(*found.remarks, *heard))
    if line:
        print(visible(statement(found)))
    else:
        show(terminal(found))
    scored = _show_score(score, division) if score else None
    if out:
        _write(out, found, scored)
    if found.leaking:
        first = next(leak for fold in found.folds for leak in fold.leaks)
        complain(first.error())
        raise typer.Exit(1)


def _register_lines(names: list[str], corpus: str) -> list[str]:
    """What the register says of pretrained models, a line each."""
    from ser_plugins.corpora.pretraining import NOT_SAID, register_lines

    return [line for name in names for line in register_lines(name, corpus or NOT_SAID)]


def _write(out: Path, audit, scored) -> None:
    """Write an audit, scores, or both, to a page or to JSON."""
    from ser_plugins.corpora.auditing.page import page
    from ser_plugins.files import write_json, write_text

    if out.suffix == ".md":
        pages = [*([page(audit)] if audit else []), *([scored.markdown()] if scored else [])]
        write_text(out, "\n".join(pages))
    else:
        values = audit.to_json() if audit else {}
        write_json(out, {**values, "predictions": scored.to_json()} if scored else values)


def _without_lists(score: Path | None, heard: list[str], out: Path | None) -> None:
    for line in heard:
        print(visible(line))
    if score:
        scored = _show_score(score, None)
        if out:
            _write(out, None, scored)
    elif not heard:
        raise SerError(
            got="no lists", expected="lists of train and test, --score or --pretrained", remedy="ser audit --help"
        )


def _show_score(path: Path, division):
    """Print the scores of predictions, and return them."""
    from ser_plugins.evaluation.compare.foreign_score import score_predictions

    scored = score_predictions(path, division)
    show(scored.terminal())
    return scored


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
