import hashlib
import io
import json
import os
import pickle
import random
import shutil
import socket
import struct

import numpy as np
import pytest
import torch
from conftest import link
from fake_run import CLASSES, FOLDS, change, random_modules, resealed, tone, write_fold, write_run, write_wav
from safetensors.torch import load_file, save_file
from speechbrain.inference.classifiers import EncoderClassifier
from torch import nn

from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.evaluation.metrics.calibration import tempered
from ser_plugins.export.folder import export_model
from ser_plugins.inference import EmotionClassifier
from ser_plugins.inference.loading import MAX_TEXT, MAX_YAML, load_model, read_inside, without_front_matter
from ser_plugins.inference.weights import MAX_WEIGHTS, as_safetensors, read_weights

WAVES = torch.as_tensor(np.stack([tone(), tone(pitch=260.0)]))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("training-machine") / "loso")


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "model"
    export_model(run, folder)
    return folder


@pytest.fixture
def model(exported, tmp_path):
    """A copy of the exported folder, to be damaged."""
    return shutil.copytree(exported, tmp_path / "copy")


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a network call")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def probabilities(folder):
    return EmotionClassifier.from_hparams(folder, device="cpu").classify_batch(WAVES).probabilities


def in_plain_speechbrain(folder, savedir):
    return EncoderClassifier.from_hparams(source=str(folder), savedir=savedir, run_opts={"device": "cpu"})


# What an export is


@pytest.mark.parametrize("front_end", ["fast", "xu2024", "mel", "vlss", "none"])
def test_export_keeps_the_probabilities(tmp_path, front_end):
    fold = write_fold(tmp_path / "run", "spk08", front_end=front_end)
    export_model(fold, tmp_path / "model")
    original = EmotionClassifier(random_modules(8 + 1234, front_end), CLASSES).classify_batch(WAVES).probabilities
    assert original.std() > 1e-3
    assert torch.equal(probabilities(tmp_path / "model"), original)


def test_plain_speechbrain_gives_the_same_probabilities(exported, tmp_path, no_network):
    path = write_wav(tmp_path / "speech.wav")
    ours = EmotionClassifier.from_hparams(exported, device="cpu").classify_file(path)
    theirs = in_plain_speechbrain(exported, tmp_path / "cache")
    logarithms, score, index, labels = theirs.classify_file(str(path))
    # Not equal to the bit: where in memory a weight lies decides how a processor adds.
    assert torch.equal(logarithms.exp(), ours.probabilities)
    assert torch.equal(score.exp(), ours.score)
    assert torch.equal(index, ours.index)
    assert labels == ours.labels
    other = write_wav(tmp_path / "other.wav", tone(0.5, 44100, channels=2), 44100)  # both downmix and resample
    expected = EmotionClassifier.from_hparams(exported, device="cpu").classify_file(other).probabilities
    torch.testing.assert_close(theirs.classify_file(str(other))[0].exp(), expected, rtol=0, atol=1e-4)
    lengths = torch.tensor([1.0, 0.7])
    cut = WAVES.clone()
    cut[1, round(0.7 * cut.shape[1]) :] = 0
    torch.testing.assert_close(
        theirs.classify_batch(cut, lengths)[0].exp(),
        EmotionClassifier.from_hparams(exported, device="cpu").classify_batch(cut, lengths).probabilities,
    )


def test_a_moved_folder_loads_from_anywhere(exported, tmp_path, monkeypatch):
    moved = shutil.copytree(exported, tmp_path / "elsewhere" / "renamed")
    monkeypatch.chdir(moved)
    assert torch.equal(probabilities("."), probabilities(exported))
    theirs = in_plain_speechbrain(".", tmp_path / "cache")
    assert torch.equal(theirs.classify_batch(WAVES)[0].exp(), probabilities(exported))


