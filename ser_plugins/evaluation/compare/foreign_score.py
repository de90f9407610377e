"""The scores of anyone's predictions, with the intervals of any run here, speaker by speaker."""

from collections import Counter
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from ser_plugins.corpora.lists.division import Division
from ser_plugins.corpora.verify import first_few
from ser_plugins.errors import SerError
from ser_plugins.evaluation.compare.comparable import Run, foreign_run
from ser_plugins.evaluation.report.tables import interval_text
from ser_plugins.evaluation.runs.foreign import foreign_classes, plain_id, read_foreign_table
from ser_plugins.plain import markdown, terminal, terminal_table

HEADER = ["score", "value", "95 % interval", "majority class"]


@dataclass(frozen=True, eq=False)
class ScoredPredictions:
    """Scores of a file of predictions.

    Arguments
    ---------
    run : Run
        The predictions, and their summary.
    notes : tuple of str
        What a reader has to know of them.
    """

    run: Run
    notes: tuple[str, ...]

    def rows(self) -> list[list[str]]:
        """A row per score: its name, value, 95 % interval, and what the majority class would have."""
        summary = self.run.summary
        [baseline] = summary.baselines
        return [
            [
                score.heading,
                score.text(summary.metrics[name], 2),
                interval_text(summary.intervals[name], score),
                score.text(baseline.get(name), 2),
            ]
            for name, score in self.run.task.scores.items()
        ]

    def terminal(self):
        """The scores as rich shows them."""
        from rich.console import Group

        table = terminal_table(f"predictions {self.run.summary.system}", HEADER, self.rows())
        return Group(table, *(terminal(f"- {note}") for note in self.notes))

    def markdown(self) -> str:
        """The scores in Markdown."""
        rows = [HEADER, ["---"] * len(HEADER), *self.rows()]
        lines = [f"| {' | '.join(row)} |" for row in rows]
        notes = [f"- {markdown(note)}" for note in self.notes]
        return "\n".join([f"## Predictions {markdown(self.run.summary.system)}", "", *lines, "", *notes, ""])

    def to_json(self) -> dict[str, Any]:
        """Scores from 0 to 1 with their intervals, and the notes."""
        summary = self.run.summary
        return {
            "system": summary.system,
            "utterances": summary.utterances,
            "scores": {name: summary.metrics[name] for name in self.run.task.scores},
            "intervals": dict(summary.intervals),
            "per_class": summary.metrics["per_class"],
            "per_unit": list(summary.per_unit),
            "notes": list(self.notes),
        }


def score_predictions(path, division: Division | None = None) -> ScoredPredictions:
    """Score a file of predictions.

    Arguments
    ---------
    path : path-like
        CSV with the columns id, true, predicted; and speaker, fold, seed, ``p_<class>``, where they are known.
    division : Division, optional
        Whose test it was: speakers and folds are then taken from that.

    Raises
    ------
    SerError
        A file that cannot be read, or predictions of something else than what is tested.
    """
    notes = []
    if division is None:
        table = read_foreign_table(path)
    else:
        tested = _tested(division)
        known = _spellings(tested)
        table = read_foreign_table(
            path,
            units={name: str(tested[id_][0].get("speaker", "")) for name, id_ in known.items()},
            folds={name: tested[id_][1] for name, id_ in known.items()},
        )
        notes += _compared_with_test(path, table, tested, known)
    run = foreign_run(path, table, foreign_classes([table]))
    units = sorted({unit for unit in table["unit"] if unit})
    utterances = run.summary.utterances
    notes.append(
        f"{utterances:,} utterances, {len(units)} speakers; WA by Wilson, the others by bootstrap over speakers"
    )
    if len(units) < 2:
        notes[-1] = f"{utterances:,} utterances; no column speaker, so that only WA has an interval"
    return ScoredPredictions(run, tuple(notes))


def _tested(division: Division) -> dict[str, tuple[dict, str]]:
    """Fields and fold of every utterance that is tested."""
    return {id_: (fields, fold.name) for fold in division.folds for id_, fields in fold.parts["test"].items()}


def _spellings(tested) -> dict[str, str]:
    """The ids by what predictions may call them: themselves, without the suffix, or the name of the file alone."""
    short = Counter(PurePosixPath(plain_id(id_)).name for id_ in tested)
    names = {PurePosixPath(plain_id(id_)).name: id_ for id_ in tested}
    return {
        **{name: id_ for name, id_ in names.items() if short[name] == 1},
        **{plain_id(id_): id_ for id_ in tested},
        **{id_: id_ for id_ in tested},
    }


def _compared_with_test(path, table, tested, known) -> list[str]:
    """Refuse predictions of other utterances; say which are missing, and which labels differ."""
    if stray := [id_ for id_ in table["id"] if id_ not in known]:
        raise SerError(
            got=f"{path}: {len(stray)} predictions of what is not tested: {first_few(stray)}",
            expected="ids of the test, or names of its files",
            remedy="check which lists the predictions belong to",
        )
    notes = []
    if missing := sorted(set(tested) - {known[id_] for id_ in table["id"]}):
        notes.append(f"no prediction of {len(missing)} of {len(tested)} tested utterances: {first_few(missing)}")
    labels = {id_: str(fields["label"]) for id_, (fields, _) in tested.items() if fields.get("label")}
    pairs = [(known[id_], true) for id_, true in zip(table["id"], table["true"], strict=True)]
    other = [id_ for id_, true in pairs if id_ in labels and labels[id_] != true]
    if other and {true for _, true in pairs} <= set(labels.values()):
        notes.append(f"{len(other)} true labels are not those of the lists: {first_few(other)}")
    return notes
