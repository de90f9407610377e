"""Commands that look closely at one recording: timeline, explain."""

from pathlib import Path
from typing import Annotated, Literal

from rich.console import Console
from rich.table import Table
from typer import Argument, Option

from ser_plugins.cli import app
from ser_plugins.cli.recordings import Model

File = Annotated[str, Argument(help="An audio file (wav, flac, ogg, mp3; any rate, any channels), or -.")]


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
    vad: Annotated[bool, Option("--vad", help="Label speech only, found by Silero VAD: ser-plugins\\[vad].")] = False,
):
    """Follow the emotion, or the sentiment, in a recording of any length.

    Windows are judged one by one, smoothed, and merged to segments that tile the recording.

    Example: [cyan]ser timeline talk.mp3 --model models/emodb --format textgrid > talk.TextGrid[/cyan]
    """
    from ser_plugins.inference import open_model
    from ser_plugins.serving.formats import FORMATS, as_textgrid
    from ser_plugins.serving.inputs import recording
    from ser_plugins.serving.pictures import save_picture, timeline_figure
    from ser_plugins.serving.speech import speech_spans
    from ser_plugins.serving.timeline import timeline as follow

    classifier = open_model(model)
    with recording(file) as path, Console(stderr=True).status("listening"):
        speech = speech_spans(path) if vad else None
        followed = follow(classifier, path, window=window, hop=hop, smooth=smooth, speech=speech)
    if picture:
        save_picture(timeline_figure(followed, Path(file).name), picture)
    if form == "table":
        Console().print(_segments_table(followed.segments))
    elif form == "textgrid":
        print(as_textgrid(followed.segments), end="")
    else:
        print(FORMATS[form]([{"file": file, **segment._asdict()} for segment in followed.segments]), end="")


def _segments_table(segments) -> Table:
    table = Table(*segments[0]._fields)
    for start, end, label, value in segments:
        table.add_row(f"{start:.2f}", f"{end:.2f}", label or "–", "–" if value is None else f"{value:.2f}")
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
    from ser_plugins.inference import open_model
    from ser_plugins.serving.explain import explain_file
    from ser_plugins.serving.inputs import recording
    from ser_plugins.serving.pictures import explanation_figure, save_picture

    with recording(file) as path:
        explanation = explain_file(open_model(model), path)
    save_picture(explanation_figure(explanation, f"{Path(file).name}: {explanation.answer}"), f"{out}.png")
    explanation.save(f"{out}.npz")
    print(f"{explanation.answer}: {out}.png, {out}.npz")
