"""Tests between systems that were tried on the same utterances; each gives two-sided p-values.

What a test takes as independent decides what its p-value speaks of:

- :func:`mcnemar`: utterances. It speaks of these speakers, and is too sure of any others, since the utterances of one
  speaker are alike (Q. McNemar, Psychometrika 12, 1947; for recognisers Gillick & Cox, ICASSP 1989).
- :func:`sign_flip`: speakers (or sessions, videos). It speaks of speakers like these (R. A. Fisher, *The Design of
  Experiments*, 1935, sec. 21; E. S. Edgington, *Randomization Tests*). With n of them no p is below 2 / 2^n.
- :func:`signed_rank` and :func:`friedman`: folds, whose training sets overlap (J. Demsar, *Statistical Comparisons of
  Classifiers over Multiple Data Sets*, JMLR 7, 2006).
- :func:`anova`: every observation, as if two systems had been tried on different speakers. It is the paper's.

Seeds are never taken as independent observations of a speaker, except by :func:`anova`: average over them first.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import binomtest, f, f_oneway, friedmanchisquare, rankdata, studentized_range

from ser_plugins.errors import SerError

ALPHA = 0.05
EXACT = 16  # up to as many differences all sign flips are counted: 65 536
FLIPS = 50_000  # drawn where there are more
_SAME = 1e-12  # differences of fractions are equal up to rounding


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> dict:
    """Exact McNemar test: of the utterances that one system alone has right, is either's share beyond one half?

    The p-value is the binomial one, ``min(1, 2 P[X <= min(b, c)])`` with X ~ Bin(b + c, 1/2).

    Arguments
    ---------
    first, second : sequence of bool
        (utterances,), whether each system is right, in the same order.

    Returns
    -------
    dict
        ``only_first``, ``only_second`` (counts b and c) and ``p``.

    Example
    -------
    >>> mcnemar([True] * 6 + [False], [False] * 6 + [False])
    {'only_first': 6, 'only_second': 0, 'p': 0.03125}
    """
    first, second = np.asarray(first, bool), np.asarray(second, bool)
    if first.shape != second.shape:
        raise SerError(
            got=f"{len(first)} and {len(second)} answers",
            expected="one of each system per utterance",
            remedy="match them by utterance id first",
        )
    b, c = int((first & ~second).sum()), int((second & ~first).sum())
    p = binomtest(b, b + c).pvalue if b + c else 1.0
    return {"only_first": b, "only_second": c, "p": float(p)}


def sign_flip(differences: Sequence[float], seed: int = 0) -> dict:
    """Permutation test of paired differences: is their sum as far from 0 as few others that only differ in signs?

    Where two systems are equally good, a speaker's difference may as well have had the other sign. All 2^n flips are
    counted for up to ``EXACT`` differences; else ``FLIPS`` are drawn, and p is (1 + hits) / (1 + draws), never 0
    (Phipson & Smyth, Statistical Applications in Genetics and Molecular Biology 9, 2010).

    Arguments
    ---------
    differences : sequence of float
        One per speaker. Any score that is a sum over speakers can be tested so, its parts being the differences.
    seed : int
        Of the drawn flips.

    Returns
    -------
    dict
        ``n``, ``flips``, ``exact`` and ``p``.

    Example
    -------
    >>> sign_flip([0.1, 0.2, 0.3])  # 2 of the 8 flips are as far: all plus, all minus
    {'n': 3, 'flips': 8, 'exact': True, 'p': 0.25}
    """
    differences = np.asarray(differences, float)
    n, exact = len(differences), len(differences) <= EXACT
    if exact:
        sums = np.zeros(1)
        for difference in differences:  # doubles with each: every sum of +- differences
            sums = np.concatenate([sums - difference, sums + difference])
    else:
        signs = np.random.default_rng(seed).integers(0, 2, (FLIPS, n), dtype=np.int8) * np.int8(2) - np.int8(1)
        sums = signs @ differences
    hits = int((abs(sums) >= abs(differences.sum()) - _SAME * max(1, abs(differences).sum())).sum())
    p = hits / len(sums) if exact else (1 + hits) / (1 + len(sums))
    return {"n": n, "flips": len(sums), "exact": exact, "p": p}


def signed_rank(differences: Sequence[float], seed: int = 0) -> dict:
    """Wilcoxon's signed-rank test: :func:`sign_flip` of the ranks of the differences (Biometrics Bulletin 1, 1945).

    Differences of 0 are left out first, as Wilcoxon did, and counted; ties share their mean rank. The p-value is exact
    with ties as well, for up to ``EXACT`` differences that are not 0.

    Returns
    -------
    dict
        ``zeros`` (left out), and what :func:`sign_flip` says of the others.

    Example
    -------
    >>> signed_rank([0.0, 0.1, 0.2, 0.4])
    {'zeros': 1, 'n': 3, 'flips': 8, 'exact': True, 'p': 0.25}
    """
    differences = np.round(np.asarray(differences, float), 12)  # so that equal fractions tie
    kept = differences[differences != 0]
    return {"zeros": len(differences) - len(kept), **sign_flip(np.sign(kept) * rankdata(abs(kept)), seed)}


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for how many there are, so that the chance of any false finding stays below the level.

    The smallest is taken times m, the next times m - 1, ..., none below the one before (S. Holm, Scandinavian Journal
    of Statistics 6, 1979). It holds however the tests depend on each other.

    Example
    -------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values, kind="stable")
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(stepped, 1)
    return adjusted.tolist()


def friedman(scores) -> dict:
    """Friedman's test over folds: do the mean ranks of several systems differ by more than chance (JASA 32, 1937)?

    Beside Friedman's chi squared stands ``F = (N-1) chi2 / (N(k-1) - chi2)`` with k-1 and (k-1)(N-1) degrees of
    freedom, which is less conservative (Iman & Davenport, Communications in Statistics 9, 1980; Demsar, 2006, sec.
    3.2.2).

    Arguments
    ---------
    scores : array of float
        (folds, systems), N x k; at least two folds and three systems; higher is better.

    Returns
    -------
    dict
        ``mean_ranks`` (1 is the best; ties share), ``chi2``, ``df``, ``p``, and ``F`` and ``p_F``, which is 0 (and F
        None) where all folds agree on all ranks.

    Example
    -------
    >>> found = friedman([[0.9, 0.5, 0.1], [0.8, 0.6, 0.2], [0.7, 0.3, 0.4]])
    >>> found["mean_ranks"], round(found["chi2"], 3), round(found["p"], 3)
    ([1.0, 2.3333333333333335, 2.6666666666666665], 4.667, 0.097)
    """
    scores = np.round(np.asarray(scores, float), 12)
    folds, systems = scores.shape if scores.ndim == 2 else (0, 0)
    if folds < 2 or systems < 3:
        raise SerError(
            got=f"scores {scores.shape}",
            expected="(folds, systems), at least two folds and three systems",
            remedy="compare two systems by a sign-flip or signed-rank test",
        )
    result = {"mean_ranks": rankdata(-scores, axis=1).mean(axis=0).tolist(), "df": systems - 1}
    if (np.ptp(scores, axis=1) == 0).all():  # nothing but ties
        return {**result, "chi2": 0.0, "p": 1.0, "F": 0.0, "p_F": 1.0}
    test = friedmanchisquare(*scores.T)
    room = folds * (systems - 1) - test.statistic
    ratio = (folds - 1) * test.statistic / room if room > 1e-9 else None
    p = 0.0 if ratio is None else float(f.sf(ratio, systems - 1, (systems - 1) * (folds - 1)))
    chi2 = {"chi2": float(test.statistic), "p": float(test.pvalue)}
    return {**result, **chi2, "F": None if ratio is None else float(ratio), "p_F": p}


def critical_difference(systems: int, folds: int, alpha: float = ALPHA) -> float:
    """Nemenyi's critical difference of mean ranks: systems further apart differ, all pairs considered.

    ``q sqrt(k(k+1) / 6N)``, q the quantile of the studentized range over sqrt(2) (Demsar, 2006, sec. 3.2.2, table 5).

    Example
    -------
    >>> round(critical_difference(systems=4, folds=14), 2)  # Demsar's own example says 1.25, of q rounded to 2.569
    1.25
    """
    q = studentized_range.ppf(1 - alpha, systems, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(systems * (systems + 1) / (6 * folds)))


def anova(*groups: Sequence[float]) -> dict:
    """One-way analysis of variance, as the paper has it; blind to the pairing of its observations.

    Eta squared is the share of the sum of squares that lies between the groups (R. A. Fisher, *Statistical Methods for
    Research Workers*, 1925; J. Cohen, Educational and Psychological Measurement 33, 1973).

    Returns
    -------
    dict
        ``F`` and ``p`` (None without any variance within the groups), ``df`` between and within, ``eta_squared``.

    Example
    -------
    >>> found = anova([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    >>> round(found["F"], 3), found["df"], round(found["eta_squared"], 3)
    (1.5, [1, 4], 0.273)
    """
    groups = [np.asarray(group, float) for group in groups]
    together = np.concatenate(groups)
    total = ((together - together.mean()) ** 2).sum()
    within = sum(((group - group.mean()) ** 2).sum() for group in groups)
    df = [len(groups) - 1, len(together) - len(groups)]
    flat = within <= _SAME or df[1] < 1
    test = None if flat else f_oneway(*groups)
    return {
        "F": None if test is None else float(test.statistic),
        "df": df,
        "p": None if test is None else float(test.pvalue),
        "eta_squared": float(1 - within / total) if total > _SAME else 0.0,
    }
