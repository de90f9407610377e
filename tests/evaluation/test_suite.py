"""The paper's tables beside ours: each number again from predictions.csv, by other means."""

import csv
import json
import re

import numpy as np
import pytest
from conftest import ROOT
from fake_predictions import FOLDS as MOSI_FOLDS
from fake_predictions import tables_in, write_numbers
from fake_run import CLASSES
from paper_system import write_paper_system
from scipy.stats import norm
from typer.testing import CliRunner

from ser_plugins.cli import app
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.evaluation.paper import numbers as paper
from ser_plugins.evaluation.paper.heads_figure import heads_figure
from ser_plugins.evaluation.paper.published_table import Sheet
from ser_plugins.evaluation.paper.suite import find_runs, write_suite
from ser_plugins.plain import latex
from ser_plugins.training.systems import is_its_own

pytestmark = pytest.mark.renders

SYSTEMS = {"bigru_mha": {}, "bigru": {"heads": 0}, "bigru_mha_4": {"heads": 4}, "cnn": {"heads": 0, "lr": 0.001,
           "number_of_epochs": 12, "attention_dropout": 0.7}, "my_own": {"kernel": "linear"}}  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    for name, settings in SYSTEMS.items():
        write_paper_system(folder, name, settings)
    return folder


@pytest.fixture(scope="module")
def suite(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("suite")
    written = write_suite(find_runs(results), folder, command="ser suite here there")
    assert set(written) == {path for path in folder.rglob("*") if path.is_file()}
    return folder


def rows_of(suite, name):
    with open(suite / "tables" / f"{name}.csv", encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def answers(results, system):
    """Straight from the files: true and predicted labels of all folds."""
    pairs = []
    for path in sorted((results / system / "loso").glob("seed_*/*/predictions.csv")):
        with open(path, encoding="utf-8", newline="") as stream:
            pairs += [(row["true"], row["predicted"]) for row in csv.DictReader(stream)]
    return pairs


def by_hand(pairs):
    """WA, then recall and precision of every class, by counting."""
    recall, precision = {}, {}
    for name in CLASSES:
        hits = sum(true == predicted == name for true, predicted in pairs)
        recall[name] = hits / sum(true == name for true, _ in pairs)
        answered = sum(predicted == name for _, predicted in pairs)
        precision[name] = hits / answered if answered else 0.0
    return sum(true == predicted for true, predicted in pairs) / len(pairs), recall, precision


def percent(value, digits=2):
    return f"{100 * value:.{digits}f}"


def mean(values):
    return sum(values) / len(list(values))


def test_every_score_of_table_6_is_that_of_the_predictions(results, suite):
    rows = {row["system"]: row for row in rows_of(suite, "table_6")}
    names = {"bigru_mha": "Our Method (Bi-GRU + 8 heads)", "bigru": "Bi-GRU", "cnn": "CNN", "my_own": "my_own",
             "bigru_mha_4": "Bi-GRU + 4 heads (Table 3)"}  # fmt: skip
    for system, title in names.items():
        accuracy, recall, precision = by_hand(answers(results, system))
        f1 = [2 * recall[c] * precision[c] / (recall[c] + precision[c] or 1) for c in CLASSES]
        row = rows.pop(title)
        assert [row["WA (%)"], row["UAR (%)"], row["macro-F1 (%)"]] == [
            percent(accuracy), percent(mean(recall.values())), percent(mean(f1)),
        ]  # fmt: skip
        n, z = len(answers(results, system)), norm.ppf(0.975)
        middle = (accuracy + z * z / 2 / n) / (1 + z * z / n)
        half = z * np.sqrt(accuracy * (1 - accuracy) / n + z * z / 4 / n / n) / (1 + z * z / n)
        assert row["WA 95 %"] == f"{percent(middle - half, 1)} – {percent(middle + half, 1)}"
        published = paper.ACCURACY["EmoDB"].get(system)
        assert row["paper, accuracy (%)"] == (f"{published:.2f}" if published else "")
        assert row["seeds"] == "1234"
    baseline = rows.pop("majority class (anger)")
    assert (baseline["WA (%)"], baseline["UAR (%)"]) == (percent(1 / 7), percent(1 / 7))
    assert len(rows) == 12 - 4
    assert {row["WA (%)"] for row in rows.values()} == {"not run"}
    assert all(row["paper, accuracy (%)"] for row in rows.values())


def test_every_recall_of_every_system_is_that_of_the_predictions_beside_the_papers(results, suite):
    rows = {row["system"]: row for row in rows_of(suite, "classes")}
    assert next(iter(rows)) == "the paper's"
    for system, title in (("bigru", "Bi-GRU"), ("my_own", "my_own")):
        pairs = answers(results, system)
        _, recall, _ = by_hand(pairs)
        for name in CLASSES:
            column = f"{name} ({sum(true == name for true, _ in pairs)})"
            assert rows[title][column] == percent(recall[name])
            assert rows["the paper's"][column] == f"{paper.PER_CLASS['EmoDB'][name]:.2f}"


def test_tables_1_4_and_5_are_those_of_the_predictions(results, suite):
    pairs = answers(results, "bigru_mha")
    accuracy, recall, precision = by_hand(pairs)
    counts = {row["emotion"]: (row["paper"], row["ours"]) for row in rows_of(suite, "table_1")}
    assert counts.pop("all") == ("350", str(len(pairs)))
    assert counts == {name: ("50", str(sum(true == name for true, _ in pairs))) for name in CLASSES}
    ours = {row["score"]: (row["paper"], row["ours"]) for row in rows_of(suite, "table_4")}
    assert ours["accuracy (WA)"] == ("88.93", percent(accuracy))
    assert ours["precision (macro)"] == ("74.57", percent(mean(precision.values())))
    assert ours["recall (macro, UAR)"] == ("80.20", percent(mean(recall.values())))
    for row in rows_of(suite, "table_5"):
        assert row["recall"] == percent(recall[row["emotion"]])
        assert row["precision"] == percent(precision[row["emotion"]])


def test_table_3_has_the_heads_and_the_units_the_speakers(results, suite):
    rows = {row["system"]: row for row in rows_of(suite, "table_3")}
    for title, system in (("Bi-GRU", "bigru"), ("head num = 8", "bigru_mha"), ("head num = 4", "bigru_mha_4")):
        assert rows[title]["WA (%)"] == percent(by_hand(answers(results, system))[0])
    assert rows["head num = 8"]["paper, accuracy (%)"] == "88.93 *"
    assert [rows[f"head num = {heads}"]["WA (%)"] for heads in (16, 32)] == ["not run"] * 2
    speakers = {row["system"]: row for row in rows_of(suite, "units")}
    pairs = answers(results, "bigru")[:14]  # those of the first fold
    assert speakers["Bi-GRU"]["spk03 (14)"] == percent(sum(true == said for true, said in pairs) / 14, 1)


def test_the_columns_of_table_5_are_exchanged_and_it_is_said(suite):
    assert set(paper.PER_CLASS["EmoDB"]) == set(CLASSES)
    printed = {row["emotion"]: row["paper"] for row in rows_of(suite, "table_5")}
    assert (printed["neutral"], printed["anger"], printed["fear"]) == ("80.25", "97.11", "95.74")
    assert "exchanged" in (suite / "tables" / "table_5.md").read_text()
    # The paper's own recall cannot be the mean of its own recalls.
    assert "is 88.42, its recall here 80.20" in (suite / "tables" / "table_4.md").read_text()


def test_other_settings_than_the_papers_are_told_under_the_table(suite):
    text = (suite / "tables" / "table_6.md").read_text()
    assert "ours epochs 12, lr 0.001; the paper's 80, 0.0001 (cnn)." in text
    assert text.count("Not the settings of Table 2") == 1  # the attention's dropout is nothing to a CNN
    assert "Not the settings" not in (suite / "tables" / "table_4.md").read_text()
    ours = {row["hyper-parameter"]: (row["paper"], row["ours"]) for row in rows_of(suite, "table_2")}
    assert ours["epochs"] == ("80", "80")
    assert ours["attention heads"] == ("8", "8")


def test_the_page_has_every_table_once_the_figures_and_what_may_be_concluded(suite):
    text = (suite / "tables.md").read_text()
    for number in range(1, 7):
        assert text.count(f"**Table {number}: ") == 1
    assert text.startswith("Written by `ser suite here there`")
    for target in re.findall(r"\]\((.*?)\)", text):
        assert (suite / target).stat().st_size > 1000
    assert {path.name for path in (suite / "figures").iterdir()} == {
        f"{name}{suffix}" for name in ("figure_3", "figure_4", "critical_difference") for suffix in (".png", ".pdf")
    }
    assert "5 systems" in text
    assert "Mean ranks of 4 systems and the critical difference. Friedman: chi² = " in text  # the paper's alone
    assert "Against bigru_mha" in text
    assert text.count("EmoDB, emotion in 7 classes") == 2  # the protocol in full: once for us, once in the comparison


def test_latex_is_well_formed(suite):
    for path in (suite / "tables").glob("*.tex"):
        text = path.read_text()
        assert text.startswith("% ser suite here there\n")
        bare = re.sub(r"\\[\\{}&%$#_]", "", text)
        assert bare.count("{") == bare.count("}")
        assert bare.count("$") % 2 == 0
        assert re.findall(r"\\(begin|end)\{(\w+)\}", text) == [
            ("begin", "table"), ("begin", "tabular"), ("end", "tabular"), ("end", "table"),
        ]  # fmt: skip
        assert [text.count(rf"\{rule}rule") for rule in ("top", "mid", "bottom")] == [1, 1, 1]
        columns = re.search(r"\\begin\{tabular\}\{(l r*|lr*)\}", text)[1]
        rows = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert len(rows) == len(rows_of(suite, path.stem)) + 1
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(columns)}
        body = text.split(r"\begin{tabular}")[1]
        assert not re.search(r"(?<!\\)[%#_]", body)


def test_what_latex_treats_specially_is_escaped():
    assert latex(r"a\b~c^d") == r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}d"
    sheet = Sheet("t", "100 %.", ["a|b", "c_d"], [["x|y", "–"]], ["**bold** `a_b`"])
    assert r"\textbf{bold} \texttt{a\_b}" in sheet.latex()
    assert sheet.csv() == "a|b,c_d\nx|y,\n"
    assert r"| x\|y | – |" in sheet.markdown()


