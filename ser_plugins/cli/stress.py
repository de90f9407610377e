"""The command that tries a model under noise, on telephones, in rooms, and between groups of speakers."""

from pathlib import Path
from typing import Annotated

from rich.progress import track
from typer import Option

from ser_plugins.cli import app
from ser_plugins.cli.recordings import Model
from ser_plugins.errors import SerError
from ser_plugins.plain import console, visible


@app.command()
def stress(
    csv: Annotated[Path | None, Option("--csv", help="wav, label, speaker, and any other columns, such as sex")] = None,
    run: Annotated[
        Path | None, Option("--run", help="in the place of --csv and --model: a run, each fold on what it has tested")
    ] = None,
    model: Model = None,
    by: Annotated[str, Option(help="columns whose groups are held against one another: sex,age_group")] = "",
    out: Annotated[Path, Option(help="folder for the page, figures, and answers that are kept")] = Path("stress"),
    into_card: Annotated[
        bool, Option("--into-card", help="put the worst of every kind, and the groups, into the card of --model")
    ] = False,
):
    """Say what noise, telephones, rooms, codecs and cuts do to a model, and whether it serves all groups alike.

    Every recording of a test set is judged as it is and under 29 conditions. What is judged is kept, so that a killed
    command goes on where it was. The test set must not be what the model was trained on: nobody can check that here.

    Example: [cyan]ser stress --csv test.csv --by sex[/cyan]
    """
    from ser_plugins.export.stress import put_into_card
    from ser_plugins.stress.page import write_page
    from ser_plugins.stress.record import StressRecord
    from ser_plugins.stress.summary import groups, robustness
    from ser_plugins.stress.trial import AS_RECORDED

    model_folder = None
    columns = [name.strip() for name in by.split(",") if name.strip()]
    if csv is not None and run is None:
        model_folder = _folder(model) if into_card else None
        model_name, test_set = str(model or "the bundled model"), csv.name
        tried = _of_model(model, csv, out, columns)
    elif run is not None and csv is None and model is None and not into_card:
        model_name, test_set = f"the folds of {run}", f"what each fold of {run.name} has tested"
        tried = _of_run(run, out, columns)
    else:
        given = {"--csv": csv, "--run": run, "--model": model, "--into-card": into_card}
        named = " and ".join(name for name, value in given.items() if value)
        raise SerError(
            got=named or "neither --csv nor --run",
            expected="--csv, with --model or without, or --run alone",
            remedy="correct the options: ser stress --help",
        )
    compared = [
        group for name in columns for group in groups(tried.tests, tried.answers[AS_RECORDED], tried.classes, name)
    ]
    record = StressRecord(
        model=model_name,
        model_sha256=tried.model_sha256,
        test_set=test_set,
        recordings=len(tried.tests.table),
        speakers=tried.tests.table["speaker"].nunique() if tried.tests.speakers_told else None,
        conditions=tuple(robustness(tried.tests, tried.answers, tried.classes)),
        groups=tuple(compared),
    )
    print(visible(str(write_page(out, record))))
    if model_folder:
        put_into_card(model_folder, out)
        print(visible(f"{model_folder}: its card has these lines now"))


def _of_model(model, csv, out, columns):
    from ser_plugins.inference import EmotionClassifier
    from ser_plugins.stress.trial import NAMES, Tried, answers, identity, read_test_set

    classifier = EmotionClassifier.from_hparams(model)
    tests = read_test_set(csv, classifier.labels)
    _check_columns(columns, tests.table, csv)
    screen = console(stderr=True)
    trial = track(answers(classifier, tests, out), total=len(NAMES), description="conditions", console=screen)
    return Tried(tests, dict(trial), classifier.labels, identity(classifier.model_card))


def _of_run(run, out, columns):
    from ser_plugins.cli.stress_run import folds_of, try_run

    folds = folds_of(run, out)
    _check_columns(columns, folds.table, run)
    return try_run(folds, out, lambda names: track(names, description="folds", console=console(stderr=True)))


def _check_columns(columns, table, source) -> None:
    if unknown := [name for name in columns if name not in table]:
        raise SerError(
            got=f"--by {', '.join(unknown)}",
            expected=f"columns of {source}: {', '.join(table.columns)}",
            remedy="correct the option",
        )


def _folder(model: Path | None) -> Path:
    """The folder of a model whose card can be written anew."""
    if model is None or not model.is_dir():
        raise SerError(
            got=f"--into-card for {model or 'the bundled model'}",
            expected="--model with the folder of an export",
            remedy="export the model, and name its folder",
        )
    return model
