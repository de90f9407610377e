"""What a user's type checker sees: no result of the public API is Any."""

import subprocess
import sys

from conftest import ROOT

PROGRAM = """
from typing import Any

import numpy as np
import torch
from typing_extensions import assert_type

from ser_plugins.attention import MultiHeadSelfAttention
from ser_plugins.sound.read import read_wave
from ser_plugins.augment import SpecAugment
from ser_plugins.classifier import ClassifierHead, RegressionHead, UtteranceEncoder
from ser_plugins.corpora.audit import audit_files
from ser_plugins.encoders import ConvFrontEnd, RecurrentStack
from ser_plugins.errors import AudioError, SerError
from ser_plugins.inference import (
    Classification,
    EmotionClassifier,
    Prediction,
    Sentiment,
    SentimentPrediction,
    SentimentRegressor,
    open_model,
)
from ser_plugins.losses import Concordance, CrossEntropy
from ser_plugins.pooling import StatsPooling
from ser_plugins.inference.model_card import ModelCard
from ser_plugins.inference.quality import Check, Finding, check_recording
from ser_plugins.inference.explain import explain_file
from ser_plugins.export.folder import export_model
from ser_plugins.export.onnx import export_onnx
from ser_plugins.export.own_recipe import export_recipe
from ser_plugins.inference.stream import Stream
from ser_plugins.inference.timeline import Segment, SentimentSegment, timeline
from ser_plugins.inference.windows import SentimentWindow, Window
from ser_plugins.spectrogram import LogPowerSpectrogram, ZNorm

Both = tuple[torch.Tensor, torch.Tensor]


def emotions(wave: "np.ndarray[Any, np.dtype[np.float32]]") -> None:
    model = EmotionClassifier.from_hparams("models/emodb", device="cpu", abstain_below=0.5)
    assert_type(model, EmotionClassifier)
    assert_type(model.labels, list[str])
    assert_type(model.predict("speech.wav"), Prediction)
    assert_type(model.predict(wave, 8000), Prediction)
    assert_type(model.predict([wave, "speech.wav"], 8000), list[Prediction])
    assert_type(model.predict_file("speech.wav").label, str | None)
    assert_type(model.classify_file("speech.wav"), Classification)
    batch = model.classify_batch(torch.zeros(2, 16000), torch.tensor([1.0, 0.5]))
    assert_type(batch.probabilities, torch.Tensor)
    assert_type(batch.labels, list[str | None])
    for window in model.classify_windows("talk.wav", window=2.0):
        assert_type(window, Window)
        assert_type(window.probabilities, dict[str, float] | None)
    stream = model.stream(16000)
    assert_type(stream, Stream[Window])
    assert_type(stream.feed(wave), list[Window])
    assert_type(timeline(model, "talk.wav").segments, list[Segment])


def sentiments() -> None:
    model = SentimentRegressor.from_hparams("models/mosi")
    assert_type(model.predict("speech.wav"), SentimentPrediction)
    assert_type(model.classify_file("speech.wav"), Sentiment)
    assert_type(model.stream(16000).close(), list[SentimentWindow])
    assert_type(timeline(model, "talk.wav").segments, list[SentimentSegment])
    assert_type(open_model(), EmotionClassifier | SentimentRegressor)
    either = open_model().predict_file("speech.wav")
    assert_type(either, Prediction | SentimentPrediction)


def recordings(model: EmotionClassifier) -> None:
    assert_type(check_recording("speech.wav", model), Check)
    assert_type(check_recording("speech.wav").findings, list[Finding])
    assert_type(read_wave("speech.wav")[1], int)
    explained = explain_file(model, "speech.wav")
    assert_type(explained.answer, str)
    assert_type(export_model("results/run", "models/run", half=True), ModelCard)
    assert_type(export_onnx("models/run", "run.onnx"), dict[str, Any])
    assert_type(export_recipe("hyperparams.yaml", "save/CKPT", ["anger", "joy"], "models/own"), ModelCard)
    assert_type(audit_files("train.json", "valid.json", "test.json").counts, dict[str, int])
    try:
        model.predict("speech.wav")
    except AudioError as error:
        assert_type(error.remedy, str)
    except SerError as error:
        assert_type(error.got, str)


def modules(waves: torch.Tensor, lengths: torch.Tensor, classes: torch.Tensor) -> None:
    frames = ZNorm(mode="utterance")(LogPowerSpectrogram()(waves), lengths)
    assert_type(frames, torch.Tensor)
    assert_type(ConvFrontEnd()(frames, lengths), Both)
    assert_type(SpecAugment()(frames, lengths), Both)
    assert_type(RecurrentStack(256)(frames, lengths), torch.Tensor)
    attention = MultiHeadSelfAttention(size=256, heads=8)
    assert_type(attention(frames, lengths), torch.Tensor)
    assert_type(attention(frames, lengths, return_weights=True), Both)
    assert_type(StatsPooling(256)(frames, lengths), torch.Tensor)
    encoder = UtteranceEncoder(heads=8)
    embedding = encoder(frames, lengths)
    assert_type(embedding, torch.Tensor)
    assert_type(encoder(frames, return_weights=True), tuple[torch.Tensor, torch.Tensor | None])
    log_probabilities = ClassifierHead(256, classes=7)(embedding)
    assert_type(log_probabilities, torch.Tensor)
    assert_type(CrossEntropy()(log_probabilities, classes), torch.Tensor)
    assert_type(Concordance()(RegressionHead(256)(embedding), classes), torch.Tensor)
"""


def test_results_have_types_under_mypy_strict(tmp_path):
    """As a user's ``mypy --strict`` has it (pyproject.toml), with what `make lint` has found out about torch."""
    (tmp_path / "users_program.py").write_text(PROGRAM, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--cache-dir", ROOT / ".mypy_cache", tmp_path / "users_program.py"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
