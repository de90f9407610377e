"""The model in the box: its size, its card's numbers, and that it works straight after the install."""

import json
import os
from pathlib import Path

import pytest
import torch
from conftest import ROOT, assert_close
from fake_run import tone, write_wav

from ser_plugins.evaluation.folds import read_run
from ser_plugins.evaluation.report import aggregate
from ser_plugins.inference import BOX, EmotionClassifier, SentimentRegressor, SerError, open_model

MEASURED = ROOT / "recipes" / "EmoDB" / "results" / "bigru_mha_mel_mean" / "loso"


@pytest.fixture(scope="module")
def card():
    return json.loads((BOX / "model.json").read_text())


def test_the_box_is_small():
    assert sum(path.stat().st_size for path in BOX.rglob("*")) <= 3e6


def test_the_cards_numbers_are_those_of_the_committed_results(card):
    measured = json.loads(json.dumps(aggregate(read_run(MEASURED))))
    for key in ("intervals", "baselines", "calibration", "protocol_line", "protocol_hash"):
        assert_close(card[key], measured[key], key, tolerance=1e-4)  # an optimiser finds the temperature
    assert_close(card["metrics"], {key: measured["metrics"][key] for key in card["metrics"]}, "metrics")
    assert card["temperature"] == pytest.approx(measured["calibration"]["temperature"], rel=1e-4)
    text = (BOX / "README.md").read_text()
    for key in ("WA", "UAR", "macro_F1"):
        low, high = measured["intervals"][key]
        assert f"{100 * measured['metrics'][key]:.2f}" in text
        assert f"{100 * low:.1f} – {100 * high:.1f}" in text


def test_the_card_says_what_it_was_trained_on_and_what_it_must_not_be_used_for(card):
    text = (BOX / "README.md").read_text()
    for phrase in ("535 utterances, all that there are", "German", "CC0", "nothing is left to test it on", "Not to be"):
        assert phrase in text
    assert card["this_model"]["metrics"] is None
    assert card["precision"] == "float16"


def test_it_is_what_is_opened_without_a_source(tmp_path):
    path = write_wav(tmp_path / "speech.wav")
    models = (EmotionClassifier.from_hparams(device="cpu"), open_model(device="cpu"), open_model(BOX, "cpu"))
    results = [model.predict(path) for model in models]
    assert results[0] == results[1] == results[2]
    with pytest.raises(SerError, match="the model in the box: a model with a ClassifierHead"):
        SentimentRegressor.from_hparams()


def test_plain_speechbrain_reads_its_half_precision_and_temperature(tmp_path):
    from speechbrain.inference.classifiers import EncoderClassifier

    theirs = EncoderClassifier.from_hparams(source=str(BOX), savedir=tmp_path, run_opts={"device": "cpu"})
    wave = torch.as_tensor(tone())[None]
    ours = EmotionClassifier.from_hparams(device="cpu").classify_batch(wave).probabilities
    torch.testing.assert_close(theirs.classify_batch(wave)[0].exp(), ours)


def test_its_classes_are_told_apart_on_the_corpus_it_has_seen():
    """Not a score: that the weights in the package are the trained ones."""
    if "EMODB" not in os.environ:
        pytest.skip("set EMODB to the folder of the real corpus")
    letters = dict(zip("WLEAFTN", EmotionClassifier.from_hparams().labels, strict=True))
    paths = sorted(Path(os.environ["EMODB"]).glob("wav/*.wav"))[::10]
    found = EmotionClassifier.from_hparams().predict(paths)
    right = [one.label == letters[path.stem[5]] for path, one in zip(paths, found, strict=True)]
    assert sum(right) > 0.9 * len(right)
