"""One file, from waveform to output: what onnxruntime gives is what torch gives."""

import builtins
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT
from fake_run import CLASSES, mel_modules, random_modules, tone, write_fold, write_run, write_wav, write_whisper_fold

from ser_plugins.classifier import ClassifierHead, RegressionHead, UtteranceEncoder
from ser_plugins.errors import SerError
from ser_plugins.export import onnx as exporter
from ser_plugins.export.folder import export_ensemble, export_model
from ser_plugins.export.onnx import export_onnx
from ser_plugins.inference import EmotionClassifier, SentimentRegressor
from ser_plugins.inference.loading import Model

onnxruntime = pytest.importorskip("onnxruntime", reason='needs pip install "ser-plugins[onnx]"')
SECONDS = (0.3, 0.77, 3.0)
LONGEST = 30.0  # s, that Whisper's encoder takes at once


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx")
    export_model(write_fold(path / "loso", "spk03"), path / "model")
    export_onnx(path / "model", path / "model.onnx")
    export_onnx(path / "model", path / "int8.onnx", int8=True)
    return path


def padded(seconds):
    """Recordings, the last of which is the longest, padded with what is to be ignored: (waves, lengths)."""
    lengths = np.array([round(length * 16000) for length in seconds])
    waves = np.full((len(lengths), lengths[-1]), np.nan, dtype=np.float32)
    for place, (row, length) in enumerate(zip(waves, lengths, strict=True)):
        row[:length] = tone(length / 16000, pitch=120.0 + 60 * place)
    return waves, lengths


@pytest.fixture(scope="module")
def waves():
    return padded(SECONDS)


@pytest.fixture(scope="module")
def waves_to_half_a_minute():
    return padded((*SECONDS, LONGEST))


