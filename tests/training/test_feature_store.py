"""Features on disk: computed once for all folds, seeds, systems and processes, and never taken from a damaged file."""

import json
import shutil

import forked
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT, TINY, train
from safetensors.torch import load_file, save_file
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ser_plugins.classifier import LinearHead, UtteranceEncoder
from ser_plugins.copies import Speed
from ser_plugins.corpora.manifest import read_manifest
from ser_plugins.corpora.pretraining import pretrained_in
from ser_plugins.export.folder import export_model
from ser_plugins.export.onnx import export_onnx
from ser_plugins.functionals import FrameMeans
from ser_plugins.inference import EmotionClassifier
from ser_plugins.pretrained import WhisperFrontEnd
from ser_plugins.spectrogram import LogPowerSpectrogram, ZNorm
from ser_plugins.training import feature_store
from ser_plugins.training.data import make_dataset
from ser_plugins.training.feature_store import FeatureStore, MemoryStore
from ser_plugins.training.linear import save_as_network

FOLD = ["--fold", "spk08"]


@pytest.fixture(autouse=True)
def _no_memory(monkeypatch):
    monkeypatch.setattr(feature_store, "MEMORY", MemoryStore(0))


def run(corpus, folder, tiny_whisper, *options, system="whisper_bigru_mha", **how):
    source = ["--source", str(tiny_whisper), "--states", "1-2"]
    train(corpus, folder, *source, *options, yaml_file=f"hparams/{system}.yaml", here=True, **how)


def fold_of(folder, system="whisper_bigru_mha", fold="spk08"):
    return folder / system / "loso" / "seed_1234" / fold


def results_of(folder):
    return json.loads((folder / "results.json").read_text())


@pytest.fixture(scope="module")
def done(toy_emodb, tiny_whisper, tmp_path_factory):
    """Two folds of the network."""
    folder = tmp_path_factory.mktemp("done")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(feature_store, "MEMORY", MemoryStore(0))
        run(toy_emodb, folder, tiny_whisper, "--fold", "spk03,spk08")
    return folder


def copy_of(done, folder):
    return shutil.copytree(done, folder / "results")


def kept(folder):
    return sorted(folder.glob("features/*/*.npz"))


@pytest.fixture
def calls(monkeypatch):
    """Waveforms that a front end has been given; the noise that goes through it before the first training is not."""
    waves, forward = [], WhisperFrontEnd.forward

    def counted(self, wavs, lengths=None):
        waves.extend(wavs)
        return forward(self, wavs, lengths)

    monkeypatch.setattr(WhisperFrontEnd, "forward", counted)
    monkeypatch.setattr("ser_plugins.training.recipe.rehearse", lambda *_: None)
    return waves


def test_there_is_one_file_per_recording_with_what_the_front_end_gives(done, toy_emodb, tiny_whisper):
    assert len(kept(done)) == len(list(toy_emodb.glob("wav/*.wav")))
    entries = read_manifest(next(done.glob("manifests/*/spk08/test.json")))
    front_end = WhisperFrontEnd(str(tiny_whisper), states="1-2", pool=8)
    store = FeatureStore(front_end, {"data_root": str(toy_emodb)}, done / "features")
    for fields in entries.values():
        assert store.path(fields) in kept(done)
        with torch.no_grad():
            expected = front_end(store.wave(fields)[None])[0]
        torch.testing.assert_close(store.features(fields), expected)


def test_nothing_is_computed_twice_for_folds_seeds_runs_and_processes(done, toy_emodb, tiny_whisper, tmp_path, calls):
    folder = copy_of(done, tmp_path)
    run(toy_emodb, folder, tiny_whisper, "--fold", "spk09", "--seeds", "1,2")
    assert calls == []
    run(toy_emodb, tmp_path / "elsewhere", tiny_whisper, *FOLD, "--features_folder", str(folder / "features"))
    assert calls == []
    text = (fold_of(tmp_path / "elsewhere") / "predictions.csv").read_text()
    assert text == (fold_of(folder) / "predictions.csv").read_text()


