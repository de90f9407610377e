"""recipes/EmoDB/train_explicit.py: one fold in plain SpeechBrain, for reading; it runs as it stands."""

import re
import runpy
import sys

import forked
import pytest
import torch
from conftest import ROOT, TINY, train

from ser_plugins.export.own_recipe import export_output_folder
from ser_plugins.inference import EmotionClassifier

RECIPE = ROOT / "recipes" / "EmoDB"
NAMES = {"W": "anger", "L": "boredom", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness", "N": "neutral"}


def arguments(corpus, results):
    where = ["--data_folder", str(corpus), "--results_folder", str(results)]
    return ["train_explicit.py", "hparams/bigru_mha.yaml", *where, *TINY]


@pytest.fixture(scope="module")
def explicit(toy_emodb, tmp_path_factory):
    """The script, run as its first lines say: what it printed, and the folder of its fold."""
    results = tmp_path_factory.mktemp("explicit")
    forked.run(results / "printed", *arguments(toy_emodb, results), "--fold", "spk08", cwd=RECIPE)
    return (results / "printed").read_text(encoding="utf-8"), results / "explicit" / "loso" / "seed_1234" / "spk08"


def test_the_script_trains_tests_and_leaves_what_can_be_exported(explicit, toy_emodb, tmp_path):
    printed, fold = explicit
    assert "audit ok: 28/0/12 utterances; disjoint: speaker (2/0/1)" in printed
    lines = (fold / "train_log.txt").read_text().splitlines()
    losses = [float(re.search(r"loss: ([\d.e+-]+)", line)[1]) for line in lines]
    assert losses[1] < losses[0]
    assert 1.0 < losses[2] < 3.0  # near ln 7: the mean over all batches
    export_output_folder(fold, fold / "save" / "label_encoder.txt", tmp_path / "model")
    model = EmotionClassifier.from_hparams(tmp_path / "model", any_sound=True)
    wavs = sorted((toy_emodb / "wav").glob("08*.wav"))
    errors = sum(model.predict_file(wav).label != NAMES[wav.stem[5]] for wav in wavs)
    assert float(re.search(r"error rate: ([\d.e+-]+)", lines[2])[1]) == pytest.approx(errors / len(wavs), rel=0.01)


def test_the_statistics_of_the_z_norm_are_those_of_train_py(explicit, toy_emodb, tmp_path):
    train(toy_emodb, tmp_path, "--fold", "spk08", "--number_of_epochs", "1")
    other = tmp_path / "bigru_mha" / "loso" / "seed_1234" / "spk08"
    norms = [torch.load(next(fold.glob("save/CKPT*/mean_var_norm.ckpt"))) for fold in (explicit[1], other)]
    for name in ("mean", "std"):
        torch.testing.assert_close(norms[0][name], norms[1][name])


def test_a_fold_is_needed(toy_emodb, tmp_path, monkeypatch):
    monkeypatch.chdir(RECIPE)
    monkeypatch.setattr(sys, "argv", arguments(toy_emodb, tmp_path))
    with pytest.raises(SystemExit, match="got: --fold all; expected: one of spk03, spk08, spk09"):
        runpy.run_path(str(RECIPE / "train_explicit.py"), run_name="__main__")
