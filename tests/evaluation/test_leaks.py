"""What a leak is worth: scores and differences of the table, from the predictions alone; what belongs together."""

import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from fake_predictions import write_system
from printed_tables import rows

from ser_plugins.errors import SerError
from ser_plugins.evaluation.compare.leaks import leak_table
from ser_plugins.evaluation.metrics import intervals as statistics
from ser_plugins.evaluation.report import summary as report
from ser_plugins.evaluation.report.tables import EPOCH_ON_TEST
from ser_plugins.evaluation.runs.evidence import is_packed, system_named_by


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(statistics, "DRAWS", 200)
    monkeypatch.setattr(report, "calibration", lambda *_: None)


@pytest.fixture
def runs(tmp_path):
    """One system: honest, leaking, transductive (under another name and with another z-norm)."""
    return [
        write_system(tmp_path / "cnn" / "loso", 1.0),
        write_system(tmp_path / "cnn" / "random", 3.0, protocol="random", leaks=True, trained_on=36),
        write_system(
            tmp_path / "cnn_speaker" / "loso",
            2.0,
            {"mean_var_norm": "by speaker", "normalisation": "speaker"},
            transductive=True,
            normalisation="speaker",
        ),
    ]


def numbers(cell):
    return [float(text) for text in re.findall(r"[-+]?\d+\.\d", cell.replace("−", "-"))]


def predictions(folder):
    table = pd.concat([pd.read_csv(path) for path in folder.glob("seed_*/*/predictions.csv")])
    return table.set_index("id").sort_index()


def test_scores_and_differences_are_those_of_the_predictions(runs):
    honest, *_ = tables = [predictions(folder) for folder in runs]
    hits = [(table["true"] == table["predicted"]).astype(float) for table in tables]
    recalls = [hit.groupby(table["true"]).mean().mean() for hit, table in zip(hits, tables, strict=True)]
    found = rows(leak_table(runs))
    assert [row[:3] for row in found] == [
        ["`cnn`", "loso", "48"],
        ["`cnn`", "random **LEAKING**", "36"],
        ["`cnn_speaker`", "loso **TRANSDUCTIVE**", "48"],
    ]
    for row, hit, recall in zip(found, hits, recalls, strict=True):
        assert numbers(row[3])[0] == pytest.approx(100 * hit.mean(), abs=0.05)
        assert numbers(row[4])[0] == pytest.approx(100 * recall, abs=0.05)
        if row is not found[0]:
            assert numbers(row[5])[0] == pytest.approx(100 * (hit.mean() - hits[0].mean()), abs=0.05)
            assert numbers(row[6])[0] == pytest.approx(100 * (recall - recalls[0]), abs=0.05)
    assert found[0][5:] == ["–", "–"]
    # the same speakers drawn for both, by hand: all speakers have as many utterances here
    by_speaker = (hits[1] - hits[0]).groupby(honest["fold"]).mean()
    drawn = np.random.default_rng(0).multinomial(len(by_speaker), np.full(len(by_speaker), 1 / len(by_speaker)), 200)
    expected = 100 * np.quantile(drawn @ by_speaker.to_numpy() / len(by_speaker), [0.025, 0.975])
    assert numbers(found[1][5])[1:] == pytest.approx(expected, abs=0.05)


def test_every_word_of_caution_is_explained_below(runs):
    table = leak_table(runs)
    assert "> **LEAKING**: test speakers are also in training" in table
    assert "> **TRANSDUCTIVE**: the normalisation has seen" in table


def test_each_system_is_held_against_its_own_honest_run(runs, tmp_path):
    other = [
        write_system(tmp_path / "rnn" / name, skill, {"heads": 4}, protocol=name, leaks=leaks)
        for name, skill, leaks in (("random", 2.0, True), ("loso", 0.5, False))
    ]
    found = rows(leak_table([*runs, *other]))
    score = {tuple(row[:2]): numbers(row[3])[0] for row in found}
    (row,) = [row for row in found if row[:2] == ["`rnn`", "random **LEAKING**"]]
    expected = score["`rnn`", "random **LEAKING**"] - score["`rnn`", "loso"]
    assert numbers(row[5])[0] == pytest.approx(expected, abs=0.11)  # of rounded scores


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"settings": {"heads": 2}}, "no run of the same system that neither leaks nor is transductive"),
        ({"corpus": "IEMOCAP"}, "expected: run folders of one corpus"),
        ({"n": 20}, "other utterances than in loso"),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(change, message, runs, tmp_path):
    odd = write_system(tmp_path / "odd" / "random", 1.0, protocol="random", leaks=True, **change)
    with pytest.raises(SerError, match=message):
        leak_table([runs[0], odd])


