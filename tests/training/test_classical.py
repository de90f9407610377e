"""Classical baselines: what a pencil and scikit-learn give, under the same folds, files and report as the networks."""

import json
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT, data_option, train
from hyperpyyaml import load_hyperpyyaml
from sklearn.svm import SVC

from ser_plugins.corpora.toy.sentiment import write_toy_mosi
from ser_plugins.errors import SerError
from ser_plugins.export.folder import export_model
from ser_plugins.functionals import BandMeans, JoinedFunctionals, MFCCStatistics, OpenSmileFunctionals
from ser_plugins.sound.read import read_wave
from ser_plugins.training import feature_store
from ser_plugins.training.lexical import HeardMeans

FOLD = ["--fold", "spk08"]


def fold_of(results_folder, system="mfcc_svm", protocol="loso"):
    return results_folder / system / protocol / "seed_1234" / "spk08"


def run(corpus, folder, *options, system="mfcc_svm", name="EmoDB", **how):
    train(corpus, folder, *options, yaml_file=f"hparams/{system}.yaml", name=name, **how)


def vectors(manifest, data):
    """Functionals and labels of a manifest, read and computed without the code that is tested."""
    entries = json.loads(manifest.read_text())
    compute = MFCCStatistics()
    waves = [read_wave(entry["wav"].replace("{data_root}", str(data)))[0] for entry in entries.values()]
    matrix = np.array([compute(torch.from_numpy(wave)[None])[0].double().numpy() for wave in waves])
    return matrix, np.array([entry["emotion"] for entry in entries.values()]), list(entries)


def scaled(matrix, by):
    return (matrix - by.mean(0)) / by.std(0)


@pytest.mark.parametrize("normalisation", ["train", "speaker"])
def test_predictions_are_those_of_scikit_learn_by_hand(toy_emodb, tmp_path, normalisation):
    run(toy_emodb, tmp_path, *FOLD, "--normalisation", normalisation)
    manifests = next(tmp_path.glob("manifests/*/spk08"))
    (x, y, _), (unseen, _, ids) = (vectors(manifests / f"{part}.json", toy_emodb) for part in ("train", "test"))
    if normalisation == "train":
        x, unseen = scaled(x, x), scaled(unseen, x)
    else:
        speakers = np.array([entry["speaker"] for entry in json.loads((manifests / "train.json").read_text()).values()])
        x = np.concatenate([scaled(x[speakers == speaker], x[speakers == speaker]) for speaker in np.unique(speakers)])
        y = np.concatenate([y[speakers == speaker] for speaker in np.unique(speakers)])
        x, unseen = scaled(x, x), scaled(scaled(unseen, unseen), x)
    expected = SVC(C=1.0, break_ties=True).fit(x, y).predict(unseen)
    table = pd.read_csv(fold_of(tmp_path) / "predictions.csv").set_index("id")
    assert table.loc[ids, "predicted"].tolist() == expected.tolist()
    results = json.loads((fold_of(tmp_path) / "results.json").read_text())
    assert results["protocol"]["transductive"] == (normalisation == "speaker")
    assert results["metrics"]["WA"] == pytest.approx((table["true"] == table["predicted"]).mean())
    assert results["parameters"] > 0


