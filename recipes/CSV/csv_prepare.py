"""Any corpus that a CSV describes: columns wav, label, speaker, and if you like session, sentence, split; or audformat.

``csv_table`` reads and checks the lines; recordings, protocols and the auditor are the same as for a published corpus.
"""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from csv_table import check_enough, check_rows, clean, fold_name, read_table

from ser_plugins.corpora.lists.audformat import HEADER, LINE, is_audformat, read_audformat
from ser_plugins.corpora.lists.parts import PARTS
from ser_plugins.corpora.manifest import Utterance
from ser_plugins.corpora.names import same_name
from ser_plugins.corpora.prepare import Corpus, prepare_corpus
from ser_plugins.corpora.protocols import ALL, PROTOCOLS, Protocol, by_field, choose
from ser_plugins.corpora.spoken import text_disjoint
from ser_plugins.corpora.verify import first_few
from ser_plugins.errors import SerError

MEASURED = ("duration", "sha256", "audio_sha256")  # what a manifest says by itself
HANDLED = ("wav", LINE, "")


def locate(folder: Path, wav: str) -> Path:
    """The absolute path of a recording, tried with ``/`` for a backslash and with composed and decomposed umlauts.

    When there is none, what would have been right.
    """
    spellings = [wav.replace("\\", "/"), wav]
    spellings += [unicodedata.normalize(form, text) for form in ("NFC", "NFD") for text in spellings]
    paths = (os.path.abspath(folder / text) for text in spellings)
    return Path(next(filter(os.path.isfile, paths), os.path.abspath(folder / spellings[0])))


def utterances(path: Path, rows: list[dict], task: str) -> Iterator[Utterance]:
    """Turn lines into utterances, with ids made from the paths."""
    paths = [locate(path.parent, row["wav"]) for row in rows]
    common = os.path.commonpath([recording.parent for recording in paths])
    taken = set()
    for row, recording in zip(rows, paths, strict=True):
        id_ = clean(os.path.splitext(os.path.relpath(recording, common))[0])
        id_ = id_ if id_ and id_ not in taken else f"{id_}_line{row[LINE]}"
        taken.add(id_)
        fields = {f"csv_{name}" if name in MEASURED else name: row[name] for name in row if name not in HANDLED}
        fields |= {name: fold_name(row[name]) for name in ("speaker", "session") if name in row}
        fields |= {"label": float(row["label"])} if task == "regression" else {}
        fields |= {"split": PARTS[same_name(row["split"])]} if "split" in row else {}
        wav = recording.relative_to(path.parent) if recording.is_relative_to(path.parent) else recording
        yield Utterance(id_, wav.as_posix(), fields, source=f"{path.name}, line {row[LINE]}")


def protocols(rows: list[dict], statement: str) -> dict:
    """Those that the columns allow, each with the statement."""
    names = ["loso", "random", ALL, *(["loso-sentence"] if "sentence" in rows[0] else [])]
    offered = {name: PROTOCOLS[name] for name in names}
    if "session" in rows[0]:
        by_session = Protocol("session", by_field("session"), ("session",))
        apart = Protocol("speaker, sessions kept apart", by_field("speaker"), ("speaker", "session"))
        offered |= {"loso-session": apart, "session": by_session}
    if "text" in rows[0]:
        offered["text-disjoint"] = text_disjoint(PROTOCOLS["loso"])
    if "split" in rows[0]:
        offered["split"] = Protocol("the split of the CSV", split="split", disjoint=("speaker",))
    return {name: replace(protocol, statement=statement) for name, protocol in offered.items()}


def remarks(rows: list[dict], task: str, encoding: str) -> str:
    """What every table should say about these lines."""
    speakers = defaultdict(set)
    for row in rows:
        speakers[row["label"]].add(row["speaker"])
    alone = sorted(f"{label} ({next(iter(who))})" for label, who in speakers.items() if len(who) == 1)
    statements = []
    if alone and task == "classification":
        statements.append(f"labels by a single speaker: {first_few(alone)}")
    if encoding != "UTF-8":
        statements.append(f"{encoding} was taken for the encoding")
    return "; ".join(statements)


def file_of(csv) -> Path:
    """The file that describes a corpus: the CSV itself, or the header of an audformat database."""
    path = Path(csv).expanduser().resolve()
    return path / HEADER if path.is_dir() and is_audformat(path) else path


def csv_corpus(path: Path, task="classification", protocol="loso") -> Corpus:
    """What a CSV describes, its lines read and checked; see :func:`prepare_csv`."""
    rows, encoding = (read_audformat(path), "UTF-8") if is_audformat(path) else read_table(path)
    name = path.parent.name if is_audformat(path) else path.name
    check_rows(path, rows, task)
    check_enough(path, rows, task, protocol)
    offered = protocols(rows, remarks(rows, task, encoding))
    choose("protocol", protocol, offered)
    return Corpus(
        name=name,
        licence="",
        citation="",
        classes=tuple(sorted({row["label"] for row in rows})) if task == "classification" else (),
        target="label",
        utterances=lambda data_root: utterances(path, rows, task),
        task=task,
        scale="plain" if task == "regression" else None,
        remedy=f"correct {path.name}, or put the recordings where it says",
        protocols=offered,
    )


def prepare_csv(
    csv,
    save_folder,
    protocol="loso",
    task="classification",
    subset="full",
    select="last",
    split_seed=0,
    cache_folder="results/CSV/audio",
    fold="all",
) -> dict:
    """Check a CSV and its recordings and write the manifests of its folds.

    Arguments
    ---------
    csv : path-like
        The file. Paths of recordings in it are relative to its folder, or absolute. Or an audformat database: its
        folder, or the file of one of its tables.
    save_folder : path-like
        For ``corpus.json``, ``<fold>/{train,valid,test}.json`` and ``protocol.json``.
    protocol : str
        ``loso``, ``random`` (leaks), ``all`` (trains on everything, tests nothing); with the columns for it
        ``loso-sentence``, ``loso-session`` (nobody of the tested session trains), ``session``, ``split``,
        ``text-disjoint`` (training has nothing that the tested speaker says).
    task : str
        ``classification`` (the classes are the labels, sorted) or ``regression`` (the labels are numbers).
    subset, select, split_seed
        See ``recipes/EmoDB``; with protocol ``split``, ``select`` is ``last`` or ``valid``.
    cache_folder : path-like
        Where recordings of another rate, stereo ones and videos go as 16 kHz mono.
    fold : str
        Whose manifests are written: ``all``, or comma-separated names.

    Returns
    -------
    dict
        What ``protocol.json`` says.
    """
    choose("task", task, ("classification", "regression"))
    if not csv:
        raise SerError(
            got="no --csv", expected="--csv /path/to/my.csv", remedy="recipes/CSV/README.md says what it holds"
        )
    path = file_of(csv)
    return prepare_corpus(
        csv_corpus(path, task, protocol),
        path.parent,
        save_folder,
        protocol=protocol,
        subset=subset,
        select=select,
        split_seed=split_seed,
        cache_folder=cache_folder,
        fold=fold,
    )
