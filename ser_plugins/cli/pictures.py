"""Pictures of an explanation, and how pictures are written: matplotlib figures without pyplot, as the report's."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from ser_plugins.errors import SerError
from ser_plugins.evaluation.report.figures import BLUE, ORANGE, STYLE
from ser_plugins.files import atomic_path, refuse_unwritable
from ser_plugins.inference.explain import Explanation
from ser_plugins.plain import figure_title

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
