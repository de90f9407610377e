"""What every score is called, how it is printed, and what a reader has to know of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """How a score is called and printed."""

    label: str
    percent: bool = True

    @property
    def unit(self) -> str:
        """What stands behind a value: `` %``, or nothing."""
        return " %" if self.percent else ""

    @property
    def heading(self) -> str:
        """What stands above a column of values."""
        return f"{self.label} (%)" if self.percent else self.label

    def text(self, value, digits: int = 1) -> str:
        """A value in percent, or as it is with one digit more; an undefined one as a dash.

        Example
        -------
        >>> Score("WA").text(0.71402, 2), Score("MAE", percent=False).text(0.71402, 2), Score("WA").text(None)
        ('71.40', '0.714', '–')
        """
        if value is None:
            return "–"
        return f"{100 * value:.{digits}f}" if self.percent else f"{value:.{digits + 1}f}"


def percent(fraction, digits: int = 1) -> str:
    """A fraction in percent; an undefined one as a dash.

    Example
    -------
    >>> percent(0.71402, 2), percent(None)
    ('71.40', '–')
    """
    return Score("").text(fraction, digits)


_NUMBERS = {"MAE": Score("MAE", percent=False), "r": Score("r", percent=False)}
_DIMENSION = {**_NUMBERS, "CCC": Score("CCC", percent=False)}

# Of classes, and of the scales of `ser_plugins.scales`; in the order of the tables.
SCORES = {
    "classes": {"WA": Score("WA"), "UAR": Score("UAR"), "macro_F1": Score("macro-F1")},
    "mosi": {
        **_NUMBERS,
        "Acc7": Score("Acc-7"),
        "Acc5": Score("Acc-5"),
        "Acc2_has0": Score("Acc-2 has0"),
        "F1_has0": Score("F1 has0"),
        "Acc2_non0": Score("Acc-2 non0"),
        "F1_non0": Score("F1 non0"),
    },
    "chsims": {
        **_NUMBERS,
        "Acc5": Score("Acc-5"),
        "Acc3": Score("Acc-3"),
        "Acc2": Score("Acc-2"),
        "F1": Score("F1"),
    },
    "vad": _DIMENSION,
    "plain": _DIMENSION,
}
_CONSTANT = "r is Pearson's, 0 for a constant."
NOTES = {
    "classes": "WA is accuracy, UAR the mean recall of the classes present.",
    "mosi": f"Acc-7 and Acc-5 are of rounded numbers; Acc-2 and weighted F1 with 0 as positive (has0), and without the "
    f"utterances rated 0 (non0). {_CONSTANT}",
    "chsims": "Numbers are clipped to -1 … 1. Acc-5, Acc-3 and Acc-2 are of intervals cut at ±0.7 and ±0.1, at ±0.1, "
    f"and at 0, which is negative; F1 is weighted over the two. {_CONSTANT}",
    "vad": f"CCC is Lin's concordance correlation. {_CONSTANT}",
    "plain": f"CCC is Lin's concordance correlation. {_CONSTANT}",
}
