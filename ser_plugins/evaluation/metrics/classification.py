"""Classification metrics of speech emotion recognition, computed by scikit-learn.

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

from sklearn import metrics as sk

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
    return sk.confusion_matrix(reference, estimate, labels=list(classes)).tolist()


def weighted_accuracy(reference: Sequence[str], estimate: Sequence[str], classes: Sequence[str]) -> float:
    """WA, the share of correct utterances.

    Example
    -------
    >>> weighted_accuracy(["fear", "fear", "fear", "joy"], ["fear", "fear", "fear", "fear"], ["fear", "joy"])
    0.75
    """
    validate(reference, estimate, classes)
    return float(sk.accuracy_score(reference, estimate))


def unweighted_average_recall(reference: Sequence[str], estimate: Sequence[str], classes: Sequence[str]) -> float:
    """UAR, the mean recall over the classes present in the reference.

    Example
    -------
    >>> unweighted_average_recall(["fear", "fear", "fear", "joy"], ["fear"] * 4, ["fear", "joy", "neutral"])
    0.5
    """
    validate(reference, estimate, classes)
    return float(sk.recall_score(reference, estimate, labels=_present(reference, classes), average="macro"))


def macro_f1(reference: Sequence[str], estimate: Sequence[str], classes: Sequence[str]) -> float:
    """Mean F1 over the classes present in the reference, zero_division 0.

    Example
    -------
    >>> round(macro_f1(["fear", "joy"], ["fear", "fear"], ["fear", "joy"]), 4)
    0.3333
    """
    validate(reference, estimate, classes)
    present = _present(reference, classes)
    return float(sk.f1_score(reference, estimate, labels=present, average="macro", zero_division=0))


def per_class(reference: Sequence[str], estimate: Sequence[str], classes: Sequence[str]) -> dict[str, dict]:
    """Recall, precision, F1 and support of every class; recall and F1 of an absent class are ``None``.

    Example
    -------
    >>> per_class(["fear"], ["joy"], ["fear", "joy"])["joy"]
    {'recall': None, 'precision': 0.0, 'f1': None, 'support': 0}
    """
    validate(reference, estimate, classes)
    columns = sk.precision_recall_fscore_support(reference, estimate, labels=list(classes), zero_division=0)
    return {
        name: {
            "recall": float(recall) if support else None,
            "precision": float(precision),
            "f1": float(f1) if support else None,
            "support": int(support),
        }
        for name, precision, recall, f1, support in zip(classes, *columns, strict=True)
    }


def classification_metrics(reference: Sequence[str], estimate: Sequence[str], classes: Sequence[str]) -> dict:
    """Evaluate everything above at once.

    Arguments
    ---------
    reference, estimate : sequence of str
        True and predicted class names, one per utterance, in the same order.
    classes : sequence of str
        All class names, in the order of the tables.

    Returns
    -------
    dict
        ``WA``, ``UAR``, ``macro_F1``, ``per_class`` and ``confusion``, ready for JSON.

    Example
    -------
    >>> scores = classification_metrics(["fear", "fear", "joy", "joy"], ["fear", "joy", "joy", "joy"], ["fear", "joy"])
    >>> scores["WA"], scores["UAR"], scores["confusion"]
    (0.75, 0.75, [[1, 1], [0, 2]])
    """
    return {
        "WA": weighted_accuracy(reference, estimate, classes),
        "UAR": unweighted_average_recall(reference, estimate, classes),
        "macro_F1": macro_f1(reference, estimate, classes),
        "per_class": per_class(reference, estimate, classes),
        "confusion": confusion(reference, estimate, classes),
    }


def _present(reference, classes):
    present = set(reference)
    return [name for name in classes if name in present]
