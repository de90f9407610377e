"""The command that compares timelines: score-timeline."""

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from ser_plugins.cli import app
from ser_plugins.cli.output import complain, one_line, show, write
from ser_plugins.errors import SerError
from ser_plugins.plain import terminal_table
from ser_plugins.scores import percent

SUFFIXES = (".rttm", ".csv", ".json", ".jsonl")
PARTS = ("missed", "false_alarm", "confusion", "overlap")


@app.command("score-timeline")
def score_timeline(
    reference: Annotated[
        Path, Argument(help="What is right: RTTM, or csv, json or jsonl as ser timeline writes, or a folder.")
    ],
    estimate: Annotated[Path, Argument(help="What was predicted, likewise.")],
    uem: Annotated[Path | None, Option(help="What is scored: NIST's UEM, lines of file, channel, start, end.")] = None,
    neutral: Annotated[
        list[str] | None, Option(help="A label that is no emotion; may be given several times. Default: neutral.")
    ] = None,
    form: Annotated[Literal["table", "csv", "json", "jsonl"], Option("--format", help="How to print.")] = "table",
):
    """Score timelines by the emotion diarization error rate (EDER): the share of the time with a wrong emotion.

    Missed emotion, false alarm, confusion and overlap over the duration (Wang et al. 2023); no collar. The duration is
    that of --uem, or else reaches to the last end of either annotation. Recordings are matched by their name without
    suffix.

    Example: [cyan]ser score-timeline reference.rttm talk.csv[/cyan]
    """
    from ser_plugins.cli.formats import FORMATS
    from ser_plugins.corpora.rttm import read_uem
    from ser_plugins.evaluation.metrics.diarization import NEUTRAL, diarization_errors, pooled

    pairs = _paired(_by_recording(reference), _by_recording(estimate), reference.stem)
    neutral = neutral or list(NEUTRAL)
    _warn_of_labels(pairs, neutral)
    regions = read_uem(uem) if uem else {}
    errors = {}
    for name, (right, predicted) in pairs.items():
        if uem and name not in regions:
            raise SerError(
                got=f"{uem}: nothing of the recording {name}",
                expected="a line for every recording of the reference",
                remedy="add one: file channel start end",
            )
        scored = regions.get(name)
        errors[name] = diarization_errors(right, predicted, neutral=neutral, scored=scored)
    rows = [_row(name, one) for name, one in errors.items()]
    if form != "table":
        write(FORMATS[form](rows, list(rows[0])))
        return
    total = _row("all, by time", pooled(list(errors.values())))
    mean = {"file": "mean of recordings", "eder": sum(row["eder"] for row in rows) / len(rows)}
    header = ["recording", "s", "missed", "false", "confused", "overlap", "EDER"]
    cells = [_cells(row) for row in ([*rows, total, mean] if len(rows) > 1 else rows)]
    show(terminal_table("Emotion diarization error rate, and its parts, in % of the time", header, cells))


def _row(name, errors) -> dict:
    return {"file": name, **errors._asdict(), "eder": errors.eder}


def _cells(row) -> list[str]:
    seconds = f"{row['duration']:.1f}" if "duration" in row else ""
    parts = [percent(row[part] / row["duration"]) if part in row else "" for part in PARTS]
    return [one_line(row["file"]), seconds, *parts, percent(row["eder"])]


def _by_recording(path: Path) -> dict[str, list]:
    """The spans of a file, or of all the files in a folder, by recording."""
    from ser_plugins.corpora.rttm import read_spans

    files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
    if not files:
        raise SerError(
            got=f"{path}: nothing to read", expected=f"files in {', '.join(SUFFIXES)}", remedy="check the folder"
        )
    recordings: dict[str, list] = {}
    for file in files:
        for span in read_spans(file, "label"):
            recordings.setdefault(span.file or (file.stem if path.is_dir() else ""), []).append(span)
    return recordings


def _warn_of_labels(pairs: dict, neutral) -> None:
    """Say where labels do not fit: two names of one emotion count as two emotions."""
    right, predicted = ({span.name for pair in pairs.values() for span in pair[side]} - {None} for side in (0, 1))
    emotions = [sorted(labels - {*neutral}) for labels in (right, predicted)]
    if all(emotions) and not set(emotions[0]) & set(emotions[1]):
        names = [", ".join(labels) for labels in emotions]
        complain(f"no emotion is in both: the reference has {names[0]}, what was predicted {names[1]}", "warning")
    absent = [label for label in neutral if label not in right | predicted]
    if absent:
        complain(f"--neutral {', '.join(absent)}: no segment has this label", "warning")


def _paired(reference: dict, estimate: dict, unnamed_reference: str) -> dict[str, tuple[list, list]]:
    """Both annotations by recording; one that does not say its recording belongs to the other's only one."""
    for unnamed, other in ((reference, estimate), (estimate, reference)):
        if list(unnamed) == [""] and len(other) == 1:
            unnamed[next(iter(other)) or unnamed_reference] = unnamed.pop("")
    foreign = [name for name in estimate if name not in reference]
    if foreign:
        raise SerError(
            got=f"{estimate[foreign[0]][0].source}: of the recording {foreign[0] or 'without a name'}",
            expected=f"recordings of the reference: {', '.join(list(reference)[:5])}",
            remedy="give both files the same names of recordings",
        )
    for name in reference:
        if name not in estimate:
            complain(f"{name}: nothing was predicted, so every emotion in it is missed", "warning")
    return {name: (spans, estimate.get(name, [])) for name, spans in reference.items()}
