"""An epoch chosen by the test set: the training is the recipe's own, and all that comes of the choice is LEAKING."""

import shutil
from importlib import import_module

import pandas as pd
import pytest
from conftest import ROOT, TINY, train

from ser_plugins.errors import SerError
from ser_plugins.evaluation.compare.comparison import compare_runs
from ser_plugins.evaluation.compare.leaks import leak_table
from ser_plugins.export.folder import export_model
from ser_plugins.files import read_json
from ser_plugins.training import recipe
from ser_plugins.training.brain import EmotionBrain

EPOCHS = 3
RUN, CHOSEN = "bigru_mha/loso", "bigru_mha_epoch_on_test/loso"


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "scripts")
        return import_module("epoch_on_test")


def watch(script, corpus, results, *options, yaml_file="bigru_mha.yaml"):
    """The command as it is typed, without worker processes."""
    where = ["--data_folder", str(corpus), "--results_folder", str(results)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "_workers", lambda *_: 0)
        script.main([f"hparams/{yaml_file}", *where, *TINY, "--number_of_epochs", str(EPOCHS), *options])


@pytest.fixture(scope="module")
def results(script, toy_emodb, tmp_path_factory):
    """Both runs of both protocols."""
    folder = tmp_path_factory.mktemp("results")
    for protocol in ("loso", "random"):
        watch(script, toy_emodb, folder, "--protocol", protocol)
    return folder


def folds(run):
    return sorted(path.parent for path in run.glob("seed_*/*/results.json"))


def test_the_training_and_its_last_epoch_are_those_of_the_recipe(results, toy_emodb, tmp_path):
    train(toy_emodb, tmp_path, "--fold", "spk08", "--number_of_epochs", str(EPOCHS))
    plain, watched = (folder / RUN / "seed_1234" / "spk08" for folder in (tmp_path, results))
    last = watched / "LEAKING_epoch_on_test" / f"{EPOCHS:03d}.csv"
    assert (plain / "predictions.csv").read_text() == (watched / "predictions.csv").read_text() == last.read_text()
    told = [read_json(folder / "results.json") for folder in (plain, watched)]
    for key in ("system", "protocol", "audit", "history", "metrics", "settings", "settings_sha256", "selected_epoch"):
        assert told[0][key] == told[1][key], key


@pytest.mark.parametrize("protocol", ["loso", "random"])
def test_the_chosen_epoch_is_the_first_with_the_highest_accuracy_on_the_test_set(results, protocol):
    improved = 0
    for folder in folds(results / "bigru_mha" / protocol):
        chosen = results / "bigru_mha_epoch_on_test" / protocol / folder.parent.name / folder.name
        tables = [pd.read_csv(path) for path in sorted((folder / "LEAKING_epoch_on_test").glob("*.csv"))]
        scores = [(table["true"] == table["predicted"]).mean() for table in tables]
        told = read_json(chosen / "results.json")
        assert len(scores) == EPOCHS
        assert told["selected_epoch"] == 1 + max(range(EPOCHS), key=scores.__getitem__)  # the first of several
        assert [row["test_WA"] for row in told["history"]] == pytest.approx(scores)
        assert told["metrics"]["WA"] == pytest.approx(max(scores))
        assert pd.read_csv(chosen / "predictions.csv").equals(tables[told["selected_epoch"] - 1])
        improved += max(scores) > scores[-1]
    assert improved  # else nothing was chosen, and this test is of nothing


def test_every_report_of_it_says_that_it_leaks_and_what(results):
    chosen = "the epoch of every fold was chosen by the scores of its own test set"
    for protocol, has_shared in (("loso", False), ("random", True)):
        run = results / "bigru_mha_epoch_on_test" / protocol
        text = (run / "results.md").read_text(encoding="utf-8")
        assert text.startswith(f"## EmoDB (synthetic) · bigru_mha_epoch_on_test · {protocol} · LEAKING\n")
        (caution,) = [line for line in text.splitlines() if line.startswith("> **LEAKING**")]
        assert chosen in caution
        assert ("speakers are also in training" in caution) == has_shared
        summary = read_json(run / "results.json")
        assert summary["protocol_line"].startswith("LEAKING: ")
        assert "selection test" in summary["protocol_line"]
        assert summary["audit"].startswith("LEAKING: the epoch was chosen by the test set; ")
        for folder in folds(run):
            assert read_json(folder / "results.json")["protocol"]["leaks"] is True
    assert "LEAKING" not in (results / RUN / "results.md").read_text(encoding="utf-8")