def test_other_seeds_and_several_of_them_are_told(tmp_path):
    write_paper_system(tmp_path, "bigru_mha", {}, seed=1)
    write_paper_system(tmp_path, "bigru_mha", {}, seed=2)
    write_paper_system(tmp_path, "bigru", {"heads": 0}, seed=1)
    write_suite(find_runs(tmp_path), tmp_path / "out")
    rows = {row["system"]: row for row in rows_of(tmp_path / "out", "table_6")}
    assert rows["Bi-GRU"]["seeds"] == "1"
    both = [by_hand(pairs)[0] for pairs in np.array_split(np.array(answers(tmp_path, "bigru_mha")), 2)]
    expected = f"{percent(mean(both))} ± {percent(np.std(both, ddof=1))}"
    assert rows["Our Method (Bi-GRU + 8 heads)"]["WA (%)"] == expected
    assert "differ in their seeds" in (tmp_path / "out" / "tables" / "table_6.md").read_text()
    assert "bigru_mha against bigru" in (tmp_path / "out" / "tables.md").read_text()


def test_one_run_is_enough_and_transductive_ones_are_called_so_and_not_compared(tmp_path):
    write_paper_system(tmp_path, "bigru", {"heads": 0})
    write_suite(find_runs(tmp_path), tmp_path / "out")
    assert rows_of(tmp_path / "out", "table_4")[0]["ours"] == "not run"
    assert "against" not in (tmp_path / "out" / "tables.md").read_text()
    write_paper_system(tmp_path, "cheat", {}, transductive=True, normalisation="speaker")
    write_suite(find_runs(tmp_path), tmp_path / "out")
    text = (tmp_path / "out" / "tables.md").read_text()
    assert "| cheat TRANSDUCTIVE |" in text
    assert "**TRANSDUCTIVE**: " in text
    assert "against" not in text


