"""The report of numbers: pooled scores, intervals over units, baselines, single-fold splits, auxiliary targets."""

import json

import numpy as np
import pytest
from fake_predictions import FOLDS, edit_predictions, setting, tables_in, write_fold, write_numbers
from printed_tables import printed

from ser_plugins.errors import SerError
from ser_plugins.evaluation.metrics.intervals import cluster_bootstrap
from ser_plugins.evaluation.metrics.regression import ConstantWarning, regression_metrics
from ser_plugins.evaluation.report.figures import residual_figure, scatter_figure
from ser_plugins.evaluation.report.summary import aggregate, read_run, write_report
from ser_plugins.evaluation.report.tables import results_markdown


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "results" / "MOSI" / "bigru" / "loo"
    for fold in FOLDS:
        write_numbers(folder, fold)
    return folder


def test_pooled_scores_come_from_all_predictions(run):
    summary, table = write_report(run), tables_in(run)
    assert summary.metrics == pytest.approx(regression_metrics(table["true"], table["predicted"], "mosi"))
    assert json.loads((run / "results.json").read_text()) == json.loads(json.dumps(summary.to_json()))
    per_fold = [json.loads((run / "seed_1234" / fold / "results.json").read_text())["metrics"] for fold in FOLDS]
    for name, value in summary.metrics.items():
        of_folds = [scores[name] for scores in per_fold]
        assert summary.fold_mean[name] == pytest.approx(np.mean(of_folds))
        assert summary.fold_sd[name] == pytest.approx(np.std(of_folds, ddof=1))
        assert summary.intervals[name][0] <= value <= summary.intervals[name][1]
    assert [row["MAE"] for row in summary.per_unit] == pytest.approx([scores["MAE"] for scores in per_fold])
    assert summary.intervals_made_by["MAE"].startswith("percentile bootstrap over 3 speakers")


def test_intervals_are_a_bootstrap_over_units_of_the_pooled_scores(run):
    table = tables_in(run)
    true, predicted = table["true"].to_numpy(), table["predicted"].to_numpy()
    slow = cluster_bootstrap(
        lambda rows: regression_metrics(true[rows], predicted[rows], "mosi"), table["fold"].to_numpy()
    )
    for name, bounds in aggregate(read_run(run)).intervals.items():
        assert bounds == pytest.approx(slow[name])


def test_several_seeds_are_pooled_each_and_then_averaged(run):
    one = aggregate(read_run(run))
    for fold in FOLDS:
        write_numbers(run, fold, seed=7)
    two = aggregate(read_run(run))
    assert (two.seeds, two.utterances) == ((7, 1234), one.utterances)
    for name, value in two.metrics.items():
        values = [row[name] for row in two.per_seed]
        assert values[1] == one.metrics[name]
        assert value == pytest.approx(np.mean(values))
        assert two.seed_sd[name] == pytest.approx(np.std(values, ddof=1))
    assert two.baselines == one.baselines  # they do not depend on seeds
    assert "mean ± sd of 2 seeds" in results_markdown(two)


def test_the_order_of_rows_does_not_matter(run):
    before = aggregate(read_run(run))
    for fold in FOLDS:
        edit_predictions(run / "seed_1234" / fold, lambda table: table.sample(frac=1, random_state=1))
    after = aggregate(read_run(run))
    assert after.metrics == pytest.approx(before.metrics)
    for name, bounds in before.intervals.items():
        assert after.intervals[name] == pytest.approx(bounds)
    assert after.baselines == before.baselines


def test_predicting_the_training_median_is_the_baseline(tmp_path):
    for fold, median in zip(FOLDS, (-1.0, 0.4, 0.4), strict=True):
        write_numbers(tmp_path, fold, median=median, constant=median)
    summary = aggregate(read_run(tmp_path))
    first, second = summary.baselines
    assert (first["name"], second["name"]) == ("training median (-1 or 0.4)", "majority sign in training (positive)")
    assert {name: first[name] for name in summary.metrics} == summary.metrics
    true = tables_in(tmp_path)["true"]
    assert second["Acc2_has0"] == pytest.approx((true >= 0).mean())
    assert second["MAE"] is None


def test_one_constant_predictor_is_told(tmp_path):
    for fold in FOLDS:
        write_numbers(tmp_path, fold, constant=0.4)
    with pytest.warns(ConstantWarning, match="72 utterances"):
        summary = aggregate(read_run(tmp_path))
    assert summary.metrics["r"] == 0
    assert "0 for a constant" in results_markdown(summary)


