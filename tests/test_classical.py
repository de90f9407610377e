"""Classical baselines: what a pencil and scikit-learn give, under the same folds, files and report as the networks."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT, data_option, train
from hyperpyyaml import load_hyperpyyaml
from sklearn.svm import SVC

from ser_plugins.audio import read_wave
from ser_plugins.corpora.toy_sentiment import write_toy_mosi
from ser_plugins.errors import SerError
from ser_plugins.functionals import MFCCStatistics, OpenSmileFunctionals
from ser_plugins.serving.export import export_model

FOLD = ["--fold", "spk08"]


def fold_of(results_folder, system="mfcc_svm", protocol="loso"):
    return results_folder / system / protocol / "seed_1234" / "spk08"


def run(data, folder, *options, system="mfcc_svm", name="EmoDB"):
    train(data, folder, *options, yaml_file=f"hparams/{system}.yaml", name=name)


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


def test_the_report_is_the_usual_one_and_says_when_it_is_transductive(toy_emodb, tmp_path):
    run(toy_emodb, tmp_path, "--normalisation", "speaker", "--system", "mfcc_svm_speaker", "--jobs", "1")
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
    run(toy_emodb, tmp_path, *FOLD, system="functionals_svm")
    results = json.loads((fold_of(tmp_path, "functionals_svm") / "results.json").read_text())
    assert results["parameters"] > 7449  # at least one number per functional
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
