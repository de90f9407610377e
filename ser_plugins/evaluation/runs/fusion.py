"""Late fusion: several systems' predictions of the same utterances put together.

Probabilities are put together by a logarithmic opinion pool, p(c) ~ prod_i p_i(c)^w_i (Genest and Zidek, "Combining
probability distributions", Statistical Science 1(1), 1986); numbers by their weighted mean. The weights are given, not
fitted: those of a pool need not sum to 1, so a system whose probabilities are too flat is sharpened by a larger one.
"""

import numpy as np
import pandas as pd

from ser_plugins.errors import SerError

_FLOOR = 1e-8  # written probabilities have eight digits; a class at 0 stays the least probable, not impossible


def fuse(tables: dict, weights: dict, task) -> pd.DataFrame:
    """One table of predictions from several.

    Arguments
    ---------
    tables : dict
        Tables of predictions by system, as :mod:`ser_plugins.evaluation.runs.folds` reads them.
    weights : dict
        A number above 0 by system.
    task : Classification or Regression
        What was predicted.

    Raises
    ------
    SerError
        When the tables are not of the same utterances, or a weight is not a number above 0.

    Example
    -------
    >>> from ser_plugins.evaluation.metrics.tasks import Classification
    >>> def table(p):
    ...     return pd.DataFrame({"id": ["u"], "true": ["joy"], "predicted": ["?"], "p_fear": [1 - p], "p_joy": [p]})
    >>> fused = fuse({"a": table(0.6), "b": table(0.2)}, {"a": 1, "b": 2}, Classification(["fear", "joy"]))
    >>> fused["predicted"].item(), round(fused["p_joy"].item(), 4)  # 0.6 * 0.2^2 : 0.4 * 0.8^2
    ('fear', 0.0857)
    """
    for name, weight in weights.items():
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < np.inf:
            raise SerError(got=f"weight {weight!r} of {name}", expected="a number above 0", remedy="correct it")
    first_table, *further = (tables[name].reset_index(drop=True) for name in weights)
    if any(not first_table[["id", "true"]].equals(other[["id", "true"]]) for other in further):
        raise SerError(
            got=f"{' and '.join(weights)} with other utterances or labels",
            expected="predictions of the same test",
            remedy="fuse runs of one protocol on one corpus",
        )
    if task.kind == "regression":
        total = sum(tables[name]["predicted"].to_numpy(float) * weight for name, weight in weights.items())
        return first_table.assign(predicted=total / sum(weights.values()))
    columns = [f"p_{name}" for name in task.classes]
    logarithms = sum(
        weight * np.log(np.maximum(tables[name][columns].to_numpy(float), _FLOOR)) for name, weight in weights.items()
    )
    odds = np.exp(logarithms - logarithms.max(axis=1, keepdims=True))
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    chosen = np.array(task.classes)[probabilities.argmax(axis=1)]
    return first_table.assign(predicted=chosen, **dict(zip(columns, probabilities.T, strict=True)))
