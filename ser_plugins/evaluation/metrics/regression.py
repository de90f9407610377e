"""Metrics of sentiment and of dimensions of emotion, in the conventions of each corpus.

Conventions
-----------
- The reference comes first, the estimate second, the name of the scale (:mod:`ser_plugins.scales`) third.
- **MAE** is the mean absolute error, **r** Pearson's correlation. Where one side is constant, r is 0, with a warning.
- **CCC** is the concordance correlation (Lin, Biometrics 45, 1989), variances over n.
- ``mosi``: MAE and r of the numbers as they are. **Acc-7** and **Acc-5**: equal after clipping to +-3 and +-2 and
  rounding, halves to the even neighbour. **Acc-2** and **F1** twice: ``has0``, at least 0 against below 0; ``non0``,
  above 0 against the rest, utterances whose reference is 0 left out.
- ``chsims``: everything after clipping both sides to -1..1. **Acc-5**, **Acc-3** and **Acc-2**: in the same interval,
  open on the left and closed on the right, of those cut at +-0.7 and +-0.1, at +-0.1, and at 0 (so 0 is negative).
- ``vad`` and ``plain``: MAE, r and CCC.
- **F1** is that of the two classes of Acc-2, weighted by how often the reference has them.

Accuracies and F1 are fractions in 0..1; an undefined score (no reference but zeros, say) is ``None``.
"""

import math
import warnings
from collections.abc import Sequence

import numpy as np

from ser_plugins.errors import SerError
from ser_plugins.evaluation.metrics.classification import validate_pairs
from ser_plugins.scales import SCALES, scale_named


class ConstantWarning(UserWarning):
    """A correlation with a constant, which is undefined and counted as 0."""


def validate(reference: Sequence[float], estimate: Sequence[float]) -> None:
    """Raise :class:`SerError` on what no metric is defined for.

    Example
    -------
    >>> validate([0.5, float("nan")], [0.0, 0.0])
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: nan in the reference; expected: finite numbers; remedy: leave out utterances \
without a rating
    """
    validate_pairs(reference, estimate)
    for side, numbers in (("reference", reference), ("estimate", estimate)):
        numbers = np.asarray(numbers, float)
        if not np.isfinite(numbers).all():
            odd = numbers[~np.isfinite(numbers)][0]
            remedy = "leave out utterances without a rating" if side == "reference" else "look at the training loss"
            raise SerError(got=f"{odd} in the {side}", expected="finite numbers", remedy=remedy)


def pearson(reference, estimate) -> float:
    """Pearson's correlation; 0 where one side is constant.

    Example
    -------
    >>> reference = np.array([1.0, 2.0, 3.0])
    >>> pearson(reference, 2 * reference), pearson(reference, np.array([0.2, 0.2, 0.2]))
    (1.0, 0.0)
    """
    if np.ptp(reference) == 0 or np.ptp(estimate) == 0:
        return 0.0
    x, y = reference - reference.mean(), estimate - estimate.mean()
    return float(np.clip(x @ y / math.sqrt((x @ x) * (y @ y)), -1, 1))


def concordance(reference, estimate) -> float:
    """Lin's concordance correlation; NaN where both sides are the same constant.

    Example
    -------
    >>> round(concordance(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0])), 4)
    0.5714
    """
    covariance = ((reference - reference.mean()) * (estimate - estimate.mean())).mean()
    spread = reference.var() + estimate.var() + (reference.mean() - estimate.mean()) ** 2
    return float(2 * covariance / spread) if spread else math.nan


def weighted_f1(reference, estimate) -> float:
    """F1 of either of two classes (arrays of bool), weighted by their share of the reference; NaN for none at all.

    Example
    -------
    >>> round(weighted_f1(np.array([True, True, False]), np.array([True, True, True])), 4)
    0.5333
    """
    total = 0.0
    for true, predicted in ((reference, estimate), (~reference, ~estimate)):
        if support := true.sum():  # F1 = 2 TP / (2 TP + FP + FN)
            total += support * 2 * (true & predicted).sum() / (support + predicted.sum())
    return float(total / len(reference)) if len(reference) else math.nan


def regression_metrics(reference: Sequence[float], estimate: Sequence[float], scale: str) -> dict:
    """Evaluate everything that is usual on a scale.

    Arguments
    ---------
    reference, estimate : sequence of float
        Ratings and predictions, one per utterance, in the same order.
    scale : str
        ``mosi``, ``chsims``, ``vad`` or ``plain``.

    Returns
    -------
    dict
        Score by name, ready for JSON.

    Example
    -------
    >>> round(regression_metrics([-1.0, 0.0, 2.0], [-0.5, 0.5, 1.0], "plain")["MAE"], 4)
    0.6667
    """
    scale_named(scale)
    validate(reference, estimate)
    if np.ptp(reference) == 0 or np.ptp(estimate) == 0:
        message = f"a constant among {len(reference)} utterances: its correlation is undefined and counted as 0"
        warnings.warn(message, ConstantWarning, stacklevel=2)
    scores = evaluate(np.asarray(reference, float), np.asarray(estimate, float), scale)
    return {name: None if math.isnan(score) else score for name, score in scores.items()}


def evaluate(reference: np.ndarray, estimate: np.ndarray, scale: str) -> dict[str, float]:
    """:func:`regression_metrics` of checked arrays, without a warning and with NaN for None: for many resamplings."""
    return _METRICS[scale](reference, estimate)


def _mosi(true, predicted):
    scale = SCALES["mosi"]
    some = true != 0
    return {
        "MAE": _mean(abs(true - predicted)),
        "r": pearson(true, predicted),
        "Acc7": _accuracy(_rounded(true, scale.high), _rounded(predicted, scale.high)),
        "Acc5": _accuracy(_rounded(true, 2), _rounded(predicted, 2)),
        **_two_classes("_has0", scale.is_positive(true), scale.is_positive(predicted)),
        **_two_classes("_non0", true[some] > 0, predicted[some] > 0),
    }


def _chsims(true, predicted):
    scale = SCALES["chsims"]
    true = np.clip(true, scale.low, scale.high)
    predicted = np.clip(predicted, scale.low, scale.high)
    return {
        "MAE": _mean(abs(true - predicted)),
        "r": pearson(true, predicted),
        "Acc5": _accuracy(*(np.digitize(side, [-0.7, -0.1, 0.1, 0.7], right=True) for side in (true, predicted))),
        "Acc3": _accuracy(*(np.digitize(side, [-0.1, 0.1], right=True) for side in (true, predicted))),
        **_two_classes("", scale.is_positive(true), scale.is_positive(predicted)),
    }


def _plain(true, predicted):
    return {
        "MAE": _mean(abs(true - predicted)),
        "r": pearson(true, predicted),
        "CCC": concordance(true, predicted),
    }


_METRICS = {"mosi": _mosi, "chsims": _chsims, "vad": _plain, "plain": _plain}


def _two_classes(convention, true, predicted):
    return {f"Acc2{convention}": _accuracy(true, predicted), f"F1{convention}": weighted_f1(true, predicted)}


def _rounded(numbers, limit):
    return np.rint(np.clip(numbers, -limit, limit))  # rint rounds halves to the even neighbour


def _accuracy(true, predicted):
    return _mean(true == predicted)


def _mean(values):
    return float(values.mean()) if len(values) else math.nan
