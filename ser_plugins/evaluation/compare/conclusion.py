"""What a comparison allows to be said, in one sentence, and no more than that."""

from ser_plugins.evaluation.compare.nouns import ManyComparison, PairComparison
from ser_plugins.evaluation.compare.significance import ALPHA
from ser_plugins.evaluation.report.tables import cautions
from ser_plugins.scores import SCORES, Score

_LESS_IS_BETTER = {"MAE"}


def conclude(comparison: PairComparison) -> str:
    """One sentence about two runs, from what :func:`ser_plugins.evaluation.compare.comparison.compare_runs` has found.

    The pooled scores' sign-flip tests over units decide, adjusted by Holm. McNemar alone speaks of these utterances.
    """
    names, people = [run.name for run in comparison.runs], f"{comparison.units} {comparison.unit}s"
    caution = _caution(comparison)
    decisive = [test for test in comparison.tests if test["over"].endswith("pooled")]
    sure = [test for test in decisive if test["p_holm"] < ALPHA]
    once = _once(comparison)
    if sure:
        differences = ", and ".join(
            f"{_winner(test, names)} is better than {_loser(test, names)} in {test['score']} by "
            f"{points(test['difference'], test['score'])} ({_p(test['p_holm'])})"
            for test in sure
        )
        return f"{caution}Over these {people}, by sign flips with Holm, {differences}{once}."
    reason = _why_not(comparison, people)
    here = [test for test in comparison.tests if test["test"] == "McNemar" and test["p_holm"] < ALPHA]
    if here:
        several = max(len(run.seeds) for run in comparison.runs) > 1
        how = "exact McNemar" + " of the seeds' mean probabilities" * several
        return (
            f"{caution}On these {comparison.utterances} utterances {_winner(here[0], names)} is right more often "
            f"than {_loser(here[0], names)} ({how} with Holm, {_p(here[0]['p_holm'])}{once}), but nothing may "
            f"be concluded for other {comparison.unit}s: {reason}."
        )
    return f"{caution}Nothing may be concluded: {reason}."


def conclude_many(comparison: ManyComparison) -> str:
    """One sentence about many runs: which of them differ from the reference, over units and with Holm."""
    reference, unit, score = comparison.reference, comparison.unit, comparison.score
    tested = [pair for pair in comparison.pairs if pair["sign_flip"]]
    sides = {"better": [], "worse": []}
    for pair in tested:
        if pair["sign_flip"]["p_holm"] < ALPHA:
            sides["better" if _better(pair["difference"], score) else "worse"].append(pair["system"])
    words = " and ".join(
        f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} {word} than {reference}"
        for word, names in sides.items()
        if names
    )
    over = f"over these {comparison.units} {unit}s, by sign flips with Holm over {len(tested)} pairs"
    if words:
        rest = "; of the others nothing may be concluded" * (len(tested) > sum(map(len, sides.values())))
        return f"{_caution(comparison)}In {score}, {words} {over}{rest}{_once(comparison)}."
    reason = _too_few(comparison, len(tested)) or f"no difference from {reference} in {score} is found {over}"
    return f"{_caution(comparison)}Nothing may be concluded: {reason}."


def points(difference: float, score: str) -> str:
    """The size of a difference: points of percent, or a number.

    Example
    -------
    >>> points(-0.0598, "WA"), points(0.0598, "MAE")
    ('6.0 points', '0.060')
    """
    score_named = SCORES["classes"].get(score, Score(score, percent=False))
    return score_named.text(abs(difference), 1 if score_named.percent else 2) + " points" * score_named.percent


def _caution(comparison) -> str:
    return "".join(f"{word}: " for word in cautions(comparison.protocol))


def _once(comparison) -> str:
    once = min(len(run.seeds) for run in comparison.runs) == 1
    return "; with one seed, that is of these trainings" * once


def _too_few(comparison, tests) -> str:
    """Why no sign-flip test can be significant, where that is so: none has a p below 2 / 2^units, before Holm."""
    unit, units = comparison.unit, comparison.units
    if units < 2:
        return f"one {unit} says nothing about the next"
    least = tests * 2 / 2**units
    if least < ALPHA:
        return ""
    return f"with {units} {unit}s no sign-flip test among {tests} can have a p below {min(least, 1):.2g}"


def _why_not(comparison, people) -> str:
    if impossible := _too_few(comparison, sum(test["test"] == "sign flip" for test in comparison.tests)):
        return impossible
    detectable, score = comparison.detectable["by_units"], comparison.detectable["score"]
    least = points(detectable["difference"], score)
    return f"with these {people} a difference in {score} below {least} is found less than four times in five"


def _winner(test, names):
    return names[0] if _better(test["difference"], test["score"]) else names[1]


def _loser(test, names):
    return names[1] if _better(test["difference"], test["score"]) else names[0]


def _better(difference, score) -> bool:
    return (difference < 0) == (score in _LESS_IS_BETTER)


def _p(value):
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
