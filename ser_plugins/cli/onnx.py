"""The command that takes a model out of torch."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from ser_plugins.cli import app
from ser_plugins.plain import visible


@app.command()
def onnx(
    model: Annotated[Path, Argument(help="Folder written by `ser export`, or a name from `ser models`.")],
    file: Annotated[Path, Argument(help="Where to write, for example model.onnx.")],
    int8: Annotated[
        bool,
        Option(
            "--int8",
            help="Weights in 8 bits: a file of half to three quarters of the size; probabilities change a little.",
        ),
    ] = False,
):
    """Write a model as one ONNX file, from waveform to probabilities or score.

    onnxruntime runs it without torch, SpeechBrain and this package. Needs the extra `onnx`.

    Example: [cyan]ser onnx models/emodb emodb.onnx[/cyan]
    """
    from ser_plugins.export.onnx import export_onnx

    metadata = export_onnx(model, file, int8=int8)
    print(f"{file}: {file.stat().st_size / 2**20:.2f} MiB")
    if metadata["sample_rate"]:
        print(f"in: waves (batch, samples) at {metadata['sample_rate']} Hz, lengths (batch,) in samples")
    if "subwords_sha256" in metadata:
        print("in: pieces (batch, pieces) by the model's subwords.model, counts (batch,); of no text one piece, 0")
    if metadata["max_samples"]:
        seconds = metadata["max_samples"] / metadata["sample_rate"]
        print(f"recordings of at most {seconds:g} s ({metadata['max_samples']} samples): cut longer ones before")
    labels = f" of {', '.join(metadata['labels'])}" if metadata["labels"] else ""
    print(visible(f"out: {metadata['output']}{labels}"))
