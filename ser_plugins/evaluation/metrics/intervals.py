"""How far to trust a score: intervals, and the score of knowing nothing.

- WA: Wilson's interval (E. B. Wilson, JASA 22, 1927; recommended by Brown, Cai & DasGupta, Statistical Science 16,
  2001). With z the normal quantile and p the accuracy over n utterances it is
  ``(p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)``. It takes utterances as independent, which those of one
  speaker are not: read it as a lower bound on the uncertainty.
- All others: percentile bootstrap over *speakers* (or sessions, or videos; Efron & Tibshirani, 1993, ch. 13; whole
  clusters resampled: Davison & Hinkley, 1997, sec. 3.8), because a new speaker, not a new utterance, is what the system
  will meet. With as few clusters as ten it is rough and tends to be too narrow (Cameron, Gelbach & Miller, Review of
  Economics and Statistics 90, 2008).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from ser_plugins.errors import SerError
from ser_plugins.evaluation.metrics.classification import classification_metrics, pooled_scores

LEVEL = 0.95
DRAWS = 2000


def wilson_interval(accuracy: float, n: int) -> list[float]:
    """Wilson's 95 % interval of an accuracy over ``n`` utterances.

    A mean accuracy over seeds is rounded to whole correct utterances: the seeds share their test utterances, so more
    seeds do not make ``n`` larger.

    Example
    -------
    >>> [round(bound, 4) for bound in wilson_interval(0.8, 100)]
    [0.7112, 0.8666]
    """
    if n < 1 or not 0 <= accuracy <= 1:
        raise SerError(
            got=f"accuracy {accuracy} over {n} utterances",
            expected="a fraction in 0..1 over at least one utterance",
            remedy="divide the correct utterances by all utterances",
        )
    interval = binomtest(round(accuracy * n), n).proportion_ci(LEVEL, method="wilson")
    return [float(interval.low), float(interval.high)]


def speaker_bootstrap(confusions, seed: int = 0) -> dict[str, list[float]]:
    """95 % percentile intervals of UAR and macro-F1, resampling whole speakers with replacement.

    Each draw takes as many speakers as there are, the same for every training seed, pools their confusion matrices
    within each seed, and averages the score over the seeds.

    Arguments
    ---------
    confusions : array of int
        (seeds, speakers, classes, classes): one confusion matrix per training seed and speaker, reference in rows.
    seed : int
        Of the resampling.

    Returns
    -------
    dict
        ``{"UAR": [low, high], "macro_F1": [low, high]}``

    Example
    -------
    >>> two_speakers = [[[[9, 1], [2, 8]], [[7, 3], [1, 9]]]]
    >>> [round(bound, 2) for bound in speaker_bootstrap(two_speakers)["UAR"]]
    [0.8, 0.85]
    """
    drawn = _drawn_scores(confusions, seed)
    return {name: _bounds(drawn[name]) for name in ("UAR", "macro_F1")}


def paired_bootstrap(first, second, seed: int = 0) -> dict[str, list[float]]:
    """95 % percentile intervals of the differences, first minus second, in WA, UAR and macro-F1.

    Each draw takes the same speakers for both systems, so that what makes a speaker hard for both cancels.

    Arguments
    ---------
    first, second : array of int
        As for :func:`speaker_bootstrap`, the speakers in the same order; the seeds need not be as many.
    seed : int
        Of the resampling.

    Example
    -------
    >>> better, worse = [[[[9, 1], [2, 8]], [[7, 3], [1, 9]]]], [[[[8, 2], [3, 7]], [[6, 4], [2, 8]]]]
    >>> [round(bound, 2) for bound in paired_bootstrap(better, worse)["WA"]]
    [0.1, 0.1]
    """
    return summed_bootstrap([(1, first), (-1, second)], seed)


def summed_bootstrap(terms: Sequence[tuple[int, Any]], seed: int = 0) -> dict[str, list[float]]:
    """95 % percentile intervals of sums and differences of WA, UAR and macro-F1, each draw of the same speakers.

    Arguments
    ---------
    terms : sequence of (int, array of int)
        A factor, such as 1 or -1, and confusion matrices as for :func:`speaker_bootstrap`, speakers in the same order.
    seed : int
        Of the resampling.

    Example
    -------
    >>> counts = [[[[9, 1], [2, 8]], [[7, 3], [1, 9]]]]
    >>> summed_bootstrap([(1, counts), (-1, counts)])["UAR"]
    [0.0, 0.0]
    """
    drawn = [(factor, _drawn_scores(confusions, seed)) for factor, confusions in terms]
    return {name: _bounds(sum(factor * scores[name] for factor, scores in drawn)) for name in drawn[0][1]}


def _drawn_scores(confusions, seed) -> dict:
    """Scores of every draw, averaged over the training seeds: (draws,) of each."""
    confusions = np.asarray(confusions)
    speakers = confusions.shape[1]
    if speakers < 2:
        raise SerError(
            got=f"{speakers} speaker",
            expected="at least two speakers to resample",
            remedy="pool the folds of more speakers; one speaker says nothing about the next",
        )
    pooled = np.einsum("dk,skij->dsij", _draws(speakers, seed), confusions)  # (draws, seeds, classes, classes)
    return {name: score.mean(axis=1) for name, score in pooled_scores(pooled).items()}


def cluster_bootstrap(score: Callable, clusters: Sequence, seed: int = 0) -> dict[str, list[float] | None]:
    """95 % percentile intervals of any scores, resampling whole clusters of utterances with replacement.

    Arguments
    ---------
    score : callable
        Takes places of utterances, with repetitions, and gives ``{name: score}``; NaN where one is undefined.
    clusters : sequence
        The speaker, session or video of every utterance; at least two different ones.
    seed : int
        Of the resampling.

    Example
    -------
    >>> errors = np.array([0.1, 0.1, 0.3, 0.3])
    >>> cluster_bootstrap(lambda rows: {"MAE": errors[rows].mean()}, ["a", "a", "b", "b"])
    {'MAE': [0.1, 0.3]}
    """
    codes, names = pd.factorize(np.asarray(clusters))
    places = np.arange(len(codes))
    drawn = [score(np.repeat(places, times[codes])) for times in _draws(len(names), seed)]
    return {name: _bounds(np.array([scores[name] for scores in drawn])) for name in drawn[0]}


def _draws(clusters, seed):
    """How often each cluster is drawn, which is all that a draw with replacement says: (draws, clusters)."""
    return np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1 / clusters), size=DRAWS)


def _bounds(scores):
    defined = scores[np.isfinite(scores)]
    return np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist() if len(defined) else None


def majority_baseline(reference: Sequence[str], classes: Sequence[str]) -> dict:
    """Scores of always answering the most frequent class of the pooled reference (the first one, on a tie).

    The class is read off all labels, test included, which can only flatter the baseline.

    Example
    -------
    >>> majority_baseline(["fear"] * 3 + ["joy"], ["joy", "fear"])["WA"]
    0.75
    """
    counts = Counter(reference)
    majority = max(classes, key=lambda name: counts[name])
    scores = classification_metrics(reference, [majority] * len(reference), classes)
    return {"class": majority, **{name: scores[name] for name in ("WA", "UAR", "macro_F1")}}