def test_nothing_of_the_training_machine_is_inside(run, exported):
    for path in exported.iterdir():
        content = path.read_bytes()
        assert os.fsencode(run.parent) not in content, path.name
        assert b"training-machine" not in content, path.name
        assert b"__set_seed" not in content, path.name


def test_loading_keeps_the_callers_random_state(exported):
    torch.manual_seed(7)
    state = np.random.RandomState(7).get_state()
    np.random.set_state(state)  # noqa: NPY002
    random.seed(7)
    before = torch.get_rng_state(), random.getstate()
    EmotionClassifier.from_hparams(exported, device="cpu")
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert (np.random.get_state()[1] == state[1]).all()  # noqa: NPY002


def test_plain_speechbrain_is_not_reseeded(exported, tmp_path):
    """It draws initial weights as every module does, but two callers' states stay two."""
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        random.seed(seed)
        before = random.getstate()
        in_plain_speechbrain(exported, tmp_path / f"cache{seed}")
        assert random.getstate() == before
        states.append(torch.get_rng_state())
    assert not torch.equal(*states)


def test_files_are_listed_with_their_hashes_and_nothing_else_is_there(exported):
    card = json.loads((exported / "model.json").read_text())
    assert {path.name for path in exported.iterdir()} == {*card["files"], "model.json"}
    for name, digest in card["files"].items():
        assert hashlib.sha256((exported / name).read_bytes()).hexdigest() == digest
    assert card["classes"] == CLASSES
    assert (card["sample_rate"], card["min_seconds"]) == (16000, 0.04)


def test_of_a_run_the_fold_with_most_training_data_is_taken(tmp_path):
    run = tmp_path / "loso"
    for fold, train in zip(FOLDS, (486, 490, 490), strict=True):
        write_fold(run, fold, train=train)
        write_fold(run, fold, seed=99, train=train)
    card = export_model(run, tmp_path / "model")
    chosen = card.this_model
    assert (chosen.fold, chosen.seed, chosen.train_utterances) == ("spk08", 99, 490)
    assert "scores were not looked at" in chosen.chosen
    raw = EmotionClassifier(random_modules(8 + 99), CLASSES).classify_batch(WAVES).probabilities
    expected = torch.as_tensor(tempered(raw.numpy(), card.temperature))
    torch.testing.assert_close(probabilities(tmp_path / "model"), expected, check_dtype=False, rtol=0, atol=1e-6)


def test_the_card_gives_the_whole_protocols_numbers(run, exported, tmp_path):
    card, text = json.loads((exported / "model.json").read_text()), (exported / "README.md").read_text()
    assert card["whole_protocol"]
    assert card["tested_utterances"] == 42
    for name in ("WA", "UAR", "macro_F1"):
        low, high = card["intervals"][name]
        assert low <= card["metrics"][name] <= high
        for value, digits in ((card["metrics"][name], 2), (low, 1), (high, 1)):
            assert f"{100 * value:.{digits}f}" in text
    for phrase in (
        card["protocol_line"],
        card["protocol_hash"],
        "acted speech",
        "Not to be used",
        "from_hparams(source=",
    ):
        assert phrase in text
    for word in ("SYNTHETIC", "LEAKING", "One fold only"):
        assert word not in text
    assert export_model(run / "seed_1234" / "spk09", tmp_path / "fold").protocol_hash == card["protocol_hash"]


def test_a_fold_without_the_others_says_so(tmp_path):
    card = export_model(write_fold(tmp_path / "loso", "spk03"), tmp_path / "model")
    assert not card.whole_protocol
    assert card.intervals["UAR"] is None
    assert "14 of 42 utterances" in card.protocol_line
    assert "**One fold only** (14 utterances)" in (tmp_path / "model" / "README.md").read_text()


