"""Two trials of the same recordings held against each other, condition by condition.

Differences are those of the first minus those of the second, with 95 % intervals of a bootstrap over speakers in which
every draw takes the same speakers for both models and for the recordings as they are.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ser_plugins.errors import SerError
from ser_plugins.evaluation.metrics.intervals import summed_bootstrap
from ser_plugins.stress.record import StressRecord, read_stress
from ser_plugins.stress.summary import Robustness, confusions_by_speaker, pair, uar_of
from ser_plugins.stress.trial import NO_SPEECH, kept_answers, kept_recordings
from ser_plugins.typed_json import noun_json


@dataclass(frozen=True, kw_only=True)
class ConditionDifference:
    """Two models under one condition.

    Arguments
    ---------
    condition, family : str
        Its name, and what it belongs to.
    uar, change : tuple of float
        Of the first and the second model: 0..1, and to its own answers to the recordings as they are.
    difference, change_difference : float
        First minus second, of each.
    interval, change_interval : tuple of float or None
        95 % of these; None with one speaker.
    """

    condition: str
    family: str
    uar: tuple[float, float]
    difference: float
    interval: tuple[float, float] | None
    change: tuple[float, float]
    change_difference: float
    change_interval: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class StressComparison:
    """Two trials.

    Arguments
    ---------
    models : tuple of str
        As the commands named them; where both are the same, with their folders.
    test_sets : tuple of str
        Names of the CSVs.
    recordings, speakers : int
        That both have judged; every recording is a speaker where the CSV does not say them.
    conditions : tuple of ConditionDifference
        As recorded first.
    """

    models: tuple[str, str]
    test_sets: tuple[str, str]
    recordings: int
    speakers: int
    conditions: tuple[ConditionDifference, ...]

    @property
    def conclusion(self) -> str:
        """What may be said, in a sentence."""
        changed = self.conditions[1:]
        if self.speakers < 2:
            return "One speaker says nothing about the next: there are no intervals."
        first, second = (
            [row.condition for row in changed if row.change_interval and side * row.change_interval[0] > 0
             and side * row.change_interval[1] > 0]
            for side in (1, -1)
        )  # fmt: skip
        return (
            f"Of {len(changed)} conditions, {len(first)} cost {self.models[1]} more than {self.models[0]}, and "
            f"{len(second)} the other way round, by intervals that leave out 0; of so many, chance alone gives about "
            f"{0.05 * len(changed):.0f}."
        )

    def to_json(self) -> dict:
        """All numbers, by name."""
        return {"schema": 1, **noun_json(self), "conclusion": self.conclusion}


def compare_stress(first, second) -> StressComparison:
    """Hold two trials of the same recordings against each other.

    Arguments
    ---------
    first, second : str or Path
        Folders that ``ser stress`` has filled.

    Raises
    ------
    MissingPathError, SerError
        A folder without a finished trial; other recordings, labels or speakers; other conditions.
    """
    folders = [Path(first), Path(second)]
    records = [read_stress(folder) for folder in folders]
    recordings = _common_recordings(folders)
    _refuse_other_conditions(folders, records)
    names = [row.condition for row in records[0].conditions]
    tables = [{name: kept_answers(folder, name) for name in names} for folder in folders]
    predicted = {answer for kept in tables for table in kept.values() for answer in table["predicted"]}
    classes = sorted((set(recordings["true"]) | predicted) - {NO_SPEECH})
    first_counts, second_counts = (
        {name: confusions_by_speaker(recordings, table, classes) for name, table in kept.items()} for kept in tables
    )
    models = [record.model for record in records]
    if models[0] == models[1]:
        models = [f"{model} ({folder})" for model, folder in zip(models, folders, strict=True)]
    return StressComparison(
        models=(models[0], models[1]),
        test_sets=(records[0].test_set, records[1].test_set),
        recordings=len(recordings),
        speakers=recordings["speaker"].nunique(),
        conditions=tuple(_difference(row, first_counts, second_counts, names[0]) for row in records[0].conditions),
    )


def _difference(row: Robustness, first: dict, second: dict, as_recorded: str) -> ConditionDifference:
    """From the confusions (1, speakers, classes + 1, classes + 1) of both models, by condition."""
    changed = [counts[row.condition] for counts in (first, second)]
    plain = [counts[as_recorded] for counts in (first, second)]
    uar = tuple(map(uar_of, changed))
    change = tuple(score - uar_of(counts) for score, counts in zip(uar, plain, strict=True))
    several = changed[0].shape[1] > 1
    of_uar = [(1, changed[0]), (-1, changed[1])]
    of_change = [*of_uar, (-1, plain[0]), (1, plain[1])]
    return ConditionDifference(
        condition=row.condition,
        family=row.family,
        uar=(uar[0], uar[1]),
        difference=uar[0] - uar[1],
        interval=pair(summed_bootstrap(of_uar)["UAR"]) if several else None,
        change=(change[0], change[1]),
        change_difference=change[0] - change[1],
        change_interval=pair(summed_bootstrap(of_change)["UAR"]) if several else None,
    )


def _common_recordings(folders: list[Path]) -> pd.DataFrame:
    first, second = (kept_recordings(folder) for folder in folders)
    if first.equals(second):
        return first
    rows = [set(table.itertuples(index=False, name=None)) for table in (first, second)]
    raise SerError(
        got=f"{folders[0]} and {folders[1]}: {len(rows[0] - rows[1])} recordings of the first and "
        f"{len(rows[1] - rows[0])} of the second are not in the other, by name, label and speaker and in this order",
        expected="two trials of the same recordings",
        remedy="try both models on the same CSV: ser stress --csv TEST --model FOLDER --out NEW_FOLDER",
    )


def _refuse_other_conditions(folders: list[Path], records: list[StressRecord]) -> None:
    first, second = ([row.condition for row in record.conditions] for record in records)
    if first != second:
        raise SerError(
            got=f"{folders[0]}: {len(first)} conditions, {folders[1]}: {len(second)}, not the same",
            expected="two trials by one version of ser stress",
            remedy="give both commands again",
        )
