"""Whether probabilities mean what they say: temperature, calibration error, and what abstaining buys.

- Temperature scaling divides the logits by one number, ``p_i^(1/T) / sum_j p_j^(1/T)``, which changes no decision. T is
  the one with the least negative log-likelihood (Guo, Pleiss, Sun & Weinberger, *On Calibration of Modern Neural
  Networks*, ICML 2017, sec. 4.2).
- ECE, the expected calibration error, is the mean gap between confidence and accuracy over bins of equal width,
  weighted by their utterances (Naeini, Cooper & Hauskrecht, AAAI 2015; eq. 3 in Guo et al.). It depends on the bins.
- Coverage and accuracy: who answers only where the highest probability is at least a threshold answers fewer
  utterances, and more of those rightly (El-Yaniv & Wiener, JMLR 11, 2010).

Predictions must be out-of-fold: of models that had not seen the utterance. What the temperature does to the scores is
measured on units (speakers) that it was not fitted on.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from ser_plugins.errors import SerError

BINS = 15  # as Guo et al. have them
BOUNDS = (0.05, 20.0)  # of a temperature; where knowing the class helps nothing, it would grow without end
_LEAST = 1e-12  # predictions are written with 8 digits, so a probability may be 0


def tempered(probabilities, temperature: float) -> np.ndarray:
    """Probabilities after temperature scaling.

    Arguments
    ---------
    probabilities : array of float
        (utterances, classes).
    temperature : float
        Above 1 makes them less sure, below 1 surer.

    Example
    -------
    >>> tempered([[0.9, 0.1]], 2.0).round(3).tolist()
    [[0.75, 0.25]]
    """
    return np.exp(log_softmax(_logarithms(probabilities) / temperature, axis=1))


def negative_log_likelihood(probabilities, true: Sequence[int]) -> float:
    """Mean of -ln p(true class), in nats.

    Example
    -------
    >>> round(negative_log_likelihood([[0.5, 0.5], [0.25, 0.75]], [0, 1]), 4)
    0.4904
    """
    return float(-_logarithms(probabilities)[np.arange(len(true)), np.asarray(true)].mean())


def fit_temperature(probabilities, true: Sequence[int]) -> float:
    """Temperature with the least negative log-likelihood, within ``BOUNDS``.

    Arguments
    ---------
    probabilities : array of float
        (utterances, classes), out-of-fold.
    true : sequence of int
        (utterances,), the index of the true class.

    Raises
    ------
    SerError
        For no utterances, or shapes that do not belong together.

    Example
    -------
    >>> sure, right = [[0.99, 0.01]] * 10, [0] * 8 + [1] * 2  # sure of all ten, right in eight
    >>> temperature = fit_temperature(sure, right)
    >>> round(temperature, 2), tempered(sure, temperature)[0].round(2).tolist()
    (3.31, [0.8, 0.2])
    """
    probabilities = np.asarray(probabilities, float)
    if probabilities.ndim != 2 or len(probabilities) == 0 or len(true) != len(probabilities):
        raise SerError(
            got=f"probabilities {probabilities.shape} and {len(true)} true classes",
            expected="(utterances, classes) and as many true classes, at least one",
            remedy="give the out-of-fold predictions of a whole protocol",
        )

    def loss(log_temperature):
        return negative_log_likelihood(tempered(probabilities, np.exp(log_temperature)), true)

    # In 1/T the loss is convex (Guo et al., suppl. S2), hence in ln T it has one minimum.
    return float(np.exp(minimize_scalar(loss, bounds=np.log(BOUNDS), method="bounded").x))


def reliability(confidence, correct, bins: int = BINS) -> list[dict]:
    """Confidence and accuracy in bins of equal width; a bin is open on the left, empty ones are left out.

    Arguments
    ---------
    confidence : array of float
        (utterances,), the highest probability.
    correct : array of bool
        (utterances,), whether that class is the true one.
    bins : int
        How many share 0..1.

    Returns
    -------
    list of dict
        ``low``, ``high``, ``n``, ``confidence`` (mean) and ``accuracy`` of each.

    Example
    -------
    >>> reliability([0.625, 0.75, 1.0, 0.625], [True, False, True, True], bins=2)
    [{'low': 0.5, 'high': 1.0, 'n': 4, 'confidence': 0.75, 'accuracy': 0.75}]
    """
    confidence, correct = np.asarray(confidence, float), np.asarray(correct, float)
    place = np.clip(np.ceil(confidence * bins) - 1, 0, bins - 1).astype(int)
    return [
        {
            "low": number / bins,
            "high": (number + 1) / bins,
            "n": int((place == number).sum()),
            "confidence": float(confidence[place == number].mean()),
            "accuracy": float(correct[place == number].mean()),
        }
        for number in np.unique(place).tolist()
    ]


def expected_calibration_error(confidence, correct, bins: int = BINS) -> float:
    """ECE: the mean gap between confidence and accuracy of the bins, weighted by their utterances.

    Example
    -------
    >>> round(expected_calibration_error([0.8] * 10, [True] * 8 + [False] * 2), 6)
    0.0
    >>> round(expected_calibration_error([1.0] * 10, [True] * 8 + [False] * 2), 6)
    0.2
    """
    rows = reliability(confidence, correct, bins)
    return sum(row["n"] * abs(row["confidence"] - row["accuracy"]) for row in rows) / sum(row["n"] for row in rows)


def coverage(confidence, correct) -> list[dict]:
    """What abstaining below a confidence leaves and is worth, for every threshold in steps of 0.05.

    Returns
    -------
    list of dict
        ``abstain_below``, ``coverage`` (share of utterances answered) and ``accuracy`` (of those; None without any).

    Example
    -------
    >>> coverage([0.4, 0.9], [False, True])[10]
    {'abstain_below': 0.5, 'coverage': 0.5, 'accuracy': 1.0}
    """
    confidence, correct = np.asarray(confidence, float), np.asarray(correct, float)
    rows = []
    for step in range(20):
        answered = confidence >= step / 20
        accuracy = float(correct[answered].mean()) if answered.any() else None
        rows.append({"abstain_below": step / 20, "coverage": float(answered.mean()), "accuracy": accuracy})
    return rows


def calibration(table: pd.DataFrame, classes: Sequence[str]) -> dict:
    """Everything above of the out-of-fold predictions of a run.

    Arguments
    ---------
    table : pandas.DataFrame
        A row per utterance and seed: ``true``, ``predicted``, ``unit`` and ``p_<class>`` of every class.
    classes : sequence of str
        Names in the order of the model's outputs.

    Returns
    -------
    dict
        ``temperature``, fitted on all of it and meant for models to be used; ``bins``; ``raw`` and ``calibrated``, each
        ``ECE``, ``NLL``, ``reliability`` and ``coverage``. ``calibrated`` is measured: each unit with the temperature
        of the others. It is None with one unit.

    Example
    -------
    >>> table = pd.DataFrame({"true": ["joy", "joy", "fear", "joy"], "predicted": ["joy"] * 4, "unit": list("aabb"),
    ...     "p_fear": [0.01] * 4, "p_joy": [0.99] * 4})
    >>> found = calibration(table, ["fear", "joy"])
    >>> round(found["temperature"], 2), round(found["raw"]["ECE"], 2)
    (4.18, 0.24)
    """
    probabilities = table[[f"p_{name}" for name in classes]].to_numpy(float)
    true, units = table["true"].map(list(classes).index).to_numpy(), table["unit"].to_numpy()
    correct = (table["true"] == table["predicted"]).to_numpy()
    crossed = None
    if len(set(units)) > 1:
        crossed = probabilities.copy()
        for unit in set(units):
            in_unit = units == unit
            crossed[in_unit] = tempered(
                probabilities[in_unit], fit_temperature(probabilities[~in_unit], true[~in_unit])
            )
    return {
        "temperature": fit_temperature(probabilities, true),
        "bins": BINS,
        "raw": _scores(probabilities, true, correct),
        "calibrated": None if crossed is None else _scores(crossed, true, correct),
    }


def _scores(probabilities, true, correct) -> dict:
    confidence = probabilities.max(axis=1)
    return {
        "ECE": expected_calibration_error(confidence, correct),
        "NLL": negative_log_likelihood(probabilities, true),
        "reliability": reliability(confidence, correct),
        "coverage": coverage(confidence, correct),
    }


def _logarithms(probabilities) -> np.ndarray:
    return np.log(np.maximum(np.asarray(probabilities, float), _LEAST))
