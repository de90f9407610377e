"""Models that read, as one ONNX file: what onnxruntime makes of pieces is what torch makes of the text."""

import numpy as np
import pytest
import torch
from fake_run import CLASSES, random_modules, tone

from ser_plugins.classifier import ClassifierHead, RegressionHead
from ser_plugins.errors import SerError
from ser_plugins.export import onnx as exporter
from ser_plugins.export.onnx import export_onnx
from ser_plugins.inference import EmotionClassifier, SentimentRegressor
from ser_plugins.inference.loading import Model
from ser_plugins.subwords import SubwordEncoder
from ser_plugins.text import FUSIONS, Fusion, LogLinearHead, TextEncoder

onnxruntime = pytest.importorskip("onnxruntime", reason='needs pip install "ser-plugins[onnx]"')
TEXTS = ["what a good day", None, "bad"]
SECONDS = (0.3, 1.1, 0.77)
SIZES = {"vocabulary": 60, "piece_size": 8}
AUDIO = {"hidden_size": 8, "heads": 2, "text_hidden_size": 8, "text_heads": 2, "fusion_heads": 2}


def readers():
    """By name an encoder, the head that goes with it, and how far 8 bits may be off; None: they are not asked for."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        text = TextEncoder(**SIZES, hidden_size=8, heads=2, pooling="stats")
        yield "text", text, ClassifierHead(text.output_size, 7), None
        for fusion in FUSIONS:
            encoder = Fusion(fusion=fusion, **SIZES, **AUDIO)
            yield fusion, encoder, ClassifierHead(encoder.output_size, 7), 0.02 if fusion == "cross" else None
        late = Fusion(**SIZES, **AUDIO)
        yield "late", late, LogLinearHead(late.output_size, late.text_size, 7), None
        yield "score", late, RegressionHead(late.output_size, low=-3.0, high=3.0), None


def model_of(encoder, head):
    subwords = SubwordEncoder(60).fit(["good day", "bad day", "what a day", "good", "bad"])
    modules = random_modules(3)
    modules.update({"embedding_model": encoder, "subwords": subwords, "classifier": head})
    if isinstance(head, RegressionHead):
        return SentimentRegressor(modules, "mosi", any_sound=True)
    return EmotionClassifier(modules, CLASSES, any_sound=True)


@pytest.mark.parametrize(("name", "encoder", "head", "rounding"), list(readers()))
def test_alone_and_padded_with_text_and_without(tmp_path, monkeypatch, name, encoder, head, rounding):
    model = model_of(encoder, head)
    loaded = Model(model.modules, getattr(model, "labels", ["sentiment"]), None, {}, "")
    monkeypatch.setattr(exporter, "load_model", lambda source: loaded)
    export_onnx("any", tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    heard = not isinstance(encoder, TextEncoder)
    texts = TEXTS if heard else [text or "day" for text in TEXTS]
    lengths = np.array([round(seconds * 16000) for seconds in SECONDS])
    waves = np.full((3, lengths.max()), np.nan, dtype=np.float32)
    for row, length in zip(waves, lengths, strict=True):
        row[:length] = tone(length / 16000, pitch=100.0 + length / 100)
    pieces, counts = (values.numpy() for values in model.modules["subwords"](texts))
    for row, count in zip(pieces, counts, strict=True):
        row[count:] = 7  # nobody reads it
    inputs = {"waves": waves, "lengths": lengths} if heard else {}
    inputs |= {"pieces": pieces, "counts": counts}
    assert [value.name for value in session.get_inputs()] == list(inputs)
    shares = torch.as_tensor(lengths) / waves.shape[1]
    result = model.classify_batch(np.nan_to_num(waves), shares, texts=texts)
    expected = result[0].numpy()
    assert np.abs(session.run(None, inputs)[0] - expected).max() < 1e-4
    for place in range(3):
        alone = {name: values[place : place + 1] for name, values in inputs.items()}
        alone["pieces"] = alone["pieces"][:, : counts[place]]
        if heard:
            alone["waves"] = alone["waves"][:, : lengths[place]]
        assert np.abs(session.run(None, alone)[0] - expected[place]).max() < 1e-4
    if rounding:
        export_onnx("any", tmp_path / "int8.onnx", int8=True)
        session = onnxruntime.InferenceSession(tmp_path / "int8.onnx", providers=["CPUExecutionProvider"])
        assert 0 < np.abs(session.run(None, inputs)[0] - expected).max() < rounding


def test_an_ensemble_that_reads_is_refused(monkeypatch):
    _, encoder, head, _ = next(readers())
    model = model_of(encoder, head)
    loaded = Model(model.modules, CLASSES, None, {}, "", (model.modules,))
    monkeypatch.setattr(exporter, "load_model", lambda source: loaded)
    with pytest.raises(SerError, match="export one of its folds"):
        export_onnx("any", "model.onnx")
