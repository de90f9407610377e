"""Exports beside the plain one: in half precision, of a training on everything, and of all folds as an ensemble."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from conftest import ROOT, link, train
from fake_run import CLASSES, FOLDS, tone, write_fold, write_run, write_wav
from safetensors.torch import load_file
from speechbrain.inference.classifiers import EncoderClassifier
from typer.testing import CliRunner

from ser_plugins.cli import app
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.evaluation.report.summary import write_report
from ser_plugins.evaluation.runs.packing import pack_run
from ser_plugins.export.folder import export_ensemble, export_model
from ser_plugins.files import sha256_of
from ser_plugins.inference import EmotionClassifier, open_model
from ser_plugins.stress import trial
from ser_plugins.stress.conditions import CONDITIONS, Condition
from ser_plugins.stress.page import NOISES
from ser_plugins.stress.record import read_stress

WAVES = torch.stack([torch.as_tensor(tone(pitch=pitch)) for pitch in (120.0, 260.0)])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("training-machine") / "loso")


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "ensemble"
    export_ensemble(run, folder)
    return folder


@pytest.fixture
def ensemble(exported, tmp_path):
    """A copy, to be damaged."""
    return shutil.copytree(exported, tmp_path / "copy")


def probabilities(folder):
    return EmotionClassifier.from_hparams(folder, device="cpu").classify_batch(WAVES).probabilities


def test_half_precision_halves_the_weights_and_hardly_moves_a_probability(run, tmp_path):
    export_model(run, tmp_path / "full")
    card = export_model(run, tmp_path / "half", half=True)
    assert card.precision == "float16"
    assert "kept in float16" in (tmp_path / "half" / "README.md").read_text()
    states = [load_file(tmp_path / name / "embedding_model.safetensors") for name in ("full", "half")]
    assert {value.dtype for value in states[1].values()} == {torch.float16}
    full, half = probabilities(tmp_path / "full"), probabilities(tmp_path / "half")
    torch.testing.assert_close(half, full, rtol=0, atol=5e-3)
    model = EmotionClassifier.from_hparams(tmp_path / "half", device="cpu")
    assert {value.dtype for value in model.modules.parameters()} == {torch.float32}
    theirs = EncoderClassifier.from_hparams(source=str(tmp_path / "half"), savedir=tmp_path / "cache")
    torch.testing.assert_close(theirs.classify_batch(WAVES)[0].exp(), half)


def test_only_a_whole_protocol_gives_a_temperature(run, tmp_path):
    whole = export_model(run, tmp_path / "whole")
    assert whole.temperature == whole.calibration["temperature"] == write_report(run).calibration["temperature"]
    assert "Probabilities are calibrated" in (tmp_path / "whole" / "README.md").read_text()
    alone = export_model(write_fold(tmp_path / "loso", "spk03"), tmp_path / "alone")
    assert (alone.temperature, alone.calibration) == (1.0, None)
    assert "The probabilities are not calibrated" in (tmp_path / "alone" / "README.md").read_text()


@pytest.fixture(scope="module")
def trained(toy_emodb, tmp_path_factory):
    """The same settings on everything and leave-one-speaker-out."""
    results = tmp_path_factory.mktemp("results")
    train(toy_emodb, results, "--protocol", "loso", here=True)
    train(toy_emodb, results, "--protocol", "all")
    return results / "bigru_mha"


def test_a_training_on_everything_has_the_numbers_of_the_run_that_measured_it(trained, tmp_path, toy_emodb):
    fold = json.loads((trained / "all" / "seed_1234" / "all" / "results.json").read_text())
    everything = len(list(toy_emodb.glob("wav/*.wav")))
    assert (fold["counts"], fold["metrics"]) == ({"train": everything, "valid": 0, "test": 0}, None)
    card = export_model(trained / "all", tmp_path / "model", measured_by=trained / "loso")
    measured = json.loads(json.dumps(write_report(trained / "loso").to_json()))
    for key in ("intervals", "protocol_line", "protocol_hash", "calibration"):
        assert getattr(card, key) == measured[key]
    assert card.this_model.metrics is None
    packed = pack_run(trained / "loso", tmp_path / "packed")
    assert export_model(trained / "all", tmp_path / "again", measured_by=packed) == card
    text = (tmp_path / "model" / "README.md").read_text()
    assert f"{everything} utterances, all that there are" in text
    assert "nothing is left to test it on" in text
    assert open_model(tmp_path / "model").predict(tone(), 16000).label in CLASSES


def test_the_folds_of_a_run_are_tried_on_what_each_has_tested(trained, tmp_path, monkeypatch):
    noises = [condition.name for condition in CONDITIONS if condition.family in NOISES]
    monkeypatch.setattr(trial, "NAMES", (trial.AS_RECORDED, *noises))
    voices = []
    changed = Condition.changed

    def counted(condition, wave, sha256, others):
        if condition.family == "babble":
            voices.append(len(others))
        return changed(condition, wave, sha256, others)

    monkeypatch.setattr(Condition, "changed", counted)
    command = ["stress", "--run", str(trained / "loso"), "--by", "gender", "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(app, command, catch_exceptions=False).exit_code == 0
    tested = pd.concat(pd.read_csv(path) for path in trained.glob("loso/seed_1234/*/predictions.csv"))
    record = read_stress(tmp_path / "out")
    assert (record.recordings, record.speakers) == (len(tested), 3)
    # A fold has one speaker; in babble speak those of the other folds.
    assert set(voices) == {len(tested) - count for count in tested["fold"].value_counts()}
    assert [(group.column, group.value) for group in record.groups] == [("gender", "female"), ("gender", "male")]
    answers = pd.concat(pd.read_csv(path) for path in (tmp_path / "out").glob("folds/*/predictions/as_recorded.csv"))
    answered = {Path(row.id).stem: row.predicted for row in answers.itertuples()}
    predicted = dict(zip(tested["id"], tested["predicted"], strict=True))
    heard = {id_: answer for id_, answer in answered.items() if answer != trial.NO_SPEECH}  # tones are hardly speech
    assert len(heard) > len(predicted) / 2
    assert heard == {id_: predicted[id_] for id_ in heard}


@pytest.mark.parametrize("options", [["--run", "x", "--csv", "y"], ["--run", "x", "--into-card"], []])
def test_a_run_or_a_csv_is_tried(options):
    with pytest.raises(SerError, match="--csv"):
        CliRunner().invoke(app, ["stress", *options], catch_exceptions=False)


def test_a_run_that_was_packed_has_nothing_to_be_tried(trained, tmp_path):
    packed = pack_run(trained / "loso", tmp_path / "packed")
    with pytest.raises(SerError, match="with its checkpoints"):
        CliRunner().invoke(
            app, ["stress", "--run", str(packed), "--out", str(tmp_path / "out")], catch_exceptions=False
        )


def test_what_other_conditions_cost_is_measured_once_and_stands_in_the_card(trained, toy_emodb, tmp_path, monkeypatch):
    run = shutil.copytree(trained / "loso", tmp_path / "loso")
    script = runpy.run_path(str(ROOT / "scripts" / "robustness.py"))
    monkeypatch.setattr(sys, "argv", ["robustness.py", str(run), "--data_folder", str(toy_emodb)])
    threads = torch.get_num_threads()
    script["main"]()
    times = {path: path.stat().st_mtime_ns for path in run.glob("seed_*/*/robustness.json")}
    script["main"]()
    torch.set_num_threads(threads)
    assert len(times) == 3
    assert times == {path: path.stat().st_mtime_ns for path in times}
    facts = export_model(trained / "all", tmp_path / "model", measured_by=run)
    found = facts.robustness
    assert found["recordings"] == len(list(toy_emodb.glob("wav/*.wav")))
    assert list(found["conditions"]) == list(script["CONDITIONS"])
    assert 0 <= found["timeline"] <= 1
    text = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    assert all(f"| {name} | " in text for name in script["CONDITIONS"])
    open_model(tmp_path / "model")


def test_numbers_of_other_settings_do_not_speak_for_it(trained, run, tmp_path):
    with pytest.raises(SerError, match="tests nothing; expected: a fold with a test set"):
        export_model(trained / "all" / "seed_1234" / "all", tmp_path / "model")
    with pytest.raises(SerError, match="tests nothing"):
        write_report(trained / "all")
    with pytest.raises(SerError, match=r"lr: 0.003 instead of 0.0001.*expected: the settings of .*loso"):
        export_model(trained / "all", tmp_path / "model", measured_by=run)
    with pytest.raises(SerError, match="a fold with a test set of its own"):
        export_model(run, tmp_path / "model", measured_by=run)
    measured = shutil.copytree(trained / "loso", tmp_path / "loso")
    path = next(measured.glob("seed_*/*/results.json"))
    results = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**results, "metrics": {**results["metrics"], "WA": 1.25}}), encoding="utf-8")
    with pytest.raises(SerError, match=r"WA 1.25 in results.json; expected: .* what predictions.csv"):
        export_model(trained / "all", tmp_path / "model", measured_by=measured)


@pytest.mark.parametrize("source", ["", "seed_1234/spk03", "seed_1234/spk08"])
def test_scores_that_the_predictions_do_not_give_never_reach_a_card(tmp_path, source):
    """Of the fold that is exported, and of every other that speaks for it."""
    run = write_run(tmp_path / "loso")
    path = run / "seed_1234" / "spk03" / "results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    results["metrics"]["UAR"] = 0.99
    path.write_text(json.dumps(results), encoding="utf-8")
    with pytest.raises(SerError, match=r"fold spk03: UAR 0.99 in results.json; expected: 0\.\d+, what predictions.csv"):
        export_model(run / source, tmp_path / "model")
    assert not (tmp_path / "model").exists()


# Ensembles


def test_an_ensemble_loads_as_the_mean_of_its_members(run, exported):
    members = sorted(path for path in exported.iterdir() if path.is_dir())
    assert [path.name for path in members] == [f"seed_1234_{fold}" for fold in FOLDS]
    mean = torch.stack([probabilities(path) for path in members]).mean(dim=0)
    torch.testing.assert_close(probabilities(exported), mean)
    text, card = (exported / "README.md").read_text(), json.loads((exported / "model.json").read_text())
    assert "3 models, whose outputs are averaged" in text
    assert "The mean itself was not measured" in text
    assert card["parameters"] == 3 * json.loads((members[0] / "model.json").read_text())["parameters"]


def test_an_ensemble_is_replaced_only_when_told(run, ensemble):
    with pytest.raises(SerError, match="--overwrite"):
        export_ensemble(run, ensemble)
    export_ensemble(run, ensemble, overwrite=True)
    with pytest.raises(SerError, match="two or more folds or seeds"):
        export_ensemble(run / "seed_1234", ensemble.parent / "new")
    with pytest.raises(MissingPathError, match="no folder"):
        export_ensemble(run / "nothing", ensemble.parent / "new")


def rewrite(folder, **changes):
    path = folder / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return path


def test_a_changed_or_foreign_member_is_refused(ensemble, tmp_path):
    members = json.loads((ensemble / "model.json").read_text())["members"]
    first, *others = members
    for name in ("classifier.safetensors", "model.json"):
        path = ensemble / first / name
        content = path.read_bytes()
        path.write_bytes(content + b" ")
        with pytest.raises(SerError, match=f"{name} has SHA-256"):
            open_model(ensemble)
        path.write_bytes(content)
    outside = shutil.copytree(ensemble / first, tmp_path / "outside")
    for name in ("../outside", ".", "..", str(outside), f"{first}/", f"./{first}", "", "a\0b", "a\nb"):
        rewrite(ensemble, members={name: sha256_of(outside / "model.json")})
        with pytest.raises(SerError, match=r"expected: .*members: folders with the SHA-256 of each"):
            open_model(ensemble)
    link(ensemble / "link", outside)
    rewrite(ensemble, members={"link": sha256_of(outside / "model.json")})
    with pytest.raises(SerError, match="expected: members inside"):
        open_model(ensemble)
    rewrite(ensemble, members={others[0]: 64 * "0"})
    with pytest.raises(SerError, match="was changed or damaged"):
        open_model(ensemble)


def test_an_ensemble_of_ensembles_is_refused_however_deep(ensemble, tmp_path):
    """The mean of means is another mean than the card's; and no member of a member may stand for all of it."""
    inner = shutil.copytree(ensemble, tmp_path / "whole" / "inner")
    listed = json.loads((ensemble / "model.json").read_text())["members"]
    single = shutil.copytree(ensemble / next(iter(listed)), tmp_path / "whole" / "single")
    shutil.copy(ensemble / "model.json", tmp_path / "whole")
    shutil.copy(ensemble / "README.md", tmp_path / "whole")
    for names in (["inner"], ["single", "inner"], ["inner", "single"]):
        hashes = {name: sha256_of({"inner": inner, "single": single}[name] / "model.json") for name in names}
        rewrite(tmp_path / "whole", members=hashes)
        with pytest.raises(SerError, match=r"inner: an ensemble as a member; expected: single models"):
            open_model(tmp_path / "whole")