@pytest.mark.parametrize("damage", ["empty", "short", "flipped", "other"])
def test_a_damaged_entry_is_computed_anew(done, toy_emodb, tiny_whisper, tmp_path, calls, damage):
    folder = copy_of(done, tmp_path)
    expected = (fold_of(folder) / "predictions.csv").read_text()
    path = kept(folder)[0]
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "empty": b"",
            "short": whole[:-100],
            "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "other": b"\x80\x04\x95",
        }[damage]
    )
    shutil.rmtree(fold_of(folder))
    run(toy_emodb, folder, tiny_whisper, *FOLD)
    assert len(calls) == 1
    assert (fold_of(folder) / "predictions.csv").read_text() == expected
    assert torch.equal(*(feature_store._read(one) for one in (path, next(done.rglob(path.name)))))


def test_no_changed_byte_changes_features(tmp_path, monkeypatch):
    expected = torch.tensor([[0.5, -1.0]])
    monkeypatch.setattr(FeatureStore, "_computed", lambda *_: expected)
    store, fields = FeatureStore(LogPowerSpectrogram(), {}, tmp_path), {"sha256": "0" * 64}
    store.features(fields)
    whole = store.path(fields).read_bytes()
    for place in range(len(whole)):
        store.path(fields).write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        assert torch.equal(store.features(fields), expected), place
        assert torch.equal(store.features(fields), expected), place  # what is now there


def test_two_processes_at_once_leave_whole_entries(toy_emodb, tiny_whisper, tmp_path):
    where = ["--data_folder", str(toy_emodb), "--source", str(tiny_whisper), "--states", "1-2"]
    where += ["--features_folder", str(tmp_path / "features")]
    command = ["recipes/EmoDB/train.py", "hparams/whisper_bigru_mha.yaml", *where, *TINY, *FOLD]
    processes = [
        forked.start(tmp_path / f"{name}.txt", *command, "--results_folder", tmp_path / name)
        for name in ("one", "other")
    ]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0], (tmp_path / "one.txt").read_text()[-2000:]
    one, other = ((fold_of(tmp_path / name) / "predictions.csv").read_text() for name in ("one", "other"))
    assert one == other
    files = [path for path in (tmp_path / "features").rglob("*") if path.is_file()]
    assert sorted(files) == kept(tmp_path)  # and nothing temporary


def test_other_options_and_copies_have_entries_of_their_own(toy_emodb, tiny_whisper, tmp_path):
    fields = {"sha256": "0" * 64}

    def path(copy=None, **options):
        front_end = WhisperFrontEnd(str(tiny_whisper), **{"states": "1-2", **options})
        return FeatureStore(front_end, {}, tmp_path).path(fields, copy)

    paths = [path(), path(pool=8), path(states="1"), path(level=True), path(Speed(0.9)), path(Speed(1.1))]
    assert len(set(paths)) == len(paths)
    assert path() == path()


def test_spectrograms_and_what_is_trained_stay_off_the_disk(toy_emodb, tiny_whisper, tmp_path):
    train(toy_emodb, tmp_path / "plain", *FOLD, here=True)
    assert not kept(tmp_path / "plain")
    run(toy_emodb, tmp_path, tiny_whisper, *FOLD, "--trained_from", "2", "--cache_features", "False")
    assert not kept(tmp_path)
    assert results_of(fold_of(tmp_path))["epochs"] == 2


