"""Names that users type in YAMLs, imports and terminals: they stay, whatever moves behind them."""

from importlib import import_module

import pytest
import typer
from conftest import ROOT

MODULES = [
    "adversary.AdversaryHead",
    "attention.MultiHeadSelfAttention",
    "augment.Augmentation",
    "augment.FrequencyWarp",
    "augment.RandomEqualizer",
    "augment.RandomGain",
    "augment.SpecAugment",
    "augment.TimeWarp",
    "checkpoints.Checkpointer",
    "checkpoints.Pretrainer",
    "classifier.ClassifierHead",
    "classifier.LinearHead",
    "classifier.MultiTaskHead",
    "classifier.RegressionHead",
    "classifier.UtteranceEncoder",
    "copies.BandLimit",
    "copies.Chain",
    "copies.Clipping",
    "copies.Noise",
    "copies.Pauses",
    "copies.Room",
    "copies.Speed",
    "copies.speeds",
    "functionals.BandMeans",
    "functionals.FrameMeans",
    "functionals.JoinedFunctionals",
    "functionals.MFCCStatistics",
    "functionals.OpenSmileFunctionals",
    "invariance.InvariantLogisticRegression",
    "losses.Concordance",
    "losses.CrossEntropy",
    "losses.MultiTask",
    "lsh_attention.LSHSelfAttention",
    "pretrained.SelfSupervisedFrontEnd",
    "pretrained.WhisperFrontEnd",
    "schedules.OneCycle",
    "spectrogram.LogPowerSpectrogram",
    "spectrogram.ZNorm",
    "subwords.SubwordEncoder",
    "text.Fusion",
    "text.LogLinearHead",
    "text.TextEncoder",
    "whisper.WhisperEncoder",
]
FACE = [
    "BOX",
    "BUNDLED",
    "SILENCE",
    "Classification",
    "EmotionClassifier",
    "Prediction",
    "Sentiment",
    "SentimentPrediction",
    "SentimentRegressor",
    "SerError",
    "open_model",
]
COMMANDS = [
    "ablation",
    "audit",
    "check",
    "classify",
    "compare",
    "demo",
    "ensemble",
    "explain",
    "export",
    "leaks",
    "models",
    "onnx",
    "pack",
    "report",
    "score-timeline",
    "serve",
    "suite",
    "timeline",
    "toy",
]


@pytest.mark.parametrize("name", MODULES)
def test_modules_of_yamls_are_where_they_were(name):
    module, _, attribute = name.partition(".")
    assert callable(getattr(import_module(f"ser_plugins.{module}"), attribute))


def test_the_face_has_its_names():
    face = import_module("ser_plugins.inference")
    assert set(FACE) <= set(face.__all__)
    assert all(hasattr(face, name) for name in FACE)


def test_the_commands_are_there():
    from ser_plugins.cli import app

    assert set(COMMANDS) <= set(typer.main.get_command(app).commands)


def test_the_readme_has_its_two_commands():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert f"\n{target}: " in makefile
        assert f"`make {target}`" in readme


def test_recipes_are_run_as_they_were():
    assert (ROOT / "recipes/EmoDB/train.py").is_file()
    assert (ROOT / "recipes/EmoDB/hparams/bigru_mha.yaml").is_file()
