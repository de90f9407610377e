"""A picture of emotion over time, of half a minute or of hours: the winner as a band, its probability as the height."""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from ser_plugins.evaluation.report.figures import STYLE
from ser_plugins.inference.timeline import SentimentTimeline, Timeline, is_heard
from ser_plugins.inference.turns import SHORT, SILENT, UNSURE, SentimentTurn, TurnPrediction
from ser_plugins.palette import SILENCE, colours_of
from ser_plugins.plain import figure_text, figure_title

BANDS = 450  # in a row: narrower ones, of 3 pixels, would be a barcode
ROW = 3780.0  # s, an hour and a little: a longer recording goes on in another row
UNTOLD: dict[str, dict[str, Any]] = {
    SILENT: {"facecolor": SILENCE},
    UNSURE: {"facecolor": "white", "edgecolor": "#777777", "hatch": "////", "linewidth": 0.0},
    SHORT: {"facecolor": "black"},
}
STEPS = (0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600)  # s between two marks on the axis

Turns = Sequence[TurnPrediction] | Sequence[SentimentTurn]


class Band(NamedTuple):
    """A stretch of one row: from ``start`` to ``end`` in s, a label or one of ``UNTOLD``, and how high it is."""

    start: float
    end: float
    kind: str
    height: float


def timeline_figure(timeline: Timeline | SentimentTimeline | Turns, title: str = "") -> Figure:
    """Draw a timeline, or turns in a lane for each speaker.

    Every window is a band in the colour of its most probable class, as high as that is probable; where windows are
    narrower than can be seen, a band shows the class that has most of its time. Silence is grey, and what the model
    abstains from is hatched. A score is drawn from zero, in the colour of its polarity. Hours go on in further rows.

    Arguments
    ---------
    timeline : Timeline, SentimentTimeline, or list of TurnPrediction or SentimentTurn
        What is drawn.
    title : str
        Above it.

    Example
    -------
    >>> from ser_plugins.inference.timeline import segments
    >>> from ser_plugins.inference.windows import Window
    >>> cells = [Window(0.0, 2.0, "joy", 0.8, {"joy": 0.8, "fear": 0.2}), Window(2.0, 3.0, None, None, None)]
    >>> figure = timeline_figure(Timeline(cells, segments(cells)))
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['joy 67%', 'no speech 33%']
    """
    lanes = _lanes(timeline)
    spoken = not isinstance(timeline, (Timeline, SentimentTimeline))
    bands = {name: [_band(cell) for cell in cells] for name, cells in lanes.items()}
    length = max(band.end for lane in bands.values() for band in lane)
    count = math.ceil(length / ROW)
    row = length / count
    low, high = _heights(bands)
    with mpl.rc_context(STYLE | {"hatch.linewidth": 0.6}):
        height = max(0.4, min(0.95, 14 / (count * len(lanes))))  # inches of a lane: less where there are many
        figure = Figure(figsize=(10, 1.1 + count * (0.35 + height * len(lanes))), layout="constrained")
        axes = figure.subplots(count * len(lanes), 1, squeeze=False)[:, 0]
        places = [(number * row, name) for number in range(count) for name in bands]
        shares = _shares(bands)
        colours = colours_of(kind for kind in shares if kind not in UNTOLD)
        for lane, (start, name) in zip(axes, places, strict=True):
            lane.set(xlim=(start, start + row), ylim=(low, high))
            lane.set_ylabel(figure_text(name, 16), rotation=0 if spoken else 90, ha="right" if spoken else "center")
            _draw(lane, _binned(bands[name], start, start + row), colours)
            lane.yaxis.set_major_locator(MaxNLocator(2))
            lane.xaxis.set_major_locator(MultipleLocator(next(step for step in STEPS if row / step <= 13)))
            lane.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: _clock(seconds, length)))
            lane.tick_params(axis="x", labelbottom=name == list(bands)[-1])
        handles = [
            Patch(**(UNTOLD.get(kind) or {"facecolor": colours[kind]}), label=figure_text(f"{kind} {share:.0%}"))
            for kind, share in shares.items()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=6, fontsize=9, handlelength=1.2)
        axes[-1].set_xlabel("time (s)" if length < 120 else "time (min:s)" if length < 3600 else "time (h:min)")
        if spoken:
            figure.supylabel("score" if low < 0 or high > 1 else "probability", fontsize=10)
        figure.suptitle(figure_title(title), fontsize=10)
    return figure


def _lanes(timeline) -> dict[str, list]:
    """Cells by what the lane is called; a turn without cells stands for itself."""
    if isinstance(timeline, (Timeline, SentimentTimeline)):
        return {"score" if hasattr(timeline.cells[0], "score") else "probability": list(timeline.cells)}
    lanes: dict[str, list] = {}
    for turn in sorted(timeline, key=lambda turn: turn.start):
        lanes.setdefault(turn.speaker, []).extend(turn.cells or [turn])
    return lanes


