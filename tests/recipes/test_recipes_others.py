"""The recipes of class labels beside EmoDB: every YAML, and a whole protocol with report, export and a model."""

import json
import shutil

import pytest
from commands import run_here
from conftest import ROOT, TINY, data_option, train

from ser_plugins.corpora.toy.sentiment import write_toy_chsims, write_toy_mosi
from ser_plugins.errors import SerError
from ser_plugins.export.folder import export_model
from ser_plugins.inference import EmotionClassifier, open_model

FOLDS = {"IEMOCAP": "Ses01F", "CSV": "spk08"}
YAMLS = [
    (name, path.name)
    for name in FOLDS
    for path in sorted((ROOT / "recipes" / name / "hparams").glob("*.yaml"))
    if not path.stem.endswith(("_svm", "_text", "_fusion"))  # of those that read see test_transcripts.py
    and not path.stem.startswith("whisper")  # test_whisper_recipes.py trains those
]


@pytest.fixture
def numbers(toy_csv):
    """The same CSV with numbers for labels."""
    text = toy_csv.read_text(encoding="utf-8")
    for label, number in (("W", "2"), ("T", "-1.5"), ("N", "0")):
        text = text.replace(f"\n{label},", f"\n{number},")
    path = toy_csv.with_name("numbers.csv")
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def toy_mosi(tmp_path):
    return write_toy_mosi(tmp_path / "mosi", videos=6, segments=2, syllables=2)


@pytest.fixture
def toy_chsims(tmp_path):
    return write_toy_chsims(tmp_path / "chsims", videos=4, clips=6, syllables=2)


@pytest.fixture
def partial_iemocap(toy_iemocap, tmp_path):
    """Without its marker it is a copy of the real corpus that lacks nearly everything."""
    copy = shutil.copytree(toy_iemocap, tmp_path / "iemocap")
    (copy / "synthetic_corpus.json").unlink()
    return copy


@pytest.mark.parametrize(("name", "yaml_file"), YAMLS)
def test_every_yaml_trains(name, yaml_file, request, tmp_path):
    data = request.getfixturevalue("numbers" if "regression" in yaml_file else f"toy_{name.lower()}")
    options = ["--fold", FOLDS[name], "--number_of_epochs", "1"]
    train(data, tmp_path, *options, name=name, yaml_file=f"hparams/{yaml_file}")
    results = json.loads(next(tmp_path.rglob(f"{FOLDS[name]}/results.json")).read_text())
    assert results["system"] == yaml_file.removesuffix(".yaml")
    number = "regression" in yaml_file or "valence" in yaml_file
    assert ("MAE" if number else "UAR") in results["metrics"]
    assert ("valence" in results["auxiliary"]) == yaml_file.endswith(("multitask.yaml", "dimensions.yaml"))


@pytest.mark.parametrize("name", FOLDS)
def test_the_command_that_users_type(name, request, tmp_path):
    folder = ROOT / "recipes" / name
    cwd = folder if name == "CSV" else ROOT
    where = [data_option(name), str(request.getfixturevalue(f"toy_{name.lower()}")), "--results_folder", str(tmp_path)]
    script = str((folder / "train.py").relative_to(cwd))
    run_here(script, "hparams/bigru_mha.yaml", *where, *TINY, "--fold", FOLDS[name], cwd=cwd)
    assert list(tmp_path.rglob(f"{FOLDS[name]}/results.json"))


@pytest.mark.parametrize(
    ("name", "data", "options", "folds", "said"),
    [
        (
            "IEMOCAP",
            "partial_iemocap",
            ["--unit", "session", "--allow_partial"],
            ["Ses01", "Ses02", "Ses03"],
            "partial copy: 86 of 10039 utterances, without session Ses04, Ses05",
        ),
        ("CSV", "toy_csv", [], ["spk03", "spk08", "spk09"], "my.csv, label in 3 classes (N, T, W)"),
    ],
    ids=list(FOLDS),
)
def test_the_whole_protocol_ends_in_a_report_and_a_model(name, data, options, folds, said, request, tmp_path):
    data = request.getfixturevalue(data)
    train(data, tmp_path / "results", "--number_of_epochs", "1", *options, name=name, here=True)
    folder = next((tmp_path / "results" / "bigru_mha").iterdir())
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob("seed_*/*/results.json")}
    train(data, tmp_path / "results", "--number_of_epochs", "1", *options, name=name, here=True)
    assert stamps == {path: path.stat().st_mtime_ns for path in folder.rglob("seed_*/*/results.json")}
    summary = json.loads((folder / "results.json").read_text())
    assert summary["protocol"]["folds"] == folds
    assert said in (folder / "results.md").read_text()
    export_model(folder, tmp_path / "model")
    recording = max(data.parent.rglob("*.flac" if name == "CSV" else "*.wav"), key=lambda path: path.stat().st_size)
    label = EmotionClassifier.from_hparams(tmp_path / "model").predict_file(recording).label
    assert label in summary["protocol"]["classes"]


@pytest.mark.parametrize(
    ("name", "data", "measured", "everything"),
    [
        ("IEMOCAP", "toy_iemocap", ["--unit", "session"], []),
        ("CSV", "toy_csv", [], []),
        ("MOSI", "toy_mosi", ["--select", "last"], ["--select", "last"]),
        ("CHSIMS", "toy_chsims", ["--select", "last"], ["--select", "last"]),
    ],
    ids=["IEMOCAP", "CSV", "MOSI", "CHSIMS"],
)
def test_a_model_of_everything_has_the_numbers_of_a_run_that_measured_it(
    name, data, measured, everything, request, tmp_path
):
    data, results = request.getfixturevalue(data), tmp_path / "results"
    options = ["--number_of_epochs", "1"]
    train(data, results, *options, *measured, name=name, here=True)
    (run,) = (path for path in (results / "bigru_mha").iterdir())
    train(data, results, *options, "--protocol", "all", *everything, name=name)
    (final,) = (path for path in (results / "bigru_mha").iterdir() if path != run)
    fold = json.loads(next(final.glob("seed_*/all/results.json")).read_text())
    summary = json.loads((run / "results.json").read_text())
    assert fold["counts"] == {"train": summary["protocol"]["utterances"], "valid": 0, "test": 0}
    card = export_model(final, tmp_path / "model", measured_by=run)
    assert card.protocol_hash == summary["protocol_hash"]
    assert card.this_model.metrics is None
    open_model(tmp_path / "model")


@pytest.mark.parametrize(("name", "option"), [("MOSI", "--select"), ("CHSIMS", "--select")])
def test_a_model_of_everything_chooses_no_epoch(name, option, request, tmp_path, capfd):
    with pytest.raises(SystemExit):
        train(request.getfixturevalue(f"toy_{name.lower()}"), tmp_path, "--protocol", "all", name=name)
    assert "select='valid'; expected: one of last" in capfd.readouterr().err


def test_numbers_measured_on_fewer_utterances_do_not_speak_for_a_model_of_everything(toy_iemocap, tmp_path):
    options = ["--number_of_epochs", "1", "--unit", "session"]
    train(toy_iemocap, tmp_path, *options, "--protocol", "4class-4490", name="IEMOCAP", here=True)
    train(toy_iemocap, tmp_path, *options, "--protocol", "all", name="IEMOCAP")
    runs = sorted((tmp_path / "bigru_mha").iterdir())
    (run,) = (path for path in runs if "4490" in path.name)
    (final,) = (path for path in runs if path != run)
    with pytest.raises(SerError, match=r"utterances, and .*expected: the same utterances"):
        export_model(final, tmp_path / "model", measured_by=run)
