"""Sentiment from end to end: trained by the same Brain, reported, exported, and used."""

import json
import sys

import forked
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT, TINY
from fake_run import resealed, tone, write_fold, write_wav
from speechbrain.inference.classifiers import EncoderClassifier
from toy_sentiment import (
    HEAD,
    LOSS,
    MULTI_TASK,
    NUMBERS,
    REGRESSION,
    prepare_multi_task,
    prepare_sentiment,
    preparing,
    sentiment,
    train_sentiment,
    write_yaml,
)

from ser_plugins import cli
from ser_plugins.classifier import RegressionHead, UtteranceEncoder
from ser_plugins.errors import SerError
from ser_plugins.evaluation.metrics.calibration import tempered
from ser_plugins.export.folder import export_model
from ser_plugins.inference import EmotionClassifier, SentimentRegressor, open_model
from ser_plugins.spectrogram import LogPowerSpectrogram, ZNorm

FOLDS = ("spk03", "spk08", "spk09")


@pytest.fixture(scope="module")
def run(toy_emodb, tmp_path_factory):
    """All folds, each with the epoch that an inner speaker chose."""
    options = ["--select", "inner_speaker", "--number_of_epochs", "3"]
    return train_sentiment(toy_emodb, tmp_path_factory.mktemp("sentiment") / "results", *options, here=True)


@pytest.fixture(scope="module")
def multi_task(toy_emodb, tmp_path_factory):
    folder = tmp_path_factory.mktemp("multi_task") / "results"
    return train_sentiment(toy_emodb, folder, changes=MULTI_TASK, prepare=prepare_multi_task, here=True)


