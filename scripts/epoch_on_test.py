"""Train a network on EmoDB and choose every fold's epoch by the fold's own test set. LEAKING: to show what it is worth.

> python scripts/epoch_on_test.py hparams/bigru_mha_mel_mean.yaml --data_folder EMODB --protocol loso
> python scripts/epoch_on_test.py hparams/bigru_mha_mel_mean.yaml --data_folder EMODB --protocol random

Options are those of the recipe's train.py, and so is the training, to the last digit; but after every epoch the test
set is predicted as well. One training thus gives two runs. SYSTEM is tested with its last epoch, as train.py does.
SYSTEM_epoch_on_test is tested in every fold with the epoch whose accuracy (WA) on that test set is highest, the first
of several: what is reported where the test set is used for validation. It is LEAKING in every report, table and
comparison, and has no checkpoints, so it cannot be exported. Finished folds are kept and begun ones resumed.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from speechbrain import Stage

from ser_plugins.errors import SerError
from ser_plugins.evaluation.report.summary import terminal_table, write_report
from ser_plugins.evaluation.report.tables import EPOCH_ON_TEST
from ser_plugins.evaluation.runs.folds import MissingFoldError, fold_results, read_predictions
from ser_plugins.files import read_json, write_text
from ser_plugins.plain import console
from ser_plugins.training.brain import EmotionBrain
from ser_plugins.training.data import in_order
from ser_plugins.training.endings import one_line_endings
from ser_plugins.training.experiment import Experiment
from ser_plugins.training.fold import dataset_of, predictions_text
from ser_plugins.training.recipe import add_run_options, find_yaml, parse_options, run_recipe
from ser_plugins.training.settings import sha256
from ser_plugins.training.systems import with_system

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "EmoDB"
SCORE = "WA"  # what the paper reports
SUFFIX = "_epoch_on_test"


class WatchingBrain(EmotionBrain):
    """Predicts the test set after every epoch, which no honest training does; nothing of the training changes by it."""

    def on_fit_start(self):
        """Resume; the epochs of before must have been watched too."""
        super().on_fit_start()
        hparams = vars(self.hparams)
        self.folder = Path(hparams["output_folder"])
        watched_epochs(self.folder, hparams["epoch_counter"].current)
        protocol = read_json(Path(hparams["manifest_folder"]) / "protocol.json")
        self.test_ids = list(read_json(hparams["test_annotation"]))
        self.test_batches = in_order(dataset_of("test", hparams, protocol), hparams["batch_size"])

    def end_epoch(self):
        """Predict the test set, then make the checkpoint: a finished epoch has always been watched."""
        epoch = self.history.rows[-1]["epoch"]
        self.modules.eval()
        for batch in self.test_batches:
            self.evaluate_batch(batch, Stage.TEST)
        place = {"fold": self.hparams.fold, "seed": self.hparams.seed}
        (predictions,) = self.predictions.values()
        write_text(watched(self.folder, epoch), predictions_text(predictions, self.test_ids, place))
        super().end_epoch()


def watched(folder: Path, epoch: int) -> Path:
    """Where a fold's predictions of its test set after an epoch (from 1) are."""
    return folder / f"LEAKING{SUFFIX}" / f"{epoch:03d}.csv"


def watched_epochs(folder: Path, epochs: int) -> list[Path]:
    """The predictions of a fold's test set after each of its epochs.

    Raises
    ------
    SerError
        When one is missing: it was trained by train.py.
    """
    paths = [watched(folder, epoch) for epoch in range(1, epochs + 1)]
    if missing := [path for path in paths if not path.is_file()]:
        raise SerError(
            got=f"{folder}: {len(missing)} of {epochs} epochs without predictions of the test set, first {missing[0]}",
            expected="a fold that this script has trained from its first epoch",
            remedy="choose another --results_folder, or remove that fold's folder",
        )
    return paths


def choose_on_test(folder: Path, target: Path) -> None:
    """Write the results of a finished fold as they are with the epoch that is best on the fold's own test set."""
    record, _ = fold_results(folder)
    (task,) = record.tasks.values()
    paths = watched_epochs(folder, len(record.history))
    tables = [read_predictions(path, record, task) for path in paths]
    metrics = [task.metrics(table["true"], table["predicted"]) for table in tables]
    scores = [one[SCORE] for one in metrics]
    best = scores.index(max(scores))
    settings = {**record.settings, "system": record.system + SUFFIX}
    write_text(target / "predictions.csv", paths[best].read_text(encoding="utf-8"))
    replace(
        record,
        system=settings["system"],
        protocol=replace(record.protocol, selection=EPOCH_ON_TEST, leaks=True),
        audit=f"LEAKING: the epoch was chosen by the test set; {record.audit}",
        metrics=metrics[best],
        history=tuple({**row, f"test_{SCORE}": score} for row, score in zip(record.history, scores, strict=True)),
        selected_epoch=best + 1,
        checkpoint=None,
        settings=settings,
        settings_sha256=sha256(settings),
    ).write(target)


def run_folder_of(arguments: list) -> Path:
    """Where train.py puts the run that some options ask for.

    Raises
    ------
    SerError
        For a run whose epochs nobody can choose: of a classical system, or sealed.
    """
    parser = argparse.ArgumentParser()
    add_run_options(parser)
    own, (name, *options) = parser.parse_known_args(arguments)
    yaml_file = find_yaml(name, RECIPE / "train.py")
    _, overrides = parse_options([yaml_file], options)
    overrides = with_system(yaml_file, overrides, RECIPE / "train.py")
    hparams = Experiment.of(yaml_file, overrides).values()
    if own.sealed or "estimator" in hparams:
        raise SerError(
            got="--sealed" if own.sealed else f"{yaml_file.name}, a system without epochs",
            expected="a network, whose test set is opened after every epoch",
            remedy="use train.py",
        )
    return Path(hparams["run_folder"])


def main(arguments=None):
    """Train what is not trained yet, then choose on the test sets and report, in red letters."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if not arguments or arguments[0].startswith("-"):
        raise SystemExit(__doc__)
    sys.path.insert(0, str(RECIPE))
    from emodb_prepare import prepare_emodb

    with one_line_endings():
        run = run_folder_of(arguments)
        run_recipe(arguments, prepare=prepare_emodb, script=RECIPE / "train.py", brain_class=WatchingBrain)
        leaking_run = run.parent.with_name(run.parent.name + SUFFIX) / run.name
        for path in sorted(run.glob("seed_*/*/results.json")):
            choose_on_test(path.parent, leaking_run / path.parent.relative_to(run))
        try:
            console().print(terminal_table(write_report(leaking_run)))
        except MissingFoldError as error:
            console().print(f"no report yet of the epochs chosen on the test sets: {error.got}")


if __name__ == "__main__":
    main()