def test_the_mean_of_the_sentence_heard_is_taken_out_and_the_test_sets_own_is_never_read(
    toy_emodb, tmp_path, monkeypatch
):
    heard = []

    def hear(self, unseen):
        heard.append(self.hearer.predict(unseen))
        return ["a02"] * len(unseen)  # whatever is heard counts, not what the manifest says

    monkeypatch.setattr(HeardMeans, "hear", hear)
    run(toy_emodb, tmp_path, *FOLD, "--normalisation", "heard:sentence", here=True)
    manifests = next(tmp_path.glob("manifests/*/spk08"))
    (x, y, _), (unseen, _, ids) = (vectors(manifests / f"{part}.json", toy_emodb) for part in ("train", "test"))
    entries = [list(json.loads((manifests / f"{part}.json").read_text()).values()) for part in ("train", "test")]
    said, unread = (np.array([entry["sentence"] for entry in part]) for part in entries)
    assert len(set(said)) == 2
    hearer = SVC(kernel="linear", C=0.001).fit(scaled(x, x), said)
    assert heard[0].tolist() == hearer.predict(scaled(unseen, x)).tolist()
    assert (heard[0] == unread).mean() > 0.9  # it does hear
    centred = np.stack([row - x[said == sentence].mean(0) for row, sentence in zip(x, said, strict=True)])
    by_hand = scaled(unseen - x[said == "a02"].mean(0), centred)
    expected = SVC(C=1.0, break_ties=True).fit(scaled(centred, centred), y).predict(by_hand)
    table = pd.read_csv(fold_of(tmp_path) / "predictions.csv").set_index("id")
    assert table.loc[ids, "predicted"].tolist() == expected.tolist()
    results = json.loads((fold_of(tmp_path) / "results.json").read_text())
    assert results["protocol"]["normalisation"] == "heard:sentence"
    assert not results["protocol"]["transductive"]


def test_one_sentence_cannot_be_told_from_others():
    with pytest.raises(SerError, match="every training recording with the same 'a01'"):
        HeardMeans().fit(np.zeros((2, 3)), ["a01", "a01"])


def test_functionals_are_computed_once_for_all_processes_and_runs(toy_emodb, tmp_path, monkeypatch):
    monkeypatch.setattr(feature_store.MEMORY, "kept", {})
    run(toy_emodb, tmp_path, *FOLD, here=True)
    kept = sorted((tmp_path / "manifests").rglob("features/*/*.npz"))
    assert len(kept) == len(list(toy_emodb.glob("wav/*.wav")))
    first = (fold_of(tmp_path) / "predictions.csv").read_text()

    whole = kept[0].read_bytes()
    for damaged in (b"", whole[:-7], b"\x80\x04\x95"):  # empty, cut short, something else
        kept[0].write_bytes(damaged)
        shutil.rmtree(fold_of(tmp_path))
        monkeypatch.setattr(feature_store.MEMORY, "kept", {})
        run(toy_emodb, tmp_path, *FOLD, here=True)
        assert (fold_of(tmp_path) / "predictions.csv").read_text() == first
        assert kept[0].read_bytes() == whole

    shutil.rmtree(fold_of(tmp_path))
    monkeypatch.setattr(feature_store.MEMORY, "kept", {})
    monkeypatch.setattr(MFCCStatistics, "forward", None)  # would fail
    run(toy_emodb, tmp_path, *FOLD, here=True)
    assert (fold_of(tmp_path) / "predictions.csv").read_text() == first


def test_means_of_bands_are_those_of_the_frames_and_kinds_stand_side_by_side():
    wave = torch.randn(1, 16000, generator=torch.Generator().manual_seed(0))
    compute = BandMeans(bands=8, parts=3)
    frames = compute.spectrum(wave)[0]
    assert len(frames) == 63  # divides by 3
    expected = frames.reshape(3, 21, 8).mean(1).T.flatten()
    torch.testing.assert_close(compute(wave)[0], expected)
    joined = JoinedFunctionals([MFCCStatistics(), compute])
    torch.testing.assert_close(joined(wave), torch.cat([MFCCStatistics()(wave), compute(wave)], dim=1))
    with pytest.raises(SerError, match="one sample rate"):
        JoinedFunctionals([MFCCStatistics(), BandMeans(sample_rate=8000)])


def test_the_report_is_the_usual_one_and_says_when_it_is_transductive(toy_emodb, tmp_path):
    run(toy_emodb, tmp_path, "--normalisation", "speaker", "--system", "mfcc_svm_speaker", here=True)
    text = (tmp_path / "mfcc_svm_speaker" / "loso" / "results.md").read_text()
    assert "mfcc_svm_speaker · loso · TRANSDUCTIVE" in text
    assert "pooled over 3 folds" in text


