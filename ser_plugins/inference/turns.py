"""Emotion per turn and per speaker, where it is known who speaks when.

A turn up to the length of a window is judged as a whole, as the file that would be cut out of the recording. A longer
one is cut into windows, which are smoothed to cells as those of a timeline are; its probabilities are their mean over
time. Unlike there, windows do not end at pauses: behind them the same person speaks.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, overload

import torch

from ser_plugins.corpora.rttm import Span
from ser_plugins.errors import SerError
from ser_plugins.inference.base import RecordingModel
from ser_plugins.inference.timeline import (
    BATCH,
    as_cells,
    check_smoothing,
    is_heard,
    mean_probabilities,
    shortest,
    smoothed,
    time_mean,
)
from ser_plugins.inference.windows import SentimentWindow, Window, WindowCutter, batched, open_recording, watched
from ser_plugins.sound.read import seconds_of

ROUNDING = 0.1  # s by which a turn may end after the recording: diarisers count in frames
SHORT, SILENT, UNSURE = "too short", "no speech", "unsure"


class TurnPrediction(NamedTuple):
    """What :func:`predict_turns` says of one turn.

    Arguments
    ---------
    start, end : float
        In s from the beginning of the recording.
    speaker : str
        Who has the turn.
    label : str or None
        The most probable class; None where ``remark`` says why.
    probability : float or None
        Of that class; None where the turn was not judged.
    probabilities : dict or None
        By class name; of a long turn the mean over time.
    overlap : float
        s of the turn in which another speaker has a turn too: the model hears all who speak.
    remark : str
        ``too short`` to be judged, ``no speech`` in it, ``unsure`` where the model abstains; else empty.
    cells : list of Window
        The turn over time; empty where it is too short.
    """

    start: float
    end: float
    speaker: str
    label: str | None
    probability: float | None
    probabilities: dict[str, float] | None
    overlap: float
    remark: str
    cells: list[Window]


class SentimentTurn(NamedTuple):
    """The same of a model of sentiment: ``score`` and ``polarity``, None where the turn was not judged."""

    start: float
    end: float
    speaker: str
    score: float | None
    polarity: str | None
    overlap: float
    remark: str
    cells: list[SentimentWindow]


@overload
def predict_turns(
    model: RecordingModel[Any, Any, Window],
    path: str | Path,
    turns: Iterable[Span | tuple[float, float, str]],
    *,
    window: float = 3.0,
    hop: float = 1.0,
    smooth: int = 3,
    batch_size: int = BATCH,
    passed: Callable[[float], object] | None = None,
) -> list[TurnPrediction]: ...


@overload
def predict_turns(
    model: RecordingModel[Any, Any, SentimentWindow],
    path: str | Path,
    turns: Iterable[Span | tuple[float, float, str]],
    *,
    window: float = 3.0,
    hop: float = 1.0,
    smooth: int = 3,
    batch_size: int = BATCH,
    passed: Callable[[float], object] | None = None,
) -> list[SentimentTurn]: ...


def predict_turns(model, path, turns, *, window=3.0, hop=1.0, smooth=3, batch_size=BATCH, passed=None):
    """Judge every turn of a recording of any length.

    It is decoded twice, for its length and for its windows, and never held as a whole.

    Arguments
    ---------
    model : ser_plugins.inference.base.RecordingModel
        An ``EmotionClassifier`` or a ``SentimentRegressor``.
    path : str or Path
        An audio file of any rate and number of channels.
    turns : iterable of tuple
        (start, end, speaker), in s, in any order, overlapping or not; or what
        :func:`ser_plugins.corpora.rttm.read_spans` reads.
    window, hop, smooth, batch_size, passed
        As :func:`ser_plugins.inference.timeline.timeline` has them.

    Returns
    -------
    list of TurnPrediction or of SentimentTurn
        One per turn, in their order.

    Raises
    ------
    MissingPathError, AudioError, SerError
        As ``timeline``; and for a turn without a speaker, one that ends before it begins, or after the recording by
        more than ``ROUNDING``; and for turns that last no time at all.

    Example
    -------
    >>> import soundfile, tempfile
    >>> from ser_plugins.inference import open_model
    >>> path = tempfile.mkdtemp() + "/noise.wav"
    >>> soundfile.write(path, 0.1 * torch.randn(16000 * 9).numpy(), 16000)
    >>> model = open_model("small", device="cpu", any_sound=True)
    >>> turns = predict_turns(model, path, [(0.0, 6.0, "Ann"), (5.0, 9.0, "Ben"), (8.8, 9.0, "Ann")])
    >>> [(turn.speaker, turn.label in model.labels, round(turn.overlap, 1), turn.remark) for turn in turns]
    [('Ann', True, 1.0, ''), ('Ben', True, 1.2, ''), ('Ann', False, 0.2, 'too short')]
    """
    check_smoothing(window, hop, smooth)
    model.check_windows(window, hop, batch_size)
    turns = _checked([Span(*turn) for turn in turns], path)
    windows = [[] for _ in turns]
    cuts = _cut_turns(
        watched(open_recording(path, model.sample_rate), model.sample_rate, passed), turns, model, window, hop
    )
    for batch in batched(cuts, batch_size):
        judged = model.judge_cuts([(start, wave) for _, start, wave in batch], str(path))
        for (number, _, _), one in zip(batch, judged, strict=True):
            windows[number].append(one)
    overlaps = _overlaps(turns)
    return [_judged(model, *of_turn, smooth) for of_turn in zip(turns, overlaps, windows, strict=True)]


def _checked(turns, path) -> list[Span]:
    """The turns, their ends within the recording."""
    seconds = seconds_of(path)
    for turn in turns:
        if not turn.name:
            raise SerError(
                got=f"{turn.source}: from {turn.start:g} to {turn.end:g} s, of nobody",
                expected="a speaker",
                remedy="name one, or leave the turn out",
            )
        if not 0 <= turn.start <= turn.end <= seconds + ROUNDING:
            raise SerError(
                got=f"{turn.source}: {turn.name} from {turn.start:g} to {turn.end:g} s",
                expected=f"times in order, within the {seconds:.2f} s of {path}",
                remedy="give the turns of this very recording, in s",
            )
    turns = [turn._replace(start=min(turn.start, seconds), end=min(turn.end, seconds)) for turn in turns]
    if turns and all(turn.start == turn.end for turn in turns):
        raise SerError(
            got=f"{turns[0].source}: turns of 0 s alone",
            expected="at least one that lasts",
            remedy="give start and end of every turn, in s",
        )
    return turns


def _cut_turns(blocks, turns, model, window, hop) -> Iterator[tuple[int, int, torch.Tensor]]:
    """Windows of all turns that are long enough, as the recording passes: number of the turn, first sample, wave."""
    rate, least = model.sample_rate, shortest(model)
    bounds = [(round(turn.start * rate), round(turn.end * rate)) for turn in turns]
    waiting = sorted((number for number, (a, z) in enumerate(bounds) if z - a >= least), key=lambda n: -bounds[n][0])
    cutters: dict[int, WindowCutter] = {}  # of the turns that are under way
    position = 0
    for block in blocks:
        end = position + len(block)
        while waiting and bounds[waiting[-1]][0] < end:
            cutters[waiting.pop()] = WindowCutter(rate, window, hop, least)
        for number, cutter in list(cutters.items()):
            first, last = bounds[number]
            cuts = list(cutter.feed(block[max(first - position, 0) : last - position]))
            if last <= end:
                cuts += cutters.pop(number).close()
            yield from ((number, first + start, wave) for start, wave in cuts)
        position = end
    for number, cutter in cutters.items():  # their end was rounded
        yield from ((number, bounds[number][0] + start, wave) for start, wave in cutter.close() if len(wave) >= least)


def _judged(model, turn, overlap, windows, smooth):
    kind = TurnPrediction if model.window is Window else SentimentTurn
    nothing = [None] * (len(model.window._fields) - 2)
    if not windows:
        return kind(*turn[:3], *nothing, overlap, SHORT, [])
    cells = list(as_cells(smoothed(windows, smooth, model)))
    cells[0] = cells[0]._replace(start=turn.start)
    cells[-1] = cells[-1]._replace(end=turn.end)
    heard = [cell for cell in cells if is_heard(cell)]
    if not heard:
        return kind(*turn[:3], *nothing, overlap, SILENT, cells)
    outcome, remark = joined(heard, model)
    return kind(*turn[:3], *outcome, overlap, remark, cells)


def joined(cells: list, model: Any) -> tuple[tuple, str]:
    """The outcome of cells together, weighted by time, and what is to be said of it: ``unsure`` or nothing."""
    if not isinstance(cells[0], Window):
        score = time_mean(cells, lambda cell: cell.score)
        return (score, model.scale.polarity(score)), ""
    means = mean_probabilities(cells)
    label = max(means, key=means.__getitem__)
    if means[label] < model.abstain_below:
        return (None, means[label], means), UNSURE
    return (label, means[label], means), ""


def _overlaps(turns: Sequence[Span]) -> list[float]:
    """Of each turn, the s in which another speaker has one too.

    Example
    -------
    >>> _overlaps([Span(0.0, 3.0, "Ann"), Span(1.0, 2.0, "Ann"), Span(2.5, 4.0, "Ben"), Span(2.0, 3.5, "Cem")])
    [1.0, 0.0, 1.0, 1.5]
    """
    overlaps = [0.0] * len(turns)
    begins = sorted(range(len(turns)), key=lambda number: -turns[number].start)
    speaking: set[int] = set()
    for start, end in pairwise(sorted({time for turn in turns for time in turn[:2]})):
        while begins and turns[begins[-1]].start <= start:
            speaking.add(begins.pop())
        speaking = {number for number in speaking if turns[number].end > start}
        if len({turns[number].name for number in speaking}) > 1:
            for number in speaking:
                overlaps[number] += end - start
    return overlaps


class SpeakerEmotions(NamedTuple):
    """What :func:`by_speaker` says of one speaker.

    Arguments
    ---------
    speaker : str
        Who.
    turns : int
        How many turns.
    seconds : float
        s of them all.
    judged : float
        s in which the model heard somebody; the rest was too short, or silent.
    overlap : float
        s in which another speaker has a turn too.
    durations : dict
        s by label, or polarity; what the model abstained from is in none.
    shares : dict
        The same, divided by ``judged``.
    probabilities : dict or None
        Their means over the judged time; None of a model of sentiment, and where nothing was judged.
    score : float or None
        Likewise, of a model of sentiment.
    """

    speaker: str
    turns: int
    seconds: float
    judged: float
    overlap: float
    durations: dict[str, float]
    shares: dict[str, float]
    probabilities: dict[str, float] | None
    score: float | None


def by_speaker(
    turns: Sequence[TurnPrediction] | Sequence[SentimentTurn], labels: Sequence[str]
) -> list[SpeakerEmotions]:
    """Add up the turns of every speaker, in the order in which they first speak.

    Arguments
    ---------
    turns : sequence of TurnPrediction or of SentimentTurn
        As of :func:`predict_turns`.
    labels : sequence of str
        Classes, or polarities, that have a duration even where it is 0.

    Example
    -------
    >>> cells = [Window(0.0, 2.0, "joy", 0.8, {"joy": 0.8, "fear": 0.2}), Window(2.0, 3.0, None, None, None)]
    >>> turn = TurnPrediction(0.0, 3.0, "Ann", "joy", 0.8, {"joy": 0.8, "fear": 0.2}, 0.0, "", cells)
    >>> (ann,) = by_speaker([turn], ["joy", "fear"])
    >>> ann.seconds, ann.judged, ann.durations, ann.shares
    (3.0, 2.0, {'joy': 2.0, 'fear': 0.0}, {'joy': 1.0, 'fear': 0.0})
    """
    of_speakers: dict[str, list] = {}
    ordered: list[Any] = sorted(turns, key=attrgetter("start"))
    for turn in ordered:
        of_speakers.setdefault(turn.speaker, []).append(turn)
    return [_speaker(own, labels) for own in of_speakers.values()]


def _speaker(turns: Any, labels) -> SpeakerEmotions:
    heard = [cell for turn in turns for cell in turn.cells if is_heard(cell)]
    judged = sum(cell.end - cell.start for cell in heard)
    durations = Counter(dict.fromkeys(labels, 0.0))
    for cell in heard:
        label = cell.label if isinstance(cell, Window) else cell.polarity
        if label is not None:
            durations[label] += cell.end - cell.start
    emotions = bool(heard) and isinstance(heard[0], Window)
    return SpeakerEmotions(
        turns[0].speaker,
        len(turns),
        sum(turn.end - turn.start for turn in turns),
        judged,
        sum(turn.overlap for turn in turns),
        dict(durations),
        {label: duration / judged if judged else 0.0 for label, duration in durations.items()},
        mean_probabilities(heard) if emotions else None,
        time_mean(heard, lambda cell: cell.score) if heard and not emotions else None,
    )
