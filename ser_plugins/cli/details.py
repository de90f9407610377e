"""The command that looks closely at one recording: explain."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from ser_plugins.cli import app
from ser_plugins.cli.output import one_line
from ser_plugins.cli.recordings import Device, Model
from ser_plugins.files import refuse_unwritable
from ser_plugins.plain import visible

File = Annotated[str, Argument(help="An audio file (wav, flac, ogg, mp3, m4a ...; any rate, any channels), or -.")]


@app.command()
def explain(
    file: File,
    model: Model = None,
    out: Annotated[Path, Option(help="Where to write: OUT.png and OUT.npz.")] = Path("explanation"),
    picture: Annotated[Path | None, Option(help="The picture, in place of OUT.png: a png, pdf or svg.")] = None,
    text: Annotated[str | None, Option(help="What is said in the recording, for a model that reads.")] = None,
    device: Device = None,
):
    """Show what the model looked at: its saliency over the spectrogram, and the attention over time.

    Writes a picture, and the arrays behind it. With --text the picture has the weights of what is said as well.

    Example: [cyan]ser explain speech.wav --model models/emodb --out speech[/cyan]
    """
    from ser_plugins.cli.inputs import recording
    from ser_plugins.cli.pictures import explanation_figure, refuse_picture, save_picture
    from ser_plugins.inference import open_model
    from ser_plugins.inference.explain import explain_file
    from ser_plugins.inference.explain_text import explain_text

    picture = picture or Path(f"{out}.png")
    refuse_picture(picture)
    refuse_unwritable(f"{out}.npz")
    classifier = open_model(model, device)
    with recording(file) as path:
        explanation = explain_file(classifier, path, text)
        pieces = explain_text(classifier, path, text) if text is not None else []
    title = f"{one_line(Path(file).name)}: {explanation.answer}"
    save_picture(explanation_figure(explanation, title, pieces), picture)
    explanation.save(f"{out}.npz")
    print(visible(f"{explanation.answer}: {picture}, {out}.npz"))
