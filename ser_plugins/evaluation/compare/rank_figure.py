"""The critical-difference diagram (J. Demsar, JMLR 7, 2006, fig. 1): mean ranks, and which of them do not differ."""

import matplotlib as mpl
from matplotlib.figure import Figure

from ser_plugins.evaluation.report.figures import BLUE, STYLE
from ser_plugins.plain import figure_text, figure_title


def not_different(ranks: dict[str, float], cd: float) -> list[list[str]]:
    """Largest groups of systems whose mean ranks all lie within the critical difference, best first.

    Example
    -------
    >>> not_different({"cnn": 1.0, "rnn": 1.8, "lstm": 2.5, "gru": 4.0}, cd=1.0)
    [['cnn', 'rnn'], ['rnn', 'lstm']]
    """
    names = sorted(ranks, key=ranks.__getitem__)
    groups, reached = [], 0
    for place, best in enumerate(names):
        end = max(later for later, name in enumerate(names) if ranks[name] - ranks[best] <= cd) + 1
        if end > reached and end - place > 1:
            groups.append(names[place:end])
        reached = max(reached, end)
    return groups


def critical_difference_figure(ranks: dict[str, float], cd: float, note: str = "") -> Figure:
    """Systems on the axis of their mean ranks, the best on the left; a bar joins those that do not differ.

    Arguments
    ---------
    ranks : dict
        Mean rank of each system; 1 is the best.
    cd : float
        Nemenyi's critical difference.
    note : str
        Title of the figure.

    Example
    -------
    >>> figure = critical_difference_figure({"cnn": 1.2, "rnn": 1.9, "gru": 2.9}, cd=0.9)
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['CD 0.90', 'cnn  1.20', 'rnn  1.90', '2.90  gru']
    """
    names, groups = sorted(ranks, key=ranks.__getitem__), not_different(ranks, cd)
    best, worst = 1, max(len(names), 2)
    gap, beyond = 0.008 * (worst - best), ", beyond the axis" * (cd > worst - best)
    left, first_name = (len(names) + 1) // 2, 0.7 + 0.22 * len(groups)
    depth = first_name + 0.42 * (left - 1)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 1.1 + 0.5 * (depth + 1)), layout="constrained")
        axes = figure.add_subplot()
        axes.set(xlim=(best - 0.15, worst + 0.15), ylim=(depth + 0.3, -1.1), title=figure_title(note))
        axes.xaxis.tick_top()
        axes.spines["bottom"].set_visible(False)
        axes.spines["left"].set_visible(False)
        axes.spines["top"].set(visible=True, position=("data", 0), bounds=(best, worst))
        axes.set_xticks(range(best, worst + 1))
        axes.set_yticks([])
        axes.plot([best, min(best + cd, worst)], [-0.85, -0.85], color="black", marker="|", linewidth=1)
        axes.text(best + min(cd, worst - best) / 2, -0.93, f"CD {cd:.2f}{beyond}", ha="center", va="bottom", fontsize=9)
        for place, name in enumerate(names):
            rank, on_left = ranks[name], place < left
            height = first_name + 0.42 * (place if on_left else len(names) - 1 - place)
            end = best - 0.1 if on_left else worst + 0.1
            axes.plot([rank, rank, end], [0, height, height], color="black", linewidth=0.8)
            shown = figure_text(name)
            text = f"{shown}  {rank:.2f}" if on_left else f"{rank:.2f}  {shown}"
            axes.text(
                end + (-gap if on_left else gap),
                height,
                text,
                ha="right" if on_left else "left",
                va="center",
                fontsize=9,
            )
        for place, group in enumerate(groups):
            height = 0.35 + 0.22 * place
            ends = [ranks[group[0]] - 0.03, ranks[group[-1]] + 0.03]
            axes.plot(ends, [height, height], color=BLUE, linewidth=4, solid_capstyle="round")
    return figure