def test_runs_that_do_not_belong_together_are_refused_and_nothing_is_written(tmp_path):
    write_paper_system(tmp_path, "bigru_mha", {})
    write_paper_system(tmp_path, "bigru", {}, subset="balanced50")
    with pytest.raises(SerError, match="subset full of bigru_mha, but balanced50 of bigru"):
        write_suite(find_runs(tmp_path), tmp_path / "out")
    with pytest.raises(SerError, match="no runs"):
        write_suite({}, tmp_path / "out")
    with pytest.raises(MissingPathError, match="random"):
        find_runs(tmp_path, "random")
    assert not (tmp_path / "out").exists()


def test_table_7_has_a_row_per_score_of_the_scale_and_both_kinds_of_acc_2(tmp_path):
    for system in ("bigru_mha", "cnn"):
        for fold in MOSI_FOLDS:
            folder = write_numbers(tmp_path / system / "loso", fold, seed=len(system))
            results = json.loads((folder / "results.json").read_text())
            (folder / "results.json").write_text(json.dumps({**results, "system": system}))
    write_suite(find_runs(tmp_path), tmp_path / "out")
    rows = {row["score"]: row for row in rows_of(tmp_path / "out", "table_7")}
    table = tables_in(tmp_path / "bigru_mha" / "loso")
    assert (rows["MAE"]["paper"], rows["MAE"]["ours"]) == (
        "0.974",
        f"{(table.true - table.predicted).abs().mean():.3f}",
    )
    assert (rows["r"]["paper"], rows["r"]["ours"]) == ("0.613", f"{table.true.corr(table.predicted):.3f}")
    agree = ((table.true >= 0) == (table.predicted >= 0)).mean()
    assert (rows["Acc-2 has0 (%)"]["paper"], rows["Acc-2 has0 (%)"]["ours"]) == ("70.29", percent(agree))
    assert rows["Acc-2 non0 (%)"]["paper"] == "70.29"
    assert rows["Acc-7 (%)"]["paper"] == ""
    assert {path.stem for path in (tmp_path / "out" / "tables").iterdir()} == {
        *("table_2", "table_7", "table_6", "units", "cost")
    }
    systems = {row["system"]: row["MAE"] for row in rows_of(tmp_path / "out", "table_6")}
    assert systems["Our Method (Bi-GRU + 8 heads)"] == rows["MAE"]["ours"]
    assert systems["LSTM"] == "not run"


