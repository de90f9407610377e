"""Each test against an independent computation: brute force, or scipy by another way."""

from itertools import product
from math import comb

import numpy as np
import pytest
from scipy import stats

from ser_plugins.errors import SerError
from ser_plugins.evaluation.compare import significance
from ser_plugins.evaluation.compare.power import detectable_by_mcnemar, detectable_by_t, mcnemar_power
from ser_plugins.evaluation.compare.significance import (
    anova,
    critical_difference,
    friedman,
    holm,
    mcnemar,
    sign_flip,
    signed_rank,
)


@pytest.mark.parametrize(("b", "c"), [(38, 70), (0, 6), (5, 5), (9, 1), (0, 0)])
def test_mcnemar_adds_up_the_binomial(b, c):
    first = [True] * b + [False] * c + [True, False] * 4
    second = [False] * b + [True] * c + [True, False] * 4
    n = b + c
    p = min(1, 2 * sum(comb(n, k) for k in range(min(b, c) + 1)) / 2**n)
    assert mcnemar(first, second) == {"only_first": b, "only_second": c, "p": pytest.approx(p, abs=1e-12)}
    assert mcnemar(second, first)["p"] == mcnemar(first, second)["p"]


def test_mcnemar_refuses_unequal_lengths():
    with pytest.raises(SerError, match="got: 3 and 2 answers"):
        mcnemar([True] * 3, [True] * 2)


def flipped(differences):
    """Brute force: the share of all sign patterns whose sum is as far from 0."""
    sums = [sum(sign * value for sign, value in zip(signs, differences, strict=True))
            for signs in product((-1, 1), repeat=len(differences))]  # fmt: skip
    return np.mean([abs(one) >= abs(sum(differences)) - 1e-9 for one in sums])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n", [1, 2, 7, 10])
def test_sign_flips_agree_with_brute_force(n, seed):
    differences = np.random.default_rng(seed).normal(0.5, 1, n).round(1)  # rounded, so that sums tie
    found = sign_flip(differences)
    assert (found["n"], found["flips"], found["exact"]) == (n, 2**n, True)
    assert found["p"] == pytest.approx(flipped(differences))


