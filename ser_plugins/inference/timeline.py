"""Emotion over time: windows of a recording -> smoothed -> one cell per hop -> segments that tile the recording.

Windows overlap, cells do not: a cell reaches to halfway between the centre of its window and the centres of the
neighbours, the first from the beginning and the last to the end of the last window: of the recording, unless that has a
rest too short to be judged.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby, pairwise
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple, overload

from ser_plugins.errors import SerError
from ser_plugins.inference.base import RecordingModel
from ser_plugins.inference.windows import SentimentWindow, Window, batched, cut_windows, open_recording, watched
from ser_plugins.sound.pauses import stretch_around_middle
from ser_plugins.sound.voice import SHORTEST


class Segment(NamedTuple):
    """A stretch of a recording in which the most probable class stays the same.

    Arguments
    ---------
    start, end : float
        In s from the beginning of the recording.
    label : str or None
        The class; None where the model abstains, and where nobody speaks; then the next two are None as well.
    probability : float or None
        The highest one, smoothed; the mean over the segment.
    probabilities : dict or None
        By class name, smoothed; the means over the segment.
    """

    start: float
    end: float
    label: str | None
    probability: float | None
    probabilities: dict[str, float] | None


class SentimentSegment(NamedTuple):
    """The same for a model of sentiment: a stretch of one polarity; on a scale without polarity, one cell.

    Arguments
    ---------
    start, end : float
        In s from the beginning of the recording.
    polarity : str or None
        None where nobody speaks, and on a scale without polarity.
    score : float or None
        Smoothed; the mean over the segment. None where nobody speaks.
    """

    start: float
    end: float
    polarity: str | None
    score: float | None


class Timeline(NamedTuple):
    """What :func:`timeline` returns.

    Arguments
    ---------
    cells : list of Window
        One per window, smoothed; ``start`` and ``end`` are those of the cell.
    segments : list of Segment
        They tile the recording.
    """

    cells: list[Window]
    segments: list[Segment]


class SentimentTimeline(NamedTuple):
    """The same for a model of sentiment."""

    cells: list[SentimentWindow]
    segments: list[SentimentSegment]


BATCH = 8  # windows judged at once
PAUSE = 0.3  # s without sound, at which one turn ends and another begins
Spans = list[tuple[float, float]]  # (start, end) in s


@overload
def timeline(
    model: RecordingModel[Any, Any, Window],
    path: str | Path,
    *,
    window: float = 3.0,
    hop: float = 1.0,
    smooth: int = 3,
    speech: Spans | None = None,
    batch_size: int = BATCH,
    passed: Callable[[float], object] | None = None,
) -> Timeline: ...


@overload
def timeline(
    model: RecordingModel[Any, Any, SentimentWindow],
    path: str | Path,
    *,
    window: float = 3.0,
    hop: float = 1.0,
    smooth: int = 3,
    speech: Spans | None = None,
    batch_size: int = BATCH,
    passed: Callable[[float], object] | None = None,
) -> SentimentTimeline: ...


def timeline(model, path, *, window=3.0, hop=1.0, smooth=3, speech=None, batch_size=BATCH, passed=None):
    """Follow the emotion, or the sentiment, in a recording of any length.

    The audio is read window by window and never held as a whole; what is kept is a row of numbers per hop. Windows end
    at pauses of ``PAUSE`` s, so that what is said before and after does not mix.

    Arguments
    ---------
    model : ser_plugins.inference.base.RecordingModel
        An ``EmotionClassifier`` or a ``SentimentRegressor``.
    path : str or Path
        An audio file of any rate and number of channels.
    window, hop : float
        In s; see :meth:`~ser_plugins.inference.base.RecordingModel.classify_windows`.
    smooth : int
        Windows in the centred moving average of the probabilities (or scores); odd, 1 for none. Silent windows are not
        counted in it, nor those of another turn.
    speech : list of tuple of float, optional
        Where somebody speaks, (start, end) in s and in order, as :func:`ser_plugins.inference.vad.speech_spans` finds
        it; outside nothing is labelled. Without it silent windows alone are left out.
    batch_size : int
        Windows judged at once.
    passed : callable, optional
        Is told, again and again, how many s of the recording have passed.

    Raises
    ------
    MissingPathError, AudioError, SerError
        As ``classify_windows``; and for a hop beyond the window or an even ``smooth``.

    Example
    -------
    >>> import soundfile, tempfile, torch
    >>> from ser_plugins.inference import SentimentRegressor
    >>> from ser_plugins.classifier import RegressionHead, UtteranceEncoder
    >>> from ser_plugins.spectrogram import LogPowerSpectrogram, ZNorm
    >>> modules = torch.nn.ModuleDict({
    ...     "compute_features": LogPowerSpectrogram(),
    ...     "mean_var_norm": ZNorm(mode="utterance"),
    ...     "embedding_model": UtteranceEncoder(hidden_size=8, heads=2),
    ...     "classifier": RegressionHead(16, low=0.0, high=3.0),
    ... })
    >>> path = tempfile.mkdtemp() + "/noise.wav"
    >>> soundfile.write(path, 0.1 * torch.randn(16000 * 5).numpy(), 16000)
    >>> model = SentimentRegressor(modules, "mosi", any_sound=True)
    >>> [(one.start, one.end, one.polarity) for one in timeline(model, path).segments]
    [(0.0, 5.0, 'positive')]
    """
    check_smoothing(window, hop, smooth)
    model.check_windows(window, hop, batch_size)
    blocks = watched(open_recording(path, model.sample_rate), model.sample_rate, passed)
    stretches = _Stretches(model, blocks, window, hop, batch_size)
    cells = list(as_cells(smoothed(stretches.judged(str(path)), smooth, model)))
    cells[-1] = cells[-1]._replace(end=stretches.end)
    if speech is not None:
        cells = list(within(cells, speech))
    kind = Timeline if model.window is Window else SentimentTimeline
    return kind(cells, segments(cells))


def check_smoothing(window: float, hop: float, smooth: int) -> None:
    """Raise :class:`SerError` for a hop beyond the window, and for an even number of windows to average over."""
    if smooth < 1 or smooth % 2 == 0 or hop > window:
        raise SerError(
            got=f"smooth={smooth}, hop={hop}, window={window}",
            expected="an odd number of windows to average over, and a hop up to the window",
            remedy="for example window=3.0, hop=1.0, smooth=3",
        )


class _Stretches:
    """Windows of a recording, of each the stretch between two pauses around its middle; ``end``: of the last window."""

    def __init__(self, model, blocks, window, hop, batch_size):
        self.model = model
        self.batch_size = batch_size
        self.end = 0.0
        self.cuts = cut_windows(blocks, model.sample_rate, window, hop, model.min_samples)

    def judged(self, name) -> Iterator:
        for batch in batched(self._stretches(), self.batch_size):
            yield from self.model.judge_cuts(batch, name)

    def _stretches(self):
        rate = self.model.sample_rate
        least = shortest(self.model)
        for start, wave in self.cuts:
            self.end = (start + len(wave)) / rate
            begin, end = stretch_around_middle(wave.numpy(), rate, PAUSE)
            yield (start + begin, wave[begin:end]) if end - begin >= least else (start, wave)


def shortest(model: RecordingModel[Any, Any, Any]) -> int:
    """Samples that a stretch of a recording must have: of less a model, or nobody, can say whether it is speech."""
    return max(model.min_samples, math.ceil(SHORTEST * model.sample_rate))


def smoothed(windows: Iterable, size: int, model=None) -> Iterator:
    """Centred moving average over the windows in which something is heard; silent ones stay silent.

    Windows that neither overlap nor touch the one in the centre are not counted: a pause lies between. At the ends the
    average is over the windows that there are. ``model`` names the polarity of an averaged score,
    and says what is too unsure to be named.
    """
    half = size // 2
    near = deque(maxlen=size)
    for window in chain([None] * half, windows, [None] * half):
        near.append(window)
        if len(near) == size:
            centre = near[half]
            neighbours = [one for one in near if one is not None and is_heard(one) and _meet(one, centre)]
            yield _average(centre, neighbours, model) if is_heard(centre) else centre


def is_heard(cell) -> bool:
    """Whether somebody speaks in a window, a cell or a segment of any kind, named or not."""
    return (cell.score if hasattr(cell, "score") else cell.probability) is not None


def _meet(one, other) -> bool:
    return one.start <= other.end and other.start <= one.end


def _average(centre, windows, model):
    if not isinstance(centre, Window):
        score = fmean(window.score for window in windows)
        return centre._replace(score=score, polarity=model.scale.polarity(score))
    means = {name: fmean(window.probabilities[name] for window in windows) for name in centre.probabilities}
    label = max(means, key=means.__getitem__)
    sure = means[label] >= getattr(model, "abstain_below", 0.0)
    return centre._replace(label=label if sure else None, probability=means[label], probabilities=means)


def as_cells(windows: Iterable) -> Iterator:
    """Windows that may overlap -> the same with starts and ends that tile the recording.

    Example
    -------
    >>> windows = [Window(start, start + 3, "fear", 0.5, {}) for start in (0.0, 1.0, 2.0)]
    >>> [(cell.start, cell.end) for cell in as_cells(windows)]
    [(0.0, 2.0), (2.0, 3.0), (3.0, 5.0)]
    """
    held = None
    start = 0.0
    for window in windows:
        if held is not None:
            border = max(start, (held.start + held.end + window.start + window.end) / 4)
            yield held._replace(start=start, end=border)
            start = border
        held = window
    if held is not None:
        yield held._replace(start=start)


def within(cells: Iterable, speech: list) -> Iterator:
    """Cells cut where speech begins and ends; what is outside of it loses its label.

    Example
    -------
    >>> cells = [Window(0.0, 2.0, "fear", 0.5, {}), Window(2.0, 5.0, "joy", 0.5, {})]
    >>> [(cell.start, cell.end, cell.label) for cell in within(cells, [(1.0, 3.5)])]
    [(0.0, 1.0, None), (1.0, 2.0, 'fear'), (2.0, 3.5, 'joy'), (3.5, 5.0, None)]
    """
    for cell in cells:
        silence = [None] * (len(cell) - 2)
        inside = (time for span in speech for time in span if cell.start < time < cell.end)
        borders = sorted({cell.start, cell.end, *inside})
        for start, end in pairwise(borders):
            heard = any(begin <= start and end <= finish for begin, finish in speech)
            yield type(cell)(start, end, *(cell[2:] if heard else silence))


def segments(cells: Iterable) -> list:
    """Merge neighbouring cells of one label; probabilities and scores are weighted by time.

    Example
    -------
    >>> cells = [Window(0.0, 1.0, "fear", 0.5, {}), Window(1.0, 3.0, "fear", 0.8, {}), Window(3.0, 4.0, "joy", 0.6, {})]
    >>> [(one.start, one.end, one.label, round(one.probability, 3)) for one in segments(cells)]
    [(0.0, 3.0, 'fear', 0.7), (3.0, 4.0, 'joy', 0.6)]
    """
    return [_merged(list(group)) for _, group in groupby(cells, _key)]


def _key(cell):
    if isinstance(cell, Window):
        return cell.label, is_heard(cell)
    return cell.start if cell.polarity is None and cell.score is not None else cell.polarity


def _merged(cells):
    first, last = cells[0], cells[-1]
    if isinstance(first, Window):
        named = Segment(first.start, last.end, first.label, None, None)
        if not is_heard(first):
            return named
        best = time_mean(cells, lambda cell: cell.probability)
        return named._replace(probability=best, probabilities=mean_probabilities(cells))
    score = time_mean(cells, lambda cell: cell.score) if is_heard(first) else None
    return SentimentSegment(first.start, last.end, first.polarity, score)


def mean_probabilities(cells: list) -> dict[str, float]:
    """By class name, the mean over time of the probabilities of cells in which somebody speaks."""
    return {
        name: time_mean(cells, lambda cell, name=name: cell.probabilities[name])  # type: ignore[misc]
        for name in cells[0].probabilities
    }


def time_mean(cells: list, value: Callable[[Any], float]) -> float:
    """The mean over time of a value of every cell."""
    weighted = sum(value(cell) * (cell.end - cell.start) for cell in cells)
    return weighted / sum(cell.end - cell.start for cell in cells)
