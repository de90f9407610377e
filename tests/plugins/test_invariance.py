"""A linear classifier that is blind to what tells speakers of one class apart."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ser_plugins.errors import SerError
from ser_plugins.invariance import InvariantLogisticRegression, corpus_weights, nuisance_directions, without


def recordings(seed=0, speakers=8, each=30, features=6, shift=8.0):
    """Two classes along the first axis; every speaker is shifted along the second."""
    draws = np.random.default_rng(seed)
    speaker = np.repeat(np.arange(speakers), each)
    classes = draws.integers(0, 2, len(speaker))
    vectors = draws.normal(size=(len(speaker), features))
    vectors[:, 0] += 2.0 * classes
    vectors[:, 1] += shift * draws.normal(size=speakers)[speaker]
    return vectors, classes, speaker


def test_without_its_options_it_is_a_logistic_regression():
    vectors, classes, speaker = recordings()
    ours = InvariantLogisticRegression(C=0.5).fit(vectors, classes, speaker=speaker, corpus=["x"] * len(classes))
    plain = LogisticRegression(C=0.5, max_iter=1000).fit(vectors, classes)
    assert ours.coef_ == pytest.approx(plain.coef_, abs=1e-6)


def test_the_direction_in_which_speakers_differ_is_found_and_not_used():
    vectors, classes, speaker = recordings()
    (direction,) = nuisance_directions(vectors, classes, speaker, 1)
    assert abs(direction[1]) > 0.99
    model = InvariantLogisticRegression(nuisance=1).fit(vectors, classes, speaker=speaker)
    moved = vectors + 100 * direction
    assert model.decision_function(moved) == pytest.approx(model.decision_function(vectors), abs=1e-6)
    assert model.score(vectors, classes) > 0.75


def test_directions_are_orthonormal_and_no_more_than_there_are():
    vectors, classes, speaker = recordings(speakers=3, features=20)
    directions = nuisance_directions(vectors, classes, speaker, 50)
    assert len(directions) == 4  # of each of two classes three means around their mean
    assert directions @ directions.T == pytest.approx(np.eye(4), abs=1e-9)
    assert without(vectors, directions) @ directions.T == pytest.approx(np.zeros((len(vectors), 4)), abs=1e-9)


def test_one_speaker_alone_differs_from_nobody():
    vectors, classes, _ = recordings()
    same = ["a"] * len(classes)
    model = InvariantLogisticRegression(nuisance=3).fit(vectors, classes, speaker=same)
    assert model.coef_ == pytest.approx(LogisticRegression(max_iter=1000).fit(vectors, classes).coef_, abs=1e-6)


def test_corpora_that_count_alike_weigh_alike():
    corpus = ["a"] * 90 + ["b"] * 10
    for power, share in ((0.0, 0.9), (0.5, 0.75), (1.0, 0.5)):
        weights = corpus_weights(corpus, power)
        assert weights.mean() == pytest.approx(1)
        assert weights[:90].sum() / weights.sum() == pytest.approx(share)


@pytest.mark.parametrize("options", [{"nuisance": -1}, {"corpus_power": -0.5}, {"nuisance": 2}])
def test_values_that_make_no_sense_are_refused(options):
    vectors, classes, _ = recordings()
    with pytest.raises(SerError, match=next(iter(options))):
        InvariantLogisticRegression(**options).fit(vectors, classes)
