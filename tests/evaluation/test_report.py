import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from fake_predictions import CLASSES, FOLDS, edit_predictions, edit_results, setting, write_fold
from printed_tables import printed

from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.evaluation.metrics.classification import classification_metrics
from ser_plugins.evaluation.report.figures import confusion_figure, curves_figure, save, unit_figure
from ser_plugins.evaluation.report.summary import (
    MissingFoldError,
    RunSummary,
    aggregate,
    fold_results,
    protocol_line,
    read_run,
    write_report,
)
from ser_plugins.evaluation.runs.definition import TestDefinition
from ser_plugins.evaluation.runs.evidence import read_record

METRICS = ("WA", "UAR", "macro_F1")


def summarise(run):
    return aggregate(read_run(run))


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "results" / "EmoDB" / "bigru" / "loso"
    for fold in FOLDS:
        write_fold(folder, fold)
    return folder


def test_pooled_scores_come_from_all_predictions(run):
    summary = summarise(run)
    table = pd.concat([pd.read_csv(run / "seed_1234" / fold / "predictions.csv") for fold in FOLDS])
    expected = classification_metrics(table["true"].tolist(), table["predicted"].tolist(), CLASSES)
    assert summary.metrics == expected
    assert summary.utterances == len(table) == sum(row["n"] for row in summary.per_unit)
    assert summary.seed_sd == dict.fromkeys(METRICS)
    per_fold = [json.loads((run / "seed_1234" / fold / "results.json").read_text())["metrics"] for fold in FOLDS]
    for name in METRICS:
        values = [scores[name] for scores in per_fold]
        assert summary.fold_mean[name] == pytest.approx(np.mean(values))
        assert summary.fold_sd[name] == pytest.approx(np.std(values, ddof=1))
        assert summary.intervals[name][0] < summary.metrics[name] < summary.intervals[name][1]
    assert [row["WA"] for row in summary.per_unit] == pytest.approx([scores["WA"] for scores in per_fold])
    assert summary.wall_time_s == 63 + 68 + 69
    assert summary.longest_fold_s == 69


def test_several_seeds_are_pooled_each_and_then_averaged(run):
    one = summarise(run)
    for fold in FOLDS:
        write_fold(run, fold, seed=7)
    two = write_report(run)
    assert two.seeds == (7, 1234)
    assert two.utterances == one.utterances
    assert {key: two.per_seed[1][key] for key in METRICS} == {key: one.metrics[key] for key in METRICS}
    for name in METRICS:
        values = [row[name] for row in two.per_seed]
        assert two.metrics[name] == pytest.approx(np.mean(values))
        assert two.seed_sd[name] == pytest.approx(np.std(values, ddof=1))
        of_folds = [np.mean([row[name] for row in two.per_fold if row["fold"] == fold]) for fold in FOLDS]
        assert two.fold_mean[name] == pytest.approx(np.mean(of_folds))
        assert two.fold_sd[name] == pytest.approx(np.std(of_folds, ddof=1))
    assert np.sum(two.metrics["confusion"]) == 2 * two.utterances
    assert two.protocol_hash == one.protocol_hash  # one test
    assert two.protocol_line != one.protocol_line
    text = (run / "results.md").read_text()
    assert "mean ± sd of 2 seeds" in text
    assert "counts summed over 2 seeds" in text
    assert "of the mean accuracy of the seeds, with n = 72" in text


def test_class_absent_from_a_fold_is_left_out_of_that_folds_uar(tmp_path):
    for fold in FOLDS:
        write_fold(tmp_path, fold, absent="fear" if fold == "spk08" else "")
    summary = summarise(tmp_path)
    table = pd.read_csv(tmp_path / "seed_1234" / "spk08" / "predictions.csv")
    recalls = [(group["predicted"] == name).mean() for name, group in table.groupby("true")]
    assert len(recalls) == 3
    assert summary.per_fold[1]["UAR"] == pytest.approx(np.mean(recalls))


@pytest.mark.usefixtures("rendered")
def test_class_absent_everywhere_is_a_dash(tmp_path):
    for fold in FOLDS:
        write_fold(tmp_path, fold, absent="fear")
    summary = write_report(tmp_path)
    assert summary.metrics["per_class"]["fear"]["recall"] is None
    assert "| fear | – |" in (tmp_path / "results.md").read_text()


