"""Metrics of numbers: every edge by hand, the rest against scikit-learn and scipy."""

import numpy as np
import pytest
from scipy.stats import pearsonr
from sklearn.metrics import accuracy_score, f1_score, mean_absolute_error

from ser_plugins.errors import SerError
from ser_plugins.evaluation.metrics.intervals import cluster_bootstrap
from ser_plugins.evaluation.metrics.regression import ConstantWarning, evaluate, regression_metrics
from ser_plugins.evaluation.metrics.tasks import Classification, Regression, tasks_of
from ser_plugins.scales import SCALES
from ser_plugins.scores import NOTES, SCORES


def one(true, predicted, scale):
    """Scores of a single utterance, without the warning that one is a constant."""
    return evaluate(np.array([true], float), np.array([predicted], float), scale)


def numbers(scale, n=300, seed=0):
    generator = np.random.default_rng(seed)
    low, high = {"mosi": (-3, 3), "chsims": (-1, 1)}.get(scale, (1, 5))
    true = np.round(generator.uniform(low, high, n) * 5) / 5  # in steps of 0.2, as ratings are
    return true, true + generator.normal(0, 0.5 * (high - low) / 2, n)  # beyond the ends, too


# By hand, at every edge

MOSI = [  # a number, its class of seven, its class of five
    (-4.0, -3, -2), (-3.01, -3, -2), (-3.0, -3, -2), (-2.51, -3, -2), (-2.5, -2, -2), (-2.49, -2, -2),
    (-2.0, -2, -2), (-1.51, -2, -2), (-1.5, -2, -2), (-1.49, -1, -1), (-1.0, -1, -1), (-0.51, -1, -1),
    (-0.5, 0, 0), (-0.49, 0, 0), (0.0, 0, 0), (0.49, 0, 0), (0.5, 0, 0), (0.51, 1, 1), (1.0, 1, 1),
    (1.49, 1, 1), (1.5, 2, 2), (1.51, 2, 2), (2.0, 2, 2), (2.49, 2, 2), (2.5, 2, 2), (2.51, 3, 2),
    (3.0, 3, 2), (3.01, 3, 2), (3.5, 3, 2), (4.0, 3, 2),
]  # fmt: skip


@pytest.mark.parametrize(("number", "of_seven", "of_five"), MOSI)
def test_mosi_rounds_halves_to_even_after_clipping(number, of_seven, of_five):
    for other in range(-3, 4):
        assert one(other, number, "mosi")["Acc7"] == (other == of_seven)
        assert one(number, other, "mosi")["Acc7"] == (other == of_seven)
    for other in range(-2, 3):
        assert one(other, number, "mosi")["Acc5"] == (other == of_five)
        assert one(number, other, "mosi")["Acc5"] == (other == of_five)


@pytest.mark.parametrize(
    ("number", "has0", "non0"),
    [(-3.2, 0, 0), (-0.5, 0, 0), (-1e-9, 0, 0), (-0.0, 1, 0), (0.0, 1, 0), (1e-9, 1, 1), (0.5, 1, 1), (3.2, 1, 1)],
)
def test_zero_of_mosi_is_positive_with_has0_and_not_above_zero_with_non0(number, has0, non0):
    assert one(2.0, number, "mosi")["Acc2_has0"] == has0
    assert one(-2.0, number, "mosi")["Acc2_has0"] == 1 - has0
    assert one(0.0, number, "mosi")["Acc2_has0"] == has0
    assert one(2.0, number, "mosi")["Acc2_non0"] == non0
    assert one(-2.0, number, "mosi")["Acc2_non0"] == 1 - non0
    assert np.isnan(one(0.0, number, "mosi")["Acc2_non0"])  # its reference is left out


def test_mosi_by_hand():
    scores = regression_metrics([-1.0, 0.0, 2.0, -0.2, 0.4], [0.0, 0.0, -0.1, -3.0, 0.8], "mosi")
    assert scores["MAE"] == pytest.approx((1.0 + 0.0 + 2.1 + 2.8 + 0.4) / 5)
    assert scores["Acc7"] == pytest.approx(1 / 5)  # (-1, 0) (0, 0) (2, 0) (0, -3) (0, 1)
    assert scores["Acc5"] == pytest.approx(1 / 5)
    # has0, reference - + + - +, estimate + + - - +: positive 2 TP, 1 FP, 1 FN; negative 1 TP, 1 FP, 1 FN
    assert scores["Acc2_has0"] == pytest.approx(3 / 5)
    assert scores["F1_has0"] == pytest.approx((3 * 4 / 6 + 2 * 2 / 4) / 5)
    # non0, reference - + - +, estimate - - - +: positive 1 TP, 0 FP, 1 FN; negative 2 TP, 1 FP, 0 FN
    assert scores["Acc2_non0"] == pytest.approx(3 / 4)
    assert scores["F1_non0"] == pytest.approx((2 * 2 / 3 + 2 * 4 / 5) / 4)


