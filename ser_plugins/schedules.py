"""Learning rates over a training, as a function of how much of it is done: nothing to checkpoint, nothing to resume."""

import math

from ser_plugins.errors import SerError


class OneCycle:
    """Up from a small learning rate to the peak, then down to almost nothing, both along a cosine.

    Smith & Topin (Super-convergence, 2018), in the form that torch's ``OneCycleLR`` has made common.

    Arguments
    ---------
    peak : float
        Largest learning rate.
    warm_up : float
        Share of the training spent on the way up.
    start, end : float
        First and last learning rate, as shares of the peak.

    Example
    -------
    >>> schedule = OneCycle(peak=0.001, warm_up=0.25)
    >>> [round(schedule(done), 6) for done in (0.0, 0.25, 0.625, 1.0)]
    [4e-05, 0.001, 0.0005, 0.0]
    """

    def __init__(self, peak: float, warm_up: float = 0.25, start: float = 0.04, end: float = 0.0001) -> None:
        if not (peak > 0 and 0 < warm_up < 1):
            raise SerError(
                got=f"peak {peak}, warm_up {warm_up}",
                expected="a positive peak and a share between 0 and 1",
                remedy="correct the YAML",
            )
        self.peak, self.warm_up, self.start, self.end = peak, warm_up, start, end

    def __call__(self, done: float) -> float:
        """Learning rate after a share ``done`` (0 to 1) of all steps."""
        if done < self.warm_up:
            return self.peak * _between(self.start, 1.0, done / self.warm_up)
        return self.peak * _between(1.0, self.end, (done - self.warm_up) / (1 - self.warm_up))


def _between(first, last, share):
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2
