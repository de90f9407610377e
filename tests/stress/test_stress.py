"""`ser stress`: answers that are kept, scores against nothing changed, groups that are accused only with reason."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from fake_run import resealed
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from ser_plugins.cli import app
from ser_plugins.cli.overview import overview
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.export.card import card_text
from ser_plugins.export.stress import put_into_card
from ser_plugins.inference.loading import BUNDLED, card_in, load_model
from ser_plugins.stress.record import read_stress
from ser_plugins.stress.summary import groups, robustness
from ser_plugins.stress.trial import AS_RECORDED, NAMES, NO_SPEECH, LabelledRecordings, read_test_set

CLASSES = ["anger", "joy", "neutral"]


def recordings(speakers=12, each=30, right=lambda speaker: 0.8, seed=0):
    """Labels and answers of a model that is right with this probability."""
    rng = np.random.default_rng(seed)
    rows = []
    for speaker in range(speakers):
        for _ in range(each):
            true = CLASSES[rng.integers(3)]
            others = [name for name in CLASSES if name != true]
            predicted = true if rng.random() < right(speaker) else others[rng.integers(2)]
            rows.append((f"{len(rows)}.wav", true, f"s{speaker:02d}", "even" if speaker % 2 == 0 else "odd", predicted))
    table = pd.DataFrame(rows, columns=["id", "true", "speaker", "side", "predicted"])
    return LabelledRecordings("test.csv", table.drop(columns="predicted"), True), table[["id", "predicted"]]


def test_the_same_answers_are_unchanged_and_cost_nothing():
    tests, plain = recordings()
    rows = robustness(tests, {AS_RECORDED: plain, "louder": plain}, CLASSES)
    assert (rows[1].change, rows[1].unchanged, rows[1].no_speech) == (0, 1, 0)
    assert rows[1].change_interval == (0, 0)
    assert rows[0].uar == pytest.approx(0.8, abs=0.06)


def test_what_a_condition_costs_is_in_its_interval():
    tests, plain = recordings()
    worse = plain.copy()
    worse.loc[::4, "predicted"] = NO_SPEECH
    (_, row) = robustness(tests, {AS_RECORDED: plain, "silent": worse}, CLASSES)
    assert row.no_speech == 90
    assert row.unchanged == pytest.approx(0.75)
    assert row.change == pytest.approx(-0.2, abs=0.05)
    assert row.change_interval[0] <= row.change <= row.change_interval[1] < 0


def test_a_planted_difference_between_groups_is_found_and_chance_is_not():
    unfair, answers = recordings(right=lambda speaker: 0.9 if speaker % 2 else 0.6)
    even, odd = groups(unfair, answers, CLASSES, "side")
    assert (even.value, even.speakers, even.recordings) == ("even", 6, 180)
    assert even.p < 0.01
    assert (even.verdict, odd.verdict) == ("worse than the others", "better than the others")
    assert even.difference == pytest.approx(-odd.difference)
    assert even.false_alarms > odd.false_alarms
    accused = [groups(*recordings(seed=seed), CLASSES, "side")[0].p < 0.05 for seed in range(1, 11)]
    assert sum(accused) <= 2


def test_of_few_speakers_nothing_is_concluded():
    tests, answers = recordings(speakers=8)
    assert {group.verdict for group in groups(tests, answers, CLASSES, "side")} == {
        "nothing can be concluded: 4 speakers on one side"
    }
    changing = LabelledRecordings("t.csv", tests.table.assign(side=np.resize(["a", "b"], len(tests.table))), True)
    assert "not a property of speakers" in groups(changing, answers, CLASSES, "side")[0].verdict


@pytest.fixture(scope="module")
def test_csv(toy_emodb, tmp_path_factory):
    """Six recordings of two speakers, with absolute paths."""
    folder = tmp_path_factory.mktemp("stress")
    names = {"W": "anger", "T": "sadness", "N": "neutral"}
    paths = sorted(path for path in (toy_emodb / "wav").glob("*a01[WTN]a.wav") if path.stem[:2] != "09")
    rows = [
        f"{path},{names[path.stem[5]]},{path.stem[:2]},{'male' if path.stem[:2] == '03' else 'female'}"
        for path in paths
    ]
    (folder / "test.csv").write_text("\n".join(["wav,label,speaker,sex", *rows]) + "\n")
    return folder / "test.csv"


def test_one_command_writes_a_page_and_a_killed_one_goes_on(test_csv, tmp_path):
    command = ["stress", "--csv", str(test_csv), "--model", "small", "--by", "sex", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0
    page = (tmp_path / "out" / "stress.md").read_text()
    assert all(f"| {name.replace('|', '')} |" in page for name in NAMES)
    assert "nothing can be concluded: 1 speaker on one side" in page
    values = json.loads((tmp_path / "out" / "stress.json").read_text())
    assert [row["condition"] for row in values["conditions"]] == list(NAMES)
    assert values["conditions"][0]["unchanged"] == 1
    assert len(list((tmp_path / "out" / "figures").glob("*.p*"))) == 4
    kept = sorted((tmp_path / "out" / "predictions").glob("*.csv"))
    assert len(kept) == len(NAMES)
    times = {path: path.stat().st_mtime_ns for path in kept}
    kept[3].unlink()
    CliRunner().invoke(app, command, catch_exceptions=False)
    changed = [path for path in kept if path.stat().st_mtime_ns != times[path]]
    assert changed == [kept[3]]
    assert (tmp_path / "out" / "stress.md").read_text() == page
    other = ["standard" if word == "small" else word for word in command]
    with pytest.raises(SerError, match="another model"):
        CliRunner().invoke(app, other, catch_exceptions=False)


@pytest.fixture(scope="module")
def tried(test_csv, tmp_path_factory):
    """An exported model, and the folder of its trial."""
    folder = tmp_path_factory.mktemp("tried")
    model = shutil.copytree(BUNDLED["small"], folder / "model")
    command = ["stress", "--csv", str(test_csv), "--model", str(model), "--by", "sex", "--out", str(folder / "out")]
    result = CliRunner().invoke(app, [*command, "--into-card"], catch_exceptions=False)
    assert result.exit_code == 0
    return model, folder / "out", command


def test_the_card_of_the_model_has_the_worst_of_every_kind_and_the_groups(tried):
    model, out, _ = tried
    record, card = read_stress(out), load_model(model).card
    before = card_in(BUNDLED["small"])
    assert replace(card, stress=None, files={}) == replace(before, files={})
    assert {name for name in card.files if card.files[name] != before.files[name]} == {"README.md"}
    assert card.stress == record.for_card()
    plain, *changed = record.conditions
    assert (card.stress.uar, card.stress.interval, card.stress.recordings) == (plain.uar, plain.interval, 6)
    assert [row.family for row in card.stress.worst] == list(dict.fromkeys(row.family for row in changed))
    for row in card.stress.worst:
        assert row.change == min(other.change for other in changed if other.family == row.family)
    assert [group.value for group in card.stress.groups] == ["female", "male"]
    text = (model / "README.md").read_text(encoding="utf-8")
    assert text == card_text(card)
    section = text.split("## Under stress")[1]
    assert all(f"| {row.family} | {row.condition} |" in section for row in card.stress.worst)
    assert "nothing can be concluded: 1 speaker on one side" in section


def test_what_is_in_the_card_does_not_make_it_another_model(tried):
    model, out, command = tried
    times = {path: path.stat().st_mtime_ns for path in (out / "predictions").iterdir()}
    content = (model / "model.json").read_bytes()
    CliRunner().invoke(app, [*command, "--into-card"], catch_exceptions=False)
    assert times == {path: path.stat().st_mtime_ns for path in (out / "predictions").iterdir()}
    assert (model / "model.json").read_bytes() == content
    (row,) = [row for row in overview([model]) if row["model"] == str(model)]
    assert row["stress"] == load_model(model).card.stress.line


def test_other_weights_under_the_same_card_are_another_model(tried, tmp_path):
    model, out, command = tried
    other = shutil.copytree(model, tmp_path / "model")
    weights = load_file(other / "classifier.safetensors")
    save_file({name: 2 * value for name, value in weights.items()}, other / "classifier.safetensors")
    resealed(other)
    assert load_model(other).text == load_model(model).text
    content = (other / "model.json").read_bytes()
    with pytest.raises(SerError, match="answers of another model"):
        CliRunner().invoke(
            app, [str(other) if word == str(model) else word for word in command], catch_exceptions=False
        )
    with pytest.raises(SerError, match="a model with other weights"):
        put_into_card(other, out)
    assert (other / "model.json").read_bytes() == content


def test_a_card_is_written_only_for_an_export_and_from_a_finished_trial(tried, test_csv, tmp_path):
    model, out, _ = tried
    command = ["stress", "--csv", str(test_csv), "--model", "small", "--into-card"]
    with pytest.raises(SerError, match="--into-card for small"):
        CliRunner().invoke(app, command, catch_exceptions=False)
    with pytest.raises(MissingPathError, match=r"no file .*stress.json"):
        put_into_card(model, tmp_path)
    record = json.loads((out / "stress.json").read_text())
    for changes in ({"schema": 1}, {"conditions": []}, {"recordings": "six"}):
        (tmp_path / "stress.json").write_text(json.dumps({**record, **changes}))
        with pytest.raises(SerError, match=r"stress.json: .*remedy: give the command again"):
            read_stress(tmp_path)
    occupied = shutil.copytree(model, tmp_path / "model")
    (occupied / "notes.txt").write_text("mine")
    with pytest.raises(SerError, match="is not empty"):
        put_into_card(occupied, out)


def test_labels_that_the_model_lacks_and_recordings_twice_are_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("wav,label\na.wav,rage\n")
    with pytest.raises(SerError, match=r"labels rage.*those of the model: anger"):
        read_test_set(path, CLASSES)
    path.write_text("wav,label\na.wav,joy\na.wav,joy\n")
    with pytest.raises(SerError, match=r"a.wav twice"):
        read_test_set(path, CLASSES)
    path.write_text("wav,label\na.wav,joy\nb.wav,anger\n")
    assert not read_test_set(path, CLASSES).speakers_told