def test_a_member_counts_once(ensemble):
    members = json.loads((ensemble / "model.json").read_text())["members"]
    first = next(iter(members))
    shutil.copytree(ensemble / first, ensemble / "again")
    rewrite(ensemble, members={**members, "again": members[first]})
    with pytest.raises(SerError, match="a member twice; expected: each member once"):
        open_model(ensemble)


def test_an_ensemble_whose_card_names_other_classes_is_refused(ensemble):
    rewrite(ensemble, classes=CLASSES[::-1])
    with pytest.raises(SerError, match=r"classes neutral, .*expected: those of its members: anger"):
        open_model(ensemble)


def test_members_with_other_labels_are_refused(ensemble):
    members = json.loads((ensemble / "model.json").read_text())["members"]
    name = next(iter(members))
    labels = ensemble / name / "label_encoder.ckpt"
    labels.write_text(labels.read_text().replace("'anger' => 0", "'fear' => 0").replace("'fear' => 3", "'anger' => 3"))
    card = json.loads((ensemble / name / "model.json").read_text())
    order = [card["classes"][place] for place in (3, 1, 2, 0, 4, 5, 6)]
    path = rewrite(ensemble / name, classes=order, files={**card["files"], labels.name: sha256_of(labels)})
    rewrite(ensemble, members={**members, name: sha256_of(path)})
    with pytest.raises(SerError, match=r"a member with other outputs.*one order of labels"):
        open_model(ensemble)


def test_the_command_line_exports_ensembles_and_uses_the_box(run, tmp_path, monkeypatch, capsys):
    from ser_plugins import cli

    def ser(*arguments):
        monkeypatch.setattr("sys.argv", ["ser", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
        return capsys.readouterr().out

    path = write_wav(tmp_path / "speech.wav")
    assert "the mean of 3 models" in ser("export", run, tmp_path / "new", "--ensemble", "--half")
    expected = EmotionClassifier.from_hparams(tmp_path / "new").predict(path).label
    assert json.loads(ser("classify", path, "--model", tmp_path / "new", "--json"))[0]["label"] == expected
    assert json.loads(ser("classify", path, "--json"))[0]["label"] == open_model().predict(path).label