def test_where_the_encoder_lies_is_no_setting_but_its_weights_are(done, toy_emodb, tiny_whisper, tmp_path, capfd):
    settings = results_of(fold_of(done))["settings"]
    assert str(tiny_whisper) not in json.dumps(settings)
    digest = WhisperFrontEnd(str(tiny_whisper), states="1-2").sha256
    assert settings["source"] == f"sha256:{digest}"
    folder = copy_of(done, tmp_path)
    moved = shutil.copytree(tiny_whisper, tmp_path / "moved")
    run(toy_emodb, folder, moved, *FOLD)  # the same run: nothing to do
    tensors = load_file(moved / "model.safetensors")
    save_file({name: 1.01 * value if "fc1" in name else value for name, value in tensors.items()}, moved / "new")
    (moved / "new").replace(moved / "model.safetensors")
    other = shutil.copytree(moved, tmp_path / "other")
    with pytest.raises(SystemExit):
        run(toy_emodb, folder, other, *FOLD)
    assert "made with other settings" in capfd.readouterr().err


class TestCopies:
    def test_they_are_of_the_training_set_alone_and_counted(self, toy_emodb, tiny_whisper, tmp_path):
        run(toy_emodb, tmp_path, tiny_whisper, *FOLD, "--speeds", "[0.9, 1.1]")
        results = results_of(fold_of(tmp_path))
        counts = results["counts"]
        assert counts["copies"] == 2 * counts["train"]
        assert len(kept(tmp_path)) == counts["train"] * 3 + counts["test"]
        assert len(pd.read_csv(fold_of(tmp_path) / "predictions.csv")) == counts["test"]
        assert results["settings"]["speeds"] == [0.9, 1.1]

    def test_a_copy_is_an_item_with_the_label_of_its_recording(self, done, toy_emodb, tiny_whisper):
        manifest = next(done.glob("manifests/*/spk08/train.json"))
        protocol = {"data_root": str(toy_emodb), "target": "emotion", "task": "classification"}
        protocol["classes"] = sorted({fields["emotion"] for fields in read_manifest(manifest).values()})
        front_end = WhisperFrontEnd(str(tiny_whisper), states="1")
        dataset = make_dataset(manifest, protocol, front_end, copies=[Speed(0.9)])
        plain = len(read_manifest(manifest))
        assert len(dataset) == 2 * plain
        key = dataset.data_ids[0]
        original, copy = dataset[0], dataset[plain]
        assert copy["id"] == f"{key}#speed0.9"
        assert copy["label"] == original["label"]
        assert len(copy["frames"]) > len(original["frames"])

    def test_in_a_classical_system_too(self, toy_emodb, tiny_whisper, tmp_path):
        for name, options in (("without", []), ("with", ["--speeds", "[0.9]"])):
            run(toy_emodb, tmp_path / name, tiny_whisper, *FOLD, *options, system="whisper_svm")
        with_copies = results_of(fold_of(tmp_path / "with", "whisper_svm"))
        without = results_of(fold_of(tmp_path / "without", "whisper_svm"))
        assert with_copies["counts"]["copies"] == with_copies["counts"]["train"]
        assert "copies" not in without["counts"]
        assert with_copies["parameters"] != without["parameters"]  # other support vectors

    def test_what_is_no_copy_is_told_before_training(self, toy_emodb, tiny_whisper, tmp_path, capfd):
        with pytest.raises(SystemExit):
            run(toy_emodb, tmp_path, tiny_whisper, *FOLD, "--speeds", "[0.9, 9]")
        assert "a factor from 0.5 to 2" in capfd.readouterr().err
        with pytest.raises(SystemExit):
            run(toy_emodb, tmp_path, tiny_whisper, *FOLD, "--speeds", "[0.9, 0.9]")
        assert "speed0.9 twice" in capfd.readouterr().err


