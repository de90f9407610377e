"""The figures of a run, fit for a paper: matplotlib figures made without pyplot, so nothing global changes.

Colours are from the Okabe-Ito palette or single-hue maps: they survive colour blindness and a grey printer.
"""

from functools import partial
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ser_plugins.files import atomic_path
from ser_plugins.plain import figure_text, figure_title
from ser_plugins.scores import SCORES, Score

BLUE, SKY, ORANGE = "#0072B2", "#56B4E9", "#D55E00"
STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "legend.frameon": False,
    "text.parse_math": False,  # a name with dollars is a name
    "pdf.fonttype": 42,  # editable text, as publishers ask
}


def save(figure: Figure, path) -> None:
    """Write ``<path>.png`` (200 dpi) and ``<path>.pdf``, each atomically; the same figure gives the same bytes."""
    for suffix, metadata in ((".png", {}), (".pdf", {"CreationDate": None})):
        with atomic_path(Path(f"{path}{suffix}")) as temporary:
            figure.savefig(temporary, dpi=200, bbox_inches="tight", metadata=metadata)


def confusion_figure(confusion, classes, note: str = "") -> Figure:
    """Confusion matrix: colour is the share of the row (of the true class), counts stand in the cells.

    Arguments
    ---------
    confusion : array of int
        (classes, classes), reference in rows.
    classes : sequence of str
        Names of rows and columns.
    note : str
        Title of the figure.

    Example
    -------
    >>> figure = confusion_figure([[8, 2], [1, 9]], ["fear", "joy"])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['8', '2', '1', '9']
    """
    confusion = np.asarray(confusion)
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)  # an absent class keeps an empty row
    size = 1.6 + 0.58 * len(classes)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(size + 0.6, size), layout="constrained")
        axes = figure.add_subplot()
        image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for (row, column), count in np.ndenumerate(confusion):
            colour = "white" if share[row, column] > 0.5 else "black" if count else "#bbbbbb"
            axes.text(column, row, str(count), ha="center", va="center", color=colour)
        ticks = range(len(classes))
        names = [figure_text(name) for name in classes]
        axes.set_xticks(ticks, names, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(ticks, names)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set(xlabel="predicted", ylabel="true", title=figure_title(note))
        bar = figure.colorbar(image, ax=axes, shrink=0.85, aspect=25, label="share of the true class")
        bar.outline.set_visible(False)
    return figure


def unit_figure(units, pooled, note: str = "", name: str = "speaker") -> Figure:
    r"""WA of every speaker (session, video) as bars, UAR as dots, pooled WA as a line.

    Arguments
    ---------
    units : list of dict
        ``unit``, ``n``, ``WA`` and ``UAR`` of each, as in the aggregate's ``per_unit``.
    pooled : float
        WA over all utterances.
    note : str
        Title of the figure.
    name : str
        What a unit is.

    Example
    -------
    >>> figure = unit_figure([{"unit": "spk03", "n": 49, "WA": 0.7, "UAR": 0.6}], 0.7)
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['spk03\n49']
    """
    places = np.arange(len(units))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(max(3.5, 1.2 + 0.55 * len(units)), 3.2), layout="constrained")
        axes = figure.add_subplot()
        bars = axes.bar(places, [100 * row["WA"] for row in units], 0.7, color=SKY, label="WA")
        for place, row in enumerate(units):  # at the foot, where no dot and no line can cross it
            axes.text(place, 2, f"{100 * row['WA']:.0f}", ha="center", fontsize=9)
        uar = [100 * row["UAR"] for row in units]
        (dots,) = axes.plot(places, uar, "D", color=ORANGE, markeredgecolor="white", label="UAR", clip_on=False)
        line = axes.axhline(
            100 * pooled, color="black", linestyle="--", linewidth=1, label=f"pooled WA {100 * pooled:.1f}"
        )
        axes.set_xticks(places, [f"{figure_text(row['unit'])}\n{row['n']}" for row in units], fontsize=8.5)
        axes.set(ylim=(0, 100), ylabel="%", xlabel=f"{name}, utterances", title=figure_title(note))
        figure.legend(handles=[bars, dots, line], loc="outside lower center", ncols=3)
    return figure


def curves_figure(histories, note: str = "", key: str = "UAR", score: Score = SCORES["classes"]["UAR"]) -> Figure:
    """Loss per epoch of every fold (thin) and their mean (thick); a second panel where a score was logged.

    Arguments
    ---------
    histories : list of list of dict
        ``history`` of each fold: ``epoch``, ``train_loss``, and ``valid_loss`` and ``valid_<key>`` where measured.
    note : str
        Title of the figure.
    key : str
        The score that chooses the epoch.
    score : Score
        How that is called and printed.

    Example
    -------
    >>> figure = curves_figure([[{"epoch": 1, "train_loss": 1.9}, {"epoch": 2, "train_loss": 1.5}]])
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['loss']
    """
    losses = [("train_loss", "train", BLUE), ("valid_loss", "validation", ORANGE)]
    label, times = (f"{score.label} (%)", 100) if score.percent else (score.label, 1)
    panels = [("loss", 1, losses), (f"validation {label}", times, [(f"valid_{key}", "validation", ORANGE)])]
    panels = [panel for panel in panels if any(_curves(histories, key) for key, _, _ in panel[2])]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(0.8 + 3.7 * max(1, len(panels)), 3.2), layout="constrained")
        figure.suptitle(figure_title(note), fontsize=10)
        for place, (label, scale, kinds) in enumerate(panels, 1):
            axes = figure.add_subplot(1, len(panels), place)
            for key, name, colour in kinds:
                curves = _curves(histories, key)
                for curve in curves:
                    axes.plot(*zip(*curve, strict=True), color=colour, linewidth=0.6, alpha=0.35)
                if curves:
                    epochs = sorted({epoch for curve in curves for epoch, _ in curve})
                    means = [np.mean([dict(curve)[e] for curve in curves if e in dict(curve)]) for e in epochs]
                    axes.plot(epochs, means, color=colour, linewidth=2, label=f"{name}, mean of {len(curves)} runs")
            axes.yaxis.set_major_formatter(partial(_scaled, scale=scale))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set(xlabel="epoch", ylabel=label)
            axes.legend()
    return figure