def opened(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(session, waves, lengths):
    (outputs,) = session.run(None, {"waves": waves, "lengths": lengths})
    return outputs


def in_torch(model, waves, lengths):
    return model.classify_batch(np.nan_to_num(waves), torch.as_tensor(lengths) / waves.shape[1])[0].numpy()


def test_from_a_third_of_a_second_to_half_a_minute_alone_and_padded(folder, waves_to_half_a_minute):
    model = EmotionClassifier.from_hparams(folder / "model", device="cpu")
    waves, lengths = waves_to_half_a_minute
    expected = in_torch(model, waves, lengths)
    assert expected.std(axis=0).max() > 1e-3
    session = opened(folder / "model.onnx")
    together = run(session, waves, lengths)
    assert np.abs(together - expected).max() < 1e-4
    for wave, length, row in zip(waves, lengths, expected, strict=True):
        alone = run(session, wave[None, :length], np.array([length]))
        assert np.abs(alone[0] - row).max() < 1e-4


def modules(head, **encoder):
    found = random_modules(3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        found["embedding_model"] = UtteranceEncoder(hidden_size=8, **encoder)
        found["classifier"] = head(found["embedding_model"].output_size)
    return found


def loaded(model):
    """What reading the folder of a model would give."""
    return Model(model.modules, getattr(model, "labels", ["sentiment"]), None, {}, "")


@pytest.mark.parametrize(
    "encoder",
    [
        {"front_end": "xu2024", "heads": 2, "pooling": "stats"},
        {"front_end": "vlss", "recurrence": "none", "heads": 2},
        {"front_end": "none", "recurrence": "lstm", "heads": 0, "bidirectional": False},
        {"recurrence": "rnn", "heads": 0, "pooling": "attentive"},
        {"front_end": "mel", "deltas": True, "layer_norm": True, "heads": 2, "pooling": "weighted"},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [EmotionClassifier, SentimentRegressor])
def test_every_kind_of_model(tmp_path, monkeypatch, waves, kind, encoder):
    if kind is EmotionClassifier:
        model = kind(modules(lambda size: ClassifierHead(size, 7), **encoder), CLASSES)
    else:
        model = kind(modules(lambda size: RegressionHead(size, low=-3.0, high=3.0), **encoder), "mosi")
    monkeypatch.setattr(exporter, "load_model", lambda source: loaded(model))
    facts = export_onnx("any", tmp_path / "model.onnx")
    waves, lengths = waves
    expected = in_torch(model, waves, lengths)
    assert facts["output"] == ("score" if expected.ndim == 1 else "probabilities")
    assert np.abs(run(opened(tmp_path / "model.onnx"), waves, lengths) - expected).max() < 1e-4


def test_mel_bands(tmp_path, monkeypatch, waves):
    model = EmotionClassifier(mel_modules(), CLASSES)
    monkeypatch.setattr(exporter, "load_model", lambda source: loaded(model))
    export_onnx("any", tmp_path / "model.onnx")
    waves, lengths = waves
    expected = in_torch(model, waves, lengths)
    assert expected.std(axis=0).max() > 1e-3
    assert np.abs(run(opened(tmp_path / "model.onnx"), waves, lengths) - expected).max() < 1e-4


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pool": 1},
        {"pool": 3, "merge": 2, "level": True},
        {"states": "0,3", "mix": "mean"},
    ],
    ids=str,
)
def test_a_pretrained_encoder(tmp_path, waves, tiny_whisper, options):
    fold, _ = write_whisper_fold(tmp_path / "loso", tiny_whisper, **options)
    export_model(fold, tmp_path / "model", int8=True)
    facts = export_onnx(tmp_path / "model", tmp_path / "model.onnx")
    assert (facts["min_samples"], facts["max_samples"]) == (400, 480_000)
    model = EmotionClassifier.from_hparams(tmp_path / "model", device="cpu")
    waves, lengths = waves
    expected = in_torch(model, waves, lengths)
    assert expected.std(axis=0).max() > 1e-3
    session = opened(tmp_path / "model.onnx")
    assert np.abs(run(session, waves, lengths) - expected).max() < 1e-4
    for wave, length, row in zip(waves, lengths, expected, strict=True):
        alone = run(session, wave[None, :length], np.array([length]))
        assert np.abs(alone[0] - row).max() < 1e-4


def test_a_pretrained_encoder_in_8_bits_is_only_stored_so(tmp_path, waves_to_half_a_minute, tiny_whisper):
    onnx = pytest.importorskip("onnx")
    fold, _ = write_whisper_fold(tmp_path / "loso", tiny_whisper)
    export_model(fold, tmp_path / "model", int8=True)
    export_onnx(tmp_path / "model", tmp_path / "model.onnx", int8=True)
    model = EmotionClassifier.from_hparams(tmp_path / "model", device="cpu")
    waves, lengths = waves_to_half_a_minute
    found = run(opened(tmp_path / "model.onnx"), waves, lengths)
    assert np.abs(found - in_torch(model, waves, lengths)).max() < 1e-4  # its weights lie on these steps already
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert not [node for node in graph.node if "Integer" in node.op_type]
    shapes = [tuple(value.dims) for value in graph.initializer if value.data_type == onnx.TensorProto.INT8]
    assert sorted(shapes) == sorted([(16, 80, 3), (16, 16, 3), *2 * [(16, 48), (16, 16), (16, 32), (32, 16)]])


def test_the_file_says_what_a_caller_must_know(folder):
    session = opened(folder / "model.onnx")
    about = {key: json.loads(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}
    assert about == {
        "output": "probabilities", "labels": CLASSES, "sample_rate": 16000, "min_samples": 640, "max_samples": None,
        "int8": False,
    }  # fmt: skip
    assert [(value.name, value.type, value.shape) for value in session.get_inputs()] == [
        ("waves", "tensor(float)", ["batch", "samples"]),
        ("lengths", "tensor(int64)", ["batch"]),
    ]
    assert [value.name for value in session.get_outputs()] == ["probabilities"]


def test_int8_is_near_and_smaller_and_not_the_same(tmp_path, monkeypatch, waves):
    onnx = pytest.importorskip("onnx")
    model = EmotionClassifier(modules(lambda size: ClassifierHead(size, 7), heads=2), CLASSES)
    monkeypatch.setattr(exporter, "load_model", lambda source: loaded(model))
    waves, lengths = waves
    outputs, kept, recurrent = [], [], []
    for int8 in (False, True):
        path = tmp_path / f"{int8}.onnx"
        assert export_onnx("any", path, int8=int8)["int8"] is int8
        outputs.append(run(opened(path), waves, lengths))
        graph = onnx.load(path).graph
        # The spectrogram's basis, 2 MB and no weight of the model, stays as it is.
        kept.append(sum(len(value.raw_data) for value in graph.initializer if value.dims[:1] != [800]))
        recurrent.append({name for node in graph.node if node.op_type == "GRU" for name in node.input[1:3]})
    assert 0 < np.abs(outputs[0] - outputs[1]).max() < 0.02
    assert kept[1] < 0.5 * kept[0]
    # A weight is off by half a step at most, of 127 up to the largest of its row.
    exact = {
        value.name: onnx.numpy_helper.to_array(value) for value in onnx.load(tmp_path / "False.onnx").graph.initializer
    }
    stored = {value.name: onnx.numpy_helper.to_array(value) for value in graph.initializer}
    assert len(recurrent[1]) == 8
    for name in recurrent[1]:
        scale = stored[f"{name}_scale"][0]  # (rows, 1)
        assert stored[f"{name}_int8"].dtype == np.int8
        assert (np.abs(stored[f"{name}_int8"] * scale - exact[name][0]) <= 0.501 * scale).all()


def test_the_example_runs_on_numpy_and_onnxruntime_alone(folder, tmp_path):
    files = [write_wav(tmp_path / "one.wav"), write_wav(tmp_path / "two.wav", tone(0.9, channels=2))]
    code = (
        "import runpy, sys\n"
        "for name in ('torch', 'speechbrain', 'ser_plugins', 'soundfile'): sys.modules[name] = None\n"
        f"runpy.run_path({str(ROOT / 'examples' / 'onnx_numpy.py')!r}, run_name='__main__')"
    )
    command = [sys.executable, "-c", code, folder / "model.onnx", *files]
    printed = subprocess.check_output(command, text=True).splitlines()
    model = EmotionClassifier.from_hparams(folder / "model", device="cpu")
    for line, file in zip(printed, files, strict=True):
        expected = model.predict_file(file)
        assert line.rsplit(" ", 1)[0] == f"{file}: {expected.label}"
        assert float(line.rsplit(" ", 1)[1]) == pytest.approx(expected.probability, abs=1e-3)
    for wave, rate, message in ((tone(0.6, 8000), 8000, "16000 Hz"), (tone(0.03), 16000, "at least 640")):
        file = write_wav(tmp_path / "unfit.wav", wave, rate)
        unfit = subprocess.run([*command[:4], file], capture_output=True, text=True, check=False)
        assert unfit.returncode == 1
        assert message in unfit.stderr
    whole = files[0].read_bytes()
    half = (len(whole) - 44) // 2
    short_header = whole[:4] + (36 + half).to_bytes(4, "little") + whole[8:40] + half.to_bytes(4, "little") + whole[44:]
    for content in (whole[:-1000], short_header, b""):
        (tmp_path / "unfit.wav").write_bytes(content)
        unfit = subprocess.run([*command[:4], tmp_path / "unfit.wav"], capture_output=True, text=True, check=False)
        assert unfit.returncode == 1
        assert "cut or damaged" in unfit.stderr


def test_a_graph_that_differs_from_torch_is_not_written(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(exporter, "TOLERANCE", 0.0)
    with pytest.raises(SerError, match="differs from torch"):
        export_onnx(folder / "model", tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


def test_without_the_extra_the_error_names_it(folder, tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *arguments):
        if name == "onnx":
            raise ImportError(name=name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(SerError, match=r"no package onnx; .*ser-plugins\[onnx\]"):
        export_onnx(folder / "model", tmp_path / "model.onnx")


def test_an_ensemble_is_the_mean_of_its_members_in_one_graph(tmp_path, waves):
    export_ensemble(write_run(tmp_path / "loso"), tmp_path / "model")
    export_onnx(tmp_path / "model", tmp_path / "model.onnx")
    model = EmotionClassifier.from_hparams(tmp_path / "model", device="cpu")
    assert len(model.members) == 3
    found = run(opened(tmp_path / "model.onnx"), *waves)
    assert np.abs(found - in_torch(model, *waves)).max() < 1e-4
    one = EmotionClassifier(model.modules, model.labels)
    assert np.abs(found - in_torch(one, *waves)).max() > 1e-3


def test_the_command(folder, tmp_path):
    from typer.testing import CliRunner

    from ser_plugins.cli import app

    done = CliRunner().invoke(app, ["onnx", str(folder / "model"), str(tmp_path / "model.onnx"), "--int8"])
    assert done.exit_code == 0, done.output
    assert "anger, boredom" in done.output
    assert (tmp_path / "model.onnx").read_bytes() == (folder / "int8.onnx").read_bytes()


def test_an_export_writes_the_same_file_on_the_way(folder, tmp_path):
    from typer.testing import CliRunner

    from ser_plugins.cli import app

    fold = next((folder / "loso").glob("seed_*/*"))
    done = CliRunner().invoke(app, ["export", str(fold), str(tmp_path / "model"), "--onnx", str(tmp_path / "m.onnx")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "m.onnx").read_bytes() == (folder / "model.onnx").read_bytes()
