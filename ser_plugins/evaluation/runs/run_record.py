"""What a packed run says of itself: the content of its ``run.json``."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ser_plugins.errors import SerError
from ser_plugins.evaluation.runs.fold_record import FoldRecord
from ser_plugins.typed_json import noun_json, read_noun

SCHEMA = 2
READABLE = (1, SCHEMA)  # they differ in the number alone
_OF_FOLD = ("seed", "fold", "audit", "counts", "history", "wall_time_s")  # in `folds` also where all say the same
_IN_THE_TABLE: dict[str, Any] = {"units": {}, "metrics": None}  # of a fold, as it is read before the table is


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """All folds of all seeds, and what lay beside them.

    Arguments
    ---------
    predictions_sha256 : str
        Of the table, unpacked: whether the two files belong together.
    folds : tuple of FoldRecord
        In order; without units and scores, which follow from the table.
    lockbox_log : tuple of str
        When a sealed run was opened.
    selection : dict, optional
        ``selection.json`` of a nested choice.
    robustness : dict, optional
        What other conditions cost.
    equal_seeds : tuple of int
        Seeds that were trained and predicted the same, of which the first is kept.
    """

    predictions_sha256: str
    folds: tuple[FoldRecord, ...]
    lockbox_log: tuple[str, ...] = ()
    selection: dict[str, Any] | None = None
    robustness: dict[str, Any] | None = None
    equal_seeds: tuple[int, ...] = ()

    def to_json(self) -> dict:
        """The content of ``run.json``: what all folds say alike once, under ``run``; the rest under ``folds``."""
        folds = [_without_table(fold) for fold in self.folds]
        shared = {
            key: value
            for key, value in folds[0].items()
            if key not in _OF_FOLD and len({key in fold and json.dumps(fold[key]) for fold in folds}) == 1
        }
        optional = noun_json(self)
        return {
            "schema": SCHEMA,
            "predictions_sha256": optional.pop("predictions_sha256"),
            "run": shared,
            **optional,
            "folds": [{key: value for key, value in fold.items() if key not in shared} for fold in folds],
        }

    @classmethod
    def from_json(cls, content, path: Path) -> "RunRecord":
        """Read and check what :meth:`to_json` makes.

        Arguments
        ---------
        content : object
            The content of ``run.json``.
        path : Path
            Where it was read.

        Raises
        ------
        SerError
            Another schema, or keys that are missing or hold another kind of value.
        """
        if not isinstance(content, dict) or content.get("schema") not in READABLE:
            name = f"schema {content.get('schema')!a:.50}" if isinstance(content, dict) else type(content).__name__
            raise damaged(path, name, f"a packed run, schema {SCHEMA}")
        if not isinstance(content.get("run"), dict):
            raise damaged(path, f"run: {content.get('run')!a:.50}", "an object, of what all folds say alike")
        if not isinstance(content.get("folds"), list) or not content["folds"]:
            raise damaged(path, f"folds: {content.get('folds')!a:.50}", "a list of folds")
        for fold in content["folds"]:
            if not isinstance(fold, dict):
                raise damaged(path, f"folds: {fold!a:.50}", "an object per fold, with its seed and name")
        folds = [FoldRecord.from_fields({**_IN_THE_TABLE, **content["run"], **fold}, path) for fold in content["folds"]]
        return read_noun(cls, {**content, "folds": folds}, partial(damaged, path))


def damaged(path, got, expected) -> SerError:
    """What is raised of a packed run that is none."""
    return SerError(got=f"{path}: {got}", expected=expected, remedy="restore the file, or pack the run again: ser pack")


def _without_table(fold: FoldRecord) -> dict:
    """What is kept of a fold's ``results.json``."""
    kept = {key: value for key, value in noun_json(fold).items() if key not in _IN_THE_TABLE}
    return {**kept, "auxiliary": {target: {"scale": part.scale} for target, part in fold.auxiliary.items()}}
