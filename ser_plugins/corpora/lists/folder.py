"""A folder of folds: which file is which part of which fold, by their names."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from ser_plugins.corpora.lists.indices import SUFFIXES
from ser_plugins.corpora.lists.kaldi import is_kaldi
from ser_plugins.corpora.lists.parts import place_of, short_names
from ser_plugins.errors import SerError

LISTS = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", *SUFFIXES)


@dataclass(frozen=True)
class FoldFiles:
    """What a folder holds.

    Arguments
    ---------
    folds : dict
        ``{fold: {part: path}}``.
    held_out : dict
        ``{fold: path}``, where each file is the test of a fold, and nothing names parts.
    ignored : list of str
        Files whose names say no part.
    """

    folds: dict[str, dict[str, Path]] = field(default_factory=dict)
    held_out: dict[str, Path] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)


def find_folds(folder: Path) -> FoldFiles:
    """Find the lists in a folder and below it.

    Raises
    ------
    SerError
        No file that names a part; two for one part of a fold.
    """
    candidates = _candidates(folder)
    places = {path: place_of(path.relative_to(folder)) for path in candidates}
    named = {path: place for path, place in places.items() if place is not None}
    if not named:
        return FoldFiles(held_out=_numbered(folder, candidates))
    by_place: dict[tuple, dict[str, Path]] = {}
    for path, (place, part) in named.items():
        other = by_place.setdefault(place, {}).setdefault(part, path)
        if other is not path:
            raise SerError(
                got=f"{folder}: {other.relative_to(folder)} and {path.relative_to(folder)} are both {part}",
                expected="one list for each part of a fold",
                remedy="remove one, or name the lists one by one",
            )
    ignored = [path.relative_to(folder).as_posix() for path in candidates if path not in named]
    common = by_place[()] if () in by_place and len(by_place) > 1 else {}
    if common and "train" not in common:  # such as one test for all folds
        del by_place[()]
    else:
        common = {}
    names = short_names(by_place)
    folds = {names[place]: {**common, **parts} for place, parts in by_place.items()}
    return FoldFiles(folds=dict(sorted(folds.items(), key=lambda fold: _natural(fold[0]))), ignored=ignored)


def _candidates(folder: Path) -> list[Path]:
    """Lists, and folders of Kaldi, sorted; nothing hidden, nothing inside a folder of Kaldi."""
    paths = [path for path in folder.rglob("*") if not any(p.startswith(".") for p in path.relative_to(folder).parts)]
    data = {path for path in paths if path.is_dir() and is_kaldi(path)}
    lists = [path for path in paths if path.suffix.lower() in LISTS and path.is_file() and path.parent not in data]
    return sorted([*lists, *data], key=lambda path: _natural(path.as_posix()))


def _numbered(folder: Path, candidates: list[Path]) -> dict[str, Path]:
    """Files that differ in a number only: each is held out in turn."""
    stems = {re.sub(r"\d+", "#", path.relative_to(folder).as_posix()) for path in candidates}
    if len(stems) != 1 or len(candidates) < 2:
        names = ", ".join(path.relative_to(folder).as_posix() for path in candidates[:10])
        raise SerError(
            got=f"{folder}: {names or 'no lists'}",
            expected="lists such as fold1/train.csv and fold1/test.csv, fold_1_test.jsonl, or fold1.csv, fold2.csv",
            remedy="name the lists of train and test one by one, or rename them so that they say what they are",
        )
    return {path.stem: path for path in candidates}


def _natural(text: str) -> list:
    """A key by which fold2 comes before fold10."""
    return [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece) for piece in re.split(r"(\d+)", text)]