def test_the_order_of_probabilities_is_the_machines_own(toy_emodb, tmp_path):
    run(toy_emodb, tmp_path, *FOLD)
    table = pd.read_csv(fold_of(tmp_path) / "predictions.csv")
    probabilities = table.filter(like="p_")
    assert probabilities.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-6)
    assert probabilities.idxmax(axis=1).str[2:].tolist() == table["predicted"].tolist()


def test_a_number_is_predicted_by_a_regression(tmp_path):
    mosi = write_toy_mosi(tmp_path / "mosi", videos=4, segments=2, syllables=2)
    run(mosi, tmp_path / "results", name="MOSI")
    summary = json.loads(next(tmp_path.glob("results/mfcc_svm/*/results.json")).read_text())
    predictions = pd.read_csv(next(tmp_path.glob("results/mfcc_svm/*/predictions.csv")))
    assert summary["metrics"]["MAE"] == pytest.approx((predictions["true"] - predictions["predicted"]).abs().mean())


@pytest.mark.parametrize("name", ["EmoDB", "IEMOCAP"])
@pytest.mark.parametrize("system", ["egemaps_svm", "compare_svm"])
def test_opensmile_serves_where_it_is_installed(name, system, request, tmp_path):
    pytest.importorskip("opensmile", reason="openSMILE is not installed (extra bench)")
    data = request.getfixturevalue(f"toy_{name.lower()}")
    assert data_option(name) == "--data_folder"
    fold = {"EmoDB": "spk08", "IEMOCAP": "Ses01F"}[name]
    run(data, tmp_path, "--fold", fold, system=system, name=name)
    assert json.loads(next(tmp_path.rglob(f"{fold}/results.json")).read_text())["system"] == system


def test_several_sets_stand_one_after_the_other_and_their_outliers_are_clipped(toy_emodb, tmp_path):
    pytest.importorskip("opensmile", reason="openSMILE is not installed (extra bench)")
    wave = torch.from_numpy(read_wave(sorted(toy_emodb.glob("wav/*.wav"))[0])[0])[None]
    parts = [OpenSmileFunctionals(name)(wave) for name in ("emobase", "eGeMAPSv02")]
    torch.testing.assert_close(OpenSmileFunctionals("emobase+eGeMAPSv02")(wave), torch.cat(parts, dim=1))
    for system, functionals in (("functionals_svm", 7449), ("best", 7649)):
        run(toy_emodb, tmp_path, *FOLD, system=system)
        results = json.loads((fold_of(tmp_path, system) / "results.json").read_text())
        assert results["parameters"] > functionals  # at least one number for each
    hparams = ROOT / "recipes/EmoDB/hparams/functionals_svm.yaml"
    built = load_hyperpyyaml(hparams.read_text(), {"output_folder": str(tmp_path)})
    assert built["estimator"][0].transform(np.array([[-9.0, 0.5, 9.0]])).tolist() == [[-2.0, 0.5, 2.0]]


def test_opensmile_that_is_missing_or_asked_for_too_much_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(SerError, match=r"ser-plugins\[bench\]"):
        OpenSmileFunctionals()
    monkeypatch.undo()
    pytest.importorskip("opensmile", reason="openSMILE is not installed (extra bench)")
    with pytest.raises(SerError, match=r"one of .*ComParE_2016"):
        OpenSmileFunctionals("Nonesuch")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([*FOLD, "--normalisation", "bin"], "expected: train, heard:FIELD"),
        ([*FOLD, "--normalisation", "heard:emotion"], "not the target"),
        ([*FOLD, "--normalisation", "heard:dialect"], "has no 'dialect' in words"),
        (["--protocol", "all"], "got: --protocol all with a classical system"),
    ],
)
def test_what_it_cannot_do_is_told(toy_emodb, tmp_path, capfd, options, message):
    with pytest.raises(SystemExit):
        run(toy_emodb, tmp_path, *options)
    assert message in capfd.readouterr().err


def test_it_is_not_exported(toy_emodb, tmp_path):
    run(toy_emodb, tmp_path, *FOLD)
    with pytest.raises(SerError, match=r"got: .* a classical system"):
        export_model(fold_of(tmp_path), tmp_path / "model")
    assert not (tmp_path / "model").exists()