def test_synthetic_and_leaking_are_named(tmp_path):
    run = write_run(tmp_path / "random", corpus="EmoDB (synthetic)", leaks=True)
    card = export_model(run, tmp_path / "model")
    assert (card.synthetic, card.leaking) == (True, True)
    text = (tmp_path / "model" / "README.md").read_text()
    assert "> **SYNTHETIC**" in text
    assert "> **LEAKING**" in text
    assert "It knows sounds made by code" in text


# Where an export may be written


def test_only_an_export_is_overwritten_and_only_when_told(run, model, tmp_path):
    before = (model / "model.json").read_bytes()
    with pytest.raises(SerError, match=r"holds an exported model.*--overwrite"):
        export_model(run, model)
    export_model(run / "seed_1234" / "spk09", model, overwrite=True)
    assert json.loads((model / "model.json").read_text())["this_model"]["fold"] == "spk09"
    assert (model / "model.json").read_bytes() != before
    (model / "thesis.txt").write_text("the only copy")
    with pytest.raises(SerError, match="is not empty"):
        export_model(run, model, overwrite=True)
    assert (model / "thesis.txt").read_text() == "the only copy"
    with pytest.raises(SerError, match="is not a folder"):
        export_model(run, model / "thesis.txt", overwrite=True)
    (tmp_path / "empty").mkdir()
    export_model(run, tmp_path / "empty")
    assert probabilities(tmp_path / "empty").shape == (2, 7)


def foreign_module(fold):
    change(fold / "hyperparams.yaml", "!new:ser_plugins.spectrogram.ZNorm", "!new:speechbrain.nnet.linear.Linear")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda fold: shutil.rmtree(fold / "save"), "no file .*mean_var_norm.ckpt"),
        (lambda fold: (fold / "hyperparams.yaml").unlink(), "no file .*hyperparams.yaml"),
        (lambda fold: (fold / "results.json").unlink(), "has no results.json"),
        (foreign_module, "!new:speechbrain.nnet.linear.Linear as mean_var_norm"),
        (
            lambda fold: change(fold / "hyperparams.yaml", "hidden_size: 8", "hidden_size: 16"),
            r"embedding_model.*\(24, 800\)",
        ),
    ],
)
def test_a_failed_export_says_why_and_leaves_nothing(tmp_path, damage, message):
    fold = write_fold(tmp_path / "loso", "spk03")
    damage(fold)
    with pytest.raises(SerError, match=message):
        export_model(fold, tmp_path / "models" / "model")
    assert not list(tmp_path.glob("models/*"))
    assert not list(tmp_path.glob("models/.*"))


def test_a_missing_source_is_a_missing_path(tmp_path):
    with pytest.raises(MissingPathError, match="no folder"):
        export_model(tmp_path / "nothing", tmp_path / "model")


# What is refused at loading


def test_a_missing_folder_is_a_missing_path_and_no_network_call(no_network, tmp_path):
    for source in (tmp_path / "nothing", "speechbrain/emotion-recognition", "https://example.org/model"):
        with pytest.raises(MissingPathError, match="never fetched"):
            EmotionClassifier.from_hparams(source)


def test_folders_that_are_no_exports_say_what_they_lack(run, tmp_path):
    with pytest.raises(SerError, match=r"spk03 has no model.json, mean_var_norm.*: ser export .*spk03 NEW_FOLDER"):
        load_model(run / "seed_1234" / "spk03")
    with pytest.raises(SerError, match=r"has no model.json, hyperparams.yaml.*ser export .*loso NEW_FOLDER"):
        load_model(run)
    ecapa = tmp_path / "ecapa"
    ecapa.mkdir()
    for name in ("hyperparams.yaml", "embedding_model.safetensors", "classifier.safetensors", "label_encoder.ckpt"):
        (ecapa / name).touch()
    with pytest.raises(SerError, match=r"ecapa has no model.json, mean_var_norm.safetensors; .*ser export FOLD_OR_RUN"):
        load_model(ecapa)