CHSIMS = [  # a number, the place of its interval of five, of three, of two
    (-1.5, 0, 0, 0), (-1.01, 0, 0, 0), (-1.0, 0, 0, 0), (-0.71, 0, 0, 0), (-0.7, 0, 0, 0), (-0.69, 1, 0, 0),
    (-0.5, 1, 0, 0), (-0.11, 1, 0, 0), (-0.1, 1, 0, 0), (-0.09, 2, 1, 0), (-1e-9, 2, 1, 0), (0.0, 2, 1, 0),
    (1e-9, 2, 1, 1), (0.09, 2, 1, 1), (0.1, 2, 1, 1), (0.11, 3, 2, 1), (0.5, 3, 2, 1), (0.69, 3, 2, 1),
    (0.7, 3, 2, 1), (0.71, 4, 2, 1), (1.0, 4, 2, 1), (1.01, 4, 2, 1), (1.5, 4, 2, 1), (2.5, 4, 2, 1),
]  # fmt: skip


@pytest.mark.parametrize(("number", "of_five", "of_three", "of_two"), CHSIMS)
def test_intervals_of_chsims_are_open_on_the_left(number, of_five, of_three, of_two):
    for place, middle in enumerate((-0.9, -0.4, 0.05, 0.4, 0.9)):
        assert one(middle, number, "chsims")["Acc5"] == (place == of_five)
        assert one(number, middle, "chsims")["Acc5"] == (place == of_five)
    for place, middle in enumerate((-0.6, 0.05, 0.6)):
        assert one(middle, number, "chsims")["Acc3"] == (place == of_three)
    for place, middle in enumerate((-0.6, 0.6)):
        assert one(middle, number, "chsims")["Acc2"] == (place == of_two)
        assert one(number, middle, "chsims")["Acc2"] == (place == of_two)


def test_chsims_by_hand():
    scores = regression_metrics([-1.0, 0.0, 0.2, 1.0], [-2.0, 0.5, 0.0, 3.0], "chsims")
    assert scores["MAE"] == pytest.approx((0 + 0.5 + 0.2 + 0) / 4)  # clipped to -1 and 1
    assert scores["Acc5"] == scores["Acc3"] == scores["Acc2"] == 0.5
    # reference - - + +, estimate - + - +: 1 TP, 1 FP, 1 FN of either
    assert scores["F1"] == pytest.approx(0.5)
    # -1, 0, 0.2, 1 and -1, 0.5, 0, 1: means 0.05 and 0.125; squared deviations 2.03 and 2.1875, their products 1.975
    assert scores["r"] == pytest.approx(1.975 / np.sqrt(2.03 * 2.1875))


def test_concordance_by_hand():
    # means 2 and 3, variances 2/3, covariance 2/3: 2 * 2/3 / (4/3 + 1)
    scores = regression_metrics([1.0, 2.0, 3.0], [2.0, 3.0, 4.0], "vad")
    assert scores == {"MAE": 1.0, "r": pytest.approx(1.0), "CCC": pytest.approx(4 / 7)}


# Against the libraries


@pytest.mark.parametrize("scale", SCALES)
def test_scores_agree_with_scikit_learn_and_scipy(scale):
    true, predicted = numbers(scale)
    scores = regression_metrics(true.tolist(), predicted.tolist(), scale)
    assert list(scores) == list(SCORES[scale])
    assert scale in NOTES
    if scale == "chsims":
        true, predicted = true.clip(-1, 1), predicted.clip(-1, 1)
    assert scores["MAE"] == pytest.approx(mean_absolute_error(true, predicted))
    assert scores["r"] == pytest.approx(pearsonr(true, predicted).statistic)
    some = true != 0
    pairs = {
        "mosi": {"_has0": (true >= 0, predicted >= 0), "_non0": (true[some] > 0, predicted[some] > 0)},
        "chsims": {"": (true > 0, predicted > 0)},
    }.get(scale, {})
    for name, (reference, estimate) in pairs.items():
        assert scores[f"Acc2{name}"] == pytest.approx(accuracy_score(reference, estimate))
        assert scores[f"F1{name}"] == pytest.approx(f1_score(reference, estimate, average="weighted"))
    if "CCC" in scores:
        (x, xy), (_, y) = np.cov(true, predicted, bias=True)
        assert scores["CCC"] == pytest.approx(2 * xy / (x + y + (true.mean() - predicted.mean()) ** 2))


@pytest.mark.parametrize("scale", SCALES)
def test_the_order_of_utterances_does_not_matter_and_perfection_is_perfect(scale):
    true, predicted = numbers(scale)
    order = np.random.default_rng(1).permutation(len(true))
    expected = regression_metrics(true, predicted, scale)
    assert regression_metrics(true[order], predicted[order], scale) == pytest.approx(expected)
    perfect = regression_metrics(true, true, scale)
    assert perfect.pop("MAE") == 0
    assert perfect == pytest.approx(dict.fromkeys(perfect, 1.0))


