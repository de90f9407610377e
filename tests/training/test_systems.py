"""Systems that are rows of recipes/systems.yaml: bigru_mha.yaml with a few keys changed, by name."""

import json
import shutil

import pytest
from conftest import RECIPES, ROOT, train

from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.evaluation.metrics.tasks import tasks_of
from ser_plugins.export.folder import export_model
from ser_plugins.inference import EmotionClassifier
from ser_plugins.training.experiment import Experiment
from ser_plugins.training.preflight import check_keys, rehearse
from ser_plugins.training.recipe import find_yaml
from ser_plugins.training.settings import resolve
from ser_plugins.training.systems import find_system, is_its_own, read_systems, with_system

SCRIPT = ROOT / "recipes" / "EmoDB" / "train.py"
YAML_FILE = SCRIPT.parent / "hparams" / "bigru_mha.yaml"
ROWS = read_systems(SCRIPT)
TASKS = tasks_of({"target": "emotion", "classes": [f"class{place}" for place in range(7)], "task": "classification"})


def given(name):
    """What a person's option ``--system NAME`` makes of bigru_mha.yaml."""
    return with_system(YAML_FILE, {"system": name}, SCRIPT)


def test_the_papers_systems_are_rows():
    assert {"cnn", "lstm", "rnn", "cnn_lstm", "self_attention", "mha", "bigru_mha_4", "bigru_mha_32"} < set(ROWS)


@pytest.mark.parametrize("recipe", RECIPES)
def test_rows_change_keys_that_every_recipe_has_and_take_no_name_of_a_yaml(recipe):
    hparams = ROOT / "recipes" / recipe / "hparams"
    keys = set(resolve(hparams / "bigru_mha.yaml", {}))
    assert all(set(row) < keys for row in ROWS.values())
    assert not set(ROWS) & {path.stem for path in hparams.glob("*.yaml")}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_builds_and_changes_only_what_it_says(name):
    experiment = Experiment.of(YAML_FILE, {"hidden_size": 16, **given(name)})
    check_keys(experiment)
    rehearse(experiment, TASKS)
    plain, changed = resolve(YAML_FILE, {}), resolve(YAML_FILE, given(name))
    differing = {key for key in plain if plain[key] != changed[key]}
    follows = {"embedding_model", "classifier", "modules", "checkpointer", "train_logger"}
    folders = {key for key in differing if key.endswith(("_folder", "_annotation"))}
    own = {key for key, value in ROWS[name].items() if plain[key] != value}  # EmoDB's bigru_mha has 8 heads itself
    assert own <= differing <= own | {"system"} | follows | folders
    (arguments,) = changed["embedding_model"].values()
    for key, value in ROWS[name].get("embedding_model", ROWS[name]).items():
        assert str(arguments[key]) == str(value)


def test_a_row_trains_resumes_and_is_exported_as_a_yaml_of_its_own_would(toy_emodb, tmp_path):
    options = ["--fold", "spk03", "--system", "lstm", "--number_of_epochs", "1", "--heads", "0"]
    train(toy_emodb, tmp_path, *options)
    fold = tmp_path / "lstm" / "loso" / "seed_1234" / "spk03"
    results = json.loads((fold / "results.json").read_text())
    assert results["system"] == results["settings"]["system"] == "lstm"
    kept = resolve(fold / "hyperparams.yaml", {})
    for values in (results["settings"], kept):
        assert {key: values[key] for key in ROWS["lstm"]} == ROWS["lstm"]
    before = (fold / "train_log.txt").stat().st_mtime_ns
    train(toy_emodb, tmp_path, *options)
    assert (fold / "train_log.txt").stat().st_mtime_ns == before
    export_model(fold, tmp_path / "model")
    encoder = EmotionClassifier.from_hparams(tmp_path / "model").modules["embedding_model"]
    assert encoder.output_size == 8  # one direction


def test_an_option_beats_the_row():
    assert with_system(YAML_FILE, {"system": "lstm", "heads": 2}, SCRIPT)["heads"] == 2


def test_a_name_that_is_no_row_is_one_error_with_all_names(capsys, tmp_path):
    with pytest.raises(SystemExit):
        train("nowhere", tmp_path, "--system", "lsmt")
    (error,) = capsys.readouterr().err.strip().splitlines()
    assert "got: --system lsmt; expected: one of cnn, lstm, rnn" in error
    assert all(name in error for name in ROWS)


def test_a_row_is_of_bigru_mha_alone_and_other_names_are_free():
    other = YAML_FILE.with_stem("bigru")
    with pytest.raises(SerError, match=r"--system lstm with bigru\.yaml; expected: bigru_mha\.yaml"):
        with_system(other, {"system": "lstm"}, SCRIPT)
    assert with_system(other, {"system": "mine"}, SCRIPT) == {"system": "mine"}
    assert with_system(YAML_FILE, {"system": "bigru_mha"}, SCRIPT) == {"system": "bigru_mha"}
    assert with_system(YAML_FILE, {"lr": 1.0}, SCRIPT) == {"lr": 1.0}


def test_a_system_is_found_as_yaml_or_row():
    assert find_system("bigru", SCRIPT) == (YAML_FILE.with_stem("bigru"), {})
    assert find_system("mha", SCRIPT) == (YAML_FILE, {**ROWS["mha"], "system": "mha"})
    with pytest.raises(MissingPathError, match=r"no system gru.*expected: one of best, .*bigru_lsh"):
        find_system("gru", SCRIPT)
    with pytest.raises(MissingPathError, match=r"remedy: hparams/bigru_mha\.yaml --system lstm"):
        find_yaml("hparams/lstm.yaml", SCRIPT)
    assert [is_its_own(name, SCRIPT) for name in ("bigru", "bigru_mha_4", "bigru_mha_8", "gru")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_recipe_of_ones_own_has_no_rows_or_its_own(tmp_path):
    script, table = tmp_path / "Own" / "train.py", tmp_path / "systems.yaml"
    yaml_file = script.parent / "hparams" / "bigru_mha.yaml"
    yaml_file.parent.mkdir(parents=True)
    shutil.copy(YAML_FILE, yaml_file)
    assert with_system(yaml_file, {"system": "mine"}, script) == {"system": "mine"}
    table.write_text("deep: {layers: 4}\nodd: {layres: 4}\n")
    assert with_system(yaml_file, {"system": "deep"}, script) == {"layers": 4, "system": "deep"}
    with pytest.raises(SerError, match=r"systems\.yaml, odd: layres; expected: keys of .*bigru_mha\.yaml"):
        with_system(yaml_file, {"system": "odd"}, script)
    for bad in ("- deep", "deep: 4", "deep: {", ""):
        table.write_text(bad)
        with pytest.raises(SerError, match=r"systems\.yaml: \w+.*expected: rows such as"):
            read_systems(script)