@pytest.mark.parametrize(
    "line",
    [
        "evil: !apply:os.system [touch TARGET]",
        "evil: !applyref:os.system [touch TARGET]",
        "evil: !name:os.system",
        "evil: !module:os",
        "evil: !include:/etc/hostname",
        "evil: !new:subprocess.Popen [[touch, TARGET]]",
        "evil: !new:ser_plugins.spectrogram.ZNorm",
        "evil: !!python/object/apply:os.system [touch TARGET]",
        "evil: {deep: [1, {deeper: !apply:os.system [touch TARGET]}]}",
        "evil: {? !apply:os.system [touch TARGET] : 1}",
        "? !apply:os.system [touch TARGET]\n: 1",
        "evil: !ref <classifier.output>",
        "evil: !ref <classifier>/../../x",
        "evil: !copy <classifier>",
        "evil: !tuple (1, 2)",
        "evil: &a [1]\nworse: [*a, *a]",
        "evil: &a [*a]",
        "evil: {<<: {a: 1}}",
        "(!!python/object/apply:os.system [touch TARGET])",
        "evil: (!!python/object/apply:os.system [touch TARGET])",
        "scale: (1, 2)",
        "evil: 1",
        "classifier: !new:ser_plugins.classifier.ClassifierHead",
        "%TAG ! tag:yaml.org,2002:python/",
        "---",
        "# a comment",
        "evil: !<tag:yaml.org,2002:python/object/apply:os.system> [touch TARGET]",
    ],
)
def test_yaml_that_would_run_something_is_refused_unrun(model, tmp_path, line):
    target = tmp_path / "was-run"
    path = model / "hyperparams.yaml"
    before = path.read_text().count("\n")
    path.write_text(path.read_text() + line.replace("TARGET", str(target)) + "\n")
    with pytest.raises(SerError) as caught:
        load_model(resealed(model))
    assert line.split("\n")[0].replace("TARGET", str(target))[:100] in caught.value.got
    assert f"hyperparams.yaml, line {before + 1}" in caught.value.got
    assert "nothing else is built" in caught.value.expected
    assert not target.exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("!new:ser_plugins.spectrogram.ZNorm", "!new:ser_plugins.evil.ZNorm", "ser_plugins.evil.ZNorm"),
        ("!new:ser_plugins.checkpoints.Pretrainer", "!new:os.system", "!new:os.system"),
        ("mode: bin", "mode: !apply:os.getcwd []", "!apply:os.getcwd"),
        ("mode: bin", "mode: [bin]", r"mode \[bin\]: not one of bin, scalar"),
        ("mode: bin", "mode: (!!python/name:os.system)", r"mode \(!!python/name:os.system\): not one of bin"),
        ("mode: bin", "mode: speaker", "mode speaker: not one of bin"),
        ("mode: bin", "mood: bin", "mean_var_norm: no argument mood, only bins, mode, floor"),
        ("mode: bin", "mode: bun", "mode bun: not one of bin"),
        ("mode: bin", "mode: bin\n    mode: bin", "an argument of ser_plugins.spectrogram.ZNorm, each once"),
        ("mean_var_norm: !new:", "mean_var: !new:", "ZNorm"),
        ("hidden_size: 8", "hidden_size: 1000000000000", r"hidden_size 1000000000000: not a whole number, 1 to 4,096"),
        ("hidden_size: 8", "hidden_size: 4096", r"embedding_model: [\d,]+ values \(at most 33,554,432\)"),
        ("hidden_size: 8", "hidden_size: 0x10", "hidden_size 0x10: not a whole number"),
        ("hidden_size: 8", "hidden_size: 008", "hidden_size 008: not a whole number"),
        ("hidden_size: 8", "hidden_size: \u0668", "plain ASCII text"),
        ("layers: 2", "layers: 100000", "layers 100000: not a whole number, 1 to 64"),
        ("n_fft: 1600", "n_fft: 1600000000", "n_fft 1600000000: not a whole number, 16 to 65,536"),
        ("hop_length: 10", "hop_length: 0.06", r"hop_length 0.06: not a number, 2 to 1000"),
        ("hop_length: 10", "hop_length: 1.0e+400", r"hop_length 1.0e\+400: not a number, 2 to 1000"),
        ("n_fft: 1600", "n_fft: 65536", r"n_fft 65536 every 10 ms: 6,553,600 points a second \(at most 1,048,576\)"),
        ("n_fft: 1600", "n_fft: 8192\n    mel_bands: 1024", r"1024 mel_bands of n_fft 8192: 8,388,608 points"),
        (
            "max_frequency: 4000",
            "max_frequency: 2000",
            "mean_var_norm: bins 400; expected: 200, what the",
        ),
        ("input_size: 16", "input_size: 17", "classifier: input_size 17; expected: 16, what the module before"),
        ("classes: 7", "classes: 8", r"7 labels .*; expected: the 8 classes of the classifier"),
        ("hidden_size: 8", "hidden_size: 9\n    layers: 1", r"line \d+: layers: 2; expected: an argument .*each once"),
        ("modules:", "modules: {", "line .*: modules: {; expected: modules:;"),
    ],
)
def test_a_changed_yaml_is_refused(model, old, new, message):
    change(model / "hyperparams.yaml", old, new)
    with pytest.raises(SerError, match=message):
        load_model(resealed(model))


