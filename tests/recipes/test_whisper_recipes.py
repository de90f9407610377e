"""The systems on Whisper: the same in every recipe, and on anyone's corpus."""

import json

import pytest
import yaml
from conftest import ROOT, train
from fake_run import CLASSES, tone

from ser_plugins.export.folder import export_model
from ser_plugins.inference import open_model
from ser_plugins.training.settings import resolve

DATA = {"data_folder", "csv", "corpora", "labels", "results_folder", "run_folder", "manifest_folder", "cache_folder"}
TESTED = {"protocol", "target", "soft_labels", "song", "allow_partial", "task", "subset", "split_seed", "n_classes"}


def values(recipe, system):
    text = (ROOT / "recipes" / recipe / "hparams" / f"{system}.yaml").read_text(encoding="utf-8")
    return {key.value: yaml.serialize(value) for key, value in yaml.compose(text).value}


@pytest.mark.parametrize("system", ["whisper_bigru_mha", "whisper_linear"])
@pytest.mark.parametrize("recipe", sorted({path.parts[-3] for path in ROOT.glob("recipes/*/hparams/whisper_*.yaml")}))
def test_recipes_differ_in_data_and_protocol_alone(recipe, system):
    emodb, other = values("EmoDB", system), values(recipe, system)
    differing = {key for key in emodb.keys() | other.keys() if emodb.get(key) != other.get(key)}
    assert differing <= DATA | TESTED
    assert "results_folder" in differing or recipe == "EmoDB"


def test_the_two_classical_systems_differ_in_what_is_fitted_and_exported():
    linear, svm = values("EmoDB", "whisper_linear"), values("EmoDB", "whisper_svm")
    modules = {"mean_var_norm", "embedding_model", "classifier", "checkpointer"}
    assert {key for key in linear.keys() | svm.keys() if linear.get(key) != svm.get(key)} == {
        *("system", "estimator"),
        *modules,
    }


def test_all_of_them_hear_with_the_same_commit_of_the_encoder():
    paths = [*ROOT.glob("recipes/*/hparams/whisper_*.yaml"), ROOT / "recipes" / "EmoDB" / "hparams" / "bundled.yaml"]
    assert len(paths) > 5
    assert len({resolve(path, {})["source"] for path in paths}) == 1


@pytest.mark.parametrize("system", ["whisper_bigru_mha", "whisper_linear"])
def test_anyones_corpus_is_trained_by_one_command(toy_csv, tiny_whisper, tmp_path, system):
    options = ["--source", str(tiny_whisper), "--states", "1-2", "--fold", "spk08"]
    train(toy_csv, tmp_path, *options, yaml_file=f"hparams/{system}.yaml", name="CSV", here=True)
    results = json.loads((tmp_path / system / "loso" / "seed_1234" / "spk08" / "results.json").read_text())
    assert results["protocol"]["pretrained"] == ["someone/whisper-tiny"]
    assert results["checkpoint"]
    files = list((tmp_path / "features").rglob("*.npz"))
    assert len(files) == results["counts"]["train"] + results["counts"]["test"]


def test_the_system_in_the_package_is_trained_with_its_copies_and_exported_in_8_bits(toy_emodb, tiny_whisper, tmp_path):
    options = ["--source", str(tiny_whisper), "--fold", "spk08", "--number_of_epochs", "1"]
    train(toy_emodb, tmp_path, *options, yaml_file="hparams/bundled.yaml", here=True)
    fold = tmp_path / "bundled" / "loso" / "seed_1234" / "spk08"
    results = json.loads((fold / "results.json").read_text())
    copies = resolve(ROOT / "recipes" / "EmoDB" / "hparams" / "bundled.yaml", {})["copies"]
    assert results["counts"]["copies"] == len(copies) * results["counts"]["train"]
    assert export_model(fold, tmp_path / "model", int8=True).precision == "int8"
    assert open_model(tmp_path / "model").predict(tone(), 16000).label in CLASSES
