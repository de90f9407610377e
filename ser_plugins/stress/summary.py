"""From the answers under all conditions to scores with intervals: robustness, and fairness between groups of speakers.

- **Unchanged**: share of the recordings whose label is that of the recording as it is.
- **Change of UAR**: under a condition minus as recorded, a paired bootstrap over speakers.
- **Groups**: UAR and macro false-alarm rate (the mean over the classes of the share of other classes' recordings that
  are called so) of the speakers of a group. The difference between a group and all others is tested by permuting whole
  speakers (R. A. Fisher, The Design of Experiments, 1935, sec. 21; 5,000 draws), p with one added to both counts.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ser_plugins.evaluation.metrics.classification import confusion, pooled_scores
from ser_plugins.evaluation.metrics.intervals import cluster_bootstrap, paired_bootstrap, speaker_bootstrap
from ser_plugins.stress.conditions import CONDITIONS
from ser_plugins.stress.trial import AS_RECORDED, NO_SPEECH, LabelledRecordings

FEWEST_SPEAKERS = 5  # in a group and beside it, for a test
DRAWS = 5000
SIGNIFICANT = 0.05
FAMILIES = {condition.name: condition.family for condition in CONDITIONS}


@dataclass(frozen=True)
class Robustness:
    """One condition.

    Arguments
    ---------
    condition, family : str
        Its name, and what it belongs to; recordings as they are belong to nothing.
    uar : float
        0..1.
    interval : tuple of float or None
        95 %; None with one speaker, as all others.
    change : float
        Of UAR, to as recorded.
    change_interval : tuple of float or None
        95 %.
    unchanged : float
        0..1.
    unchanged_interval : tuple of float or None
        95 %.
    no_speech : int
        Recordings in which no speech was heard.
    """

    condition: str
    family: str
    uar: float
    interval: tuple[float, float] | None
    change: float
    change_interval: tuple[float, float] | None
    unchanged: float
    unchanged_interval: tuple[float, float] | None
    no_speech: int


@dataclass(frozen=True)
class Group:
    """The speakers of one value of a column.

    Arguments
    ---------
    column, value : str
        Such as ``sex`` and ``female``.
    speakers, recordings : int
        How many there are.
    uar, false_alarms : float
        0..1; over the classes that the group has, and over all that others can be called.
    interval : tuple of float or None
        Of the UAR, 95 % over the speakers; None with one.
    difference : float
        UAR minus that of all other speakers.
    p : float or None
        Of that difference; None where it cannot be tested.
    verdict : str
        What may be said.
    recalls : dict
        By class; None for a class that the group lacks.
    """

    column: str
    value: str
    speakers: int
    recordings: int
    uar: float
    false_alarms: float
    interval: tuple[float, float] | None
    difference: float
    p: float | None
    verdict: str
    recalls: dict[str, float | None]


def robustness(tests: LabelledRecordings, answers: dict[str, pd.DataFrame], classes: list[str]) -> list[Robustness]:
    """Every condition against the recordings as they are, which come first."""
    speakers = tests.table["speaker"].to_numpy()
    plain = confusions_by_speaker(tests.table, answers[AS_RECORDED], classes)
    rows = []
    for name, table in answers.items():
        confusions = confusions_by_speaker(tests.table, table, classes)
        same = (table["predicted"] == answers[AS_RECORDED]["predicted"]).to_numpy(float)
        several = len(confusions[0]) > 1
        uar = uar_of(confusions)
        unchanged = cluster_bootstrap(lambda places, same=same: {"same": same[places].mean()}, speakers)
        rows.append(
            Robustness(
                condition=name,
                family=FAMILIES.get(name, ""),
                uar=uar,
                interval=pair(speaker_bootstrap(confusions)["UAR"]) if several else None,
                change=uar - uar_of(plain),
                change_interval=pair(paired_bootstrap(confusions, plain)["UAR"]) if several else None,
                unchanged=float(same.mean()),
                unchanged_interval=pair(unchanged["same"]) if several else None,
                no_speech=int((table["predicted"] == NO_SPEECH).sum()),
            )
        )
    return rows


def groups(tests: LabelledRecordings, plain: pd.DataFrame, classes: list[str], column: str) -> list[Group]:
    """How the recordings as they are were judged, by the values of a column of the CSV."""
    table = tests.table.assign(predicted=plain["predicted"].to_numpy())
    values = sorted(set(table[column]))
    constant = tests.speakers_told and bool((table.groupby("speaker")[column].nunique() == 1).all())
    rows = []
    for value in values:
        inside = table[table[column] == value]
        outside = table[table[column] != value]
        counts = np.array(confusion(inside["true"], inside["predicted"], [*classes, NO_SPEECH]))
        speakers = inside["speaker"].nunique()
        per_speaker = confusions_by_speaker(inside, inside, classes)
        difference = (
            uar_of(per_speaker) - uar_of(confusions_by_speaker(outside, outside, classes)) if len(outside) else 0.0
        )
        p, verdict = _tested(table, column, value, classes, constant)
        rows.append(
            Group(
                column=column,
                value=value,
                speakers=speakers,
                recordings=len(inside),
                uar=uar_of(per_speaker),
                false_alarms=_false_alarms(counts, len(classes)),
                interval=pair(speaker_bootstrap(per_speaker)["UAR"]) if speakers > 1 else None,
                difference=difference,
                p=p,
                verdict=verdict,
                recalls=_recalls(counts, classes),
            )
        )
    return rows


def pair(bounds) -> tuple[float, float] | None:
    """Both ends of an interval; None where it has none."""
    return None if bounds is None else (float(bounds[0]), float(bounds[1]))


def confusions_by_speaker(table, answers, classes) -> np.ndarray:
    """(1, speakers, classes + 1, classes + 1): counts of each speaker, reference in rows, the last class no speech."""
    joined = pd.DataFrame(
        {name: values.to_numpy() for name, values in (("speaker", table["speaker"]), ("true", table["true"]),
                                                      ("predicted", answers["predicted"]))}
    )  # fmt: skip
    names = [*classes, NO_SPEECH]
    return np.array([[confusion(rows["true"], rows["predicted"], names) for _, rows in joined.groupby("speaker")]])


def uar_of(confusions: np.ndarray) -> float:
    """Of the counts of all speakers together."""
    return float(pooled_scores(confusions.sum(axis=(0, 1)))["UAR"])


def _false_alarms(counts: np.ndarray, classes: int) -> float:
    """Mean over the classes of false positives / recordings of other classes."""
    positives = counts[:, :classes].sum(axis=0) - np.diagonal(counts)[:classes]
    negatives = counts.sum() - counts.sum(axis=1)[:classes]
    return float((positives[negatives > 0] / negatives[negatives > 0]).mean())


def _recalls(counts: np.ndarray, classes: list[str]) -> dict:
    support = counts.sum(axis=1)
    return {name: float(counts[i, i] / support[i]) if support[i] else None for i, name in enumerate(classes)}


def _tested(table, column, value, classes, constant) -> tuple[float | None, str]:
    """The p of a difference of UAR between a group and all others, and what may be said of it."""
    if not constant:
        return None, f"not tested: {column} is not a property of speakers"
    of_speaker = table.groupby("speaker")[column].first()
    inside = (of_speaker == value).to_numpy()
    fewest = int(min(inside.sum(), (~inside).sum()))
    if fewest < FEWEST_SPEAKERS:
        return None, f"nothing can be concluded: {fewest} speaker{'s' * (fewest != 1)} on one side"
    (confusions,) = confusions_by_speaker(
        table, table, classes
    )  # (speakers, classes, classes), in the order of of_speaker

    def differences(sides):  # (draws, speakers) of True and False -> (draws,)
        first, second = (pooled_scores(np.einsum("ds,sij->dij", side, confusions))["UAR"] for side in (sides, ~sides))
        return first - second

    observed = float(differences(inside[None])[0])
    rng = np.random.default_rng(0)
    drawn = differences(rng.permuted(np.tile(inside, (DRAWS, 1)), axis=1))
    p = float(((abs(drawn) >= abs(observed) - 1e-12).sum() + 1) / (DRAWS + 1))
    if p >= SIGNIFICANT:
        return p, "no difference shown; that is not the same as none"
    return p, "better than the others" if observed > 0 else "worse than the others"