def _band(cell: Any) -> Band:
    if not is_heard(cell):
        return Band(cell.start, cell.end, getattr(cell, "remark", SILENT), 1.0)
    if hasattr(cell, "score"):
        return Band(cell.start, cell.end, cell.polarity or "score", cell.score)
    return Band(cell.start, cell.end, cell.label or UNSURE, cell.probability)


def _heights(bands) -> tuple[float, float]:
    """The ends of the axis: 0 and 1, or what scores need."""
    heights = [band.height for lane in bands.values() for band in lane]
    return min(0.0, *heights), max(1.0, *heights)


def _shares(bands) -> dict[str, float]:
    """Of every kind the share of the time of all bands, the largest first, what has no label last."""
    seconds: dict[str, float] = defaultdict(float)
    for lane in bands.values():
        for band in lane:
            seconds[band.kind] += band.end - band.start
    ordered = sorted(seconds, key=lambda kind: (kind in UNTOLD, -seconds[kind]))
    return {kind: seconds[kind] / sum(seconds.values()) for kind in ordered}


def _binned(bands: list[Band], start: float, end: float) -> list[Band]:
    """The bands of a row; where they are narrower than can be seen, those that have most time of equal ones.

    Example
    -------
    >>> bands = [Band(place, place + 1, "fear" if place % 4 == 3 else "joy", place % 4 / 4) for place in range(1800)]
    >>> [(band.end, band.kind, band.height) for band in _binned(bands, 0, 1800)][:2]
    [(4.0, 'joy', 0.25), (8.0, 'joy', 0.25)]
    """
    inside = [
        band._replace(start=max(band.start, start), end=min(band.end, end))
        for band in bands
        if band.start < end and band.end > start
    ]
    width = (end - start) / BANDS
    if len(inside) <= BANDS:
        return inside
    seconds: list[dict] = [defaultdict(float) for _ in range(BANDS)]  # by kind
    areas: list[dict] = [defaultdict(float) for _ in range(BANDS)]  # s times height, by kind
    for band in inside:
        first, last = int((band.start - start) / width), int((band.end - start) / width)
        for place in range(first, min(last, BANDS - 1) + 1):
            left = start + place * width
            overlap = max(0.0, min(band.end, left + width) - max(band.start, left))
            seconds[place][band.kind] += overlap
            areas[place][band.kind] += overlap * band.height
    return [
        Band(start + place * width, start + (place + 1) * width, kind, areas[place][kind] / times[kind])
        for place, times in enumerate(seconds)
        if (kind := _winner(times, width))
    ]


def _winner(times: dict[str, float], width: float) -> str | None:
    """The label with the most time; none where what has no label, or nobody's turn, takes more than half."""
    untold = {kind: times[kind] for kind in times if kind in UNTOLD}
    nobody = width - sum(times.values())
    if nobody > width / 2:
        return None
    if sum(untold.values()) > width / 2 or len(untold) == len(times):
        return max(untold, key=untold.__getitem__)
    return max((kind for kind in times if kind not in untold), key=times.__getitem__)


def _draw(axes: Axes, bands: list[Band], colours) -> None:
    for kind in dict.fromkeys(band.kind for band in bands):
        mine = [band for band in bands if band.kind == kind]
        style = UNTOLD.get(kind) or {"facecolor": colours[kind]}
        height = [band.height for band in mine]
        axes.bar(
            [band.start for band in mine],
            height,
            [band.end - band.start for band in mine],
            align="edge",
            **{"linewidth": 0.0, **style},
        )
    left, right = axes.get_xlim()
    for run in _runs(bands):
        if run[0].kind not in UNTOLD and run[-1].end - run[0].start > 0.07 * (right - left):
            middle = (run[0].start + run[-1].end) / 2
            name = figure_text(run[0].kind, 12)
            axes.text(middle, 1.02, name, transform=axes.get_xaxis_transform(), ha="center", fontsize=8)


def _runs(bands: list[Band]) -> list[list[Band]]:
    """Neighbouring bands of one kind, without a gap."""
    runs: list[list[Band]] = []
    for band in bands:
        if runs and runs[-1][-1].kind == band.kind and band.start - runs[-1][-1].end < 1e-6:
            runs[-1].append(band)
        else:
            runs.append([band])
    return runs


def _clock(seconds: float, length: float) -> str:
    """A time on the axis of a recording of ``length`` s.

    Example
    -------
    >>> _clock(75, 90), _clock(75, 1200), _clock(3660, 7200)
    ('75', '1:15', '1:01')
    """
    if length < 120:
        return f"{seconds:g}"
    large, small = divmod(round(seconds if length < 3600 else seconds / 60), 60)
    return f"{large}:{small:02}"
