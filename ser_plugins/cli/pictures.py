"""Pictures of a timeline and of an explanation: matplotlib figures without pyplot, in the style of the report's."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ser_plugins.errors import SerError
from ser_plugins.evaluation.report.figures import BLUE, ORANGE, STYLE
from ser_plugins.files import atomic_path, refuse_unwritable
from ser_plugins.inference.explain import Explanation
from ser_plugins.inference.timeline import SentimentTimeline, Timeline
from ser_plugins.plain import figure_text, figure_title

PICTURES = (".png", ".pdf", ".svg")


def refuse_picture(path) -> None:
    """Raise :class:`SerError` for a path to which :func:`save_picture` cannot write; before the work, not after it.

    Example
    -------
    >>> refuse_picture("picture.wav")
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: picture.wav; expected: the name of a picture (.png, .pdf, .svg); remedy: ...
    """
    if Path(path).suffix.lower() not in PICTURES:
        raise SerError(
            got=str(path), expected=f"the name of a picture ({', '.join(PICTURES)})", remedy="choose another name"
        )
    refuse_unwritable(path)


def save_picture(figure: Figure, path) -> None:
    """Write a figure in the format of the path's suffix (png, pdf, svg), atomically.

    Example
    -------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp(), "figure.png")
    >>> save_picture(Figure(), path)
    >>> path.read_bytes()[1:4]
    b'PNG'
    """
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150)


def timeline_figure(timeline: Timeline | SentimentTimeline, title: str = "") -> Figure:
    """Probabilities over time, one row per class, and the label of each segment above; or the score as a line.

    Example
    -------
    >>> from ser_plugins.inference.timeline import segments
    >>> from ser_plugins.inference.windows import Window
    >>> cells = [Window(0.0, 2.0, "joy", 0.8, {"joy": 0.8, "fear": 0.2}), Window(2.0, 3.0, None, None, None)]
    >>> figure = timeline_figure(Timeline(cells, segments(cells)))
    >>> [label.get_text() for label in figure.axes[0].get_yticklabels()]
    ['joy', 'fear']
    """
    cells: list[Any] = list(timeline.cells)
    edges = [cells[0].start, *(cell.end for cell in cells)]
    classes = next((list(cell.probabilities) for cell in cells if getattr(cell, "probabilities", None)), [])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 1.6 + 0.3 * max(len(classes), 4)), layout="constrained")
        axes = figure.add_subplot()
        if hasattr(cells[0], "score"):
            axes.stairs(
                [np.nan if cell.score is None else cell.score for cell in cells], edges, baseline=None, color=BLUE
            )
            axes.set_ylabel("score")
        else:
            table = [[(cell.probabilities or {}).get(name, np.nan) for cell in cells] for name in classes]
            if classes:  # else all is silent
                image = axes.pcolormesh(edges, np.arange(len(classes) + 1), table, cmap="Blues", vmin=0, vmax=1)
                figure.colorbar(image, ax=axes, label="probability", pad=0.01)
            axes.set_yticks(np.arange(len(classes)) + 0.5, [figure_text(name) for name in classes])
            axes.invert_yaxis()
        for segment in timeline.segments:
            axes.axvline(segment.start, color="black", linewidth=0.5)
            if segment[2] is not None and segment.end - segment.start > 0.06 * (edges[-1] - edges[0]):
                middle = (segment.start + segment.end) / 2
                axes.text(
                    middle, 1.02, figure_text(segment[2]), transform=axes.get_xaxis_transform(), ha="center", fontsize=8
                )
        axes.set(xlabel="time (s)", xlim=(edges[0], edges[-1]))
        figure.suptitle(figure_title(title), fontsize=10)
    return figure


def explanation_figure(explanation: Explanation, title: str = "") -> Figure:
    """Spectrogram, saliency and attention below each other on one axis of time.

    Example
    -------
    >>> cells = np.arange(6.0).reshape(2, 3)
    >>> explained = Explanation("joy (80%)", np.arange(2.0), np.arange(3.0), cells, cells, np.arange(2.0), None)
    >>> [axes.get_title() for axes in explanation_figure(explained).axes[:3]]
    ['spectrogram', 'saliency', 'no attention in this model']
    """
    heads = explanation.attention
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9, 7), layout="constrained")
        spectrogram, salient, attention = figure.subplots(3, 1, sharex=True)
        grid = explanation.times, explanation.frequencies / 1000
        floor = np.percentile(explanation.frames, 5)
        image = spectrogram.pcolormesh(*grid, explanation.frames.T, cmap="gray_r", vmin=floor, shading="nearest")
        figure.colorbar(image, ax=spectrogram, label="log power", pad=0.01)
        ceiling = max(np.percentile(explanation.saliency, 99.5), np.finfo(np.float32).tiny)
        image = salient.pcolormesh(
            *grid, explanation.saliency.T, cmap="Oranges", vmin=0, vmax=ceiling, shading="nearest"
        )
        figure.colorbar(image, ax=salient, label="|gradient|", pad=0.01)
        for axes, name in ((spectrogram, "spectrogram"), (salient, "saliency")):
            axes.set(ylabel="kHz", title=name)
        attention.set(
            xlabel="time (s)", title="attention received" if heads is not None else "no attention in this model"
        )
        if heads is not None:
            for number, head in enumerate(heads):
                attention.plot(
                    explanation.attention_times,
                    head,
                    color=BLUE,
                    linewidth=0.6,
                    alpha=0.5,
                    label="heads" if number == 0 else None,
                )
            attention.plot(explanation.attention_times, heads.mean(axis=0), color=ORANGE, linewidth=2, label="mean")
            attention.set(ylabel="weight", ylim=(0, None))
            attention.legend(loc="upper right")
        figure.suptitle(figure_title(title or explanation.answer), fontsize=10)
    return figure