@pytest.mark.usefixtures("rendered")
def test_markdown_and_terminal_hold_scores_baselines_and_what_must_be_said(tmp_path):
    said = ["official split: 59 of 60 videos are in both train and test"]
    for fold in FOLDS:
        write_numbers(tmp_path, fold, scale="chsims", leaks=True, partial=True, statements=said, unit_field="video")
    summary = write_report(tmp_path)
    text = (tmp_path / "results.md").read_text()
    assert text.startswith("## MOSI · bigru · loso · LEAKING · PARTIAL\n")
    assert "> **LEAKING**: test videos are also in training" in text
    assert "> **PARTIAL**: part of the corpus only" in text
    assert f"> {said[0]}\n" in text
    assert "|  | MAE | r | Acc-5 (%) | Acc-3 (%) | Acc-2 (%) | F1 (%) |\n" in text
    metrics = summary.metrics
    assert f"| **pooled over 3 folds** | **{metrics['MAE']:.3f}** | **{metrics['r']:.3f}** |" in text
    assert f"| training median (0.4) | {summary.baselines[0]['MAE']:.3f} | 0.000 |" in text
    assert "| majority sign in training (positive) | – | – | – | – |" in text
    assert "Intervals: bootstrap over videos, which 3 videos make rough." in text
    assert "| video | utterances | MAE |" in text
    assert "LEAKING: PARTIAL: MOSI, sentiment as a number (scale chsims, -1 to 1); protocol loso" in text
    for block in (block.splitlines() for block in text.split("\n\n") if block.startswith("|")):
        assert len({line.count("|") for line in block}) == 1
    shown = printed(summary)
    for words in (said[0], "PARTIAL", "training median (0.4)", "Acc-3 (%)", f"{metrics['MAE']:.3f}"):
        assert words in shown
    names = {path.stem for path in (tmp_path / "figures").iterdir()}
    assert names == {"scatter", "residuals", "training_curves"}


def test_a_single_official_split_is_reported_with_intervals_over_its_units(tmp_path):
    write_numbers(tmp_path, "spk03", units=["a", "b", "c", "d"], folds=["spk03"], unit_field="video", utterances=24)
    summary = aggregate(read_run(tmp_path))
    text = results_markdown(summary)
    assert "| **test set of fold spk03** |" in text
    assert "fold mean" not in text
    assert "protocol loso, 1 fold, unit speaker" in summary.protocol_line
    assert summary.fold_sd["MAE"] is None
    assert [row["unit"] for row in summary.per_unit] == ["a", "b", "c", "d"]
    low, high = summary.intervals["MAE"]
    assert low < summary.metrics["MAE"] < high


@pytest.mark.parametrize("numeric", [True, False])
def test_a_test_set_of_one_unit_has_no_interval_and_says_so(tmp_path, numeric):
    (write_numbers if numeric else write_fold)(tmp_path, "spk03", folds=["spk03"], utterances=24)
    summary = write_report(tmp_path)
    name = "MAE" if numeric else "UAR"
    assert summary.intervals[name] is None
    assert summary.intervals_made_by[name] == "none: one speaker says nothing about the next"
    assert (summary.intervals.get("WA") is None) == numeric
    text = (tmp_path / "results.md").read_text()
    assert "one speaker says nothing of the next" in text
    assert ("95 % interval" in text) != numeric


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (setting(1, "predicted", "nan"), "id spk08_001: a value that is no finite number; expected: finite numbers"),
        (setting(2, "predicted", "much"), "id spk08_002: a value that is no finite number"),
        (setting(3, "true", ""), "id spk08_003: a value that is no finite number"),
        (
            lambda table: table.assign(p_fear=0.5),
            "columns id, fold, seed, true, predicted, p_fear; expected: columns id",
        ),
    ],
)
def test_bad_predictions_are_refused(run, change, message):
    edit_predictions(run / "seed_1234" / "spk08", change)
    with pytest.raises(SerError, match=message):
        write_report(run)


def test_figures_show_the_numbers_they_are_given():
    scatter = scatter_figure([1.0, -1.0], [0.5, 0.0], "a note", "valence")
    assert scatter.axes[0].lines[0].get_xydata().tolist() == [[1.0, 0.5], [-1.0, 0.0]]
    assert (scatter.axes[0].get_title(), scatter.axes[0].get_ylabel()) == ("a note", "predicted valence")
    cloud, counts = residual_figure([1.0, -1.0], [0.5, 0.0]).axes
    assert cloud.lines[0].get_xydata().tolist() == [[1.0, -0.5], [-1.0, 1.0]]
    assert sum(patch.get_width() for patch in counts.patches) == 2
