"""The command that looks closely at one recording: explain."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from ser_plugins.cli import app
from ser_plugins.cli.output import one_line
from ser_plugins.cli.recordings import Model
from ser_plugins.files import refuse_unwritable
from ser_plugins.plain import visible

File = Annotated[str, Argument(help="An audio file (wav, flac, ogg, mp3, m4a ...; any rate, any channels), or -.")]


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
