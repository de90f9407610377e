"""Commands about trained models."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from rich.table import Table
from typer import Argument, Exit, Option

from ser_plugins.cli import app
from ser_plugins.cli.output import complain, show, write
from ser_plugins.errors import SerError
from ser_plugins.plain import terminal, visible


@app.command()
def export(
    source: Annotated[Path, Argument(help="A finished fold, or a run folder (one fold is chosen, not by score).")],
    folder: Annotated[Path, Argument(help="Where to write the model.")],
    overwrite: Annotated[bool, Option("--overwrite", help="Replace an earlier export in FOLDER.")] = False,
    ensemble: Annotated[bool, Option("--ensemble", help="All folds and seeds of a run, averaged.")] = False,
    half: Annotated[bool, Option("--half", help="Keep the weights in half precision.")] = False,
    int8: Annotated[
        bool, Option("--int8", help="Keep a pretrained encoder in 8 bits, the rest in half precision.")
    ] = False,
    measured_by: Annotated[
        Path | None, Option(help="Of a training on everything (--protocol all): the run whose numbers speak for it.")
    ] = None,
    strangers: Annotated[
        Path | None,
        Option(help="Of several corpora (recipes/Cross): the run with the same settings and --protocol loco."),
    ] = None,
    corpora: Annotated[
        Path | None, Option(help="Of several corpora: a YAML file with each one's name, licence, source.")
    ] = None,
    speakers: Annotated[
        Path | None, Option(help="Of several corpora: a CSV with the columns speaker and others, such as sex.")
    ] = None,
    onnx: Annotated[Path | None, Option(help="Write it as an ONNX file as well, as `ser onnx` does.")] = None,
    labels: Annotated[
        Path | None,
        Option(help="SOURCE is the output folder of your own SpeechBrain recipe: its label encoder's file."),
    ] = None,
    checkpoint: Annotated[Path | None, Option(help="With --labels: which of several checkpoints (CKPT+...).")] = None,
):
    """Write a trained model as a folder that loads anywhere.

    It loads here and in plain SpeechBrain, and carries a card with what was measured. Of a recipe of one's own, made of
    our modules, nothing is known to have been measured, and the card says so.

    Example: [cyan]ser export results/EmoDB/bigru_mha/loso models/emodb[/cyan]
    """
    measured = {"measured_by": measured_by, "strangers": strangers, "corpora": corpora, "speakers": speakers}
    if labels:
        from ser_plugins.export.own_recipe import export_output_folder

        if ensemble or any(measured.values()):
            raise SerError(
                got=f"--labels with --ensemble, or with one of --{', --'.join(measured).replace('_', '-')}",
                expected="a recipe of one's own: one model, not measured",
                remedy="leave one of them out",
            )
        export_output_folder(source, labels, folder, overwrite, checkpoint=checkpoint, half=half, int8=int8)
        print(visible(f"{folder}: not measured"))
    else:
        _export_measured(source, folder, overwrite, ensemble, half=half, int8=int8, **measured)
    if onnx:
        from ser_plugins.export.onnx import export_onnx

        export_onnx(folder, onnx)
        print(visible(f"{onnx}: the same model, for onnxruntime"))
    print(visible(f"try it: ser classify FILE --model {folder}"))


def _export_measured(source, folder, overwrite, ensemble, **options):
    from ser_plugins.export.folder import export_ensemble, export_model

    write = export_ensemble if ensemble else export_model
    card = write(source, folder, overwrite, **options)
    if ensemble:
        print(visible(f"{folder}: the mean of {len(card.members)} models"))
    else:
        trained = card.this_model
        print(visible(f"{folder}: fold {trained.fold}, seed {trained.seed} ({trained.chosen})"))


@app.command()
def push(
    folder: Annotated[Path, Argument(help="Folder written by `ser export`, with nothing beside it.")],
    repository: Annotated[str, Argument(help="OWNER/NAME on the Hugging Face hub.", metavar="OWNER/NAME")],
    public: Annotated[bool, Option("--public", help="Let everyone read it; default: a private repository.")] = False,
    update: Annotated[
        bool, Option("--update", help="Add a commit to a repository that is there; who may read it stays as it is.")
    ] = False,
):
    """Put a model on the Hugging Face hub, and print the name that it has for ever there.

    It is loaded first, with every check; folders with links or other files are refused. The token is the one of
    `hf auth login`, or of the environment variable HF_TOKEN.

    Example: [cyan]ser push models/emodb someone/emodb[/cyan]
    """
    if public and update:
        raise SerError(
            got="--public with --update",
            expected="one of them: a commit does not change who may read a repository",
            remedy="change that on the hub's page of the repository",
        )
    from huggingface_hub.utils import disable_progress_bars

    from ser_plugins.export.push import push as upload

    if not sys.stderr.isatty():
        disable_progress_bars()
    commit = upload(folder, repository, public=public, update=update)
    print(f"commit {commit}")
    print(visible(f"hf:{repository}@{commit}"))


@app.command("models")
def list_models(
    folders: Annotated[list[Path] | None, Argument(help="Models, or folders with models one level down.")] = None,
    form: Annotated[Literal["table", "json"], Option("--format", help="How to print.")] = "table",
    strict: Annotated[bool, Option("--strict", help="Say whether plain SpeechBrain may load each folder.")] = False,
):
    """List the models in the package by name, the default first, and those in folders, with what was measured of each.

    The exit code is 1 when one does not pass the checks of loading. Plain SpeechBrain runs what a folder's YAML, its
    pickles and its Python files say: --strict passes only an export to the letter, with nothing beside it.

    Example: [cyan]ser models models/[/cyan]
    """
    if strict:
        _judge_strictly(folders or ())
        return
    from ser_plugins.cli.formats import as_json
    from ser_plugins.cli.overview import overview

    rows = list(overview(folders or ()))
    loaded = [row for row in rows if "error" not in row]
    if form == "json":
        write(as_json(rows))
    else:
        show(_models_table(loaded))
    for row in rows:
        if "error" in row:
            complain(f"{row['model']}: {row['error']}")
    if len(loaded) < len(rows):
        raise Exit(1)


def _judge_strictly(folders):
    from ser_plugins.cli.overview import models_in
    from ser_plugins.inference.strict import refuse_harmful

    refused = 0
    for path in (path for folder in folders for path in models_in(folder)):
        try:
            refuse_harmful(path)
            write([f"{path}: harmless, also in plain SpeechBrain\n"])
        except SerError as error:
            complain(f"{path}: {error}")
            refused += 1
    if refused:
        raise Exit(1)


def _how(row) -> list[str]:
    stress = [row["stress"]] if "stress" in row else []
    return [*row["cautions"], row["measured"], row["strangers"], *stress, *row.get("pretrained", ())]


def _models_table(rows) -> Table:
    """One row per model: a line has room for a sentence, which many narrow columns have not."""
    from ser_plugins.evaluation.metrics.tasks import task_of
    from ser_plugins.evaluation.report.tables import interval_text

    table = Table(show_lines=True)
    table.add_column("model", overflow="fold", max_width=24)
    table.add_column("what is known of it (scores with their 95 % intervals)")
    for row in rows:
        scores = task_of(row["task"], row["classes"], row["scale"]).scores
        measured = [
            f"{scores[key].label} {scores[key].text(row['metrics'][key])} "
            f"({interval_text(row['intervals'][key], scores[key])})"
            for key in ("UAR", "WA", "MAE")
            if row["metrics"] and key in scores
        ]
        lines = [
            f"{row['system']}, trained on {row['corpus']}; {row['bytes'] / 1e6:.1f} MB",
            ", ".join(row["classes"] or [f"{row['target']} on the scale {row['scale']}"]),
            ", ".join(measured) or "not measured",
            *_how(row),
        ]
        table.add_row(terminal(row["model"]), terminal("\n".join(lines)))
    return table
