"""Which difference a test set can show at all: the smallest that a test finds with a given power.

A test that finds nothing says little where nothing but a large difference could have been found.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom, ncf, t

from ser_plugins.evaluation.compare.significance import ALPHA

POWER = 0.8


def mcnemar_power(difference: float, n: int, discordance: float, alpha: float = ALPHA) -> float:
    """Chance that an exact McNemar test finds a difference in accuracy between two systems.

    The number of discordant utterances is D ~ Bin(n, discordance), and one system has X ~ Bin(D, (1 + difference /
    discordance) / 2) of them; the powers given D are averaged (unconditional power: Duffy, Biometrics 40, 1984).

    Arguments
    ---------
    difference : float
        Of the accuracies, a fraction.
    n : int
        Utterances.
    discordance : float
        Share of the utterances that exactly one system has right. It is at least the difference, and raised to it.
    alpha : float
        Level of the test.

    Example
    -------
    >>> round(mcnemar_power(1.0, 6, 1.0), 3), round(mcnemar_power(1.0, 5, 1.0), 3)  # 2 / 2^5 is above 5 %
    (1.0, 0.0)
    """
    discordance = max(discordance, difference)
    discordant = np.arange(n + 1)
    # The largest count of the rarer kind that is still significant; -1: none is. ppf may be one too high.
    critical = binom.ppf(alpha / 2, discordant, 0.5)
    critical -= 2 * binom.cdf(critical, discordant, 0.5) > alpha
    share = (1 + difference / discordance) / 2 if discordance else 0.5
    power = binom.cdf(critical, discordant, share) + binom.cdf(critical, discordant, 1 - share)
    return float(binom.pmf(discordant, n, discordance) @ power)


def detectable_by_mcnemar(n: int, discordance: float, power: float = POWER, alpha: float = ALPHA) -> float | None:
    """Smallest difference in WA that an exact McNemar test on n utterances finds with the given power.

    Arguments
    ---------
    n : int
        Utterances.
    discordance : float
        Share that exactly one of the systems has right, as observed.
    power, alpha : float
        Chance to find it; level of the test.

    Returns
    -------
    float or None
        A fraction; None where no difference is enough.

    Example
    -------
    >>> round(detectable_by_mcnemar(535, 0.25), 3), detectable_by_mcnemar(5, 0.25)
    (0.062, None)
    """
    return _smallest(lambda difference: mcnemar_power(difference, n, discordance, alpha), 1.0, power)


def detectable_by_t(sd: float, n: int, power: float = POWER, alpha: float = ALPHA) -> float | None:
    """Smallest mean difference that a paired t-test over n speakers finds with the given power.

    The test statistic is a noncentral t with n - 1 degrees of freedom and noncentrality ``difference sqrt(n) / sd``
    (J. Cohen, *Statistical Power Analysis*, 1988, ch. 2).

    Arguments
    ---------
    sd : float
        Of the differences per speaker (n - 1), as observed.
    n : int
        Speakers.
    power, alpha : float
        Chance to find it; level of the test.

    Example
    -------
    >>> round(detectable_by_t(0.1, 10), 4)
    0.0996
    """
    if n < 2:
        return None
    if sd == 0:
        return 0.0
    critical = t.ppf(1 - alpha / 2, n - 1)

    def found(difference):  # the square of a noncentral t is a noncentral F, which scipy has both tails of at once
        return ncf.sf(critical**2, 1, n - 1, n * (difference / sd) ** 2)

    largest = sd
    while found(largest) < power:
        largest *= 2
    return _smallest(found, largest, power)


def _smallest(found, largest, power):
    """Where ``found``, which grows with the difference, reaches the power; None if the largest does not."""
    if found(largest) < power:
        return None
    return float(brentq(lambda difference: found(difference) - power, 0.0, largest, xtol=1e-9))
