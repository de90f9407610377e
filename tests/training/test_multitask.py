"""Several targets at once: the YAML of each recipe is trained, reported target by target, exported as one model."""

import json

import pandas as pd
import pytest
import torch
from conftest import train

from ser_plugins.adversary import AdversaryHead
from ser_plugins.classifier import MultiTaskHead, RegressionHead
from ser_plugins.corpora.toy.cremad import write_toy_cremad
from ser_plugins.corpora.toy.emodb import write_toy_emodb
from ser_plugins.corpora.toy.sentiment import write_toy_chsims
from ser_plugins.export.folder import export_model
from ser_plugins.inference import open_model

ONE = ["--number_of_epochs", "1"]


def run_of(results, system):
    return next((results / system).iterdir())


def test_emotion_against_sex_on_emodb(tmp_path):
    corpus = write_toy_emodb(tmp_path / "emodb", speakers=3, sentences=1, syllables=2)
    train(corpus, tmp_path / "results", *ONE, yaml_file="hparams/bigru_mha_adversary.yaml", here=True)
    run = run_of(tmp_path / "results", "bigru_mha_adversary")
    sexes = pd.read_csv(run / "predictions_gender.csv")
    assert set(sexes["true"]) == {"female", "male"}
    assert (sexes["p_female"] + sexes["p_male"]).tolist() == pytest.approx([1.0] * len(sexes), abs=1e-6)
    scores = json.loads((run / "results.json").read_text())["auxiliary"]["gender"]
    assert scores["metrics"]["WA"] == pytest.approx((sexes["true"] == sexes["predicted"]).mean())
    assert "gender" in (run / "results.md").read_text(encoding="utf-8")
    export_model(run / "seed_1234" / "spk03", tmp_path / "model")
    assert len(open_model(tmp_path / "model").labels) == 7  # the emotion's head alone


def test_emotion_against_sex_on_cremad(tmp_path):
    corpus = write_toy_cremad(tmp_path / "cremad", speakers=5, sentences=2, syllables=2)
    options = [*ONE, "--fold", "group1"]
    train(
        corpus, tmp_path / "results", *options, yaml_file="hparams/bigru_mha_adversary.yaml", name="CREMAD", here=True
    )
    fold = next((tmp_path / "results").glob("bigru_mha_adversary/*/seed_1234/group1"))
    assert set(pd.read_csv(fold / "predictions_gender.csv")["true"]) <= {"female", "male"}


def test_emotion_and_three_dimensions_on_iemocap(toy_iemocap, tmp_path):
    options = [*ONE, "--fold", "Ses01F"]
    train(toy_iemocap, tmp_path, *options, yaml_file="hparams/bigru_mha_dimensions.yaml", name="IEMOCAP", here=True)
    fold = next(tmp_path.glob("bigru_mha_dimensions/*/seed_1234/Ses01F"))
    results = json.loads((fold / "results.json").read_text())
    assert set(results["auxiliary"]) == {"valence", "activation", "dominance"}
    assert all(part["metrics"]["MAE"] > 0 for part in results["auxiliary"].values())


def test_three_sentiments_on_chsims(tmp_path):
    corpus = write_toy_chsims(tmp_path / "chsims", videos=4, clips=4, syllables=2)
    train(corpus, tmp_path / "results", *ONE, yaml_file="hparams/bigru_mha_multitask.yaml", name="CHSIMS", here=True)
    run = run_of(tmp_path / "results", "bigru_mha_multitask")
    results = json.loads((run / "results.json").read_text())
    assert set(results["auxiliary"]) == {"label_A", "label_T"}
    assert results["metrics"]["MAE"] > 0


def test_an_adversary_learns_and_what_is_before_it_unlearns():
    """One step of gradient descent lowers the loss of the head, and raises it by way of the embedding."""
    torch.manual_seed(0)
    head = MultiTaskHead({"valence": RegressionHead(4), "gender": AdversaryHead(4)}).eval()
    embedding = torch.randn(16, 4, requires_grad=True)
    sexes = torch.arange(16) % 2

    def loss(given):
        return torch.nn.functional.nll_loss(head(given)["gender"], sexes)

    before = loss(embedding)
    before.backward()
    assert loss((embedding - 0.1 * embedding.grad).detach()) > before
    with torch.no_grad():
        for value in head.heads["gender"].parameters():
            value -= 0.1 * value.grad
    assert loss(embedding.detach()) < before
