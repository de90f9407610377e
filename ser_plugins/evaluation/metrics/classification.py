"""Classification metrics of speech emotion recognition, all of them from the confusion matrix.

Conventions
-----------
- The reference comes first, the estimate second, the class names (which fix the order of every table) third.
- **WA** (weighted accuracy) is plain accuracy: correct utterances / all utterances.
- **UAR** (unweighted average recall, "UA") is the mean recall over the classes *present in the reference*
  (Schuller, Steidl & Batliner, Interspeech 2009). A recall over an absent class is undefined: ``None``, never 0.
- **macro-F1** is the mean F1 over the same classes, with zero_division 0: a class that is never predicted has
  precision 0 and F1 0. An absent class has no F1 (``None``), yet predicting it costs the recall of another class.
- Precision is over predictions, hence 0 and not ``None`` where a class is never predicted.
- The confusion matrix has the reference in its rows and the estimate in its columns.

All scores are fractions in 0..1, as plain Python numbers that JSON can hold.
"""

from collections.abc import Sequence

import numpy as np

from ser_plugins.errors import SerError


def validate(reference: Sequence[str], estimate: Sequence[str], classes: Sequence[str]) -> None:
    """Raise :class:`SerError` on what no metric is defined for.

    Example
    -------
    >>> validate(["fear", "joy"], ["fear", "fear"], ["fear", "neutral"])
    Traceback (most recent call last):
    ...
    ser_plugins.errors.SerError: got: label 'joy' in the reference; expected: one of fear, neutral; remedy: correct \
the labels, or name the class
    """
    if len(set(classes)) < len(classes):
        raise SerError(got=f"classes {', '.join(classes)}", expected="each name once", remedy="drop the repeated name")
    validate_pairs(reference, estimate)
    for side, labels in (("reference", reference), ("estimate", estimate)):
        unknown = sorted({str(label) for label in labels} - set(classes))
        if unknown:
            raise SerError(
                got=f"label {', '.join(map(repr, unknown))} in the {side}",
                expected=f"one of {', '.join(classes)}",
                remedy="correct the labels, or name the class",
            )


def validate_pairs(reference: Sequence, estimate: Sequence) -> None:
    """Raise :class:`SerError` unless there is one estimate per reference label, and at least one of them."""
    if len(reference) != len(estimate):
        raise SerError(
            got=f"{len(reference)} reference labels and {len(estimate)} estimates",
            expected="one estimate per reference label",
            remedy="match the two by utterance id first",
        )
    if len(reference) == 0:
        raise SerError(got="no labels at all", expected="at least one utterance", remedy="check the test set")


def confusion(reference: Sequence[str], estimate: Sequence[str], classes: Sequence[str]) -> list[list[int]]:
    """Counts, reference in rows and estimate in columns: (classes, classes).

    Example
    -------
    >>> confusion(["fear", "fear", "joy"], ["fear", "joy", "joy"], ["fear", "joy"])
    [[1, 1], [0, 1]]
    """
    validate(reference, estimate, classes)
    place = {name: number for number, name in enumerate(classes)}
    cells = [len(classes) * place[true] + place[predicted] for true, predicted in zip(reference, estimate, strict=True)]
    return np.bincount(cells, minlength=len(classes) ** 2).reshape(len(classes), -1).tolist()


def pooled_scores(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """WA, UAR and macro-F1 of many confusion matrices at once.

    Arguments
    ---------
    confusion : array of int
        (..., classes, classes), reference in rows.

    Returns
    -------
    dict
        An array (...,) of each.

    Example
    -------
    >>> {name: float(score) for name, score in pooled_scores(np.array([[3, 1], [0, 0]])).items()}
    {'WA': 0.75, 'UAR': 0.75, 'macro_F1': 0.8571428571428571}
    """
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)  # (..., classes)
    support, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    present = support > 0
    recall = hits / np.maximum(support, 1)
    f1 = 2 * hits / np.maximum(support + predicted, 1)  # = 2 TP / (2 TP + FP + FN)
    return {
        "WA": hits.sum(axis=-1) / support.sum(axis=-1),
        "UAR": (recall * present).sum(axis=-1) / present.sum(axis=-1),
        "macro_F1": (f1 * present).sum(axis=-1) / present.sum(axis=-1),
    }


def classification_metrics(reference: Sequence[str], estimate: Sequence[str], classes: Sequence[str]) -> dict:
    """Evaluate everything at once.

    Arguments
    ---------
    reference, estimate : sequence of str
        True and predicted class names, one per utterance, in the same order.
    classes : sequence of str
        All class names, in the order of the tables.

    Returns
    -------
    dict
        ``WA``, ``UAR``, ``macro_F1``, ``per_class`` (``recall``, ``precision``, ``f1`` and ``support`` of each) and
        ``confusion``, ready for JSON.

    Example
    -------
    >>> scores = classification_metrics(["fear", "fear", "joy", "joy"], ["fear", "joy", "joy", "joy"], ["fear", "joy"])
    >>> scores["WA"], scores["UAR"], scores["confusion"]
    (0.75, 0.75, [[1, 1], [0, 2]])
    >>> classification_metrics(["fear"], ["joy"], ["fear", "joy"])["per_class"]["joy"]
    {'recall': None, 'precision': 0.0, 'f1': None, 'support': 0}
    """
    counts = np.array(confusion(reference, estimate, classes))
    return {
        **{name: float(score) for name, score in pooled_scores(counts).items()},
        "per_class": {name: _scores_of_class(counts, number) for number, name in enumerate(classes)},
        "confusion": counts.tolist(),
    }


def _scores_of_class(counts, number) -> dict:
    hits, support, predicted = (int(n) for n in (counts[number, number], counts[number].sum(), counts[:, number].sum()))
    return {
        "recall": hits / support if support else None,
        "precision": hits / predicted if predicted else 0.0,
        "f1": 2 * hits / (support + predicted) if support else None,
        "support": support,
    }
