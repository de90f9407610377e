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
    csv: Annotated[Path, Option("--csv", help="wav, label, speaker, and any other columns, such as sex")],
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
    from ser_plugins.inference import EmotionClassifier
    from ser_plugins.stress.page import write_page
    from ser_plugins.stress.record import StressRecord
    from ser_plugins.stress.summary import groups, robustness
    from ser_plugins.stress.trial import AS_RECORDED, NAMES, answers, identity, read_test_set

    model_folder = _folder(model) if into_card else None
    classifier = EmotionClassifier.from_hparams(model)
    tests = read_test_set(csv, classifier.labels)
    columns = [name.strip() for name in by.split(",") if name.strip()]
    if unknown := [name for name in columns if name not in tests.table]:
        raise SerError(
            got=f"--by {', '.join(unknown)}",
            expected=f"columns of {csv}: {', '.join(tests.table.columns)}",
            remedy="correct the option",
        )
    screen = console(stderr=True)
    trial = track(answers(classifier, tests, out), total=len(NAMES), description="conditions", console=screen)
    tables = dict(trial)
    compared = [group for name in columns for group in groups(tests, tables[AS_RECORDED], classifier.labels, name)]
    record = StressRecord(
        model=str(model or "the bundled model"),
        model_sha256=identity(classifier.model_card),
        test_set=csv.name,
        recordings=len(tests.table),
        speakers=tests.table["speaker"].nunique() if tests.speakers_told else None,
        conditions=tuple(robustness(tests, tables, classifier.labels)),
        groups=tuple(compared),
    )
    print(visible(str(write_page(out, record))))
    if model_folder:
        put_into_card(model_folder, out)
        print(visible(f"{model_folder}: its card has these lines now"))


def _folder(model: Path | None) -> Path:
    """The folder of a model whose card can be written anew."""
    if model is None or not model.is_dir():
        raise SerError(
            got=f"--into-card for {model or 'the bundled model'}",
            expected="--model with the folder of an export",
            remedy="export the model, and name its folder",
        )
    return model
