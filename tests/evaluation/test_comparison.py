"""Runs held against each other: what is refused, what is computed (against slow twins), what is concluded."""

import io
import json
from itertools import product

import numpy as np
import pandas as pd
import pytest
from fake_predictions import CLASSES, edit_predictions, setting, write_numbers, write_system
from rich.console import Console
from scipy import stats

from ser_plugins.errors import SerError
from ser_plugins.evaluation.compare import comparison
from ser_plugins.evaluation.compare.comparable import CHOICES, read_comparable, run_names
from ser_plugins.evaluation.compare.comparison import compare_many, compare_runs
from ser_plugins.evaluation.compare.rank_figure import critical_difference_figure, not_different
from ser_plugins.evaluation.compare.significance import holm
from ser_plugins.evaluation.compare.tables import comparison_markdown, comparison_terminal
from ser_plugins.evaluation.metrics import intervals as statistics
from ser_plugins.evaluation.metrics.classification import classification_metrics
from ser_plugins.evaluation.metrics.regression import regression_metrics
from ser_plugins.evaluation.report import summary as report


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two systems, two seeds each, four speakers of whom one lacks a class."""
    root = tmp_path_factory.mktemp("runs")
    options = {"seeds": (1, 2), "absent": "fear"}
    return [write_system(root / name / "loso", skill, **options) for name, skill in (("cnn", 2.0), ("rnn", 1.0))]


@pytest.fixture(scope="module")
def found(pair):
    return compare_runs(*pair)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(statistics, "DRAWS", 200)  # the intervals themselves are tested with their twin
    monkeypatch.setattr(report, "calibration", lambda *_: None)  # nothing here asks for it


def tables(folder):
    """All predictions of a run by seed, read without the package."""
    found = pd.concat([pd.read_csv(path) for path in sorted(folder.glob("seed_*/*/predictions.csv"))])
    return {seed: table.set_index("id").sort_index() for seed, table in found.groupby("seed")}


def named(found, test, score, over=""):
    (row,) = [row for row in found.tests if (row["test"], row["score"]) == (test, score) and over in row["over"]]
    return row


# What is refused


def test_a_run_is_not_compared_with_itself(pair):
    with pytest.raises(SerError, match="expected: different run folders"):
        compare_runs(pair[0], pair[0].parent / "loso")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("corpus", "IEMOCAP"), ("corpus_sha256", "fedcba"), ("protocol", "random"), ("unit", "session"),
        ("subset", "balanced50"), ("split_seed", 7), ("utterances", 99), ("partial", True), ("leaks", True),
        ("transductive", True), ("target", "arousal"),
    ],
)  # fmt: skip
def test_another_test_is_refused_by_name_whatever_is_allowed(key, value, pair, tmp_path):
    other = write_system(tmp_path / "gru" / "loso", seeds=(1, 2), absent="fear", **{key: value})
    with pytest.raises(
        SerError, match=f"got: .*{key} .* in cnn but {value} in gru.*remedy: train one of them anew under"
    ):
        compare_runs(pair[0], other, allow_differing=CHOICES)


@pytest.mark.parametrize(
    ("key", "options"),
    [
        ("seeds", {"seeds": (1, 5)}),
        ("normalisation", {"normalisation": "scalar"}),
        ("selection", {"selection": "inner_speaker"}),
    ],
)
def test_a_choice_of_the_system_is_refused_until_it_is_allowed(key, options, pair, tmp_path):
    other = write_system(tmp_path / "gru" / "loso", **{"seeds": (1, 2), "absent": "fear", **options})
    with pytest.raises(SerError, match=rf"got: {key} .*remedy: .*--allow-differing {key}$"):
        compare_runs(pair[0], other)
    found = compare_runs(pair[0], other, allow_differing=[key])
    assert list(found.differing) == [key]
    assert f"**Despite other {key}** of gru" in comparison_markdown(found)


def test_nothing_may_differ_where_test_speakers_were_seen(tmp_path):
    for word in ("leaks", "transductive"):
        runs = [
            write_system(tmp_path / word / name / "loso", normalisation=kind, **{word: True})
            for name, kind in (("cnn", "bin"), ("rnn", "speaker"))
        ]
        with pytest.raises(SerError, match="runs may differ in nothing"):
            compare_runs(*runs, allow_differing=CHOICES)


def test_what_may_differ_is_one_of_three(pair):
    with pytest.raises(SerError, match="got: allow_differing folds; expected: some of seeds, normalisation, selection"):
        compare_runs(*pair, allow_differing=["folds"])


def test_other_labels_and_other_ids_are_refused(pair, tmp_path):
    other = write_system(tmp_path / "gru" / "loso", seeds=(1, 2), absent="fear")
    for seed in (1, 2):
        edit_predictions(other / f"seed_{seed}" / "spk03", setting(0, "true", "fear"))
    with pytest.raises(SerError, match=r"got: id spk03_000 with the label .* in only one of cnn and gru"):
        compare_runs(pair[0], other)


# What is computed


def test_scores_and_differences_are_those_of_the_predictions(pair, found):
    for name, row in found.scores.items():
        means = [
            np.mean([classification_metrics(t["true"], t["predicted"], CLASSES)[name] for t in tables(run).values()])
            for run in pair
        ]
        assert [row["a"], row["b"], row["difference"]] == pytest.approx([*means, means[0] - means[1]])


@pytest.mark.parametrize("score", ["WA", "UAR"])
def test_sign_flips_are_swaps_of_whole_speakers_between_the_systems(score, pair, found):
    """The twin exchanges the answers of the two systems, speaker by speaker, and computes both scores anew."""
    sides = [tables(run) for run in pair]

    def by_hand(true, predicted):
        hits = (true == predicted).to_numpy()
        return {"WA": hits.mean(), "UAR": np.mean([hits[true.to_numpy() == name].mean() for name in set(true)])}

    speakers = sorted({*sides[0][1]["fold"]})

    def difference(swapped, of=None):
        total = 0
        for seed in (1, 2):
            a, b = sides[0][seed], sides[1][seed]
            swap = a["fold"].isin(swapped)
            one, two = a["predicted"].where(~swap, b["predicted"]), b["predicted"].where(~swap, a["predicted"])
            places = [a["fold"] == name for name in speakers] if of == "mean" else [a["fold"].notna()]
            for place in places:
                scores = [by_hand(a["true"][place], side[place])[score] for side in (one, two)]
                total += (scores[0] - scores[1]) / len(places) / 2
        return total

    for of in ("pooled", "mean"):
        observed = difference([], of)
        swaps = [[name for name, flip in zip(speakers, flips, strict=True) if flip]
                 for flips in product((0, 1), repeat=4)]  # fmt: skip
        p = np.mean([abs(difference(swap, of)) >= abs(observed) - 1e-9 for swap in swaps])
        row = named(found, "sign flip", score, of)
        assert [row["difference"], row["p"]] == pytest.approx([observed, p])


def test_mcnemar_takes_the_mean_probability_of_the_seeds(pair, found):
    right = []
    for run in pair:
        columns = [table[[f"p_{name}" for name in CLASSES]].to_numpy() for table in tables(run).values()]
        right.append(np.array(CLASSES)[np.mean(columns, axis=0).argmax(axis=1)] == tables(run)[1]["true"])
    row = named(found, "McNemar", "WA")
    only = [int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())]
    assert [row["only_first"], row["only_second"]] == only
    assert row["p"] == pytest.approx(stats.binomtest(only[0], sum(only)).pvalue)


def test_wilcoxon_is_of_the_folds_and_holm_of_all_tests(pair, found):
    by_fold = [
        np.mean([table.groupby("fold")[["true", "predicted"]].apply(lambda t: (t["true"] == t["predicted"]).mean())
                 for table in tables(run).values()], axis=0)
        for run in pair
    ]  # fmt: skip
    row = named(found, "Wilcoxon", "WA")
    assert row["p"] == pytest.approx(stats.wilcoxon(*by_fold, method="exact").pvalue)
    assert [row["p_holm"] for row in found.tests] == holm([row["p"] for row in found.tests])


def test_intervals_agree_with_their_slow_twin(pair, monkeypatch):
    """The same speakers for both systems in every draw, scores computed anew from the repeated utterances."""
    monkeypatch.setattr(statistics, "DRAWS", 15)
    sides, scores = [tables(run) for run in pair], []
    generator, speakers = np.random.default_rng(0), sorted({*sides[0][1]["fold"]})
    for _ in range(15):
        times = generator.multinomial(4, [1 / 4] * 4)
        drawn = [name for name, count in zip(speakers, times, strict=True) for _ in range(count)]
        means = []
        for side in sides:
            repeated = [pd.concat([table[table["fold"] == name] for name in drawn]) for table in side.values()]
            metrics = [classification_metrics(table["true"], table["predicted"], CLASSES) for table in repeated]
            means.append([np.mean([one[name] for one in metrics]) for name in ("WA", "UAR", "macro_F1")])
        scores.append(np.subtract(*means))
    expected = np.quantile(scores, [0.025, 0.975], axis=0).T
    found = compare_runs(*pair).scores
    assert [row["interval"] for row in found.values()] == [pytest.approx(row) for row in expected.tolist()]


def test_the_other_way_round_says_the_same(pair):
    one, two = compare_runs(*pair), compare_runs(*pair[::-1])
    for row, other in zip(one.tests, two.tests, strict=True):
        assert [row["difference"], row["p"]] == pytest.approx([-other["difference"], other["p"]])
    assert one.conclusion == two.conclusion
    low, high = one.scores["UAR"]["interval"]
    assert two.scores["UAR"]["interval"] == pytest.approx([-high, -low])


def test_the_anova_has_the_degrees_of_freedom_of_its_unit(pair):
    sides = [pd.concat(tables(run).values()) for run in pair]
    cells = [
        side.assign(hit=side["true"] == side["predicted"]).groupby(["seed", "fold", "true"])["hit"].mean()
        for side in sides
    ]
    expected = stats.f_oneway(*cells)
    found = compare_runs(*pair).anova
    assert found["df"] == [1, 2 * len(cells[0]) - 2] == [1, 2 * 2 * 4 * 3 - 2]  # runs x speakers x classes there
    assert [found["F"], found["p"]] == pytest.approx([*expected])
    assert compare_runs(*pair, unit="utterance").anova["df"] == [1, 2 * 2 * 4 * 24 - 2]
    assert compare_runs(*pair, unit="fold").anova["df"] == [1, 2 * 2 * 4 - 2]
    with pytest.raises(SerError, match="one of cell, utterance, fold"):
        compare_runs(*pair, unit="speaker")


# What is concluded


def test_a_large_difference_over_ten_speakers_is_found(tmp_path):
    runs = [write_system(tmp_path / name / "loso", skill, speakers=10) for name, skill in (("cnn", 3.0), ("rnn", 0.5))]
    found = compare_runs(*runs)
    assert found.conclusion.startswith("Over these 10 speakers, by sign flips with Holm, cnn is better than rnn in WA")
    assert "cnn is better than rnn in UAR" in found.conclusion
    assert found.conclusion.endswith("; with one seed, that is of these trainings.")
    assert found.detectable["by_units"]["difference"] < found.scores["WA"]["difference"]


def test_equal_systems_give_what_could_have_been_found(tmp_path):
    runs = [write_system(tmp_path / name / "loso", 1.0, speakers=10) for name in ("cnn", "rnn")]
    found = compare_runs(*runs)
    least = 100 * found.detectable["by_units"]["difference"]
    assert found.conclusion == (
        f"Nothing may be concluded: with these 10 speakers a difference in WA below {least:.1f} points is found less "
        "than four times in five."
    )


def test_few_speakers_allow_at_most_a_word_on_these_utterances(found):
    """Four speakers: the least p of a sign flip is 1/8, however large the difference."""
    conclusion = found.conclusion
    assert conclusion.startswith("On these 96 utterances cnn is right more often than rnn (exact McNemar of the ")
    assert "nothing may be concluded for other speakers: with 4 speakers no sign-flip test" in conclusion


def test_a_leaking_comparison_says_so_first(tmp_path):
    runs = [write_system(tmp_path / name / "random", protocol="random", leaks=True) for name in ("cnn", "rnn")]
    found = compare_runs(*runs)
    assert found.conclusion.startswith("LEAKING: ")
    assert "**LEAKING**: test speakers are also in training" in comparison_markdown(found)


def shown_in_terminal(found):
    console = Console(width=400, file=io.StringIO())
    console.print(comparison_terminal(found))
    return console.file.getvalue()


def test_markdown_and_terminal_show_every_test_and_the_conclusion(found):
    markdown = comparison_markdown(found)
    shown = shown_in_terminal(found)
    for text in (markdown, shown):
        assert found.conclusion in text
        assert "Warning: it ignores that both systems were tried on the same speakers" in text
        for row in found.tests:
            assert f"{row['p_holm']:.4f}" in text
    assert "±" in markdown  # two seeds
    json.dumps(found.to_json(), allow_nan=False)


# Numbers instead of classes


def write_ratings(folder, noise, units=("a", "b", "c", "d", "e"), folds=("set01",), scale="mosi"):
    for fold in folds:
        written = write_numbers(
            folder, fold, units=units, folds=list(folds), utterances=24, scale=scale, unit_field="video"
        )
        generator = np.random.default_rng([*map(ord, folder.parent.name)])

        def answer(table, generator=generator):
            return table.assign(predicted=table["true"].astype(float) + noise * generator.normal(size=len(table)))

        edit_predictions(written, answer)
    return folder


@pytest.mark.parametrize("scale", ["mosi", "chsims"])
def test_errors_of_numbers_are_swapped_by_video(scale, tmp_path):
    runs = [write_ratings(tmp_path / name / "official", noise, scale=scale) for name, noise in (("cnn", 1), ("rnn", 2))]
    found = compare_runs(*runs)
    a, b = (next(iter(tables(run).values())) for run in runs)
    videos = np.array([list("abcde")[int(id[-3:]) % 5] for id in a.index])

    def difference(swap):
        one, two = (x["predicted"].where(~np.isin(videos, swap), y["predicted"]) for x, y in ((a, b), (b, a)))
        scores = [regression_metrics(a["true"].to_numpy(), side.to_numpy(), scale)["MAE"] for side in (one, two)]
        return scores[0] - scores[1]

    observed = difference([])
    swaps = [[v for v, flip in zip("abcde", flips, strict=True) if flip] for flips in product((0, 1), repeat=5)]
    row = named(found, "sign flip", "MAE", "pooled")
    assert row["difference"] == pytest.approx(observed)
    assert row["p"] == pytest.approx(np.mean([abs(difference(swap)) >= abs(observed) - 1e-9 for swap in swaps]))
    assert found.scores["MAE"]["difference"] == pytest.approx(observed)
    assert found.scores["r"]["interval"] is not None
    assert (found.anova, found.detectable["by_mcnemar"]) == (None, None)
    text = comparison_markdown(found)
    assert "McNemar and the ANOVA of recalls are of classes" in text
    assert "One fold only: no Wilcoxon." in text


def test_a_smaller_error_is_the_better_one(tmp_path):
    videos = [f"v{number}" for number in range(24)]
    runs = [write_ratings(tmp_path / name / "official", noise, videos) for name, noise in (("cnn", 0.2), ("rnn", 3))]
    found = compare_runs(*runs)
    assert "cnn is better than rnn in MAE by" in found.conclusion
    assert named(found, "sign flip", "MAE", "pooled")["exact"] is False  # 24 videos


def test_one_video_allows_nothing(tmp_path):
    runs = [write_ratings(tmp_path / name / "official", noise, ["v"]) for name, noise in (("cnn", 0.2), ("rnn", 3))]
    found = compare_runs(*runs)
    assert found.tests == []
    assert found.conclusion == "Nothing may be concluded: one video says nothing about the next."
    assert "no interval, no sign flips" in comparison_markdown(found)


# Many runs


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    root = tmp_path_factory.mktemp("many")
    skills = {"cnn": 2.0, "rnn": 0.3, "lstm": 1.9, "gru": 3.5}
    return {name: write_system(root / name / "loso", skill, speakers=10) for name, skill in skills.items()}


def test_ranks_are_those_of_the_folds(many):
    found = compare_many(many)
    hits = {name: next(iter(tables(run).values())) for name, run in many.items()}
    by_fold = pd.DataFrame({name: (t["true"] == t["predicted"]).groupby(t["fold"]).mean() for name, t in hits.items()})
    assert found.mean_ranks == pytest.approx(by_fold.rank(axis=1, ascending=False).mean().to_dict())
    assert found.friedman["chi2"] == pytest.approx(stats.friedmanchisquare(*by_fold.to_numpy().T).statistic)
    assert list(found.systems) == list(many)


def test_pairs_are_those_of_two_runs_with_holm_over_them(many):
    found = compare_many(many, reference="rnn")
    assert [pair["system"] for pair in found.pairs] == ["cnn", "lstm", "gru"]
    for pair in found.pairs[:1]:
        two = compare_runs(many[pair["system"]], many["rnn"])
        assert pair["sign_flip"]["p"] == named(two, "sign flip", "WA", "pooled")["p"]
        assert pair["mcnemar"]["p"] == named(two, "McNemar", "WA")["p"]
        assert pair["interval"] == two.scores["WA"]["interval"]
    assert [pair["sign_flip"]["p_holm"] for pair in found.pairs] == holm(
        [pair["sign_flip"]["p"] for pair in found.pairs]
    )
    assert found.conclusion.startswith("In WA, cnn and lstm and gru are better than rnn over these 10 speakers")
    text = comparison_markdown(found)
    assert found.conclusion in text
    assert "Nemenyi" in text
    json.dumps(found.to_json(), allow_nan=False)


def test_numbers_are_ranked_with_the_smallest_error_first(tmp_path):
    noises = {"cnn": 3, "rnn": 0.1, "gru": 1}
    runs = {
        name: write_ratings(tmp_path / name / "loo", noise, folds=("set01", "set02", "set03"))
        for name, noise in noises.items()
    }
    assert compare_many(runs).mean_ranks == {"cnn": 3, "rnn": 1, "gru": 2}


def test_one_fold_ranks_nothing(tmp_path):
    runs = {name: write_ratings(tmp_path / name / "official", 1) for name in ("cnn", "rnn", "gru")}
    found = compare_many(runs)
    assert found.mean_ranks is None
    assert "with 5 videos no sign-flip test among 2 can have a p below 0.12" in found.conclusion
    assert "One fold only: no ranks" in comparison_markdown(found)


def test_many_are_at_least_three_with_a_known_reference_and_score(many):
    for runs, options in (
        (dict(list(many.items())[:2]), {}),
        (many, {"reference": "mha"}),
        (many, {"score": "macro_F1"}),
    ):
        with pytest.raises(SerError):
            compare_many(runs, **options)


def test_every_pair_of_many_is_of_the_same_test(many, tmp_path):
    other = write_system(tmp_path / "mha" / "loso", speakers=10, split_seed=3)
    with pytest.raises(SerError, match="split_seed 0 in cnn but 3 in mha"):
        read_comparable({**many, "mha": other})


def test_names_tell_runs_apart(tmp_path):
    assert list(run_names([tmp_path / "cnn" / "loso", tmp_path / "rnn" / "loso"])) == ["cnn", "rnn"]


def test_bars_join_what_does_not_differ_and_only_the_largest_groups():
    ranks = {"a": 1.0, "b": 1.5, "c": 2.2, "d": 4.0, "e": 4.1}
    assert not_different(ranks, 1.3) == [["a", "b", "c"], ["d", "e"]]
    assert not_different(ranks, 0.05) == []
    assert not_different(ranks, 9) == [list(ranks)]


def test_the_diagram_shows_every_system_at_its_rank():
    ranks = {"cnn": 2.5, "rnn": 1.1, "gru": 2.4}
    axes = critical_difference_figure(ranks, 0.5, "EmoDB").axes[0]
    assert {line.get_xdata()[0] for line in axes.lines} >= set(ranks.values())
    assert "CD 0.50" in [text.get_text() for text in axes.texts]
    assert axes.get_title() == "EmoDB"


def test_decisions_stay_apart_from_the_anova(pair, monkeypatch):
    """Whatever the ANOVA finds, the conclusion is the same."""
    before = compare_runs(*pair).conclusion
    monkeypatch.setattr(
        comparison.significance, "anova", lambda *_: {"F": 99.0, "df": [1, 9], "p": 0.0, "eta_squared": 1}
    )
    assert compare_runs(*pair).conclusion == before
