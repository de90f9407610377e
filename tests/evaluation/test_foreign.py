"""Predictions of other toolkits are scored and compared as runs are, and refused where they are of something else."""

import numpy as np
import pandas as pd
import pytest
from fake_run import write_run

from ser_plugins.corpora.lists.division import Division, Fold
from ser_plugins.errors import SerError
from ser_plugins.evaluation.compare.comparable import read_comparable
from ser_plugins.evaluation.compare.comparison import compare_many, compare_runs
from ser_plugins.evaluation.compare.foreign_score import score_predictions
from ser_plugins.evaluation.metrics.classification import classification_metrics
from ser_plugins.evaluation.metrics.intervals import wilson_interval
from ser_plugins.evaluation.runs.folds import read_run

CLASSES = ["anger", "joy", "sad"]


def answers(seed, accuracy, count=90):
    rng = np.random.default_rng(seed)
    true = np.random.default_rng(0).choice(CLASSES, count)
    predicted = np.where(rng.random(count) < accuracy, true, rng.choice(CLASSES, count))
    return pd.DataFrame(
        {
            "id": [f"u{i}" for i in range(count)],
            "true": true,
            "predicted": predicted,
            "speaker": [f"s{i % 6}" for i in range(count)],
        }
    )


def write(table, path, **options):
    table.to_csv(path, index=False, **options)
    return path


def test_scores_and_intervals_are_those_of_the_answers(tmp_path):
    table = answers(1, 0.7)
    summary = score_predictions(write(table, tmp_path / "theirs.csv")).run.summary
    expected = classification_metrics(list(table["true"]), list(table["predicted"]), CLASSES)
    for name in ("WA", "UAR", "macro_F1"):
        assert summary.metrics[name] == pytest.approx(expected[name])
    assert summary.intervals["WA"] == pytest.approx(wilson_interval(expected["WA"], 90))
    low, high = summary.intervals["UAR"]
    assert low < expected["UAR"] < high


@pytest.mark.parametrize("form", ["names", "tsv", "probabilities", "semicolons"])
def test_files_in_any_form_say_the_same(tmp_path, form):
    table = answers(1, 0.7)
    plain = score_predictions(write(table, tmp_path / "plain.csv")).run.summary.metrics
    path = tmp_path / ("other.tsv" if form == "tsv" else "other.csv")
    if form == "names":
        renamed = table.rename(columns={"id": "Filename", "true": "y_true", "predicted": "y_pred", "speaker": "SPK"})
        write(renamed.assign(Filename=renamed["Filename"] + ".wav"), path)
    elif form == "probabilities":
        probable = {f"p_{name}": (table["predicted"] == name) * 0.4 + 0.2 for name in CLASSES}
        write(table.assign(**probable), path)
    else:
        write(table, path, sep="\t" if form == "tsv" else ";")
    assert score_predictions(path).run.summary.metrics == plain


def test_without_speakers_only_accuracy_has_an_interval(tmp_path):
    scored = score_predictions(write(answers(1, 0.7).drop(columns="speaker"), tmp_path / "theirs.csv"))
    assert scored.run.summary.intervals["WA"]
    assert scored.run.summary.intervals["UAR"] is None
    assert "no column speaker" in scored.notes[-1]


def test_two_files_are_compared_as_runs_are(tmp_path):
    better, worse = (write(answers(seed, share), tmp_path / f"{share}.csv") for seed, share in ((1, 0.95), (2, 0.3)))
    found = compare_runs(better, worse)
    assert found.scores["WA"]["difference"] > 0.3
    assert found.conclusion.startswith("On these 90 utterances 0.95 is right more often than 0.3")
    third = write(answers(3, 0.5), tmp_path / "third.csv")
    assert compare_many({"a": better, "b": worse, "c": third}).reference == "a"


def test_other_utterances_are_another_test(tmp_path):
    first = write(answers(1, 0.7), tmp_path / "first.csv")
    for other in (answers(2, 0.7, 60), answers(2, 0.7).assign(speaker="s0")):
        with pytest.raises(SerError, match="expected: the same test for both"):
            compare_runs(first, write(other, tmp_path / "other.csv"))


def test_a_file_is_held_against_a_run_of_the_same_utterances(tmp_path):
    folder = write_run(tmp_path / "bigru_mha" / "loso")
    tables = [table for fold in read_run(folder) for table in fold.predictions.values()]
    table = pd.concat(tables)[["id", "true", "predicted"]]
    theirs = write(table, tmp_path / "theirs.csv")
    runs = read_comparable({"ours": folder, "theirs": theirs})
    assert runs["ours"].summary.metrics == runs["theirs"].summary.metrics
    assert runs["ours"].answers["unit"].equals(runs["theirs"].answers["unit"])
    assert compare_runs(folder, theirs).scores["WA"]["difference"] == 0
    with pytest.raises(SerError, match=r"id .* in only one of"):
        read_comparable({"ours": folder, "theirs": write(table[1:], theirs)})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,true\nu1,joy\n", "no column predicted in id, true"),
        ("id,true,predicted\nu1,joy,\n", "predicted is empty in row 2"),
        ("id,true,predicted\nu1,joy,joy\nu1,joy,sad\n", "id u1 twice"),
        ("id,true,predicted,seed\nu1,joy,joy,one\n", "seed one"),
        ("id,true,predicted,p_joy,p_sad\nu1,joy,joy,0.2,0.8\n", "a less probable class"),
        ("", "theirs.csv: "),
    ],
)
def test_what_are_no_predictions(tmp_path, text, message):
    path = tmp_path / "theirs.csv"
    path.write_text(text)
    with pytest.raises(SerError, match=message):
        score_predictions(path)
    with pytest.raises(SerError, match=r"nowhere\.csv"):
        score_predictions(tmp_path / "nowhere.csv")


class TestOfADivision:
    @pytest.fixture
    def division(self):
        table = answers(1, 0.7)
        entries = {
            f"wav/{id_}.wav": {"wav": f"wav/{id_}.wav", "speaker": speaker, "label": label}
            for id_, label, speaker in zip(table["id"], table["true"], table["speaker"], strict=True)
        }
        folds = []
        for half in range(2):
            test = {id_: f for id_, f in entries.items() if int(f["speaker"][1:]) % 2 == half}
            folds.append(Fold(str(half), {"train": {i: entries[i] for i in entries if i not in test}, "test": test}))
        return Division("halves", tuple(folds))

    def test_speakers_and_folds_are_those_of_the_lists(self, division, tmp_path):
        table = answers(1, 0.7)
        with_speakers = score_predictions(write(table, tmp_path / "a.csv")).run.summary
        scored = score_predictions(write(table.drop(columns="speaker"), tmp_path / "b.csv"), division)
        assert scored.run.summary.intervals == with_speakers.intervals
        assert scored.run.summary.protocol.folds == ("0", "1")
        assert len(scored.notes) == 1

    def test_what_is_missing_or_labelled_otherwise_is_told_and_what_is_not_tested_is_refused(self, division, tmp_path):
        table = answers(1, 0.7)
        table.loc[3, "true"] = next(name for name in CLASSES if name != table.loc[3, "true"])
        notes = score_predictions(write(table[1:], tmp_path / "a.csv"), division).notes
        assert notes[0] == "no prediction of 1 of 90 tested utterances: wav/u0.wav"
        assert notes[1] == "1 true labels are not those of the lists: wav/u3.wav"
        table.loc[5, "id"] = "stranger"
        with pytest.raises(SerError, match="1 predictions of what is not tested: stranger"):
            score_predictions(write(table, tmp_path / "b.csv"), division)