@pytest.fixture(scope="module")
def model(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "sentiment"
    export_model(run, folder)
    return folder


def fold_results(run, fold="spk03"):
    return json.loads((run / "seed_1234" / fold / "results.json").read_text())


def untrained(scale="mosi", seed=0, **bounds):
    torch.manual_seed(seed)
    encoder = UtteranceEncoder(hidden_size=8, heads=2)
    modules = {
        "compute_features": LogPowerSpectrogram(),
        "mean_var_norm": ZNorm().fit([(torch.randn(2, 50, 400) * 3 - 8, None)]),
        "embedding_model": encoder,
        "classifier": RegressionHead(encoder.output_size, **bounds),
    }
    for name in ("embedding_model", "classifier"):
        for value in modules[name].parameters():
            value.data.mul_(3)
    return SentimentRegressor(torch.nn.ModuleDict(modules), scale)


# Training


def test_the_epoch_with_the_least_error_is_chosen_and_everything_is_written(run):
    for fold in FOLDS:
        results = fold_results(run, fold)
        curve = {row["epoch"]: row["valid_MAE"] for row in results["history"]}
        assert len(curve) == 3
        assert curve[results["selected_epoch"]] == min(curve.values())
        table = pd.read_csv(run / "seed_1234" / fold / "predictions.csv")
        assert list(table.columns) == ["id", "fold", "seed", "true", "predicted"]
        assert set(table["true"]) <= set(NUMBERS.values())
        assert results["metrics"]["MAE"] == pytest.approx((table["true"] - table["predicted"]).abs().mean())
        assert set(results["units"].values()) == {fold}
    text = (run / "results.md").read_text()
    assert "Toy sentiment (synthetic), sentiment as a number (scale mosi, -3 to 3); protocol loso, 3 folds" in text
    assert "> partial copy: three speakers of ten" in text
    assert (run / "figures" / "scatter.png").is_file()


def test_baselines_know_the_training_set_only(run):
    manifests = run.parents[1] / "manifests" / "loso_full_inner_speaker"
    for fold in FOLDS:
        entries = json.loads((manifests / fold / "train.json").read_text()).values()
        numbers = [entry["sentiment"] for entry in entries]
        constants = fold_results(run, fold)["training"]["sentiment"]
        assert constants["median"] == pytest.approx(np.median(numbers))
        assert constants["mean"] == pytest.approx(np.mean(numbers))
        assert constants["majority"] == ("positive" if np.mean(np.array(numbers) >= 0) >= 0.5 else "negative")


KILLED = """
import os, sys
sys.path[:0] = [{tests!r}, {support!r}, {recipe!r}]
from toy_sentiment import prepare_sentiment
from ser_plugins.training.brain import EmotionBrain
from ser_plugins.training.recipe import run_recipe

class Killed(EmotionBrain):
    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        if self.optimizer_step == 3:
            os._exit(9)  # as by SIGKILL: nothing is cleaned up

run_recipe(sys.argv[1:], prepare=prepare_sentiment, script={script!r}, brain_class=Killed)
"""


def test_a_killed_run_resumes_to_the_same_result(toy_emodb, tmp_path):
    recipe = ROOT / "recipes" / "EmoDB"
    options = ["--fold", "spk03", "--ckpt_interval_steps", "1"]
    whole = train_sentiment(toy_emodb, tmp_path / "whole", *options)
    folder = tmp_path / "killed"
    folder.mkdir()
    script = folder / "killed.py"
    places = {
        "tests": ROOT / "tests",
        "support": ROOT / "tests" / "support",
        "recipe": recipe,
        "script": recipe / "train.py",
    }
    script.write_text(KILLED.format(**{name: str(place) for name, place in places.items()}))
    arguments = [write_yaml(folder / "toy.yaml", REGRESSION), "--data_folder", toy_emodb, "--results_folder", folder]
    forked.run(folder / "printed", script, *arguments, *TINY, *options, status=9)
    resumed = train_sentiment(toy_emodb, folder, *options)
    file = "seed_1234/spk03/predictions.csv"
    assert (resumed / file).read_text() == (whole / file).read_text()
    assert fold_results(resumed)["history"] == fold_results(whole)["history"]


def test_another_loss_is_one_line_of_the_yaml(toy_emodb, tmp_path):
    changes = {**REGRESSION, LOSS: "loss: !new:ser_plugins.losses.Concordance\n"}
    run = train_sentiment(toy_emodb, tmp_path / "run", "--fold", "spk03", "--number_of_epochs", "1", changes=changes)
    assert 0 < fold_results(run)["history"][0]["train_loss"] < 2


def test_an_auxiliary_target_is_trained_evaluated_and_reported(multi_task):
    results = fold_results(multi_task)
    table = pd.read_csv(multi_task / "seed_1234" / "spk03" / "predictions.csv")
    valence = pd.read_csv(multi_task / "seed_1234" / "spk03" / "predictions_valence.csv")
    assert list(table["id"]) == list(valence["id"])
    rated = valence.dropna(subset="true")
    assert 0 < len(rated) < len(valence)
    assert valence["predicted"].notna().all()
    error = (rated["true"] - rated["predicted"]).abs().mean()
    assert results["auxiliary"]["valence"]["metrics"]["MAE"] == pytest.approx(error)
    summary = json.loads((multi_task / "results.json").read_text())
    part = summary["auxiliary"]["valence"]
    assert part["utterances"] < summary["utterances"]
    assert part["baselines"][0]["name"].startswith("training median")
    text = (multi_task / "results.md").read_text()
    assert f"**Auxiliary target valence** ({part['utterances']} rated utterances)" in text
    assert "| majority class (anger) |" in text
    assert (multi_task / "figures" / "scatter_valence.png").is_file()
    assert len(pd.read_csv(multi_task / "predictions_valence.csv")) == summary["utterances"]


def without(key, entry):
    return {**sentiment(key, entry), "sentiment": None} if entry["speaker"] == "spk08" else sentiment(key, entry)


def emotion_only(key, entry):
    return entry


NO_CLASSES = {"task": "regression", "classes": [], "target": "sentiment", "scale": "mosi"}


@pytest.mark.parametrize(
    ("changes", "prepare", "message"),
    [
        ({}, prepare_sentiment, "n_classes: 7; expected: no n_classes and a RegressionHead: Toy sentiment"),
        (REGRESSION, preparing(emotion_only), "n_classes: None; expected: 7: anger, boredom"),
        (
            REGRESSION,
            preparing(without, **NO_CLASSES),
            "sentiment None; expected: a finite number",
        ),
        (MULTI_TASK, preparing(emotion_only), "no number in the training set"),
        (
            {HEAD: "auxiliary:\n    valence: mosi\n" + HEAD},
            prepare_multi_task,
            "a classifier for emotion; expected: a head",
        ),
        (
            {**MULTI_TASK, HEAD: MULTI_TASK[HEAD].replace("valence: mosi", "valence: mosei")},
            prepare_multi_task,
            "'mosei'",
        ),
    ],
)
def test_yaml_and_corpus_that_do_not_fit_are_one_clear_error(toy_emodb, tmp_path, capfd, changes, prepare, message):
    with pytest.raises(SystemExit) as stop:
        train_sentiment(toy_emodb, tmp_path / "run", "--fold", "spk03", changes=changes, prepare=prepare)
    assert stop.value.code == 2
    error = capfd.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: got: ")
    assert message in error
    assert not list(tmp_path.rglob("CKPT*"))


# Use


def test_a_recording_alone_and_in_a_batch_are_the_same():
    regressor = untrained()
    waves = [
        torch.as_tensor(tone(seconds, pitch=pitch)) for seconds, pitch in ((0.71, 120.0), (0.2, 200.0), (0.43, 310.0))
    ]
    lengths = torch.tensor([len(wave) for wave in waves])
    batch = torch.nn.utils.rnn.pad_sequence(waves, batch_first=True)
    together = regressor.classify_batch(batch, lengths / lengths.max())
    alone = torch.cat([regressor.classify_batch(wave).score for wave in waves])
    assert alone.std() > 1e-2
    torch.testing.assert_close(together.score, alone, rtol=0, atol=1e-5)
    assert together.polarity == ["positive" if score > 0 else "negative" for score in alone]


def test_export_keeps_what_was_tested_here_and_in_plain_speechbrain(run, model, toy_emodb, tmp_path):
    card = json.loads((model / "model.json").read_text())
    regressor = SentimentRegressor.from_hparams(model, device="cpu")
    plain = EncoderClassifier.from_hparams(source=str(model), savedir=tmp_path / "cache", run_opts={"device": "cpu"})
    table = pd.read_csv(run / "seed_1234" / card["this_model"]["fold"] / "predictions.csv")
    assert table["predicted"].std() > 0
    for row in table.itertuples():
        path = toy_emodb / "wav" / f"{row.id}.wav"
        found = regressor.classify_file(path)
        assert float(found.score) == pytest.approx(row.predicted, abs=1e-5)
        outputs, score, _, labels = plain.classify_file(str(path))
        assert torch.equal(outputs[0], found.score)
        assert torch.equal(score, found.score)
        assert labels == ["sentiment"]


def test_the_card_speaks_of_a_number(model):
    card, text = json.loads((model / "model.json").read_text()), (model / "README.md").read_text()
    assert (card["task"], card["target"], card["scale"], card["classes"]) == ("regression", "sentiment", "mosi", [])
    assert card["whole_protocol"]
    for words in (
        "sentiment from a recording (Toy sentiment (synthetic))",
        "> **PARTIAL**",
        "> partial copy: three speakers of ten",
        "sentiment as a number (scale mosi, -3 to 3)",
        f"| measured | {card['metrics']['MAE']:.3f} |",
        "| training median (",
        "SentimentRegressor.from_hparams",
    ):
        assert words in text
    assert "EmotionClassifier" not in text


def test_of_a_multi_task_run_the_head_of_the_corpus_own_target_is_exported(multi_task, toy_emodb, tmp_path):
    fold = multi_task / "seed_1234" / "spk03"
    export_model(fold, tmp_path / "model")
    classifier = EmotionClassifier.from_hparams(tmp_path / "model", device="cpu")
    table = pd.read_csv(fold / "predictions.csv").set_index("id").filter(like="p_")
    temperature = json.loads((tmp_path / "model" / "model.json").read_text())["temperature"]
    for key in table.index[:3]:
        found = classifier.predict_file(toy_emodb / "wav" / f"{key}.wav").probabilities
        expected = tempered(table.loc[[key]].to_numpy(), temperature)[0]
        assert list(found.values()) == pytest.approx(expected.tolist(), abs=1e-5)


def test_the_wrong_face_for_a_model_is_one_clear_error(model, tmp_path):
    write_fold(tmp_path / "loso", "spk03")
    export_model(tmp_path / "loso" / "seed_1234" / "spk03", tmp_path / "emotions")
    with pytest.raises(
        SerError, match="a model with a RegressionHead; expected: one with a ClassifierHead or LinearHead, for Emo"
    ):
        EmotionClassifier.from_hparams(model)
    with pytest.raises(SerError, match="a model with a ClassifierHead; expected: one with a RegressionHead, for Senti"):
        SentimentRegressor.from_hparams(tmp_path / "emotions")
    assert isinstance(open_model(model), SentimentRegressor)
    assert isinstance(open_model(tmp_path / "emotions"), EmotionClassifier)


def test_a_model_without_a_scale_or_with_another_one_is_refused(model, tmp_path):
    text = (model / "hyperparams.yaml").read_text()
    for path in model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for new, message in (
        ("", "label_encoder: .*; expected: scale: mosi or scale: chsims"),
        ("scale: mosei\n", "scale: mosei; expected: scale: mosi or scale: chsims"),
        ("scale: [mosi]\n", r"scale: \[mosi\]; expected: scale: mosi or"),
        ("scale: chsims\n", "model.json: scale mosi; expected: chsims, as in hyperparams.yaml"),
    ):
        (tmp_path / "hyperparams.yaml").write_text(text.replace("scale: mosi\n", new))
        with pytest.raises(SerError, match=message):
            open_model(resealed(tmp_path))
    (tmp_path / "hyperparams.yaml").write_text(text)
    open_model(resealed(tmp_path))


def test_a_bounded_head_keeps_to_its_range_and_predictions_are_plain(tmp_path):
    path = write_wav(tmp_path / "a.wav")
    for scale, bounds in (("chsims", {"low": -1.0, "high": 1.0}), ("vad", {"low": 1.0, "high": 5.0})):
        regressor = untrained(scale, **bounds)
        score, polarity = regressor.predict_file(path)
        assert type(score) is float
        assert bounds["low"] <= score <= bounds["high"]
        assert polarity == regressor.scale.polarity(score)
        assert (polarity is None) == (scale == "vad")


def test_windows_have_a_score_each_and_silent_ones_none(tmp_path):
    wave = np.concatenate([tone(1.0, pitch=pitch) for pitch in (100, 150, 220, 300)])
    wave[16000:48000] = 0.0
    path = write_wav(tmp_path / "long.wav", wave)
    regressor = untrained()
    found = list(regressor.classify_windows(path, window=1.0, hop=1.0, batch_size=3))
    assert [one.start for one in found] == [0, 1, 2, 3]
    assert [one[2:] for one in found[1:3]] == [(None, None)] * 2
    for one in (found[0], found[3]):
        cut = write_wav(tmp_path / "cut.wav", wave[round(one.start * 16000) : round(one.end * 16000)])
        expected = regressor.predict_file(cut)
        assert one.score == pytest.approx(expected.score, abs=1e-4)
        assert one.polarity == expected.polarity


def test_the_command_prints_score_and_polarity(model, tmp_path, monkeypatch, capsys):
    path = write_wav(tmp_path / "a.wav", 0.01 * tone())
    score, polarity = SentimentRegressor.from_hparams(model).predict_file(path)
    monkeypatch.setenv("COLUMNS", "300")
    for option in ([], ["--json"]):
        monkeypatch.setattr(sys, "argv", ["ser", "classify", str(path), "--model", str(model), *option])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
        out = capsys.readouterr().out
        if option:
            (row,) = json.loads(out)
            assert any("quiet" in warning for warning in row["warnings"])
            assert row == row | {"file": str(path), "score": pytest.approx(score), "polarity": polarity}
        else:
            line = next(line for line in out.splitlines() if str(path) in line)
            assert f"{score:.2f}" in line
            assert polarity in line
