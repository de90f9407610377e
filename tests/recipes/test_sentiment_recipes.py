"""MOSI and CH-SIMS through the commands that users type: all folds, report, export, a score for a recording."""

import json

import pandas as pd
import pytest
from commands import run_here
from conftest import ROOT, TINY, train

from ser_plugins.corpora.toy.sentiment import write_toy_chsims, write_toy_mosi
from ser_plugins.errors import SerError
from ser_plugins.export.folder import export_model
from ser_plugins.inference import SentimentRegressor
from ser_plugins.sound.ffmpeg import find_ffmpeg

ONE = ["--number_of_epochs", "1"]


@pytest.fixture(scope="module")
def mosi(tmp_path_factory):
    return write_toy_mosi(tmp_path_factory.mktemp("corpus") / "mosi", videos=4, segments=2, syllables=2)


@pytest.fixture(scope="module")
def chsims(tmp_path_factory):
    return write_toy_chsims(tmp_path_factory.mktemp("corpus") / "chsims", videos=4, clips=4, syllables=2)


def read(run_folder):
    return json.loads((run_folder / "results.json").read_text()), (run_folder / "results.md").read_text()


@pytest.mark.parametrize(("name", "fold"), [("MOSI", "standard"), ("CHSIMS", "official")])
def test_the_command_trains_reports_exports_and_judges(name, fold, request, tmp_path, capsys):
    corpus = request.getfixturevalue(name.lower())
    where = ["--data_folder", str(corpus), "--results_folder", str(tmp_path / "results")]
    run_here("train.py", "hparams/bigru_mha.yaml", *where, *TINY, cwd=ROOT / "recipes" / name)
    shown = capsys.readouterr().out
    run_folder = next((tmp_path / "results" / "bigru_mha").iterdir())
    summary, table = read(run_folder)
    predictions = pd.read_csv(run_folder / "predictions.csv")
    assert summary["metrics"]["MAE"] == pytest.approx((predictions["true"] - predictions["predicted"]).abs().mean())
    assert "(synthetic)" in table
    assert (run_folder / "figures").is_dir()
    if name == "CHSIMS":
        assert run_folder.name == "official_label"  # another target has a folder of its own
        assert "LEAKING" in table
        for said in (table, shown.replace("\n", " ")):
            assert "official split: 3 of 4 videos are in both train and test" in said

    export_model(run_folder / "seed_1234" / fold, tmp_path / "model")
    # Two syllables of a synthetic voice need not pass for speech: here the numbers are compared.
    model = SentimentRegressor.from_hparams(tmp_path / "model", any_sound=True)
    first = predictions.iloc[0]
    wav = next(path for path in corpus.rglob("*.wav") if wav_id(path, name) == first["id"])
    assert model.predict_file(wav).score == pytest.approx(first["predicted"], abs=1e-4)


def wav_id(path, name):
    return path.stem if name == "MOSI" else f"{path.parent.name}_{path.stem}"


@pytest.mark.parametrize(
    ("name", "options", "folds"),
    [
        ("MOSI", ["--protocol", "loo-video", "--select", "inner_speaker", *ONE], 4),
        ("CHSIMS", ["--protocol", "video-disjoint", "--select", "last", "--target", "label_A", *ONE], 1),
    ],
)
def test_all_folds_of_the_other_protocols(name, options, folds, request, tmp_path):
    train(request.getfixturevalue(name.lower()), tmp_path, *options, name=name, here=True)
    run_folder = next((tmp_path / "bigru_mha").iterdir())
    _, table = read(run_folder)
    assert len(list(run_folder.glob("seed_1234/*/results.json"))) == folds
    assert not pd.read_csv(run_folder / "predictions.csv")["id"].duplicated().any()
    assert "LEAKING" not in table
    if name == "MOSI":  # every video is tested once
        assert len(pd.read_csv(run_folder / "predictions.csv")) == 8
        assert "2WGyTLYerpo_44" in table


def test_videos_train_as_wavs_do(tmp_path):
    try:
        find_ffmpeg()
    except SerError as error:
        pytest.skip(str(error))
    corpus = write_toy_mosi(tmp_path / "corpus", videos=3, segments=2, layout="mmsa", media="mp4", syllables=1)
    train(corpus, tmp_path / "results", *ONE, name="MOSI", yaml_file="hparams/bigru.yaml")
    assert len(list((tmp_path / "results" / "audio").rglob("*.wav"))) == 6
    assert read(tmp_path / "results" / "bigru" / "standard")[0]["metrics"]


def test_select_valid_needs_a_protocol_that_has_a_validation_set(mosi, tmp_path, capsys):
    with pytest.raises(SystemExit):
        train(mosi, tmp_path, "--protocol", "loo-video", name="MOSI")
    assert "got: select='valid'; expected: one of last, inner_speaker" in capsys.readouterr().err
