"""`ser compare` of two stress folders: the same recordings, paired by speaker, or one error."""

import json

import numpy as np
import pandas as pd
import pytest
from fake_run import write_run
from typer.testing import CliRunner

from ser_plugins.cli import app
from ser_plugins.errors import SerError
from ser_plugins.files import write_json
from ser_plugins.stress.compare import compare_stress
from ser_plugins.stress.compare_page import comparison_markdown
from ser_plugins.stress.record import StressRecord
from ser_plugins.stress.summary import robustness
from ser_plugins.stress.trial import AS_RECORDED, NO_SPEECH, LabelledRecordings

CLASSES = ["anger", "joy", "neutral"]
NAMES = (AS_RECORDED, "GSM", "babble, 0 dB")


def write_trial(folder, right, speakers=10, each=30, model="models/a"):
    """A folder as ser stress leaves it, of a model that is right with these probabilities under the conditions."""
    rng = np.random.default_rng(0)
    true = rng.choice(CLASSES, speakers * each)
    speaker = np.repeat([f"s{number:02d}" for number in range(speakers)], each)
    table = pd.DataFrame({"id": [f"{place}.wav" for place in range(len(true))], "true": true, "speaker": speaker})
    rng = np.random.default_rng([1, *map(ord, model)])
    answers = {}
    (folder / "predictions").mkdir(parents=True)
    for name, probability in zip(NAMES, right, strict=True):
        predicted = np.where(rng.random(len(true)) < probability, true, NO_SPEECH)
        answers[name] = pd.DataFrame({"id": table["id"], "predicted": predicted})
        file = {AS_RECORDED: "as_recorded", "GSM": "gsm", "babble, 0 dB": "babble_0_db"}[name]
        answers[name].to_csv(folder / "predictions" / f"{file}.csv", index=False)
    table.to_csv(folder / "recordings.csv", index=False)
    tests = LabelledRecordings(folder / "test.csv", table, True)
    record = StressRecord(
        model=model,
        model_sha256=model,
        test_set="test.csv",
        recordings=len(table),
        speakers=speakers,
        conditions=tuple(robustness(tests, answers, CLASSES)),
        groups=(),
    )
    write_json(folder / "stress.json", record.to_json())
    return folder


@pytest.fixture
def trials(tmp_path):
    first = write_trial(tmp_path / "a", (0.9, 0.85, 0.8))
    return first, write_trial(tmp_path / "b", (0.9, 0.85, 0.3), model="models/b")


def compare(*arguments):
    return CliRunner().invoke(app, ["compare", *map(str, arguments)], catch_exceptions=False, env={"COLUMNS": "300"})


def test_differences_are_those_of_the_answers_and_a_planted_one_is_found(trials):
    comparison = compare_stress(*trials)
    assert comparison.models == ("models/a", "models/b")
    assert [row.condition for row in comparison.conditions] == list(NAMES)
    for row, file in zip(comparison.conditions, ("as_recorded", "gsm", "babble_0_db"), strict=True):
        true = pd.read_csv(trials[0] / "recordings.csv")["true"]
        scores = []
        for folder in trials:
            predicted = pd.read_csv(folder / "predictions" / f"{file}.csv")["predicted"]
            hits = [(predicted == true)[true == name].mean() for name in CLASSES]
            scores.append(float(np.mean(hits)))
        assert row.uar == pytest.approx(scores)
        assert row.difference == pytest.approx(scores[0] - scores[1])
        assert row.interval[0] <= row.difference <= row.interval[1]
        assert row.change_difference == pytest.approx(row.change[0] - row.change[1])
    plain, gsm, babble = comparison.conditions
    assert plain.change == (0, 0)
    assert plain.change_interval == (0, 0)
    assert gsm.change_interval[0] <= 0 <= gsm.change_interval[1]
    assert babble.change_interval[0] > 0.3
    assert "1 cost models/b more than models/a, and 0 the other way round" in comparison.conclusion


def test_order_turns_signs_and_the_same_trial_twice_differs_in_nothing(trials):
    forth, back = compare_stress(*trials), compare_stress(*trials[::-1])
    for one, other in zip(forth.conditions, back.conditions, strict=True):
        assert one.difference == pytest.approx(-other.difference)
        assert one.change_interval == pytest.approx([-bound for bound in other.change_interval[::-1]])
    same = compare_stress(trials[0], trials[0])
    assert {row.change_interval for row in same.conditions} == {(0, 0)}
    assert str(trials[0]) in same.models[0]


def test_the_command_prints_it_and_writes_markdown_and_json(trials, tmp_path):
    comparison = compare_stress(*trials)
    for name in ("c.md", "c.json"):
        done = compare(*trials, "--out", tmp_path / name)
        assert done.exit_code == 0
        assert comparison.conclusion in " ".join(done.stdout.split())
    assert (tmp_path / "c.md").read_text(encoding="utf-8") == comparison_markdown(comparison)
    values = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert values == json.loads(json.dumps(comparison.to_json()))
    babble = comparison.conditions[2]
    assert f"| babble, 0 dB | {100 * babble.uar[0]:.1f} | {100 * babble.uar[1]:.1f} |" in comparison_markdown(
        comparison
    )


def test_of_one_speaker_there_are_no_intervals(tmp_path):
    folders = [write_trial(tmp_path / name, (0.9, 0.8, 0.7), speakers=1, model=name) for name in ("a", "b")]
    comparison = compare_stress(*folders)
    assert {row.interval for row in comparison.conditions} == {None}
    assert "One speaker says nothing" in comparison.conclusion


def test_what_cannot_be_compared_is_one_error(trials, tmp_path):
    def refused(message, *arguments):
        with pytest.raises(SerError, match=message):
            compare(*arguments)

    fewer = write_trial(tmp_path / "c", (0.9, 0.8, 0.7), speakers=9)
    refused("30 recordings of the first and 0 of the second are not in the other", trials[0], fewer)
    run = write_run(tmp_path / "run" / "loso")
    refused("loso, which is no folder of ser stress, beside one that is", trials[0], run)
    refused("loso, which is no folder of ser stress", run, trials[0])
    refused("3 folders of ser stress", *trials, trials[0])
    refused("an option of runs", *trials, "--allow-differing", "seeds")
    record = json.loads((trials[0] / "stress.json").read_text())
    (trials[0] / "stress.json").write_text(json.dumps({**record, "conditions": record["conditions"][:2]}))
    refused("a: 2 conditions, .*b: 3, not the same", *trials)
    (trials[1] / "recordings.csv").unlink()
    refused("no file .*recordings.csv", *trials)