def test_a_constant_has_no_correlation_and_says_so():
    for constant in (0.1, 1 / 3):  # their mean is not always exactly themselves
        with pytest.warns(ConstantWarning, match="a constant among 7 utterances"):
            scores = regression_metrics(np.arange(7.0), [constant] * 7, "plain")
        assert (scores["r"], scores["CCC"]) == (0.0, pytest.approx(0.0))
    with pytest.warns(ConstantWarning):
        assert regression_metrics([2.0, 2.0], [2.0, 2.0], "plain") == {"MAE": 0.0, "r": 0.0, "CCC": None}
    with pytest.warns(ConstantWarning):
        scores = regression_metrics([0.0, 0.0], [0.5, -0.5], "mosi")
    assert (scores["Acc2_non0"], scores["F1_non0"]) == (None, None)


@pytest.mark.parametrize(
    ("true", "predicted", "scale", "message"),
    [
        ([], [], "mosi", "no labels at all"),
        ([1.0], [1.0, 2.0], "mosi", "1 reference labels and 2 estimates"),
        ([float("nan")], [1.0], "mosi", "nan in the reference; expected: finite numbers"),
        ([1.0], [float("inf")], "mosi", "inf in the estimate; .* look at the training loss"),
        ([1.0], [1.0], "mosei", "scale 'mosei'; expected: one of mosi, chsims, vad, plain"),
    ],
)
def test_bad_numbers_are_refused(true, predicted, scale, message):
    with pytest.raises(SerError, match=message):
        regression_metrics(true, predicted, scale)


@pytest.mark.parametrize("scale", ["mosi", "chsims"])
def test_polarity_is_that_of_the_scores(scale):
    """What is positive (negative) is so in Acc-2, and on CH-SIMS neutral is the middle interval of Acc-3."""
    for number in (-2.0, -0.1, -0.09, 0.0, 0.09, 0.1, 0.11, 2.0):
        polarity = SCALES[scale].polarity(number)
        if polarity != "neutral":
            end = {"negative": -0.9, "positive": 0.9}[polarity]
            assert one(end, number, scale)["Acc2_has0" if scale == "mosi" else "Acc2"] == 1
        if scale == "chsims":
            assert (one(0.0, number, scale)["Acc3"] == 1) == (polarity == "neutral")
    assert SCALES["vad"].polarity(4.0) is None


# Intervals, and what tasks do beside the metrics


def test_the_bootstrap_resamples_clusters_and_not_utterances():
    errors, clusters = np.repeat([0.0, 1.0], 50), np.repeat(["a", "b"], 50)
    assert cluster_bootstrap(lambda rows: {"MAE": errors[rows].mean()}, clusters) == {"MAE": [0.0, 1.0]}
    low, high = cluster_bootstrap(lambda rows: {"MAE": errors[rows].mean()}, np.arange(100))["MAE"]
    assert 0.35 < low < 0.45 < 0.55 < high < 0.65
    nothing = cluster_bootstrap(lambda rows: {"r": float("nan")}, clusters)
    assert nothing == {"r": None}


def test_targets_are_encoded_or_refused():
    task = Regression("mosi")
    assert (task.encode(2), task.encode(-0.4)) == (2.0, -0.4)
    for value in (None, "0.4", True, float("nan"), float("inf"), [1.0]):
        with pytest.raises(SerError, match="expected: a finite number; remedy"):
            task.encode(value)
    assert np.isnan(Regression("vad", optional=True).encode(None))
    with pytest.raises(SerError, match="got: 'joy'; expected: one of fear, anger"):
        Classification(["fear", "anger"]).encode("joy")


@pytest.mark.parametrize(
    ("scale", "targets", "expected"),
    [
        ("mosi", [-2.0, 0.0, 0.0, 1.0], {"median": 0.0, "mean": -0.25, "majority": "positive"}),  # 0 as in has0
        ("chsims", [-1.0, 0.0, 0.0, 1.0], {"median": 0.0, "mean": 0.0, "majority": "negative"}),
        ("vad", [1.0, 2.0, float("nan"), 4.5], {"median": 2.0, "mean": 2.5, "majority": None}),
    ],
)
def test_constants_of_the_training_set(scale, targets, expected):
    assert Regression(scale, optional=True).training(targets) == expected


def test_a_training_set_without_one_number_and_a_target_named_twice_are_refused():
    with pytest.raises(SerError, match="no number in the training set"):
        Regression("vad", optional=True).training([float("nan")])
    with pytest.raises(SerError, match="auxiliary: emotion"):
        tasks_of({"target": "emotion", "classes": ["a", "b"]}, {"emotion": "vad"})
