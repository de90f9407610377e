"""The scales that sentiment and dimensions of emotion are rated on, and what a number on each of them is called.

========== ========== ==========================================================================
``mosi``   -3 .. 3    CMU-MOSI: below 0 is negative, above it positive
``chsims`` -1 .. 1    CH-SIMS: up to -0.1 is negative, up to 0.1 neutral, above it positive
``vad``    1 .. 5     IEMOCAP's valence, activation, dominance: no polarity
``plain``             any other number: no polarity
========== ========== ==========================================================================
"""

from dataclasses import dataclass
from typing import Any

from ser_plugins.errors import SerError


@dataclass(frozen=True)
class Scale:
    """Range of a scale, and its neutral part.

    Arguments
    ---------
    low, high : float or None
        Ends of the ratings; None where there are none.
    neutral : tuple of float, optional
        ``(a, b)``: a number is neutral when ``a < number <= b``; with ``a == b`` when it is just that. Without it
        numbers have no polarity.
    zero_is_positive : bool
        Where there are two classes only, as for Acc-2: which of them 0 belongs to.
    """

    low: float | None = None
    high: float | None = None
    neutral: tuple[float, float] | None = None
    zero_is_positive: bool = False

    @property
    def has_polarity(self) -> bool:
        """Whether numbers are negative or positive."""
        return self.neutral is not None

    def is_positive(self, numbers: Any) -> Any:
        """Of two classes, whether a number, or each of an array, is in the positive one.

        Example
        -------
        >>> SCALES["mosi"].is_positive(0.0), SCALES["chsims"].is_positive(0.0)
        (True, False)
        """
        return numbers >= 0 if self.zero_is_positive else numbers > 0

    def polarity(self, number: float) -> str | None:
        """``negative``, ``neutral``, ``positive``; None on a scale without polarity.

        Example
        -------
        >>> [SCALES["mosi"].polarity(number) for number in (-0.05, 0.0, 0.05)]
        ['negative', 'neutral', 'positive']
        >>> [SCALES["chsims"].polarity(number) for number in (-0.1, 0.05, 0.1, 0.2)]
        ['negative', 'neutral', 'neutral', 'positive']
        """
        if self.neutral is None:
            return None
        below, up_to = self.neutral
        if number > up_to:
            return "positive"
        return "neutral" if number > below or number == up_to else "negative"


SCALES = {
    "mosi": Scale(-3.0, 3.0, (0.0, 0.0), zero_is_positive=True),
    "chsims": Scale(-1.0, 1.0, (-0.1, 0.1)),
    "vad": Scale(1.0, 5.0),
    "plain": Scale(),
}


def scale_named(name: str) -> Scale:
    """One of ``SCALES``.

    Example
    -------
    >>> scale_named("percent")
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: scale 'percent'; expected: one of mosi, chsims, vad, plain; remedy: correct the \
name of the scale
    """
    if name not in SCALES:
        raise SerError(
            got=f"scale {name!r}", expected=f"one of {', '.join(SCALES)}", remedy="correct the name of the scale"
        )
    return SCALES[name]