def test_report_from_the_files_alone_equals_the_first(run, tmp_path):
    first = write_report(run)
    copy = tmp_path / "elsewhere"
    shutil.copytree(run / "seed_1234", copy / "seed_1234")
    assert (
        write_report(copy)
        == first
        == RunSummary.from_json(json.loads((run / "results.json").read_text()), run / "results.json")
    )
    for name in ("results.json", "results.md", "predictions.csv"):
        assert (copy / name).read_bytes() == (run / name).read_bytes()
    assert write_report(run) == first  # its own outputs do not disturb it


def test_predictions_are_kept_to_the_last_digit(run):
    write_report(run)
    together = pd.read_csv(run / "predictions.csv", dtype=str)
    apart = pd.concat([pd.read_csv(run / "seed_1234" / fold / "predictions.csv", dtype=str) for fold in FOLDS])
    assert list(together.columns) == list(apart.columns)
    numbers = together.filter(like="p_").astype(float).to_numpy()
    assert np.array_equal(numbers, apart.filter(like="p_").astype(float).to_numpy())
    assert list(together["id"]) == list(apart["id"])


@pytest.mark.usefixtures("rendered")
def test_every_figure_is_written(tmp_path):
    for fold in FOLDS:
        write_fold(tmp_path, fold, valid=True)
    write_report(tmp_path)
    names = {
        f"{name}{kind}"
        for name in ("calibration", "confusion_matrix", "speakers", "training_curves")
        for kind in (".png", ".pdf")
    }
    assert {path.name for path in (tmp_path / "figures").iterdir()} == names
    starts = {".png": b"\x89PNG", ".pdf": b"%PDF"}
    for path in (tmp_path / "figures").iterdir():
        assert path.read_bytes().startswith(starts[path.suffix])
        assert path.stat().st_size > 2000


def test_the_same_figure_is_the_same_file_whenever_it_is_written(tmp_path, monkeypatch):
    written = []
    for date in ("946684800", "1767225600"):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", date)  # what matplotlib would write as the time
        save(confusion_figure([[8, 2], [1, 9]], ["fear", "joy"]), tmp_path / date)
        written.append([(tmp_path / f"{date}{suffix}").read_bytes() for suffix in (".png", ".pdf")])
    assert written[0] == written[1]


def test_figures_show_the_numbers_they_are_given():
    confusion = confusion_figure([[8, 2], [0, 0]], ["fear", "joy"])
    assert [text.get_text() for text in confusion.axes[0].texts] == ["8", "2", "0", "0"]
    assert confusion.axes[0].images[0].get_array().tolist() == [[0.8, 0.2], [0, 0]]
    speakers = unit_figure([{"unit": "spk03", "n": 49, "WA": 0.7, "UAR": 0.6}], 0.65)
    assert speakers.axes[0].patches[0].get_height() == pytest.approx(70)
    row = {"epoch": 1, "train_loss": 1.5, "valid_loss": 1.6, "valid_UAR": 0.4}
    assert [axes.get_ylabel() for axes in curves_figure([[row]]).axes] == ["loss", "validation UAR (%)"]


def test_markdown_holds_the_tables(run):
    summary = write_report(run)
    text = (run / "results.md").read_text()
    assert text.startswith("## EmoDB (synthetic) · bigru · loso\n\n| % | WA | UAR | macro-F1 |\n")
    wa, (low, high) = summary.metrics["WA"], summary.intervals["WA"]
    assert f"| **pooled over 3 folds** | **{100 * wa:.2f}** |" in text
    assert f"| 95 % interval | {100 * low:.1f} – {100 * high:.1f} |" in text
    assert (
        f"| majority class ({summary.baselines[0]['answer']}) | {100 * summary.baselines[0]['WA']:.2f} | 25.00 |"
        in text
    )
    assert f"**Protocol** `{summary.protocol_hash}`: {summary.protocol_line}" in text
    assert "which 3 speakers make rough" in text
    assert "- audit: speakers disjoint, sentences shared; all 3 folds audited\n" in text
    assert "1,234,567 parameters; settings `feedbeef`" in text
    assert "3 min over all folds, longest 69 s" in text
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 6
    for table in tables:
        assert len({line.count("|") for line in table}) == 1


def test_audits_and_versions_that_differ_are_told(run):
    edit_results(run / "seed_1234" / "spk08", lambda results: results.update(audit="another line", machine="GPU box"))
    edit_results(run / "seed_1234" / "spk09", lambda results: results["versions"].update(torch="2.11.1"))
    summary = write_report(run)
    assert summary.audit == "speakers disjoint, sentences shared (fold spk03); all 3 folds audited"
    assert summary.versions["torch"] == "2.11.0, 2.11.1"
    assert summary.machine == "2 cores, GPU box"


