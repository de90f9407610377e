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
):
    """Say what noise, telephones, rooms, codecs and cuts do to a model, and whether it serves all groups alike.

    Every recording of a test set is judged as it is and under 29 conditions. What is judged is kept, so that a killed
    command goes on where it was. The test set must not be what the model was trained on: nobody can check that here.

    Example: [cyan]ser stress --csv test.csv --by sex[/cyan]
    """
    from ser_plugins.inference import EmotionClassifier
    from ser_plugins.stress.page import write_page
    from ser_plugins.stress.summary import groups, robustness
    from ser_plugins.stress.trial import AS_RECORDED, NAMES, answers, read_test_set

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
    rows = robustness(tests, tables, classifier.labels)
    compared = [group for name in columns for group in groups(tests, tables[AS_RECORDED], classifier.labels, name)]
    print(visible(str(write_page(out, str(model or "the bundled model"), tests, rows, compared))))