class TestLinear:
    def linear_yaml(self, tmp_path):
        """The system on a spectrogram, which every export can hold."""
        text = (ROOT / "recipes/EmoDB/hparams/whisper_linear.yaml").read_text()
        start, end = text.index("compute_features:"), text.index("compute_functionals:")
        text = text[:start] + "compute_features: !new:ser_plugins.spectrogram.LogPowerSpectrogram\n\n" + text[end:]
        path = tmp_path / "spectrum_linear.yaml"
        path.write_text(text)
        return path

    def agrees(self, model, folder, corpus):
        table = pd.read_csv(folder / "predictions.csv").set_index("id")
        for key, row in table.iterrows():
            for label, probability in model.predict_file(corpus / "wav" / f"{key}.wav").probabilities.items():
                assert probability == pytest.approx(row[f"p_{label}"], abs=1e-4)

    def test_it_is_exported_and_predicts_as_it_was_tested(self, toy_emodb, tmp_path):
        train(toy_emodb, tmp_path, *FOLD, yaml_file=str(self.linear_yaml(tmp_path)), here=True)
        folder = fold_of(tmp_path, "whisper_linear")
        export_model(folder, tmp_path / "model")
        self.agrees(EmotionClassifier.from_hparams(tmp_path / "model", any_sound=True), folder, toy_emodb)

    @pytest.mark.parametrize("system", ["whisper_linear", "whisper_bigru_mha"])
    def test_so_is_a_system_on_the_states_of_an_encoder(self, toy_emodb, tiny_whisper, tmp_path, system):
        run(toy_emodb, tmp_path, tiny_whisper, *FOLD, system=system)
        folder = fold_of(tmp_path, system)
        card = export_model(folder, tmp_path / "model")
        assert card.pretrained == ("someone/whisper-tiny",)
        self.agrees(EmotionClassifier.from_hparams(tmp_path / "model", any_sound=True), folder, toy_emodb)
        export_onnx(tmp_path / "model", tmp_path / "model.onnx")  # which compares the two
        if system == "whisper_linear":
            assert results_of(folder)["parameters"] == 7 * (2 * 16 + 1)

    def test_on_everything_it_trains_and_tests_nothing(self, toy_emodb, tmp_path):
        train(toy_emodb, tmp_path, "--protocol", "all", yaml_file=str(self.linear_yaml(tmp_path)), here=True)
        folder = tmp_path / "whisper_linear" / "all" / "seed_1234" / "all"
        results = results_of(folder)
        assert results["metrics"] is None
        assert (folder / results["checkpoint"] / "classifier.ckpt").is_file()
        assert not (folder / "predictions.csv").exists()

    @pytest.mark.parametrize("options", [["--normalisation", "speaker"], ["--normalisation", "heard:sentence"]])
    def test_what_no_network_can_do_is_refused(self, toy_emodb, tmp_path, options, capfd):
        with pytest.raises(SystemExit):
            train(toy_emodb, tmp_path, *FOLD, *options, yaml_file=str(self.linear_yaml(tmp_path)), here=True)
        assert "what a network can do" in capfd.readouterr().err

    def test_two_classes_and_a_class_that_training_lacks(self):
        class Unsaved:
            def save_checkpoint(self):
                return None

        vectors = np.random.default_rng(0).normal(2, 3, (30, 5))
        for labels in ([0, 2] * 15, [0, 1, 3] * 10):
            model = make_pipeline(StandardScaler(), LogisticRegression()).fit(vectors, labels)
            modules = {"mean_var_norm": ZNorm(5), "classifier": LinearHead(5, classes=4), "checkpointer": Unsaved()}
            save_as_network(model, modules)
            encoder = UtteranceEncoder(bins=5, front_end="none", recurrence="none", heads=0)
            frames = torch.from_numpy(vectors[:, None]).float().expand(-1, 3, -1)
            found = modules["classifier"](encoder(modules["mean_var_norm"](frames)))[:, 0].exp()
            expected = np.zeros((30, 4))
            expected[:, model.classes_] = model.predict_proba(vectors)
            np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-5)


def test_means_over_time_are_a_functional(tiny_whisper):
    front_end = LogPowerSpectrogram()
    wave = torch.randn(1, 16000)
    torch.testing.assert_close(FrameMeans(front_end)(wave)[0], front_end(wave)[0].mean(0))
    on_states = FrameMeans(WhisperFrontEnd(str(tiny_whisper), states="1"))
    assert on_states.settings != FrameMeans(WhisperFrontEnd(str(tiny_whisper), states="2")).settings
    assert pretrained_in(on_states) == ["someone/whisper-tiny"]
