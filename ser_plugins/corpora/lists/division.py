"""How a corpus is divided: three lists, one list with a split or fold in it, or a folder of folds -> folds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ser_plugins.corpora.lists.audformat import is_audformat, tables_of_parts
from ser_plugins.corpora.lists.folder import find_folds
from ser_plugins.corpora.lists.kaldi import is_kaldi
from ser_plugins.corpora.lists.parts import PARTS
from ser_plugins.corpora.lists.reading import Reader
from ser_plugins.corpora.names import is_name
from ser_plugins.corpora.verify import first_few
from ser_plugins.errors import MissingPathError, SerError

NAMES = ("train", "valid", "test")


@dataclass(frozen=True)
class Fold:
    """One way of dividing: ``parts`` has a manifest for each of ``train``, ``valid`` (may be empty) and ``test``."""

    name: str
    parts: dict[str, dict]


@dataclass(frozen=True)
class Division:
    """All folds of a protocol.

    Arguments
    ---------
    name : str
        Of the file or folder that it was read from.
    folds : tuple of Fold
        At least one.
    remarks : tuple of str
        What was guessed in reading.
    """

    name: str
    folds: tuple[Fold, ...]
    remarks: tuple[str, ...] = ()


def read_division(paths: Sequence, reader: Reader | None = None) -> Division:
    """Read a division.

    Arguments
    ---------
    paths : sequence of path-like
        Train and test, or train, valid and test: files, or folders of Kaldi. Or one: a table with a column ``split``
        or ``fold``, a folder of folds, a folder with Kaldi folders, or an audformat database.
    reader : Reader, optional
        How lists are read.

    Raises
    ------
    MissingPathError, SerError
        Nothing there, or no division.
    """
    reader = reader or Reader()
    paths = [Path(path) for path in paths]
    if absent := [path for path in paths if not path.exists()]:
        raise MissingPathError(
            got=f"no file {absent[0]}", expected="a list of recordings, or a folder", remedy="check the path"
        )
    if len(paths) == 1:
        folds = _of_one(paths[0], reader)
        name = paths[0].absolute().name
    elif len(paths) in (2, 3):
        manifests = _shared([reader.manifest(path) for path in paths])
        folds = {"all": dict(zip(NAMES if len(paths) == 3 else ("train", "test"), manifests, strict=True))}
        name = ", ".join(path.name for path in paths)
    else:
        raise SerError(
            got=f"{len(paths)} lists",
            expected="one, which says how it is divided, or train and test, or train, valid and test",
            remedy="for several folds, name the folder that holds them",
        )
    _refuse_incomplete(paths, folds)
    complete = tuple(Fold(fold, {name: parts.get(name, {}) for name in NAMES}) for fold, parts in folds.items())
    return Division(name, complete, tuple(reader.remarks))


def _of_one(path: Path, reader: Reader) -> dict[str, dict]:
    """The folds of one file or folder, ``{fold: {part: manifest}}``."""
    if is_audformat(path) and (path.is_dir() or path.name == "db.yaml"):
        parts = tables_of_parts(path)
        reader.remarks["tables: " + ", ".join(f"{table.name} is {part}" for part, table in parts.items())] = None
        manifests = _shared([reader.manifest(table) for table in parts.values()])
        return {"all": dict(zip(parts, manifests, strict=True))}
    if path.is_dir() and not is_kaldi(path):
        return _of_folder(path, reader)
    records = reader.records(path)
    columns = {name for record in records for name in record}
    if "split" in columns:
        return _by_split(path, reader, records)
    if "fold" in columns:
        return _held_out(_grouped(path, reader, records, "fold"), reader, "the column fold")
    raise SerError(
        got=f"{path}: no column that divides it, in {', '.join(sorted(columns))}"[:400],
        expected="a column split (train, valid, test) or fold",
        remedy="name it, --columns split=COLUMN, or name the lists of train and test",
    )


def _of_folder(folder: Path, reader: Reader) -> dict[str, dict]:
    """The folds of a folder, each list read once, and each utterance kept once."""
    reader.folder = folder
    found = find_folds(folder)
    if found.ignored:
        reader.remarks[f"not read: {first_few(found.ignored)}"] = None
    if found.held_out:
        parts = {name: reader.manifest(path) for name, path in found.held_out.items()}
        return _held_out(dict(zip(parts, _shared(parts.values()), strict=True)), reader, "every list")
    paths = list(dict.fromkeys(path for parts in found.folds.values() for path in parts.values()))
    manifests = dict(zip(paths, _shared(map(reader.manifest, paths)), strict=True))
    folds = {name: {part: manifests[path] for part, path in parts.items()} for name, parts in found.folds.items()}
    if not any("test" in parts for parts in folds.values()) and all("valid" in parts for parts in folds.values()):
        reader.remarks["there is no test: the validation lists are taken for it"] = None
        folds = {name: {"train": parts.get("train", {}), "test": parts["valid"]} for name, parts in folds.items()}
    return folds


def _by_split(path, reader: Reader, records) -> dict[str, dict]:
    """Folds by the column ``split``; with a column ``fold`` too, each fold has its own."""
    folds: dict[str, dict] = {}
    unknown: dict[str, None] = {}
    for record in records:
        part = PARTS.get(str(record.get("split", "")).strip().lower())
        if part is None:
            unknown[str(record.get("split", ""))] = None
        else:
            folds.setdefault(str(record.get("fold", "all")), {}).setdefault(part, []).append(record)
    if unknown:
        raise SerError(
            got=f"{path}: split {first_few(map(repr, unknown))}",
            expected="train, valid or test (or dev, val, eval, ...) in every row",
            remedy="correct these rows, or leave them out",
        )
    return {
        fold: {part: reader.as_manifest(path, records) for part, records in parts.items()}
        for fold, parts in folds.items()
    }


def _grouped(path, reader: Reader, records, column) -> dict[str, dict]:
    """Manifests by the value of a column."""
    groups: dict[str, list] = {}
    for record in records:
        if not is_name(record.get(column)):
            raise SerError(
                got=f"{path}: {column} {record.get(column)!r}",
                expected=f"a {column} in every row",
                remedy="complete it",
            )
        groups.setdefault(str(record[column]), []).append(record)
    return {name: reader.as_manifest(path, groups[name]) for name in sorted(groups)}


def _held_out(groups: dict[str, dict], reader: Reader, what) -> dict[str, dict]:
    """A fold for each group, which is its test."""
    if len(groups) < 2:
        raise SerError(got=f"{what}: {len(groups)} group", expected="two or more", remedy="nothing is held out: divide")
    reader.remarks[f"{what} is held out in turn, and all others train"] = None
    return {
        name: {"train": {id_: f for other, g in groups.items() if other != name for id_, f in g.items()}, "test": test}
        for name, test in groups.items()
    }


def _shared(manifests) -> list[dict]:
    """The same manifests, with one dictionary for an utterance that says the same in several."""
    pool: dict[str, dict] = {}
    kept = []
    for manifest in manifests:
        for id_, fields in manifest.items():
            earliest = pool.setdefault(id_, fields)
            if earliest is not fields and earliest == fields:
                manifest[id_] = earliest
        kept.append(manifest)
    return kept


def _refuse_incomplete(paths, folds) -> None:
    for fold, parts in folds.items():
        if lacking := [part for part in ("train", "test") if not parts.get(part)]:
            raise SerError(
                got=f"{paths[0]}, fold {fold}: nothing of {' and '.join(lacking)}; there is "
                + (", ".join(f"{part}: {len(manifest)}" for part, manifest in parts.items()) or "nothing"),
                expected="utterances to train on and to test",
                remedy="name the lists of train and test, or rename files so that they say which part they are",
            )