def _scaled(value: float, _, scale: float) -> str:
    return f"{scale * value:g}"


def calibration_figure(calibration: dict, note: str = "") -> Figure:
    """Reliability diagram (on the dashed line probabilities mean what they say), and accuracy over coverage.

    Arguments
    ---------
    calibration : dict
        As :func:`ser_plugins.evaluation.metrics.calibration.calibration` gives it.
    note : str
        Title of the figure.

    Example
    -------
    >>> bins, points = [{"confidence": 0.8, "accuracy": 0.6, "n": 10}], [{"coverage": 1.0, "accuracy": 0.6}]
    >>> raw = {"ECE": 0.2, "reliability": bins, "coverage": points}
    >>> figure = calibration_figure({"raw": raw, "calibrated": None})
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['as trained, ECE 20.0 %', 'perfect']
    """
    kinds = [("as trained", "raw", ORANGE, "s"), ("temperature", "calibrated", BLUE, "o")]
    drawn = [(name, calibration[key], colour, mark) for name, key, colour, mark in kinds if calibration[key]]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.4, 3.4), layout="constrained")
        figure.suptitle(figure_title(note), fontsize=10)
        diagram, curve = figure.subplots(1, 2)
        for name, scores, colour, mark in drawn:
            style = {"color": colour, "marker": mark, "markersize": 4}
            bins, points = scores["reliability"], [row for row in scores["coverage"] if row["accuracy"] is not None]
            across, up = ([100 * row[key] for row in bins] for key in ("confidence", "accuracy"))
            diagram.plot(across, up, label=f"{name}, ECE {100 * scores['ECE']:.1f} %", **style)
            across, up = ([100 * row[key] for row in points] for key in ("coverage", "accuracy"))
            curve.plot(across, up, label=name, **style)
        diagram.axline((0, 0), slope=1, color="black", linestyle="--", linewidth=1, label="perfect")
        diagram.set(xlim=(0, 100), ylim=(0, 100), xlabel="probability (%)", ylabel="correct (%)")
        curve.set(xlim=(0, 102), ylim=(0, 102), xlabel="answered (%)", ylabel="of those correct (%)")
        diagram.legend(loc="upper left")
    return figure


def scatter_figure(true, predicted, note: str = "", name: str = "") -> Figure:
    """Predicted against true numbers, one dot per utterance; on the dashed line they are equal.

    Arguments
    ---------
    true, predicted : array of float
        One of each per utterance.
    note : str
        Title of the figure.
    name : str
        What the numbers are.

    Example
    -------
    >>> figure = scatter_figure([-1.0, 0.5], [0.0, 0.25], name="sentiment")
    >>> figure.axes[0].get_xlabel(), figure.axes[0].lines[0].get_xydata().tolist()
    ('true sentiment', [[-1.0, 0.0], [0.5, 0.25]])
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4, 4), layout="constrained")
        axes = figure.add_subplot()
        _dots(axes, true, predicted)
        axes.axline((0, 0), slope=1, color="black", linestyle="--", linewidth=1)
        axes.set(xlabel=f"true {figure_text(name)}", ylabel=f"predicted {figure_text(name)}", title=figure_title(note))
    return figure


def residual_figure(true, predicted, note: str = "", name: str = "") -> Figure:
    """Predicted minus true against the true numbers, and how often each difference occurs.

    A falling cloud is what a model shows that answers near the mean whatever it hears.

    Arguments
    ---------
    true, predicted : array of float
        One of each per utterance.
    note : str
        Title of the figure.
    name : str
        What the numbers are.

    Example
    -------
    >>> figure = residual_figure([-1.0, 0.5], [0.0, 0.25], name="sentiment")
    >>> figure.axes[0].lines[0].get_ydata().tolist()
    [1.0, -0.25]
    """
    residuals = np.asarray(predicted, float) - np.asarray(true, float)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6, 3.2), layout="constrained")
        figure.suptitle(figure_title(note), fontsize=10)
        cloud, counts = figure.subplots(1, 2, sharey=True, width_ratios=(2, 1))
        _dots(cloud, true, residuals)
        counts.hist(residuals, bins=25, orientation="horizontal", color=SKY)
        for axes in (cloud, counts):
            axes.axhline(0, color="black", linestyle="--", linewidth=1)
        cloud.set(xlabel=f"true {figure_text(name)}", ylabel="predicted - true")
        counts.set(xlabel="utterances")
    return figure


def _dots(axes, across, up):
    axes.plot(across, up, "o", color=BLUE, markersize=4, markeredgewidth=0, alpha=0.4)


def _curves(histories, key):
    """The (epoch, value) pairs of each fold that has logged ``key``."""
    curves = [[(row["epoch"], row[key]) for row in history if row.get(key) is not None] for history in histories]
    return [curve for curve in curves if curve]
