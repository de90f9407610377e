"""Where corpora with other classes are tested by one model: every recording is judged among the classes of its corpus.

An entry of a manifest may name these as ``classes``; that a recording is of one of them is known to whoever uses the
corpus, and is part of the task. Probabilities of all other classes become 0, and the rest sums to 1.
"""

import math


def judged_among(rows: dict, entries: dict) -> dict:
    """Predictions by id, each restricted to the ``classes`` of its entry; one without stays as it is.

    Arguments
    ---------
    rows : dict
        id -> ``{"true": ..., "predicted": ..., "p_anger": ..., ...}``, as a classification's ``row`` gives them.
    entries : dict
        Of the manifest that was tested.

    Example
    -------
    >>> rows = {"u1": {"true": "joy", "predicted": "fear", "p_fear": 0.5, "p_joy": 0.2, "p_rage": 0.3}}
    >>> judged_among(rows, {"u1": {"classes": ["joy", "rage"]}})["u1"]
    {'true': 'joy', 'predicted': 'rage', 'p_fear': 0.0, 'p_joy': 0.4, 'p_rage': 0.6}
    """
    classes = {id_: entries[id_].get("classes") for id_ in rows}
    return {id_: row if classes[id_] is None else _among(row, classes[id_]) for id_, row in rows.items()}


def _among(row, classes) -> dict:
    allowed = {f"p_{name}": row[f"p_{name}"] for name in classes}
    total = math.fsum(allowed.values())
    if not total:  # so sure of another class that nothing is left for these
        allowed = dict.fromkeys(allowed, 1.0)
        total = len(allowed)
    probabilities = {column: allowed.get(column, 0.0) / total for column in row if column.startswith("p_")}
    best = max(allowed, key=probabilities.__getitem__)
    return {**row, **probabilities, "predicted": best.removeprefix("p_")}
