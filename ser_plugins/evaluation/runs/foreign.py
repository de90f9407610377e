"""Predictions of another toolkit: a CSV with id, true, predicted, and if you like probabilities, speaker, fold, seed.

They are read as a run of which nothing is known but its answers: its scores, intervals and paired tests are those of
any run. How it was trained, and by what its epoch was chosen, nobody has said.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from ser_plugins.corpora.lists.records import read_records
from ser_plugins.corpora.manifest import digest
from ser_plugins.errors import SerError
from ser_plugins.evaluation.metrics.tasks import Classification
from ser_plugins.evaluation.runs.fold_record import Counts, FoldRecord
from ser_plugins.evaluation.runs.run_protocol import RunProtocol
from ser_plugins.sound.suffixes import MEDIA

NOT_SAID = "not said"
COLUMNS = {
    "id": ("id", "utt_id", "utterance", "utterance_id", "key", "file", "filename", "path", "wav"),
    "true": ("true", "label", "target", "y_true", "truth", "gold", "reference"),
    "predicted": ("predicted", "prediction", "pred", "y_pred", "hypothesis", "output"),
    "unit": ("speaker", "unit", "spk", "spk_id", "speaker_id", "session"),
    "fold": ("fold",),
    "seed": ("seed",),
}


def is_foreign(path) -> bool:
    """Whether a path is a file of predictions, and not a run folder.

    Example
    -------
    >>> is_foreign("theirs.csv"), is_foreign("results/EmoDB/bigru/loso")
    (True, False)
    """
    return Path(path).suffix.lower() in (".csv", ".tsv", ".jsonl")


def read_foreign_table(path, units: Mapping[str, str] | None = None, folds: Mapping[str, str] | None = None):
    """Read a file of predictions.

    Arguments
    ---------
    path : path-like
        CSV, TSV or JSON lines; names of columns in any case.
    units, folds : mapping, optional
        The speaker and the fold of every tested utterance, where the file does not say them.

    Returns
    -------
    DataFrame
        Texts: ``id``, ``fold``, ``seed``, ``unit``, ``true``, ``predicted``, and ``p_<class>`` where they are said.

    Raises
    ------
    SerError
        No such file, a column that is missing or empty, an id twice in a seed.
    """
    path = Path(path)
    table = pd.DataFrame(read_records(path, COLUMNS["id"])).fillna("").astype(str)
    plain = {str(column).strip().lower(): column for column in table.columns}
    found = {
        name: plain[alias]
        for name, aliases in COLUMNS.items()
        if (alias := next((a for a in aliases if a in plain), None))
    }
    if lacking := [name for name in ("id", "true", "predicted") if name not in found]:
        raise _bad(
            path, f"no column {', '.join(lacking)} in {', '.join(map(str, table.columns))}", "id, true, predicted"
        )
    probabilities = {c: c for c in table.columns if str(c).startswith("p_")}
    read = pd.DataFrame({name: table[column].str.strip() for name, column in {**found, **probabilities}.items()})
    read["id"] = read["id"].map(plain_id)
    for name, known in (("unit", units), ("fold", folds)):
        if known is not None:
            read[name] = read["id"].map(lambda id_, known=known: known.get(id_, "?"))
    read = read.assign(
        **{name: value for name, value in (("unit", ""), ("fold", "all"), ("seed", "0")) if name not in read}
    )
    for name in ("id", "true", "predicted"):
        if (empty := read[name] == "").any():
            raise _bad(path, f"{name} is empty in row {int(empty.to_numpy().argmax()) + 2}", "an answer in every row")
    if (again := read.duplicated(["seed", "id"])).any():
        raise _bad(path, f"id {read['id'][again].iloc[0]} twice", "every utterance once, or a column seed")
    return read


def foreign_classes(tables: Iterable[pd.DataFrame]) -> tuple[str, ...]:
    """All classes of files of predictions, sorted."""
    names = {name for table in tables for column in ("true", "predicted") for name in table[column]}
    names |= {column[2:] for table in tables for column in table if column.startswith("p_")}
    return tuple(sorted(names))


def foreign_folds(path, table: pd.DataFrame, classes, like: RunProtocol | None = None) -> list:
    """Records and tables of a file of predictions, as ``(FoldRecord, {target: table})`` for each seed and fold.

    Arguments
    ---------
    path : path-like
        The file, which names the system.
    table : DataFrame
        Of :func:`read_foreign_table`.
    classes : sequence of str
        In order.
    like : RunProtocol, optional
        The test of a run that it is held against.
    """
    task = Classification(classes)
    missing = [column for column in task.columns if column not in table]
    if missing:  # an answer without probabilities is one with certainty; calibration is not told of it
        certain = {f"p_{name}": (table["predicted"] == name).astype(float).astype(str) for name in classes}
        table = table.assign(**certain)
    protocol = (
        _protocol(table, classes)
        if like is None
        else replace(like, selection=NOT_SAID, normalisation=NOT_SAID, pretrained=())
    )
    return [
        (_record(Path(path), protocol, rows, seed, fold), {protocol.target: _values(path, task, rows, seed)})
        for (seed, fold), rows in table.groupby(["seed", "fold"], sort=False)
    ]


def _values(path, task, rows, seed) -> pd.DataFrame:
    try:
        values = task.read(rows.reset_index(drop=True))
    except SerError as error:
        raise _bad(path, error.got, error.expected) from None
    return values[["id", "fold", "seed", *task.columns, "unit"]].assign(seed=_number(path, seed))


def _number(path, seed: str) -> int:
    if not seed.isdecimal():
        raise _bad(path, f"seed {seed}", "a whole number")
    return int(seed)


def _protocol(table, classes) -> RunProtocol:
    folds = tuple(sorted(set(table["fold"])))
    first = table[table["seed"] == table["seed"].iloc[0]]
    return RunProtocol(
        corpus="predictions",
        corpus_sha256=digest(sorted(first[["id", "true", "unit", "fold"]].values.tolist())),
        classes=tuple(classes),
        target="label",
        protocol=NOT_SAID,
        unit="speaker",
        subset=NOT_SAID,
        selection=NOT_SAID,
        split_seed=0,
        disjoint=(),
        leaks=False,
        folds=folds,
        utterances=len(first),
        task="classification",
        scale=None,
        unit_field="speaker",
        partial=False,
        statements=("predictions of another toolkit: how it was trained is not said",),
        normalisation=NOT_SAID,
        transductive=False,
    )


def _record(path: Path, protocol: RunProtocol, rows, seed, fold) -> FoldRecord:
    return FoldRecord(
        system=path.stem,
        fold=fold,
        seed=_number(path, seed),
        protocol=protocol,
        about_corpus={},
        audit=NOT_SAID,
        units={id_: unit or None for id_, unit in zip(rows["id"], rows["unit"], strict=True)},
        training={protocol.target: {}},
        counts=Counts(train=0, valid=0, test=len(rows)),
        metrics=None,
        auxiliary={},
        history=(),
        epochs=0,
        selected_epoch=None,
        checkpoint=None,
        parameters=0,
        wall_time_s=0.0,
        device=NOT_SAID,
        machine=NOT_SAID,
        settings={},
        settings_sha256=NOT_SAID,
        versions={},
    )


def plain_id(text: str) -> str:
    """An id without the suffix of a recording."""
    return text[: text.rindex(".")] if text.lower().endswith(MEDIA) else text


def _bad(path, got, expected) -> SerError:
    return SerError(got=f"{path}: {got}", expected=expected, remedy="correct the file, or export it anew")