def test_leaking_and_transductive_are_said_wherever_the_score_is(tmp_path):
    for fold in FOLDS:
        write_fold(tmp_path, fold, protocol="random", leaks=True, transductive=True)
    summary = write_report(tmp_path)
    assert summary.protocol_line.startswith("LEAKING: TRANSDUCTIVE: EmoDB (synthetic), emotion in 4 classes")
    text = (tmp_path / "results.md").read_text()
    assert text.startswith("## EmoDB (synthetic) · bigru · random · LEAKING · TRANSDUCTIVE\n")
    assert "> **LEAKING**: test speakers are also in training" in text
    assert "LEAKING" in printed(summary)


def test_terminal_shows_the_headline(run):
    summary = summarise(run)
    text = printed(summary)
    assert f"{100 * summary.metrics['UAR']:.2f}" in text
    for words in ("pooled over 3 folds", "95 % interval", "majority class (", "boredom", summary.protocol_hash):
        assert words in text


def test_the_hash_is_that_of_the_test_and_not_of_what_a_system_chooses(run):
    protocol = summarise(run).protocol
    test = protocol.test
    other = {key: 7 if isinstance(getattr(protocol, key), int) else "x" for key in TestDefinition.fields()}
    other |= {"classes": ("a", "b"), "folds": ("a", "b")}
    hashes = {replace(protocol, **{key: value}).test.hash for key, value in other.items()}
    assert len(hashes | {test.hash}) == len(other) + 1
    choices = {"normalisation": "x", "selection": "x", "transductive": True, "pretrained": ("x",), "statements": ("x",)}
    assert replace(protocol, **choices).test == test


def test_published_runs_of_one_test_share_one_hash():
    records = [read_record(path.parent) for path in ROOT.glob("evidence/EmoDB/**/run.json")]
    protocols = [record.folds[0].protocol for record in records]
    loso = [protocol.test.hash for protocol in protocols if protocol.protocol == "loso"]
    assert len(loso) > 35
    assert len(set(loso)) == 1
    hashes = {protocol.test.hash for protocol in protocols}
    assert len(hashes) == 3  # and those of random and loso-sentence


def test_the_protocol_line_says_every_setting(run):
    protocol = summarise(run).protocol
    line = protocol_line(protocol, [1234], 72)
    changes = {"corpus": "x", "corpus_sha256": "x", "protocol": "x", "unit": "x", "subset": "x", "selection": "x"}
    changes |= {"normalisation": "x", "split_seed": 1, "leaks": True, "transductive": True, "classes": ("a", "b")}
    lines = {protocol_line(replace(protocol, **{key: value}), [1234], 72) for key, value in changes.items()}
    lines |= {protocol_line(protocol, [1], 72), protocol_line(protocol, [1234], 71)}
    assert len(lines - {line}) == len(changes) + 2
    assert "71 of 72 utterances" in protocol_line(protocol, [1234], 71)


def test_fold_results_reads_one_fold(run):
    record, predictions = fold_results(run / "seed_1234" / "spk03")
    assert record.fold == "spk03"
    assert list(predictions) == ["emotion"]
    assert len(predictions["emotion"]) == 24
    assert set(predictions["emotion"]["unit"]) == {"spk03"}


def test_missing_folds_are_named_and_nothing_is_written(run):
    shutil.rmtree(run / "seed_1234" / "spk08")
    (run / "seed_1234" / "spk09" / "results.json").unlink()
    with pytest.raises(
        MissingFoldError, match=r"seed_1234 lacks spk08, spk09; expected: all 3 folds .* remedy: give the"
    ):
        write_report(run)
    assert not (run / "results.md").exists()


