"""Laws of temperature, calibration error and abstaining."""

import numpy as np
import pandas as pd
import pytest

from ser_plugins.errors import SerError
from ser_plugins.evaluation.metrics.calibration import (
    BOUNDS,
    calibration,
    coverage,
    expected_calibration_error,
    fit_temperature,
    negative_log_likelihood,
    reliability,
    tempered,
)

CLASSES = ["anger", "fear", "neutral"]


def drawn(temperature=1.0, n=20000, seed=0):
    """Classes drawn from known probabilities, which are then told as if the logits had been multiplied."""
    generator = np.random.default_rng(seed)
    honest = generator.dirichlet(np.ones(3), n)
    true = (honest.cumsum(axis=1) > generator.random((n, 1))).argmax(axis=1)
    return tempered(honest, 1 / temperature), true


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_was_put_in_is_found(temperature):
    probabilities, true = drawn(temperature)
    assert fit_temperature(probabilities, true) == pytest.approx(temperature, rel=0.05)


def test_the_fit_is_the_minimum_of_the_likelihood():
    probabilities, true = drawn(3.0, n=500)
    best = fit_temperature(probabilities, true)
    least = negative_log_likelihood(tempered(probabilities, best), true)
    for other in (*np.geomspace(*BOUNDS, 40), 1.0):
        assert least <= negative_log_likelihood(tempered(probabilities, other), true) + 1e-9


def test_temperature_changes_no_decision_and_keeps_a_sum_of_one():
    probabilities, _ = drawn(n=200)
    for temperature in (0.1, 1.0, 10.0):
        other = tempered(probabilities, temperature)
        assert (other.argmax(axis=1) == probabilities.argmax(axis=1)).all()
        np.testing.assert_allclose(other.sum(axis=1), 1)
    np.testing.assert_allclose(tempered(probabilities, 1.0), probabilities)


def test_knowing_nothing_stays_within_bounds_and_a_zero_is_no_infinity():
    assert fit_temperature([[1.0, 0.0], [0.0, 1.0]], [1, 0]) == pytest.approx(BOUNDS[1], rel=1e-3)
    assert fit_temperature([[0.6, 0.4]] * 3, [0] * 3) == pytest.approx(BOUNDS[0], rel=1e-3)
    assert np.isfinite(negative_log_likelihood([[1.0, 0.0]], [1]))


@pytest.mark.parametrize(("probabilities", "true"), [([[0.5, 0.5]], [0, 1]), ([], []), ([0.5, 0.5], [0, 1])])
def test_shapes_that_do_not_belong_together_are_refused(probabilities, true):
    with pytest.raises(SerError, match="out-of-fold"):
        fit_temperature(probabilities, true)


def test_honest_probabilities_have_little_error_and_boasting_ones_much():
    for told, low, high in ((1.0, 0.0, 0.02), (0.2, 0.1, 1.0), (4.0, 0.1, 1.0)):
        probabilities, true = drawn(told)
        error = expected_calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == true)
        assert low <= error <= high


def test_bins_hold_everything_once():
    confidence = np.array([0.0, 0.2, 0.2000001, 0.4, 1.0])
    rows = reliability(confidence, [True] * 5, bins=5)
    assert [(row["low"], row["n"]) for row in rows] == [(0.0, 2), (0.2, 2), (0.8, 1)]
    assert sum(row["n"] for row in rows) == 5


def test_coverage_falls_and_is_everything_at_zero():
    generator = np.random.default_rng(0)
    confidence, correct = generator.random(300), generator.random(300) < 0.5
    rows = coverage(confidence, correct)
    shares = [row["coverage"] for row in rows]
    assert (rows[0]["abstain_below"], shares[0], rows[0]["accuracy"]) == (0.0, 1.0, correct.mean())
    assert shares == sorted(shares, reverse=True)
    assert coverage([0.1], [True])[-1] == {"abstain_below": 0.95, "coverage": 0.0, "accuracy": None}


def table_of(probabilities, true, units):
    rows = {
        "true": np.array(CLASSES)[true],
        "predicted": np.array(CLASSES)[probabilities.argmax(axis=1)],
        "unit": units,
    }
    return pd.DataFrame(rows).assign(**{f"p_{name}": probabilities[:, i] for i, name in enumerate(CLASSES)})


def test_the_calibrated_scores_of_a_unit_do_not_depend_on_its_own_labels():
    probabilities, true = drawn(3.0, n=600)
    units = np.repeat(["a", "b"], 300)
    expected = tempered(probabilities[:300], fit_temperature(probabilities[300:], true[300:]))
    found = calibration(table_of(probabilities, true, units), CLASSES)
    other = tempered(probabilities[300:], fit_temperature(probabilities[:300], true[:300]))
    together = np.concatenate([expected, other])
    assert found["calibrated"]["NLL"] == pytest.approx(negative_log_likelihood(together, true))
    assert found["calibrated"]["ECE"] < found["raw"]["ECE"]
    assert found["temperature"] == pytest.approx(fit_temperature(probabilities, true))


def test_one_unit_has_no_measured_calibration():
    probabilities, true = drawn(n=50)
    assert calibration(table_of(probabilities, true, "a"), CLASSES)["calibrated"] is None
