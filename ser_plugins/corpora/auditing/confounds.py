"""Labels that metadata alone predict: the length, rate or level of a recording, its folder, its speaker.

One cheap classifier for each column: a small decision tree of a number, the most frequent class of a name (classes
weighed alike). It learns from the training part of every fold and is asked about its test, all folds together. Names
that the test does not share with training, as speakers of disjoint folds, say nothing there; of those, it learns from
random fifths of the corpus instead. The score is UAR. Chance is what the same answers have against labels that are
shuffled within the folds, on average.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

DEVIATIONS, POINTS = 5.0, 0.05  # above chance by both: more than a chance finding, and worth a word
MOST_CLASSES = 50
FIFTHS = 5


@dataclass(frozen=True)
class Confound:
    """What one column says about labels.

    Arguments
    ---------
    column : str
        Such as ``duration``.
    tested : str
        ``folds``, or ``random fifths``.
    score : float
        UAR, from 0 to 1.
    chance : float
        Mean UAR of the same answers against shuffled labels.
    deviation : float
        Standard deviation of that.
    """

    column: str
    tested: str
    score: float
    chance: float
    deviation: float

    @property
    def predicts(self) -> bool:
        """Whether the score is above chance: by five standard deviations, and by 5 points."""
        return self.score - self.chance > max(DEVIATIONS * self.deviation, POINTS)


def find_confounds(
    labels: Sequence[str], columns: Mapping[str, Sequence], folds: Sequence[tuple[np.ndarray, np.ndarray]]
) -> list[Confound]:
    """Score every column that has two values or more.

    Arguments
    ---------
    labels : sequence of str
        One per utterance.
    columns : mapping
        A value per utterance: numbers (NaN where there is none), or names (empty where there is none).
    folds : sequence of (array, array)
        Places of the utterances that train, and of those that are tested.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> labels = ["joy", "fear"] * 100
    >>> seconds = [1.0 + (label == "joy") + rng.random() for label in labels]
    >>> halves = [(np.arange(100), np.arange(100, 200))]
    >>> [found] = find_confounds(labels, {"duration": seconds}, halves)
    >>> found.score, round(found.chance, 1), found.predicts
    (1.0, 0.5, True)
    """
    classes, codes = np.unique(np.asarray(labels, str), return_inverse=True)
    if not 2 <= len(classes) <= MOST_CLASSES:
        return []
    found = []
    for column, values in columns.items():
        array = np.asarray(values)
        numeric = array.dtype.kind == "f"
        if len(np.unique(array[~np.isnan(array)] if numeric else array)) < 2:
            continue
        tested, used = "folds", folds
        if not numeric:
            array = np.unique(array, return_inverse=True)[1]
            if not _says_something(array, folds):
                tested, used = "random fifths", _fifths(len(array))
        answers = [
            (test, (_by_tree if numeric else _by_name)(array[train], codes[train], array[test], len(classes)))
            for train, test in used
            if len(train) and len(test)
        ]
        found.append(_scored(column, tested, codes, answers, len(classes)))
    return found


def _says_something(names, folds) -> bool:
    """Whether most tested utterances have a name that training has too."""
    known = sum(int(np.isin(names[test], names[train]).sum()) for train, test in folds)
    return 2 * known > sum(len(test) for _, test in folds)


def _fifths(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    part_of = np.random.default_rng(0).permutation(count) % FIFTHS
    return [(np.flatnonzero(part_of != part), np.flatnonzero(part_of == part)) for part in range(FIFTHS)]


def _by_tree(train, labels, test, classes) -> np.ndarray:
    """Answers of a decision tree of one number; what has no number is at the median."""
    from sklearn.tree import DecisionTreeClassifier

    middle = np.nan_to_num(np.nanmedian(train)) if not np.isnan(train).all() else 0.0
    train, test = (np.nan_to_num(values, nan=middle)[:, None] for values in (train, test))
    leaf = max(1, len(train) // 50)
    tree = DecisionTreeClassifier(max_depth=5, min_samples_leaf=leaf, class_weight="balanced", random_state=0)
    return tree.fit(train, labels).predict(test)


def _by_name(train, labels, test, classes) -> np.ndarray:
    """The class that is most frequent with a name, each class weighed alike; the first class for other names."""
    counts = np.zeros((max(train.max(), test.max()) + 1, classes))
    np.add.at(counts, (train, labels), 1.0)
    return (counts / np.maximum(counts.sum(axis=0), 1)).argmax(axis=1)[test]


def _scored(column, tested, codes, answers, classes) -> Confound:
    """The score of answers, and what they have against labels that are shuffled within each test.

    Mean and variance over all shuffles are exact: W. Hoeffding, A combinatorial central limit theorem, 1951.
    """
    tables = np.zeros((len(answers), classes, classes))  # (folds, answer, label)
    for table, (test, given) in zip(tables, answers, strict=True):
        np.add.at(table, (given, codes[test]), 1.0)
    support = tables.sum(axis=(0, 1))
    weights = np.diag(1 / (np.maximum(support, 1) * np.count_nonzero(support)))  # of an utterance in UAR
    mean = variance = 0.0
    for table in tables:
        given, true, count = table.sum(axis=1), table.sum(axis=0), table.sum()
        of_answers, of_labels = weights @ true / count, given @ weights / count
        middle = given @ of_answers / count
        deviations = weights - of_answers[:, None] - of_labels + middle
        mean += count * middle
        variance += given @ np.square(deviations) @ true / max(count - 1, 1)
    return Confound(column, tested, float((weights * tables).sum()), float(mean), float(np.sqrt(variance)))
