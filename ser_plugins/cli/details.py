"""Commands that look closely at one recording: timeline, explain."""

from pathlib import Path
from typing import Annotated, Literal

from rich.table import Table
from typer import Argument, Option

from ser_plugins.cli import app
from ser_plugins.cli.output import one_line, show, table_signs, write
from ser_plugins.cli.recordings import AnySound, Model
from ser_plugins.files import refuse_unwritable
from ser_plugins.plain import console, terminal, visible

File = Annotated[str, Argument(help="An audio file (wav, flac, ogg, mp3, m4a ...; any rate, any channels), or -.")]


@app.command()
def timeline(
    file: File,
    model: Model = None,
    form: Annotated[
        Literal["table", "csv", "json", "audformat", "textgrid"], Option("--format", help="How to print the segments.")
    ] = "table",
    picture: Annotated[Path | None, Option(help="Draw it as well: a png, pdf or svg.")] = None,
    window: Annotated[float, Option(help="Length of what is judged at once, in s.")] = 3.0,
    hop: Annotated[float, Option(help="Step from one window to the next, in s.")] = 1.0,
    smooth: Annotated[int, Option(help="Windows in the moving average of the probabilities; odd, 1 for none.")] = 3,
    any_sound: AnySound = False,
    vad: Annotated[bool, Option("--vad", help="Label speech only, found by Silero VAD: ser-plugins\\[vad].")] = False,
):
    """Follow the emotion, or the sentiment, in a recording of any length.

    Windows in which nobody speaks get no label. The others are judged one by one, smoothed, and merged to segments that
    tile the recording.

    Example: [cyan]ser timeline talk.mp3 --model models/emodb --format textgrid > talk.TextGrid[/cyan]
    """
    from ser_plugins.cli.formats import FORMATS, as_textgrid
    from ser_plugins.cli.inputs import recording
    from ser_plugins.cli.pictures import refuse_picture, save_picture, timeline_figure
    from ser_plugins.inference import open_model
    from ser_plugins.inference.timeline import timeline as follow
    from ser_plugins.inference.vad import speech_spans

    if picture:
        refuse_picture(picture)
    classifier = open_model(model, any_sound=any_sound)
    with recording(file) as path, console(stderr=True).status("listening"):
        speech = speech_spans(path) if vad else None
        followed = follow(classifier, path, window=window, hop=hop, smooth=smooth, speech=speech)
    if picture:
        save_picture(timeline_figure(followed, one_line(Path(file).name)), picture)
    if form == "table":
        show(_segments_table(followed.segments))
    elif form == "textgrid":
        write([as_textgrid(followed.segments)])
    else:
        rows = [{"file": file, **segment._asdict()} for segment in followed.segments]
        write(FORMATS[form](rows, list(rows[0])))


def _segments_table(segments) -> Table:
    table, (_, none) = Table(*segments[0]._fields), table_signs()
    for start, end, label, value in segments:
        label = terminal(one_line(label or none))
        table.add_row(f"{start:.2f}", f"{end:.2f}", label, none if value is None else f"{value:.2f}")
    return table


@app.command()
def explain(
    file: File,
    model: Model = None,
    out: Annotated[Path, Option(help="Where to write: OUT.png and OUT.npz.")] = Path("explanation"),
):
    """Show what the model looked at: the spectrogram, its saliency, and the attention over time.

    Writes a picture, and the arrays behind it.

    Example: [cyan]ser explain speech.wav --model models/emodb --out speech[/cyan]
    """
    from ser_plugins.cli.inputs import recording
    from ser_plugins.cli.pictures import explanation_figure, save_picture
    from ser_plugins.inference import open_model
    from ser_plugins.inference.explain import explain_file

    for suffix in (".png", ".npz"):
        refuse_unwritable(f"{out}{suffix}")
    with recording(file) as path:
        explanation = explain_file(open_model(model), path)
    save_picture(explanation_figure(explanation, f"{one_line(Path(file).name)}: {explanation.answer}"), f"{out}.png")
    explanation.save(f"{out}.npz")
    print(visible(f"{explanation.answer}: {out}.png, {out}.npz"))
