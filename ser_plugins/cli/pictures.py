"""Pictures of an explanation, and how pictures are written: matplotlib figures without pyplot, as the report's."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure

from ser_plugins.errors import SerError
from ser_plugins.evaluation.report.figures import BLUE, ORANGE, STYLE
from ser_plugins.files import atomic_path, refuse_unwritable
from ser_plugins.inference.explain import Explanation
from ser_plugins.inference.explain_text import PieceWeight
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


def explanation_figure(explanation: Explanation, title: str = "", pieces: Sequence[PieceWeight] = ()) -> Figure:
    """Draw an explanation on one axis of time: the saliency over the spectrogram, the attention below.

    Arguments
    ---------
    explanation : Explanation
        Of the sound.
    title : str
        Above it; by default the answer.
    pieces : sequence of PieceWeight
        Of the transcript, where there is one: in their order, which no axis of time has.

    Example
    -------
    >>> cells = np.arange(6.0).reshape(2, 3)
    >>> explained = Explanation("joy (80%)", np.arange(2.0), np.arange(3.0), cells, cells, np.arange(2.0), None)
    >>> explanation_figure(explained).axes[0].get_title()
    'spectrogram, and in orange what the answer depends on most'
    """
    heights = {"saliency": 3.0, "attention": 1.4, "pieces": 1.6}
    if explanation.attention is None:
        del heights["attention"]
    if not pieces:
        del heights["pieces"]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 0.8 + 1.15 * sum(heights.values())), layout="constrained")
        panels = figure.subplots(len(heights), 1, height_ratios=list(heights.values()), squeeze=False)[:, 0]
        axes = dict(zip(heights, panels, strict=True))
        _draw_saliency(figure, axes["saliency"], explanation)
        if "attention" in axes:
            axes["attention"].sharex(axes["saliency"])
            _draw_attention(axes["attention"], explanation)
        if "pieces" in axes:
            _draw_pieces(axes["pieces"], pieces)
        figure.suptitle(figure_title(title or explanation.answer), fontsize=10)
    return figure


def _draw_saliency(figure, axes, explanation) -> None:
    grid = explanation.times, explanation.frequencies / 1000
    floor = np.percentile(explanation.frames, 5)
    image = axes.pcolormesh(*grid, explanation.frames.T, cmap="gray_r", vmin=floor, shading="nearest")
    figure.colorbar(image, ax=axes, label="log power", pad=0.01, fraction=0.03)
    strong = np.percentile(explanation.saliency, 99.5)
    veil = LinearSegmentedColormap.from_list("saliency", [to_rgba(ORANGE, 0.0), to_rgba(ORANGE, 0.9)])
    ceiling = max(strong, np.finfo(np.float32).tiny)
    image = axes.pcolormesh(
        *grid, explanation.saliency.T, cmap=veil, vmin=0, vmax=ceiling, shading="nearest", rasterized=True
    )
    figure.colorbar(image, ax=axes, label="|gradient|", pad=0.01, fraction=0.03)
    axes.set(xlabel="time (s)", ylabel="kHz", title="spectrogram, and in orange what the answer depends on most")


def _draw_attention(axes, explanation) -> None:
    heads = explanation.attention
    for number, head in enumerate(heads):
        label = "heads" if number == 0 else None
        axes.plot(explanation.attention_times, head, color=BLUE, linewidth=0.6, alpha=0.5, label=label)
    axes.plot(explanation.attention_times, heads.mean(axis=0), color=ORANGE, linewidth=2, label="mean")
    axes.set(xlabel="time (s)", ylabel="weight", ylim=(0, None), title="attention received")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)


def _draw_pieces(axes, pieces) -> None:
    """Of each piece two bars, both as shares of all: the gradient, and the attention."""
    places = np.arange(len(pieces))
    gradients = np.array([piece.gradient for piece in pieces])
    shares = gradients / max(gradients.sum(), np.finfo(float).tiny)
    axes.bar(places - 0.2, shares, 0.4, color=ORANGE, label="gradient")
    axes.bar(places + 0.2, [piece.attention for piece in pieces], 0.4, color=BLUE, label="attention")
    names = [figure_text(piece.piece.replace("\u2581", " ").strip() or "_", 14) for piece in pieces]
    crowded = len(names) > 12
    axes.set_xticks(places, names, rotation=60 if crowded else 0, ha="right" if crowded else "center", fontsize=9)
    axes.set(ylabel="share", title="what is said, in the order of its pieces", xlim=(-0.6, len(names) - 0.4))
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
