"""The command that follows a recording over time: timeline, as a whole or turn by turn."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from rich.progress import Progress
from rich.table import Table
from typer import Option

from ser_plugins.cli import app
from ser_plugins.cli.details import File
from ser_plugins.cli.output import complain, one_line, show, table_signs, write
from ser_plugins.cli.recordings import AnySound, Device, Model, Quiet
from ser_plugins.errors import SerError
from ser_plugins.plain import console, counted, terminal

LABELLED = ("audformat", "textgrid", "rttm")  # formats of labels in time


@app.command()
def timeline(
    file: File,
    model: Model = None,
    rttm: Annotated[
        Path | None, Option(help="Who speaks when: RTTM, or a CSV with start, end, speaker. Then turns are judged.")
    ] = None,
    by: Annotated[
        Literal["segment", "window", "turn", "speaker"] | None,
        Option(help="What a row is; default: segment, with --rttm turn."),
    ] = None,
    form: Annotated[
        Literal["table", "csv", "json", "jsonl", "audformat", "textgrid", "rttm"],
        Option("--format", help="How to print; all probabilities are in csv, json and jsonl."),
    ] = "table",
    picture: Annotated[Path | None, Option(help="Draw it as well: a png, pdf or svg.")] = None,
    window: Annotated[float, Option(help="Length of what is judged at once, in s.")] = 3.0,
    hop: Annotated[float, Option(help="Step from one window to the next, in s.")] = 1.0,
    smooth: Annotated[int, Option(help="Windows in the moving average of the probabilities; odd, 1 for none.")] = 3,
    abstain_below: Annotated[
        float | None, Option(help="Give no label when its probability is lower than this.")
    ] = None,
    any_sound: AnySound = False,
    vad: Annotated[bool, Option("--vad", help="Label speech only, found by Silero VAD: ser-plugins\\[vad].")] = False,
    device: Device = None,
    batch: Annotated[int, Option(min=1, help="Windows judged at once: more is faster on a GPU, none differs.")] = 8,
    quiet: Quiet = False,
):
    """Follow the emotion, or the sentiment, in a recording of any length.

    Windows in which nobody speaks get no label. The others are judged one by one, smoothed, and merged to segments that
    tile the recording. With --rttm every turn gets a label, a long one from its windows, and every speaker a summary;
    turns too short to be judged are told.

    Example: [cyan]ser timeline talk.mp3 --rttm talk.rttm --picture talk.png[/cyan]
    """
    from ser_plugins.cli.inputs import recording
    from ser_plugins.cli.pictures import refuse_picture, save_picture
    from ser_plugins.cli.timeline_picture import timeline_figure
    from ser_plugins.corpora.rttm import of_recording, read_spans
    from ser_plugins.inference import open_model
    from ser_plugins.inference.timeline import timeline as follow
    from ser_plugins.inference.turns import predict_turns
    from ser_plugins.inference.vad import speech_spans

    by = by or ("turn" if rttm else "segment")
    _refuse_unfit(by, form, rttm, vad)
    if picture:
        refuse_picture(picture)
    spans = read_spans(rttm) if rttm else []
    options: dict[str, Any] = {} if abstain_below is None else {"abstain_below": abstain_below}
    classifier: Any = open_model(model, device, any_sound=any_sound, **options)
    with recording(file) as path, _listening(path, quiet) as passed:
        settings: dict[str, Any] = {
            "window": window,
            "hop": hop,
            "smooth": smooth,
            "batch_size": batch,
            "passed": passed,
        }
        if rttm:
            followed: Any = predict_turns(classifier, path, of_recording(spans, _known_as(file, spans)), **settings)
        else:
            followed = follow(classifier, path, speech=speech_spans(path) if vad else None, **settings)
    if picture:
        save_picture(timeline_figure(followed, one_line(Path(file).name)), picture)
    if rttm and not quiet:
        _tell_of_turns(followed)
    _print(file, followed, by, form, _names(classifier))


@contextmanager
def _listening(path, quiet) -> Iterator[Callable[[float], object] | None]:
    """A bar on the terminal, and what it is told: how many s of the recording have passed."""
    screen = console(stderr=True)
    if quiet or not screen.is_terminal:
        yield None
        return
    from ser_plugins.sound.read import seconds_of

    with Progress(console=screen, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("listening", total=seconds_of(path))
        yield lambda seconds: bar.update(task, completed=seconds)


def _refuse_unfit(by, form, rttm, vad) -> None:
    """Options that do not go together."""
    if rttm and vad:
        raise SerError(got="--rttm and --vad", expected="one of them", remedy="the turns say where somebody speaks")
    if by in ("turn", "speaker") and not rttm:
        raise SerError(
            got=f"--by {by}", expected="--rttm, which says who speaks when", remedy="give it, or leave --by out"
        )
    if (by == "speaker" and form in LABELLED) or (rttm and by != "turn" and form == "textgrid"):
        raise SerError(got=f"--by {by} in {form}", expected="labels in time", remedy="choose table, csv, json or jsonl")


def _known_as(file, spans) -> str:
    """What the turns may call the recording: its name, or where it comes through standard input, what they like."""
    return spans[0].file if file == "-" and len({span.file for span in spans}) == 1 else file


def _names(classifier) -> list[str]:
    """Labels, or polarities, that a model may give."""
    return list(getattr(classifier, "labels", ("negative", "neutral", "positive")))


def _tell_of_turns(turns) -> None:
    """What a reader of the rows might miss."""
    short = sum(turn.remark == "too short" for turn in turns)
    if short:
        complain(f"too short to be judged: {short} of {counted(len(turns), 'turn')}", "warning")
    overlap = sum(turn.overlap for turn in turns)
    if overlap:
        complain(f"turns overlap, {overlap:.1f} s of them in sum: there the model hears all who speak", "warning")


def _print(file, followed, by, form, names) -> None:
    from ser_plugins.cli.formats import FORMATS, as_textgrid, columns_of, turns_textgrid

    if form == "textgrid" and by == "turn":
        write([turns_textgrid(followed, max(turn.end for turn in followed))])
    elif form == "textgrid":
        write([as_textgrid(getattr(followed, f"{by}s", None) or followed.cells)])
    else:
        rows = [{"file": file, **row} for row in _rows(followed, by, names)]
        if form == "table" and not rows:
            raise SerError(
                got=f"--by {by}, of turns that are too short to be judged",
                expected="at least one that is judged",
                remedy="--by turn says which ones there are",
            )
        if form == "table":
            _show(rows, followed, by, names)
        else:
            write(FORMATS[form](rows, columns_of(rows[0], names) if rows else ["file"]))


def _rows(followed, by, names) -> Iterator[dict]:
    """One dictionary per segment, window, turn or speaker."""
    from ser_plugins.inference.timeline import segments
    from ser_plugins.inference.turns import by_speaker

    if by == "speaker":
        for speaker in by_speaker(followed, names):
            row = speaker._asdict()
            del row["score" if speaker.score is None else "probabilities"]
            yield row
    elif by == "turn":
        for turn in followed:
            yield {name: value for name, value in turn._asdict().items() if name != "cells"}
    elif isinstance(followed, list):
        for turn in followed:
            for cell in turn.cells if by == "window" else segments(turn.cells):
                yield cell._asdict() | {"speaker": turn.speaker}
    else:
        for cell in followed.cells if by == "window" else followed.segments:
            yield cell._asdict()


def _show(rows, followed, by, names) -> None:
    if by != "speaker":
        show(_labels_table(rows))
    if by in ("turn", "speaker"):
        show(_speakers_table(_rows(followed, "speaker", names)))


def _labels_table(rows) -> Table:
    """What has a label in time; of the probabilities the first two."""
    _, none = table_signs()
    emotions = "label" in rows[0]
    table = Table()
    for name in ("start", "end"):
        table.add_column(name, justify="right", no_wrap=True)
    turns = "speaker" in rows[0]
    if turns:
        table.add_column("speaker", overflow="fold")
    table.add_column("emotion" if emotions else "polarity", style="bold", overflow="fold")
    table.add_column("probability" if emotions else "score", justify="right")
    if emotions:
        table.add_column("then", style="dim")
    if "overlap" in rows[0]:
        table.add_column("overlap", justify="right")
    for row in rows:
        value = row["probability"] if emotions else row["score"]
        label = row["label"] if emotions else row["polarity"]
        cells = [f"{row['start']:.2f}", f"{row['end']:.2f}"]
        cells += [row["speaker"]] if turns else []
        unnamed = row.get("remark") or ("unsure" if value is not None and emotions else none)
        cells += [one_line(label or unnamed), none if value is None else f"{value:.2f}"]
        cells += [_second(row["probabilities"]) or none] if emotions else []
        cells += [f"{row['overlap']:.2f} s" if row["overlap"] else ""] if "overlap" in row else []
        table.add_row(*map(terminal, cells))
    return table


def _second(probabilities) -> str:
    """The second most probable class, with its probability."""
    if not probabilities or len(probabilities) < 2:
        return ""
    label, value = sorted(probabilities.items(), key=lambda pair: -pair[1])[1]
    return one_line(f"{label} {value:.0%}")


def _speakers_table(rows) -> Table:
    """A row per speaker and label: wide rows would not fit a terminal."""
    _, none = table_signs()
    table = Table()
    table.add_column("speaker", style="bold", overflow="fold")
    table.add_column("emotion", overflow="fold")
    for name in ("seconds", "share", "mean"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_section()
        summary = f"{counted(row['turns'], 'turn')}, {row['seconds']:.1f} s"
        missing = row["seconds"] - row["judged"]
        table.add_row(terminal(one_line(row["speaker"])), summary, f"{row['judged']:.1f}", "judged", "")
        means = row.get("probabilities") or {}
        for label, seconds in sorted(row["durations"].items(), key=lambda pair: -pair[1]):
            if seconds < 0.05 and means.get(label, 0) < 0.05:
                continue  # csv and json have all
            mean = f"{means[label]:.2f}" if label in means else none
            table.add_row("", terminal(one_line(label)), f"{seconds:.1f}", f"{row['shares'][label]:.0%}", mean)
        unsure = row["judged"] - sum(row["durations"].values())
        if unsure > 0.05:
            table.add_row("", "unsure", f"{unsure:.1f}", f"{unsure / row['judged']:.0%}", none)
        if missing > 0.05:
            table.add_row("", "not judged", f"{missing:.1f}", none, none)
    return table