class Malicious:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def test_a_pickle_that_would_run_something_is_refused_unrun(model, tmp_path):
    path, target = model / "classifier.safetensors", tmp_path / "was-run"
    stream = io.BytesIO()
    torch.save({"weight": Malicious(target)}, stream)
    for content in (stream.getvalue(), pickle.dumps(Malicious(target)), b"", b"nonsense"):
        path.write_bytes(content)
        with pytest.raises(
            SerError, match=r"classifier.safetensors: .*expected: weights in safetensors and nothing else"
        ):
            load_model(resealed(model))
        assert not target.exists()


def test_code_beside_the_yaml_is_neither_run_nor_named(model, tmp_path):
    """What SpeechBrain's ``foreign_class`` does: it imports a file of the folder, and builds a class of it."""
    target = tmp_path / "was-run"
    (model / "custom_interface.py").write_text(f"open({str(target)!r}, 'w')\nclass ZNorm: pass\n")
    load_model(model)
    assert not target.exists()
    path = model / "hyperparams.yaml"
    change(path, "!new:ser_plugins.spectrogram.ZNorm", "!new:custom_interface.ZNorm")
    with pytest.raises(SerError, match=r"!new:custom_interface.ZNorm; expected: .*!new:ser_plugins.spectrogram.ZNorm"):
        load_model(resealed(model))
    change(path, "!new:custom_interface.ZNorm", "!new:ser_plugins.spectrogram.ZNorm")
    path.write_text(path.read_text() + "foreign: !apply:speechbrain.inference.interfaces.foreign_class [.]\n")
    with pytest.raises(SerError, match=r"!apply:speechbrain.inference.interfaces.foreign_class"):
        load_model(resealed(model))
    assert not target.exists()