def test_sign_flips_agree_with_scipys_permutation_test():
    differences = np.random.default_rng(5).normal(0.4, 1, 10)
    found = stats.permutation_test(
        (differences, np.zeros(10)), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip(differences)["p"] == pytest.approx(found.pvalue, abs=1e-12)


def test_drawn_flips_come_near_the_counted_ones_and_are_never_zero(monkeypatch):
    differences = np.random.default_rng(1).normal(0.4, 1, 14)
    counted = sign_flip(differences)
    monkeypatch.setattr(significance, "EXACT", 5)
    drawn = sign_flip(differences)
    assert counted["exact"]
    assert not drawn["exact"]
    assert drawn["p"] == pytest.approx(counted["p"], abs=0.01)
    assert drawn == sign_flip(differences)
    assert sign_flip(np.ones(40))["p"] == 1 / (1 + significance.FLIPS)


def test_under_the_null_small_p_values_are_rare():
    """Of a test at 5 % no more than 5 % are false, up to chance; and it finds what is there."""
    generator = np.random.default_rng(0)
    false = np.mean([sign_flip(generator.normal(0, 1, 8))["p"] < 0.05 for _ in range(800)])
    found = np.mean([sign_flip(generator.normal(1.5, 1, 8))["p"] < 0.05 for _ in range(200)])
    assert 0.02 < false < 0.07
    assert found > 0.9


def test_the_scale_and_the_sign_of_differences_do_not_matter():
    differences = np.random.default_rng(3).normal(0.5, 1, 9)
    for test in (sign_flip, signed_rank):
        assert test(differences)["p"] == test(-1e-6 * differences)["p"] == test(1e6 * differences)["p"]


@pytest.mark.parametrize("seed", range(5))
def test_signed_rank_is_wilcoxons(seed):
    differences = np.random.default_rng(seed).normal(0.4, 1, 12)
    expected = stats.wilcoxon(differences, method="exact").pvalue
    assert signed_rank(differences)["p"] == pytest.approx(expected, abs=1e-12)


def test_signed_rank_counts_ties_exactly_and_leaves_zeros_out():
    found = signed_rank([0.1, -0.1, 0.3 - 0.2, 0.5, 0.0])  # 0.3 - 0.2 is not 0.1 in floating point
    assert found == {"zeros": 1, **sign_flip([2, -2, 2, 4])}
    assert signed_rank([0.0, 0.0])["p"] == 1


def test_holm_agrees_with_the_procedure_step_by_step():
    """Adjusted p below a level exactly where Holm's step-down procedure rejects at that level."""
    generator = np.random.default_rng(0)
    for _ in range(50):
        p = generator.uniform(0, 0.2, 6)
        for level in (0.05, 0.2, 0.5):
            rejected, remaining = set(), sorted(range(6), key=lambda place: p[place])
            while remaining and p[remaining[0]] <= level / len(remaining):
                rejected.add(remaining.pop(0))
            assert {place for place, value in enumerate(holm(p)) if value <= level} == rejected
    assert holm([]) == []


def test_friedman_agrees_with_its_formula_and_with_f():
    scores = np.random.default_rng(2).normal([0, 0.3, 0.6, 0.9], 1, (10, 4))
    found = friedman(scores)
    ranks = np.array([[1 + sum(other > one for other in row) for one in row] for row in scores])
    mean = ranks.mean(axis=0)
    chi2 = 12 * 10 / (4 * 5) * (sum(mean**2) - 4 * 25 / 4)
    ratio = 9 * chi2 / (10 * 3 - chi2)
    assert found["mean_ranks"] == pytest.approx(mean.tolist())
    assert [found["chi2"], found["F"]] == pytest.approx([chi2, ratio])
    assert [found["p"], found["p_F"]] == pytest.approx([stats.chi2.sf(chi2, 3), stats.f.sf(ratio, 3, 27)])


def test_friedman_at_its_ends():
    assert friedman(np.full((4, 3), 0.5))["p"] == 1
    agreed = friedman([[0.9, 0.5, 0.1]] * 4)
    assert (agreed["mean_ranks"], agreed["F"], agreed["p_F"]) == ([1, 2, 3], None, 0)
    with pytest.raises(SerError, match="at least two folds and three systems"):
        friedman([[0.5, 0.6]] * 4)


@pytest.mark.parametrize(("systems", "q"), [(2, 1.960), (5, 2.728), (10, 3.164)])
def test_critical_difference_has_the_quantiles_of_demsars_table(systems, q):
    assert critical_difference(systems, 10) == pytest.approx(q * np.sqrt(systems * (systems + 1) / 60), rel=2e-3)


def test_anova_of_two_groups_is_the_square_of_students_t():
    generator = np.random.default_rng(0)
    first, second = generator.normal(0, 1, 12), generator.normal(0.8, 1, 15)
    t = stats.ttest_ind(first, second)
    found = anova(first, second)
    assert found["df"] == [1, 25]
    assert [found["F"], found["p"]] == pytest.approx([t.statistic**2, t.pvalue])
    assert found["eta_squared"] == pytest.approx(t.statistic**2 / (t.statistic**2 + 25))


def test_anova_without_variance_is_undefined():
    assert anova([1.0, 1.0], [2.0, 2.0]) == {"F": None, "df": [1, 2], "p": None, "eta_squared": 1.0}
    assert anova([1.0, 1.0], [1.0, 1.0])["eta_squared"] == 0


@pytest.mark.parametrize(("n", "difference", "discordance"), [(12, 0.3, 0.5), (20, 0.0, 0.4), (15, 0.4, 0.2)])
def test_the_power_of_mcnemar_is_the_sum_over_all_tables(n, difference, discordance):
    discordance = max(discordance, difference)
    one, two = (discordance + difference) / 2, (discordance - difference) / 2
    total = 0
    for b in range(n + 1):
        for c in range(n + 1 - b):
            m = b + c
            if m and 2 * sum(comb(m, k) for k in range(min(b, c) + 1)) / 2**m <= 0.05:
                total += comb(n, b) * comb(n - b, c) * one**b * two**c * (1 - discordance) ** (n - m)
    assert mcnemar_power(difference, n, max(0.2, discordance)) == pytest.approx(total, abs=1e-9)


def test_the_detectable_difference_has_the_power_it_names():
    least = detectable_by_mcnemar(200, 0.25)
    generator = np.random.default_rng(0)
    tables = generator.multinomial(200, [(0.25 + least) / 2, (0.25 - least) / 2, 0.75], size=3000)
    found = np.mean([stats.binomtest(b, b + c).pvalue <= 0.05 for b, c, _ in tables.tolist()])
    assert found == pytest.approx(0.8, abs=0.025)
    assert detectable_by_mcnemar(800, 0.25) < least
    assert detectable_by_mcnemar(5, 0.25) is None


def test_the_detectable_difference_of_speakers_has_the_power_it_names():
    generator = np.random.default_rng(0)
    samples = generator.normal(detectable_by_t(0.1, 10), 0.1, (4000, 10))
    assert np.mean(stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.02)
    assert detectable_by_t(0.2, 10) == pytest.approx(2 * detectable_by_t(0.1, 10))
    assert detectable_by_t(0.0, 10) == 0
    assert detectable_by_t(0.1, 1) is None
