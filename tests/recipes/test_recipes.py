"""The commands that users type: every YAML, from the repository root and from the recipe's own folder."""

import json
import os
import re
import socket
import time

import forked
import pandas as pd
import pytest
from commands import run_here
from conftest import ROOT, TINY, train
from filelock import FileLock, Timeout

RECIPE = ROOT / "recipes" / "EmoDB"
NETWORKS = sorted(  # that hear; of words alone: test_transcripts.py
    path.name
    for path in (RECIPE / "hparams").glob("*.yaml")
    if not re.search("_svm|best|wavlm|whisper|bundled|text", path.stem)
)


def command(yaml_file, corpus, results, *options, script="recipes/EmoDB/train.py"):
    where = ["--data_folder", str(corpus), "--results_folder", str(results)]
    return [script, f"hparams/{yaml_file}", *where, *TINY, *options]


@pytest.fixture(scope="module")
def whole_run(toy_emodb, tmp_path_factory):
    """All folds of the main system in two workers: their folder, and what was printed."""
    results = tmp_path_factory.mktemp("results")
    forked.run(results / "printed", *command("bigru_mha.yaml", toy_emodb, results, "--jobs", "2"))
    return results / "bigru_mha" / "loso", (results / "printed").read_text(encoding="utf-8")


@pytest.mark.parametrize(("place", "yaml_file"), list(enumerate([*NETWORKS, "bigru_mha.yaml"])))
def test_every_yaml_runs_from_the_root_and_its_neighbours_from_their_own_folder(place, yaml_file, toy_emodb, tmp_path):
    cwd = (ROOT, RECIPE)[place % 2]
    script = str((RECIPE / "train.py").relative_to(cwd))
    options = ["--fold", "spk08", "--number_of_epochs", "1", "--batch_size", "16"]
    run_here(*command(yaml_file, toy_emodb, tmp_path, *options, script=script), cwd=cwd)
    system = yaml_file.removesuffix(".yaml")
    results = json.loads((tmp_path / system / "loso" / "seed_1234" / "spk08" / "results.json").read_text())
    assert results["system"] == system
    assert results["counts"]["test"] == len(pd.read_csv(tmp_path / system / "loso/seed_1234/spk08/predictions.csv"))


def test_the_whole_protocol_reports_what_its_folds_predicted(whole_run):
    folder, printed = whole_run
    summary = json.loads((folder / "results.json").read_text())
    predictions = pd.concat(pd.read_csv(path) for path in sorted(folder.glob("seed_1234/*/predictions.csv")))
    assert not predictions["id"].duplicated().any()
    accuracy = (predictions["true"] == predictions["predicted"]).mean()
    assert summary["metrics"]["WA"] == pytest.approx(accuracy)
    assert "(synthetic)" in summary["protocol_line"]
    assert "(synthetic)" in printed
    for name in ("results.md", "predictions.csv", "figures/confusion_matrix.png", "figures/training_curves.pdf"):
        assert (folder / name).stat().st_size > 100


def test_every_fold_is_an_ordinary_speechbrain_experiment(whole_run):
    folder, _ = whole_run
    for fold in ("spk03", "spk08", "spk09"):
        names = {path.name for path in (folder / "seed_1234" / fold).iterdir()}
        assert {"train.py", "hyperparams.yaml", "log.txt", "env.log", "train_log.txt", "save"} <= names
        assert "epoch: 2" in (folder / "seed_1234" / fold / "train_log.txt").read_text()


def test_workers_give_the_same_as_one_process_in_the_recipes_own_folder(whole_run, toy_emodb, tmp_path):
    folder, _ = whole_run
    words = command("bigru_mha.yaml", toy_emodb, tmp_path, "--fold", "spk08", script="train.py")
    forked.run(tmp_path / "printed", *words, cwd=RECIPE)
    alone, beside = (base / "seed_1234/spk08/predictions.csv" for base in (tmp_path / "bigru_mha/loso", folder))
    assert alone.read_text() == beside.read_text()


def test_a_second_call_trains_nothing_and_reports_the_same(whole_run, toy_emodb):
    folder, _ = whole_run
    before = (folder / "results.json").read_text()
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob("CKPT.yaml")}
    train(toy_emodb, folder.parents[1], here=True)
    assert (folder / "results.json").read_text() == before
    assert stamps == {path: path.stat().st_mtime_ns for path in stamps}


def test_some_folds_say_which_are_missing(toy_emodb, tmp_path, capsys):
    train(toy_emodb, tmp_path, "--fold", "spk03,spk08", "--number_of_epochs", "1", here=True)
    assert "still to be trained before there is a report: spk09" in capsys.readouterr().out
    assert not (tmp_path / "bigru_mha" / "loso" / "results.json").exists()


def test_a_killed_parent_takes_its_workers_along_and_the_run_resumes(toy_emodb, tmp_path, whole_run):
    options = ["--jobs", "2", "--ckpt_interval_steps", "1"]
    arguments = command("bigru_mha.yaml", toy_emodb, tmp_path, *options)
    process = forked.start(tmp_path / "printed", *arguments)
    try:
        wait_for(lambda: list(tmp_path.rglob("CKPT.yaml")))
        locks = list(tmp_path.rglob(".lock"))
        assert locks
    finally:
        process.kill()
        process.join()
    wait_for(lambda: all(is_free(lock) for lock in locks))  # a worker holds its fold's lock as long as it lives
    train(toy_emodb, tmp_path, *options, here=True)
    resumed, whole = (base / "predictions.csv" for base in (tmp_path / "bigru_mha" / "loso", whole_run[0]))
    assert resumed.read_text() == whole.read_text()


def wait_for(condition, seconds=600):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def is_free(lock):
    try:
        with FileLock(lock, timeout=0):
            return True
    except Timeout:
        return False


def test_two_processes_train_one_fold_as_torchrun_starts_them(toy_emodb, tmp_path, monkeypatch):
    """With the variables that it gives them, without the seconds of its imports."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    options = ["--fold", "spk03", "--device", "cpu", "--distributed_backend", "gloo"]
    words = command("bigru_mha.yaml", toy_emodb, tmp_path, *options)
    variables = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
    processes = []
    for rank in range(2):
        for name, value in {**variables, "RANK": rank, "LOCAL_RANK": rank}.items():
            monkeypatch.setenv(name, str(value))
        processes.append(forked.start(tmp_path / f"printed{rank}", *words))
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0], (tmp_path / "printed0").read_text()[-3000:]
    results = json.loads((tmp_path / "bigru_mha" / "loso" / "seed_1234" / "spk03" / "results.json").read_text())
    assert results["counts"]["test"] > 0


@pytest.mark.skipif("EMODB" not in os.environ, reason="set EMODB to the folder of the real corpus")
def test_one_epoch_on_the_real_corpus(tmp_path):
    options = ["--fold", "spk10", "--number_of_epochs", "1", "--batch_size", "32"]
    run_here(*command("bigru_mha.yaml", os.environ["EMODB"], tmp_path, *options))
    results = json.loads((tmp_path / "bigru_mha" / "loso" / "seed_1234" / "spk10" / "results.json").read_text())
    assert results["counts"] == {"train": 497, "valid": 0, "test": 38}
    assert results["protocol"]["corpus"] == "EmoDB"
