"""The models in the package: size, numbers on the card, and that they work straight after the install."""

import json
import os
from pathlib import Path

import pytest
import torch
from conftest import ROOT, assert_close
from fake_run import tone, write_wav
from typer.testing import CliRunner

from ser_plugins.cli import app
from ser_plugins.evaluation.compare.corpus_matrix import cells
from ser_plugins.evaluation.report.summary import aggregate
from ser_plugins.evaluation.runs.evidence import read_record
from ser_plugins.evaluation.runs.folds import read_run
from ser_plugins.inference import BOX, BUNDLED, EmotionClassifier, SentimentRegressor, SerError, open_model
from ser_plugins.inference.loading import find_model, load_model
from ser_plugins.inference.strict import refuse_harmful

SMALL = BUNDLED["small"]
# The run that measured each, and how its weights are kept.
MEASURED = {
    "standard": (ROOT / "evidence" / "Cross" / "whisper_strangers.groups", "int8"),
    "fast": (ROOT / "evidence" / "EmoDB" / "bundled.loso", "int8"),
    "small": (ROOT / "evidence" / "EmoDB" / "bigru_mha_mel_mean.loso", "float16"),
}


@pytest.fixture(params=BUNDLED)
def name(request):
    return request.param


@pytest.fixture
def card(name):
    return json.loads((BUNDLED[name] / "model.json").read_text())


def test_the_small_one_is_small_and_all_fit_a_package():
    sizes = {name: sum(path.stat().st_size for path in folder.rglob("*")) for name, folder in BUNDLED.items()}
    assert sizes["small"] <= 3e6
    assert max(sizes.values()) <= 20e6
    refuse_harmful("small")


def test_each_is_opened_by_its_name_and_has_measured_numbers(name, tmp_path):
    path = write_wav(tmp_path / "speech.wav")
    assert open_model(name, "cpu").predict(path) == open_model(BUNDLED[name], "cpu").predict(path)
    done = CliRunner().invoke(app, ["classify", str(path), "--model", name, "--format", "json"])
    assert done.exit_code == 0, done.output
    card = json.loads((BUNDLED[name] / "model.json").read_text())
    assert card["whole_protocol"]
    assert min(card["metrics"]["WA"], card["metrics"]["UAR"]) > 0.7


def test_the_first_is_the_default_and_a_folder_of_that_name_comes_before(tmp_path, monkeypatch):
    assert find_model(None) == BOX == next(iter(BUNDLED.values()))
    monkeypatch.chdir(tmp_path)
    assert find_model("small") == find_model(Path("small")) == SMALL
    (tmp_path / "small").mkdir()
    with pytest.raises(SerError, match=r"small has no model.json"):
        open_model("small")


def test_the_cards_numbers_are_those_of_the_committed_results(name, card):
    measured = json.loads(json.dumps(aggregate(read_run(MEASURED[name][0])).to_json()))
    for key in ("intervals", "baselines", "calibration", "protocol_line", "protocol_hash"):
        assert_close(card[key], measured[key], key, tolerance=1e-4)  # an optimiser finds the temperature
    assert_close(card["metrics"], {key: measured["metrics"][key] for key in card["metrics"]}, "metrics")
    assert card["temperature"] == pytest.approx(measured["calibration"]["temperature"], rel=1e-4)
    text = (BUNDLED[name] / "README.md").read_text()
    for key in ("WA", "UAR", "macro_F1"):
        low, high = measured["intervals"][key]
        assert f"{100 * measured['metrics'][key]:.2f}" in text
        assert f"{100 * low:.1f} – {100 * high:.1f}" in text


def test_the_card_says_what_it_was_trained_on_and_what_it_must_not_be_used_for(name, card):
    text = (BUNDLED[name] / "README.md").read_text()
    trained_on = "3663 utterances, all" if name == "standard" else "535 utterances, all"
    for phrase in (trained_on, "German", "CC0", "nothing is left to test it on", "Not to be"):
        assert phrase in text
    assert card["this_model"]["metrics"] is None
    assert card["precision"] == MEASURED[name][1]


@pytest.mark.parametrize(
    ("name", "seen"), [("standard", "in it: unknown"), ("fast", "EmoDB in it: unlikely, not excluded")]
)
def test_those_with_an_encoder_say_on_whose_shoulders_they_stand_and_what_noise_costs(name, seen):
    folder = BUNDLED[name]
    card = json.loads((folder / "model.json").read_text())
    measured = read_record(MEASURED[name][0]).robustness
    assert card["robustness"] == measured
    assert "Copyright (c) 2022 OpenAI" in (folder / "LICENSE.whisper").read_text()
    text = (folder / "README.md").read_text()
    assert seen in text
    scores = measured["conditions"]["noise at 10 dB SNR"]
    assert f"| noise at 10 dB SNR | {100 * scores['WA']:.1f} | {100 * scores['UAR']:.1f} | " in text


def test_the_standard_one_says_what_it_scores_on_corpora_that_it_has_never_met():
    card = load_model(BUNDLED["standard"]).card
    run = read_run(ROOT / "evidence" / "Cross" / "whisper_strangers.loco")
    found = {cell.tested_on: cell for cell in cells(run, "loco")}
    names = {"EmoDB": "emodb", "CREMA-D": "cremad", "IndoWaveSentiment": "indowave"}
    assert {score.corpus for score in card.strangers.corpora} == set(names)
    for score in card.strangers.corpora:
        cell = found[names[score.corpus]]
        assert score.uar == pytest.approx(cell.score)
        assert list(score.interval) == pytest.approx(cell.interval)
    assert {corpus.licence for corpus in card.corpora} == {"CC0-1.0", "ODbL-1.0", "CC-BY-4.0"}


def test_it_is_what_is_opened_without_a_source(tmp_path):
    path = write_wav(tmp_path / "speech.wav")
    models = (EmotionClassifier.from_hparams(device="cpu"), open_model(device="cpu"), open_model(BOX, "cpu"))
    results = [model.predict(path) for model in models]
    assert results[0] == results[1] == results[2]
    with pytest.raises(SerError, match="the bundled model: a model with a LinearHead"):
        SentimentRegressor.from_hparams()


def test_plain_speechbrain_reads_its_precision_and_temperature(name, tmp_path):
    from speechbrain.inference.classifiers import EncoderClassifier

    theirs = EncoderClassifier.from_hparams(source=str(BUNDLED[name]), savedir=tmp_path, run_opts={"device": "cpu"})
    wave = torch.as_tensor(tone())[None]
    ours = EmotionClassifier.from_hparams(name, device="cpu").classify_batch(wave).probabilities
    torch.testing.assert_close(theirs.classify_batch(wave)[0].exp(), ours, atol=1e-5, rtol=1e-4)


def test_its_classes_are_told_apart_on_the_corpus_it_has_seen(name):
    """Not a score: that the weights in the package are the trained ones."""
    if "EMODB" not in os.environ:
        pytest.skip("set EMODB to the folder of the real corpus")
    model = EmotionClassifier.from_hparams(name)
    words = ("anger", "boredom", "disgust", "fear", "happiness", "sadness", "neutral")
    letters = dict(zip("WLEAFTN", words, strict=True))
    paths = sorted(Path(os.environ["EMODB"]).glob("wav/*.wav"))[::10]
    found = model.predict(paths)
    right = [one.label == letters[path.stem[5]] for path, one in zip(paths, found, strict=True)]
    assert sum(right) > 0.9 * len(right)