def test_one_command_trains_what_each_system_needs_and_writes_the_table(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT / "scripts")
    script = import_module("leak_demonstration")
    given = []

    def train(arguments, check):
        given.append(arguments)
        options = dict(zip(arguments[3::2], arguments[4::2], strict=True))
        system, protocol = options.get("--system", Path(arguments[2]).stem), options["--protocol"]
        facts = {"protocol": protocol, "transductive": options.get("--normalisation") == "speaker", "speakers": 2}
        if (tmp_path / system / protocol).exists():  # a finished one is kept
            return
        write_system(tmp_path / system / protocol, 1.0, leaks=protocol == "random", **facts)
        if arguments[1].endswith("epoch_on_test.py"):
            facts.update(selection=EPOCH_ON_TEST, disjoint=["speaker"])
            write_system(tmp_path / f"{system}_epoch_on_test" / protocol, 2.0, leaks=True, **facts)

    monkeypatch.setattr(script.subprocess, "run", train)
    monkeypatch.setattr(import_module("publish_results"), "EVIDENCE", tmp_path / "evidence")
    out = tmp_path / "leaks.md"
    where = ["--data_folder", "emodb", "--results_folder", str(tmp_path), "--out", str(out)]
    script.main([*where, "mfcc_svm", "cnn --lr 0.1", "--device", "cuda:0"])
    (corpus,) = (tmp_path / "evidence").iterdir()
    kept = [kept_run(corpus, run) for name in ("mfcc_svm", "cnn") for run in script.settings(name)]
    assert leak_table(kept) in out.read_text(encoding="utf-8")
    assert all(arguments[-2:] == ["--device", "cuda:0"] for arguments in given)
    assert [arguments[-4:-2] == ["--lr", "0.1"] for arguments in given] == [False] * 4 + [True] * 4
    text = out.read_text(encoding="utf-8")
    assert "`python scripts/leak_demonstration.py mfcc_svm 'cnn --lr 0.1' --device cuda:0`" in text
    assert [row[:2] for row in rows(text)] == [
        ["`mfcc_svm`", "loso"],
        ["`mfcc_svm`", "random **LEAKING**"],
        ["`mfcc_svm`", "loso-sentence"],
        ["`mfcc_svm_speaker`", "loso **TRANSDUCTIVE**"],
        ["`cnn`", "loso"],
        ["`cnn`", "random **LEAKING**"],
        ["`cnn_epoch_on_test`", "loso **LEAKING**"],
        ["`cnn_epoch_on_test`", "random **LEAKING**"],
    ]
    out.write_text(f"{text}\nOur own words.\n", encoding="utf-8")
    script.main([*where, "mfcc_svm"])
    text = out.read_text(encoding="utf-8")
    assert len(rows(text)) == 4
    assert text.endswith("\nOur own words.\n")


KEPT = ROOT / "evidence" / "EmoDB"


def kept_run(corpus, run):
    """Where a run of the script is kept: among the leaks, or beside the honest runs of other systems."""
    name = run.replace("/", ".")
    (place,) = (place for place in (corpus / name, corpus / "leaks" / name) if is_packed(place))
    return place


@pytest.mark.parametrize("system", ["mfcc_svm", "egemaps_svm", "compare_svm", "functionals_svm", "best"])
def test_the_published_table_is_what_the_committed_predictions_give(system, monkeypatch):
    monkeypatch.setattr(statistics, "DRAWS", 2000)  # as published
    monkeypatch.syspath_prepend(ROOT / "scripts")
    runs = [kept_run(KEPT, run) for run in import_module("leak_demonstration").settings(system)]
    published = rows((ROOT / "recipes" / "EmoDB" / "leaks.md").read_text(encoding="utf-8"))
    names = {f"`{system_named_by(run)}`" for run in runs}
    assert rows(leak_table(runs)) == [row for row in published if row[0] in names]
