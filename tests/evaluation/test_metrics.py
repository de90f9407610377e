import numpy as np
import pytest
from sklearn import metrics as oracle

from ser_plugins.errors import SerError
from ser_plugins.evaluation.metrics.classification import classification_metrics, confusion

CLASSES = ["anger", "boredom", "fear", "neutral"]


def random_labels(seed, n=200, classes=CLASSES):
    generator = np.random.default_rng(seed)
    true = generator.choice(classes, n, p=np.arange(1, len(classes) + 1) / sum(range(1, len(classes) + 1)))
    predicted = np.where(generator.random(n) < 0.6, true, generator.choice(classes, n))
    return true.tolist(), predicted.tolist()


def by_hand(true, predicted, classes):
    """WA, UAR, macro-F1 and per-class scores by counting, without scikit-learn."""
    pairs = list(zip(true, predicted, strict=True))
    recalls, precisions, f1s = {}, {}, {}
    for name in classes:
        hits = sum(t == p == name for t, p in pairs)
        support, chosen = true.count(name), predicted.count(name)
        precisions[name] = hits / chosen if chosen else 0.0
        if support:
            recalls[name] = hits / support
            f1s[name] = 2 * hits / (support + chosen)
    wa = sum(t == p for t, p in pairs) / len(pairs)
    return wa, sum(recalls.values()) / len(recalls), sum(f1s.values()) / len(f1s), recalls, precisions, f1s


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("present", [CLASSES, CLASSES[:3], CLASSES[1:2]])
def test_scores_agree_with_counting_by_hand(seed, present):
    true, predicted = random_labels(seed, classes=present)
    predicted[:3] = ["neutral"] * 3  # predicted, and absent from the reference in two of the cases
    scores = classification_metrics(true, predicted, CLASSES)
    wa, uar, f1, recalls, precisions, f1s = by_hand(true, predicted, CLASSES)
    assert [scores["WA"], scores["UAR"], scores["macro_F1"]] == pytest.approx([wa, uar, f1], abs=1e-12)
    for name, row in scores["per_class"].items():
        assert row["recall"] == pytest.approx(recalls.get(name))
        assert row["precision"] == pytest.approx(precisions[name])
        assert row["f1"] == pytest.approx(f1s.get(name))
        assert row["support"] == true.count(name)
    for i, row_name in enumerate(CLASSES):
        for j, column_name in enumerate(CLASSES):
            cell = sum(t == row_name and p == column_name for t, p in zip(true, predicted, strict=True))
            assert scores["confusion"][i][j] == cell


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("present", [CLASSES, CLASSES[:3], CLASSES[1:2]])
def test_scores_agree_with_scikit_learn(seed, present):
    true, predicted = random_labels(seed, n=30, classes=present)
    predicted[:3] = ["neutral"] * 3
    scores = classification_metrics(true, predicted, CLASSES)
    tested = [name for name in CLASSES if name in true]
    assert scores["confusion"] == oracle.confusion_matrix(true, predicted, labels=CLASSES).tolist()
    assert scores["WA"] == pytest.approx(oracle.accuracy_score(true, predicted))
    for key, score in (("UAR", oracle.recall_score), ("macro_F1", oracle.f1_score)):
        expected = score(true, predicted, labels=tested, average="macro", zero_division=0)
        assert scores[key] == pytest.approx(expected)
    columns = oracle.precision_recall_fscore_support(true, predicted, labels=CLASSES, zero_division=0)
    for name, precision, recall, f1, support in zip(CLASSES, *columns, strict=True):
        row = scores["per_class"][name]
        assert (row["precision"], row["support"]) == (pytest.approx(precision), support)
        if support:
            assert (row["recall"], row["f1"]) == (pytest.approx(recall), pytest.approx(f1))


def test_frozen_scores():
    true = ["anger"] * 4 + ["fear"] * 3 + ["neutral"] * 1
    predicted = ["anger", "anger", "anger", "fear", "fear", "neutral", "fear", "anger"]
    scores = classification_metrics(true, predicted, ["anger", "fear", "neutral"])
    assert scores["confusion"] == [[3, 1, 0], [0, 2, 1], [1, 0, 0]]
    assert scores["WA"] == pytest.approx(5 / 8)
    assert scores["UAR"] == pytest.approx((3 / 4 + 2 / 3 + 0) / 3)
    assert scores["macro_F1"] == pytest.approx((3 / 4 + 2 / 3 + 0) / 3)


@pytest.mark.parametrize("constant", CLASSES)
def test_constant_prediction_has_chance_uar(constant):
    true, _ = random_labels(0)
    assert classification_metrics(true, [constant] * len(true), CLASSES)["UAR"] == pytest.approx(1 / len(CLASSES))


def test_permuting_classes_permutes_the_confusion_matrix_and_keeps_the_scores():
    true, predicted = random_labels(1)
    order = [2, 0, 3, 1]
    permuted = [CLASSES[i] for i in order]
    before, after = (classification_metrics(true, predicted, names) for names in (CLASSES, permuted))
    assert np.array_equal(np.array(before["confusion"])[np.ix_(order, order)], after["confusion"])
    for name in ("WA", "UAR", "macro_F1"):
        assert before[name] == pytest.approx(after[name])
    assert before["per_class"] == after["per_class"]


def test_absent_class_is_undefined_and_not_in_uar():
    scores = classification_metrics(["anger", "anger"], ["anger", "fear"], ["anger", "fear", "neutral"])
    assert scores["UAR"] == 0.5
    assert scores["per_class"]["fear"] == {"recall": None, "precision": 0.0, "f1": None, "support": 0}
    assert scores["per_class"]["neutral"]["recall"] is None


def test_class_never_predicted_has_precision_and_f1_zero():
    row = classification_metrics(["anger", "fear"], ["anger", "anger"], ["anger", "fear"])["per_class"]["fear"]
    assert row == {"recall": 0.0, "precision": 0.0, "f1": 0.0, "support": 1}


def test_all_numbers_are_plain_python():
    def leaves(value):
        if isinstance(value, dict):
            value = list(value.values())
        return [leaf for item in value for leaf in leaves(item)] if isinstance(value, list) else [value]

    assert {type(leaf) for leaf in leaves(classification_metrics(*random_labels(2), CLASSES))} == {int, float}


@pytest.mark.parametrize(
    ("true", "predicted", "classes", "message"),
    [
        (["joy"], ["fear"], CLASSES, "label 'joy' in the reference; expected: one of anger, boredom, fear, neutral"),
        (["fear"], ["joy"], CLASSES, "label 'joy' in the estimate; expected: one of"),
        (["fear"], ["fear", "fear"], CLASSES, "1 reference labels and 2 estimates; expected: one estimate per"),
        ([], [], CLASSES, "no labels at all; expected: at least one utterance"),
        (["fear"], ["fear"], ["fear", "fear"], "classes fear, fear; expected: each name once"),
    ],
)
def test_bad_labels_are_refused(true, predicted, classes, message):
    for metric in (classification_metrics, confusion):
        with pytest.raises(SerError, match=message):
            metric(true, predicted, classes)