def test_it_is_compared_with_no_honest_run(results):
    with pytest.raises(SerError, match="leaks"):
        compare_runs(results / CHOSEN, results / RUN)


def test_it_is_no_model_to_be_used(results, tmp_path):
    with pytest.raises(SerError, match="has no checkpoint"):
        export_model(results / CHOSEN, tmp_path / "model")
    assert not any(tmp_path.iterdir())


def test_a_table_of_leaks_holds_it_against_the_honest_run_of_its_system(results):
    runs = [f"{system}/{name}" for system in ("bigru_mha", "bigru_mha_epoch_on_test") for name in ("loso", "random")]
    table = leak_table([results / run for run in runs])
    assert [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")] == [
        [" `bigru_mha` ", " loso "],
        [" `bigru_mha` ", " random **LEAKING** "],
        [" `bigru_mha_epoch_on_test` ", " loso **LEAKING** "],
        [" `bigru_mha_epoch_on_test` ", " random **LEAKING** "],
    ]


def interrupt(train_or_watch, epoch, *, saved):
    """Ctrl-C at the end of an epoch, before or after its checkpoint is made."""
    end_epoch = EmotionBrain.end_epoch

    def interrupted(brain):
        ends = brain.history.rows[-1]["epoch"] == epoch
        if saved or not ends:
            end_epoch(brain)
        if ends:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmotionBrain, "end_epoch", interrupted)
        with pytest.raises(SystemExit) as ending:
            train_or_watch()
    assert ending.value.code == 130


@pytest.mark.parametrize("saved", [False, True])
def test_an_interrupted_training_resumes_to_the_same_two_runs(saved, script, results, toy_emodb, tmp_path):
    interrupt(lambda: watch(script, toy_emodb, tmp_path, "--fold", "spk08"), 2, saved=saved)
    assert not (tmp_path / CHOSEN).exists()
    watch(script, toy_emodb, tmp_path, "--fold", "spk08")
    for run in (RUN, CHOSEN):
        one, other = (folder / run / "seed_1234" / "spk08" for folder in (tmp_path, results))
        assert (one / "predictions.csv").read_text() == (other / "predictions.csv").read_text()
        assert read_json(one / "results.json")["history"] == read_json(other / "results.json")["history"]


def test_a_second_call_trains_nothing_and_some_folds_are_no_report(script, results, toy_emodb, tmp_path, capsys):
    shutil.copytree(results / RUN / "seed_1234" / "spk08", tmp_path / RUN / "seed_1234" / "spk08")
    before = read_json(tmp_path / RUN / "seed_1234" / "spk08" / "results.json")
    watch(script, toy_emodb, tmp_path, "--fold", "spk08")
    assert read_json(tmp_path / RUN / "seed_1234" / "spk08" / "results.json") == before
    assert "no report yet of the epochs chosen on the test sets" in capsys.readouterr().out
    assert not (tmp_path / CHOSEN / "results.md").exists()


@pytest.mark.parametrize("finished", [False, True])
def test_a_fold_that_train_py_began_is_refused(finished, script, toy_emodb, tmp_path, capsys):
    def begin():
        train(toy_emodb, tmp_path, "--fold", "spk08", "--number_of_epochs", str(EPOCHS))

    if finished:
        begin()
    else:
        interrupt(begin, 1, saved=True)
    with pytest.raises(SystemExit):
        watch(script, toy_emodb, tmp_path, "--fold", "spk08")
    assert "epochs without predictions of the test set, first" in capsys.readouterr().err
    assert not (tmp_path / CHOSEN).exists()


@pytest.mark.parametrize(
    ("options", "yaml_file", "got"),
    [(["--sealed"], "bigru_mha.yaml", "got: --sealed"), ([], "mfcc_svm.yaml", "got: mfcc_svm.yaml, a system without")],
)
def test_what_has_no_epochs_to_choose_from_is_refused(options, yaml_file, got, script, toy_emodb, tmp_path, capsys):
    tiny = dict.fromkeys(["--data_folder", "--results_folder"], str(tmp_path))
    with pytest.raises(SystemExit):
        script.main([f"hparams/{yaml_file}", *(part for pair in tiny.items() for part in pair), *options])
    assert got in capsys.readouterr().err
    assert not any(tmp_path.iterdir())