def test_yaml_that_grows_when_it_is_read_is_refused_at_once(model):
    path = model / "hyperparams.yaml"
    rows = ["a0: &a0 [1, 1]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))]
    whole = path.read_text()
    for attack, message in (
        ("\n".join(rows), "no further line"),
        ("deep: " + "[" * 1_000, "no further line"),
        ("# " + "x" * MAX_YAML, "at most 16,384 bytes"),
    ):
        path.write_text(f"{whole}\n{attack}\n")
        with pytest.raises(SerError, match=message):
            load_model(resealed(model))


def test_files_larger_than_any_model_are_not_read(model, monkeypatch):
    path = model / "classifier.safetensors"
    os.truncate(path, MAX_WEIGHTS - 1)  # a hole: it takes no room
    with pytest.raises(SerError, match=r"classifier.safetensors: [\d,]+ bytes; expected: at most [\d,]{5} bytes"):
        load_model(model)
    os.truncate(path, MAX_WEIGHTS + 1)
    os.truncate(model / "README.md", MAX_TEXT + 1)
    monkeypatch.setattr("builtins.open", None)
    for name in ("classifier.safetensors", "README.md"):
        with pytest.raises(SerError, match=f"{name}: [\\d,]+ bytes; expected: at most"):
            read_inside(model, name)


def header(length=None, **tensors):
    """A file with this header and eight bytes of numbers."""
    text = json.dumps(tensors).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(8)


@pytest.mark.parametrize(
    "content",
    [
        header(length=2**63, bias={"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}),
        header(length=2**40),
        header(bias={"dtype": "F32", "shape": [2**40], "data_offsets": [0, 8]}),
        header(bias={"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 8]}),
        header(bias={"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}),
        header(bias={"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}),
        header(**{name: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for name in "ab"}),
        header(bias={"dtype": "object", "shape": [2], "data_offsets": [0, 8]}),
    ],
)
def test_a_header_that_claims_what_is_not_there_is_refused(model, content):
    path = model / "classifier.safetensors"
    path.write_bytes(content)
    with pytest.raises(SerError, match=r"classifier.safetensors: .*: (weights in safetensors|the 4 tensors of)"):
        load_model(resealed(model))
    good = as_safetensors(nn.Linear(1, 2).state_dict())
    assert set(read_weights(good, path, nn.Linear(1, 2))) == {"weight", "bias"}
    with pytest.raises(SerError, match=r"classifier.safetensors"):
        read_weights(content, path, nn.Linear(1, 2))


def test_an_export_from_before_safetensors_is_refused_unread(model, tmp_path):
    (model / "classifier.safetensors").unlink()
    torch.save({"weight": Malicious(tmp_path / "was-run")}, model / "classifier.ckpt")
    with pytest.raises(SerError, match=r"has no classifier.safetensors; .*weights in safetensors, .*ser export"):
        load_model(model)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "sub/../classifier.safetensors", "nul\0", "..", "."])
def test_names_that_are_no_names_of_files_are_refused(model, tmp_path, name):
    (tmp_path / "secret").write_text("secret")
    (model / "sub").mkdir()
    path = model / "model.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps({**card, "files": {**card["files"], name: 64 * "0"}}))
    with pytest.raises(SerError, match=r"model.json: files: .*expected: .*files: names of files"):
        load_model(model)
    with pytest.raises(SerError, match="expected: files inside the model's folder"):
        read_inside(model, name)


@pytest.mark.parametrize("name", ["model.json", "label_encoder.ckpt"])
def test_nesting_without_end_is_refused(model, name):
    content = {"model.json": "[" * 100_000, "label_encoder.ckpt": "(" * 50_000 + " => 0\n====="}[name]
    (model / name).write_text(content)
    with pytest.raises(SerError, match=name):
        load_model(model if name == "model.json" else resealed(model))


def test_weights_that_do_not_fit_are_refused(model):
    path = model / "classifier.safetensors"
    state = load_file(path)
    for changed, message in (
        ({**state, "extra": torch.ones(1)}, r"extra \(1,\) instead of none"),
        ({name: value for name, value in state.items() if name != "output.bias"}, "output.bias missing instead of"),
        ({**state, "output.bias": torch.ones(3)}, r"output.bias \(3,\) instead of \(7,\)"),
        ({**state, "output.bias": torch.ones(7, dtype=torch.int64)}, "output.bias I64 instead of F32"),
        ({**state, "output.bias": torch.ones(7, dtype=torch.float64)}, "output.bias F64 instead of F32"),
        ({**state, "output.bias": torch.full((7,), torch.nan)}, "output.bias has values that are not finite"),
        ({**state, "output.bias": torch.full((7,), torch.inf)}, "output.bias has values that are not finite"),
        ({}, "hidden.weight missing instead of"),
    ):
        save_file(changed, path)
        with pytest.raises(SerError, match=message):
            load_model(resealed(model))


def test_a_norm_that_was_never_fitted_is_refused(model):
    path = model / "mean_var_norm.safetensors"
    save_file({**load_file(path), "count": torch.tensor(0)}, path)
    with pytest.raises(SerError, match="a z-norm without statistics"):
        load_model(resealed(model))


def test_every_changed_file_is_noticed_by_its_hash(model):
    names = json.loads((model / "model.json").read_text())["files"]
    assert {"README.md", "hyperparams.yaml", "classifier.safetensors"} <= set(names)
    for name in names:
        content = (model / name).read_bytes()
        (model / name).write_bytes(content + b"\n")
        with pytest.raises(SerError, match=f"{name} has SHA-256 .*model.json says: the file was changed or damaged"):
            load_model(model)
        (model / name).write_bytes(content)
    load_model(model)


def test_a_model_json_that_leaves_files_out_or_points_elsewhere_is_refused(model, tmp_path):
    path = model / "model.json"
    card = json.loads(path.read_text())
    (tmp_path / "secret").write_text("secret")
    for files, message in (
        (
            {name: value for name, value in card["files"].items() if name != "classifier.safetensors"},
            "no hash of classifier",
        ),
        ({**card["files"], "../secret": 64 * "0"}, "names of files with their SHA-256"),
        ({**card["files"], "gone": 64 * "0"}, "files gone; .*no other files"),
        ({**card["files"], "README.md": "0"}, "names of files with their SHA-256"),
        (None, "names of files with their SHA-256"),
    ):
        path.write_text(json.dumps({**card, "files": files}))
        with pytest.raises(SerError, match=message):
            load_model(model)
    path.write_text("{")
    with pytest.raises(SerError, match="expected: JSON as ser export writes it"):
        load_model(model)


def test_links_out_of_the_folder_are_refused(model, tmp_path):
    for name in ("hyperparams.yaml", "classifier.safetensors", "model.json"):
        shutil.move(model / name, tmp_path / name)
        link(model / name, tmp_path / name)
        with pytest.raises(SerError, match=f"{name} leads to .*expected: files inside the model's folder"):
            load_model(model)
        (model / name).unlink()
        shutil.move(tmp_path / name, model / name)
    (model / "classifier.safetensors").unlink()
    (model / "classifier.safetensors").mkdir()
    with pytest.raises(MissingPathError, match=r"classifier.safetensors; expected: a regular file"):
        load_model(model)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("'anger' => 0", "'anger' => 9"),
        ("'anger' => 0\n", ""),
        ("'anger' => 0", "anger"),
        ("'fear'", "'anger'"),
        ("'fear'", "f()"),
    ],
)
def test_labels_that_do_not_fit_are_refused(model, old, new):
    change(model / "label_encoder.ckpt", old, new)
    with pytest.raises(SerError, match=r"label_encoder.ckpt"):
        load_model(resealed(model))


def test_a_folder_whose_hashes_are_not_known_is_refused(model):
    (model / "model.json").unlink()
    with pytest.raises(SerError, match=r"has no model.json; expected: .*every file with its hash"):
        load_model(model)


@pytest.mark.parametrize(
    ("key", "value"), [("classes", CLASSES[::-1]), ("sample_rate", 8000), ("scale", "mosi"), ("target", 3)]
)
def test_a_card_that_contradicts_the_model_is_refused(model, key, value):
    path = model / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(SerError, match="label_encoder.ckpt: 7 labels" if key == "classes" else r"model.json: "):
        load_model(model)


def test_the_card_in_words_comes_with_the_model(model):
    assert load_model(model).text == without_front_matter((model / "README.md").read_text())