def test_seed_that_has_finished_no_fold_is_missing_them_all(run):
    (run / "seed_7" / "spk03").mkdir(parents=True)
    with pytest.raises(MissingFoldError, match="seed_7 lacks spk03, spk08, spk09"):
        write_report(run)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(system="lstm"), "system lstm in seed_1234/spk08, but bigru in seed_1234/spk03"),
        (
            lambda r: (r.update(settings_sha256="0"), r["settings"].update(lr=1e-3)),
            r"settings {'lr': 0.001} in seed_1234/spk08, but {'lr': 0.0001} in seed_1234/spk03",
        ),
        (
            lambda r: r["protocol"].update(subset="balanced50"),
            "protocol {'subset': 'balanced50'} in seed_1234/spk08, but {'subset': 'full'}",
        ),
    ],
)
def test_mixed_runs_are_refused(run, change, message):
    edit_results(run / "seed_1234" / "spk08", change)
    with pytest.raises(SerError, match=message):
        write_report(run)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(schema=3), "results.json: schema 3; expected: the results of one fold, schema 2"),
        (lambda r: (r.pop("audit"), r["protocol"].pop("unit")), "no protocol.unit, audit; expected: all the keys"),
        (lambda r: r["units"].pop("spk08_003"), "id spk08_003 not in both files"),
        (lambda r: r.update(seed=5), "seed 1234; expected: seed 5, as results.json says"),
    ],
)
def test_bad_results_are_refused(run, change, message):
    edit_results(run / "seed_1234" / "spk08", change)
    with pytest.raises(SerError, match=message):
        write_report(run)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="p_fear"), "columns id, fold, .* expected: columns id, fold, seed, true, .*p_fear"),
        (lambda t: t.iloc[:-1], "id spk08_023 not in both files"),
        (setting(1, "id", "spk08_000"), "id spk08_000 more than once"),
        (setting(1, "fold", "spk99"), "fold spk99; expected: fold spk08"),
        (setting(1, "true", "joy"), "label 'joy' in the reference; expected: one of anger"),
        (setting(1, "predicted", "joy"), "label 'joy' in the estimate"),
        (setting(1, "p_fear", "nan"), "id spk08_001: a probability that is no finite number"),
        (setting(1, "p_fear", "much"), "id spk08_001: a probability that is no finite number"),
        (setting(1, "p_fear", "0.987"), "id spk08_001: probabilities that do not sum to 1"),
        (
            setting(1, ["p_anger", "p_boredom", "p_fear", "p_neutral"], ["-1", "2", "0", "0"]),
            "probability outside 0..1",
        ),
        (
            lambda t: t.assign(predicted=t["predicted"].map(lambda name: "fear" if name == "anger" else "anger")),
            "id spk08_000: a less probable class as predicted; expected: the most probable one",
        ),
    ],
)
def test_bad_predictions_are_refused(run, change, message):
    edit_predictions(run / "seed_1234" / "spk08", change)
    with pytest.raises(SerError, match=message) as error:
        write_report(run)
    assert "predictions.csv" in str(error.value)


def test_probabilities_may_be_rounded(run):
    columns = [f"p_{name}" for name in CLASSES]
    edit_predictions(
        run / "seed_1234" / "spk08", lambda t: t.assign(**t[columns].astype(float).round(5).astype(str).to_dict("list"))
    )
    summarise(run)


def test_files_that_are_absent_or_unreadable(run, tmp_path):
    with pytest.raises(MissingPathError, match=r"no seed_<n>/<fold>/results.json below .*nowhere"):
        write_report(tmp_path / "nowhere")
    predictions = run / "seed_1234" / "spk08" / "predictions.csv"
    predictions.write_text("")
    with pytest.raises(SerError, match=r"predictions.csv: No columns to parse .* expected: comma-separated values"):
        write_report(run)
    predictions.unlink()
    with pytest.raises(MissingPathError, match=r"no file .*predictions.csv; expected: it beside results.json"):
        write_report(run)


def test_copied_stray_and_repeated_folds_are_refused(run):
    extra = write_fold(run, "spk99")
    with pytest.raises(SerError, match="fold spk99; expected: only folds of the protocol: spk03, spk08, spk09"):
        write_report(run)
    shutil.rmtree(extra)
    shutil.copytree(run / "seed_1234", run / "seed_7")
    with pytest.raises(SerError, match=r"seed_7/spk03: results of seed 1234, fold spk03; expected: its own results"):
        write_report(run)


def test_seeds_must_have_tested_the_same(run):
    for fold in FOLDS:
        write_fold(run, fold, seed=7, n=25 if fold == "spk09" else 24, utterances=72)
    with pytest.raises(SerError, match=r"id spk09_.* differs between seeds 7 and 1234"):
        write_report(run)


def test_utterance_in_two_folds_is_refused(run):
    def rename(table):
        return table.replace({"id": {"spk08_000": "spk03_000"}})

    edit_predictions(run / "seed_1234" / "spk08", rename)
    edit_results(
        run / "seed_1234" / "spk08",
        lambda r: r["units"].update(spk03_000=r["units"].pop("spk08_000")),
    )
    with pytest.raises(SerError, match="id spk03_000 in two folds of seed 1234; expected: disjoint test folds"):
        write_report(run)
