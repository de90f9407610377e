"""The systems on Whisper: the same in every recipe, and on anyone's corpus."""

import json

import pandas as pd
import pytest
import torch
import yaml
from conftest import ROOT, train
from fake_run import CLASSES, tone

from ser_plugins.export.folder import export_model
from ser_plugins.inference import open_model
from ser_plugins.pretrained import WhisperFrontEnd
from ser_plugins.training.brain import EmotionBrain
from ser_plugins.training.settings import resolve

DATA = {"data_folder", "csv", "corpora", "labels", "results_folder", "run_folder", "manifest_folder", "cache_folder"}
TESTED = {"protocol", "target", "soft_labels", "song", "allow_partial", "task", "subset", "split_seed", "n_classes"}


def values(recipe, system):
    text = (ROOT / "recipes" / recipe / "hparams" / f"{system}.yaml").read_text(encoding="utf-8")
    return {key.value: yaml.serialize(value) for key, value in yaml.compose(text).value}


@pytest.mark.parametrize("system", ["whisper_bigru_mha", "whisper_linear"])
@pytest.mark.parametrize(
    "recipe", sorted({path.parts[-3] for path in ROOT.glob("recipes/*/hparams/whisper_linear.yaml")})
)
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


def test_an_encoder_is_trained_at_a_rate_of_its_own_and_resumed(toy_emodb, tiny_whisper, tmp_path):
    yaml_file, fold = "hparams/whisper_finetuned.yaml", "whisper_finetuned/loso/seed_1234/spk08"
    options = ["--source", str(tiny_whisper), "--states", "1-2", "--fold", "spk08", "--front_end_lr_share", "0.25"]
    train(toy_emodb, tmp_path / "whole", *options, yaml_file=yaml_file, here=True)
    saved = next((tmp_path / "whole" / fold).glob("save/CKPT*"))
    rest, encoder = torch.load(saved / "optimizer.ckpt", weights_only=True)["param_groups"]
    assert encoder["lr"] == pytest.approx(0.25 * rest["lr"])
    trained = torch.load(saved / "compute_features.ckpt", weights_only=True)
    assert {name.split(".")[1] for name in trained} == {"0", "1"}  # both layers in use, and nothing else
    first = WhisperFrontEnd(str(tiny_whisper), states="1-2").state_dict()
    assert all((value != first[name]).any() for name, value in trained.items() if value.dim() > 1)

    class Killed(EmotionBrain):
        def on_stage_end(self, stage, stage_loss, epoch=None):
            super().on_stage_end(stage, stage_loss, epoch)
            raise KeyboardInterrupt

    with pytest.raises(SystemExit):
        train(toy_emodb, tmp_path / "resumed", *options, yaml_file=yaml_file, here=True, brain_class=Killed)
    train(toy_emodb, tmp_path / "resumed", *options, yaml_file=yaml_file, here=True)
    whole, resumed = (pd.read_csv(tmp_path / name / fold / "predictions.csv") for name in ("whole", "resumed"))
    pd.testing.assert_frame_equal(resumed, whole)


@pytest.mark.parametrize("share", ["0", "-0.1"])
def test_a_rate_that_is_none_is_refused(toy_emodb, tiny_whisper, tmp_path, capfd, share):
    options = ["--source", str(tiny_whisper), "--states", "1-2", "--fold", "spk08", "--front_end_lr_share", share]
    with pytest.raises(SystemExit):
        train(toy_emodb, tmp_path, *options, yaml_file="hparams/whisper_finetuned.yaml", here=True)
    assert f"front_end_lr_share {share}" in capfd.readouterr().err
