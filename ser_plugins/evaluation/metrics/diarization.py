"""Emotion diarization error rate (EDER): which share of a recording's time has the wrong emotion.

Wang, Ravanelli & Yacoubi (2023), *Speech Emotion Diarization: Which Emotion Appears When?* (ASRU), define

    EDER = (false alarm + missed emotion + confusion + overlap) / duration of the utterance

- **false alarm** (FA): time that is not emotional and is predicted as emotional;
- **missed emotion** (ME): emotional time that is predicted as not emotional;
- **confusion** (CF): emotional time that is given to other, wrong emotions;
- **overlap** (OL): time of one emotion to which others are predicted besides the right one.

What is neutral, or has no label, is not emotional. There is no collar. Their corpus (ZED) has one emotion at a time in
its reference; where a reference has several at once, the same rule is read over sets: what is predicted is right when
it is the same set, missed when it is a part of it, overlap when it holds it and more, and confusion otherwise. So no
moment counts twice, and the rate is at most 1. They report the mean of the recordings' rates.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from ser_plugins.corpora.rttm import Span
from ser_plugins.errors import SerError

NEUTRAL = ("neutral",)


class DiarizationErrors(NamedTuple):
    """The parts of the rate, each in s; of several recordings their sums.

    Arguments
    ---------
    duration : float
        What is divided by.
    missed, false_alarm, confusion, overlap : float
        As the module has them.
    """

    duration: float
    missed: float
    false_alarm: float
    confusion: float
    overlap: float

    @property
    def eder(self) -> float:
        """The rate, 0..1."""
        return sum(self[1:]) / self.duration


def diarization_errors(
    reference: Iterable[Span],
    estimate: Iterable[Span],
    *,
    neutral: Sequence[str] = NEUTRAL,
    scored: Sequence[tuple[float, float]] | None = None,
) -> DiarizationErrors:
    """Compare two annotations of one recording.

    Arguments
    ---------
    reference, estimate : iterable of Span
        Segments with an emotion, in any order; those without a name, and gaps, are not emotional.
    neutral : sequence of str
        Names that are not emotional either.
    scored : sequence of tuple of float, optional
        (start, end) of what is scored, in s; by default from 0 to the last end of either annotation. What lies in
        several of them counts once.

    Raises
    ------
    SerError
        Nothing is scored.

    Example
    -------
    >>> reference = [Span(0.0, 4.0, "neutral"), Span(4.0, 8.0, "joy"), Span(8.0, 10.0, "fear")]
    >>> estimate = [Span(3.0, 7.0, "joy"), Span(7.0, 10.0, "anger")]
    >>> errors = diarization_errors(reference, estimate)
    >>> errors.false_alarm, errors.missed, errors.confusion, errors.eder
    (1.0, 0.0, 3.0, 0.4)
    """
    reference, estimate = list(reference), list(estimate)
    if scored is None:
        scored = [(0.0, max((span.end for span in (*reference, *estimate)), default=0.0))]
    scored = _union(scored)
    duration = sum(end - start for start, end in scored)
    if not duration > 0:
        raise SerError(
            got="annotations without any time", expected="a recording of more than 0 s", remedy="check both files"
        )
    seconds = {"missed": 0.0, "false_alarm": 0.0, "confusion": 0.0, "overlap": 0.0}
    sides = (_emotional(reference, neutral), _emotional(estimate, neutral))
    for time, emotions, answers in _stretches(*sides, scored):
        if kind := _error(emotions, answers):
            seconds[kind] += time
    return DiarizationErrors(duration, **seconds)


def pooled(errors: Sequence[DiarizationErrors]) -> DiarizationErrors:
    """Of several recordings, by time."""
    return DiarizationErrors(*(sum(parts) for parts in zip(*errors, strict=True)))


def _emotional(spans, neutral) -> list[Span]:
    return [span for span in spans if span.name is not None and span.name not in neutral and span.end > span.start]


def _union(regions) -> list[tuple[float, float]]:
    """The same time in regions, (start, end), that do not overlap.

    Example
    -------
    >>> _union([(4.0, 6.0), (0.0, 2.0), (1.0, 3.0)])
    [(0.0, 3.0), (4.0, 6.0)]
    """
    union: list[tuple[float, float]] = []
    for start, end in sorted(regions):
        if union and start <= union[-1][1]:
            union[-1] = (union[-1][0], max(end, union[-1][1]))
        else:
            union.append((start, end))
    return union


def _stretches(reference, estimate, scored):
    """Stretches of scored time in which nothing changes: s, and the emotions of either side."""
    events = [(time, True, None, change) for start, end in scored for time, change in ((start, 1), (end, -1))]
    for estimated, spans in ((False, reference), (True, estimate)):
        for span in spans:
            events += [(span.start, estimated, span.name, 1), (span.end, estimated, span.name, -1)]
    events.sort(key=lambda event: event[0])
    inside = 0
    active = ({}, {})
    for (time, estimated, name, change), (after, *_) in pairwise(events):
        if name is None:
            inside += change
        else:
            active[estimated][name] = active[estimated].get(name, 0) + change
        if inside and after > time:
            yield after - time, *({name for name, count in side.items() if count} for side in active)


def _error(emotions: set, answers: set) -> str | None:
    """What kind of error it is to answer so, if any."""
    if answers == emotions:
        return None
    if answers < emotions:
        return "missed"
    if emotions < answers:
        return "overlap" if emotions else "false_alarm"
    return "confusion"
