"""Commands about trained models."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from ser_plugins.cli import app


@app.command()
def export(
    source: Annotated[Path, Argument(help="A finished fold, or a run folder (one fold is chosen, not by score).")],
    folder: Annotated[Path, Argument(help="Where to write the model.")],
    overwrite: Annotated[bool, Option("--overwrite", help="Replace an earlier export in FOLDER.")] = False,
    ensemble: Annotated[bool, Option("--ensemble", help="All folds and seeds of a run, averaged.")] = False,
    half: Annotated[bool, Option("--half", help="Keep the weights in half precision.")] = False,
    measured_by: Annotated[
        Path | None, Option(help="Of a training on everything (--protocol all): the run whose numbers speak for it.")
    ] = None,
):
    """Write a trained model as a folder that loads anywhere.

    It loads here and in plain SpeechBrain, and carries a card with what was measured.

    Example: [cyan]ser export results/EmoDB/bigru_mha/loso models/emodb[/cyan]
    """
    from ser_plugins.serving.export import export_ensemble, export_model

    write = export_ensemble if ensemble else export_model
    facts = write(source, folder, overwrite, half=half, measured_by=measured_by)
    chosen = facts["this_model"]
    if ensemble:
        print(f"{folder}: the mean of {len(facts['members'])} models")
    else:
        print(f"{folder}: fold {chosen['fold']}, seed {chosen['seed']} ({chosen['chosen']})")
    print(f"try it: ser classify FILE --model {folder}")