def test_figure_4_leaves_a_gap_where_nothing_was_run():
    ours = {heads: {"WA": (0.5, [0.4, 0.7]), "UAR": (0.4, None)} for heads in (0, 8)}
    (axes,) = heads_figure({4: 84.66, 8: 88.93}, ours).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["none", "4", "8"]
    theirs, *_ = axes.lines
    np.testing.assert_array_equal(theirs.get_ydata(), [np.nan, 84.66, 88.93])
    assert [bar.get_label() for bar in axes.containers] == ["ours, WA", "ours, UAR"]
    np.testing.assert_array_equal(axes.containers[0].lines[0].get_ydata().astype(float), [50, np.nan, 50])
    segments = [segment for segment in axes.containers[0].lines[2][0].get_segments() if len(segment)]
    np.testing.assert_allclose([segment[:, 1] for segment in segments], [[40, 70]] * 2)


def test_the_command_writes_the_suite(results, tmp_path):
    done = CliRunner().invoke(app, ["suite", str(results), str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "tables.md").read_text().startswith(f"Written by `ser suite {results} {tmp_path}/out`")


def test_the_papers_numbers_name_systems_that_the_recipes_have():
    for corpus, published in paper.ACCURACY.items():
        assert all(is_its_own(system, ROOT / "recipes" / corpus / "reproduce.py") for system in published)
        assert len(published) == 12
        assert paper.OVERALL[corpus]["accuracy"] == published["bigru_mha"]
        assert max(published.values()) == published["bigru_mha"]
