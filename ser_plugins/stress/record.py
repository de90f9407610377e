"""What a trial leaves behind in ``stress.json``: scores under all conditions, and of groups of speakers."""

from dataclasses import dataclass
from pathlib import Path

from ser_plugins.errors import SerError
from ser_plugins.files import read_json
from ser_plugins.inference.card_scores import ConditionChange, GroupScore, StressScores
from ser_plugins.stress.folder import FILE
from ser_plugins.stress.summary import Group, Robustness
from ser_plugins.typed_json import noun_json, read_noun

SCHEMA = 2


@dataclass(frozen=True, kw_only=True)
class StressRecord:
    """A finished trial.

    Arguments
    ---------
    model : str
        As the command named it.
    model_sha256 : str
        Of its weights and description; see :func:`ser_plugins.stress.trial.identity`.
    test_set : str
        Name of the CSV.
    recordings : int
        That were judged.
    speakers : int or None
        None where the CSV does not say them.
    conditions : tuple of Robustness
        As recorded first.
    groups : tuple of Group
        By the columns that were asked for.
    """

    model: str
    model_sha256: str
    test_set: str
    recordings: int
    speakers: int | None
    conditions: tuple[Robustness, ...]
    groups: tuple[Group, ...]

    def to_json(self) -> dict:
        """The content of ``stress.json``."""
        return {"schema": SCHEMA, **noun_json(self)}

    def for_card(self) -> StressScores:
        """The lines that stand in a model card: of every family of conditions the worst."""
        plain, *changed = self.conditions
        families: dict[str, list[Robustness]] = {}
        for row in changed:
            families.setdefault(row.family, []).append(row)
        worst = [min(rows, key=lambda row: row.change) for rows in families.values()]
        return StressScores(
            test_set=self.test_set,
            recordings=self.recordings,
            speakers=self.speakers,
            uar=plain.uar,
            interval=plain.interval,
            worst=tuple(
                ConditionChange(row.family, row.condition, row.uar, row.change, row.change_interval) for row in worst
            ),
            groups=tuple(card_group(group) for group in self.groups),
        )


def card_group(group: Group) -> GroupScore:
    """What a card says of a group; without the classes that it lacks."""
    return GroupScore(
        column=group.column,
        value=group.value,
        speakers=group.speakers,
        recordings=group.recordings,
        uar=group.uar,
        interval=group.interval,
        recalls={name: recall for name, recall in group.recalls.items() if recall is not None},
        verdict=group.verdict,
    )


def read_stress(folder) -> StressRecord:
    """Read what ``ser stress`` has left in a folder.

    Raises
    ------
    MissingPathError, SerError
        No finished trial there, or one of another version.
    """
    path = Path(folder) / FILE

    def refusal(got, expected):
        return SerError(got=f"{path}: {got}", expected=expected, remedy="give the command again: ser stress --out")

    content = read_json(path)
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        got = f"schema {content.get('schema')!a:.50}" if isinstance(content, dict) else type(content).__name__
        raise refusal(got, f"the numbers of ser stress, schema {SCHEMA}")
    record = read_noun(StressRecord, content, refusal)
    if not record.conditions:
        raise refusal("conditions: []", "one or more, as recorded first")
    return record
