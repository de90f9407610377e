"""The paper's Fig. 4: accuracy over the number of attention heads, with the intervals that it lacks."""

import math

import matplotlib as mpl
from matplotlib.figure import Figure

from ser_plugins.evaluation.report.figures import BLUE, ORANGE, STYLE
from ser_plugins.plain import figure_title


def heads_figure(paper: dict[int, float], ours: dict[int, dict], note: str = "") -> Figure:
    """WA and UAR over the number of heads; 0 heads is the system without attention.

    Arguments
    ---------
    paper : dict
        The paper's accuracy in percent, by number of heads; may be empty.
    ours : dict
        By number of heads: ``WA`` and ``UAR`` as fractions, each as (value, interval or None).
    note : str
        Title of the figure.

    Example
    -------
    >>> figure = heads_figure({8: 88.93}, {8: {"WA": (0.7, [0.6, 0.8]), "UAR": (0.6, None)}})
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['the paper, accuracy', 'ours, WA', 'ours, UAR']
    """
    numbers = sorted({*paper, *ours})
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 3.6), layout="constrained")
        axes = figure.add_subplot()
        if paper:
            accuracies = [paper.get(heads, math.nan) for heads in numbers]
            axes.plot(accuracies, "k--s", linewidth=1, markersize=4, label="the paper, accuracy")
        for score, colour, mark, aside in (("WA", BLUE, "o", -0.06), ("UAR", ORANGE, "D", 0.06)):
            # Not a number where nothing was run: a gap, and no line across it.
            rows = [_in_percent(*ours[heads][score]) if heads in ours else [math.nan] * 3 for heads in numbers]
            values, below, above = zip(*rows, strict=True)
            axes.errorbar(
                [place + aside for place in range(len(numbers))],
                values,
                yerr=(below, above),
                color=colour,
                marker=mark,
                markersize=5,
                linewidth=1,
                capsize=3,
                label=f"ours, {score}",
            )
        axes.set_xticks(range(len(numbers)), [str(heads) if heads else "none" for heads in numbers])
        axes.set(xlabel="attention heads", ylabel="%", title=figure_title(note))
        figure.legend(loc="outside lower center", ncols=3)
    return figure


def _in_percent(value, interval):
    """The value, and how far the interval reaches below and above it."""
    low, high = interval or (value, value)
    return 100 * value, max(100 * (value - low), 0), max(100 * (high - value), 0)
