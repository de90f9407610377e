"""From a corpus on disk (or on its publisher's server) to verified manifests for every fold.

A recipe describes its corpus with a :class:`Corpus` and calls :func:`prepare_corpus`, which is called before *every*
training. Everything is verified and worked out anew each time (EmoDB: under a second; of a corpus without published
checksums, recordings that did not change are not read again), and of the folds that are asked for, the manifests that
do not already say the same are written: there is no "exists, so skip" that could be wrong.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ser_plugins.corpora.corpus import Corpus, find_corpus, read_corpus
from ser_plugins.corpora.manifest import digest
from ser_plugins.corpora.manifest_text import ManifestText, digest_of_folds
from ser_plugins.corpora.near_duplicates import FINGERPRINTS, near_duplicates
from ser_plugins.corpora.protocols import ALL, PARTS, SUBSETS, Protocol, choose, choose_folds, make_folds, take_subset
from ser_plugins.corpora.verify import first_few, verify_counts, verify_names, verify_one_spelling, verify_targets
from ser_plugins.errors import SerError
from ser_plugins.files import read_json, write_json, write_text

__all__ = ["Corpus", "prepare_corpus", "write_together"]

SOUNDLESS = "label files alone: no recording was there, and no sound was checked"
MEMORY = "measured.json"  # what was measured on which file, in the manifest folder


def prepare_corpus(
    corpus: Corpus,
    data_folder,
    save_folder,
    *,
    protocol,
    subset="full",
    select="last",
    split_seed=0,
    allow_partial=False,
    cache_folder=None,
    fold=ALL,
    needs_sound=True,
) -> dict:
    """Verify a corpus and write its manifests; see the recipe's own function for the options.

    Writes ``corpus.json``, ``skipped.json`` (``{id: why}``), ``<fold>/{train,valid,test}.json`` and, last of all,
    ``protocol.json`` into ``save_folder``. ``protocol.json`` is there only while all the others agree with it.

    Arguments
    ---------
    corpus : Corpus
        What to prepare.
    data_folder, save_folder : path-like
        Where the corpus is (or shall be downloaded to), and where manifests go.
    protocol, subset, select : str
        Names out of ``corpus.protocols``, ``SUBSETS`` and the protocol's ``selections``.
    split_seed : int
        Of random divisions and subsets.
    allow_partial : bool
        A copy that lacks recordings is used, and every table says what it lacks.
    cache_folder : path-like, optional
        Where videos, and recordings that are not 16 kHz mono, are converted to, once; without it they are refused.
    fold : str
        Whose manifests are written: ``all``, or comma-separated names. Those of other folds stay where they are right,
        and are removed where they are not. ``protocol.json`` speaks of all folds.
    needs_sound : bool
        False, for systems that read alone: where there is no recording at all, the label files are enough, and every
        table says that no sound was checked.

    Raises
    ------
    SerError
        An unknown name; a corpus that is not the published one; a failed download. Nothing is written then.

    Returns
    -------
    dict
        The content of ``protocol.json``.
    """
    choose("protocol", protocol, corpus.protocols)
    choose("subset", subset, SUBSETS if corpus.classes else ("full",))
    rules = corpus.protocols[protocol]
    choose("select", select, rules.selections)
    if isinstance(split_seed, bool) or not isinstance(split_seed, int) or split_seed < 0:
        raise SerError(got=f"split_seed={split_seed!r}", expected="an integer >= 0", remedy="correct the option")
    data_root = find_corpus(corpus, data_folder)
    memory = Path(save_folder) / MEMORY
    reading = read_corpus(
        corpus, data_root, memory, cache=cache_folder, allow_partial=allow_partial, needs_sound=needs_sound
    )
    used = rules.take(reading.manifest)
    counts = {} if reading.synthetic else rules.counts
    lacking = reading.lacking or verify_counts(used, counts, remedy=reading.remedy, allow_partial=allow_partial)
    verify_targets(used, corpus.target, corpus.classes)
    unit_field = (*rules.disjoint, corpus.unit_field)[0]
    for field in dict.fromkeys((*rules.disjoint, unit_field, *([corpus.target] if corpus.classes else []))):
        verify_names(used, field, remedy=reading.remedy)
        verify_one_spelling(used, field, remedy=reading.remedy)
    used = take_subset(used, subset, target=corpus.target, seed=split_seed)
    folds = make_folds(used, rules, select=select, target=corpus.target, seed=split_seed, name=protocol)
    wanted = choose_folds(fold, folds)
    alike = _near_duplicates(used, folds, data_root, Path(save_folder) / FINGERPRINTS)
    summary = {
        "corpus": reading.name,
        "corpus_sha256": digest(_portable(reading.manifest)),
        "classes": list(corpus.classes),
        "target": corpus.target,
        "protocol": protocol,
        "unit": rules.unit,
        "subset": subset,
        "selection": select,
        "split_seed": split_seed,
        "disjoint": list(rules.disjoint),
        "leaks": rules.leaks,
        "folds": list(folds),
        "utterances": len(used),
    }
    summary = {
        **summary,
        "fingerprint": digest_of_folds(summary, _portable(used), folds),
        "task": corpus.task,
        "scale": corpus.scale,
        "unit_field": unit_field,
        "partial": bool(lacking),
        "statements": [
            *([SOUNDLESS] if reading.soundless else []),
            *_statements(lacking, reading.skipped, protocol, rules, folds, unit_field),
            *alike,
        ],
        "data_root": str(data_root),
        "about_corpus": {} if reading.synthetic else corpus.about.to_json(),
    }
    entries = ManifestText(used)
    manifests = {
        name: {f"{name}/{part}.json": partial(_manifest_text, entries, folds, name, part) for part in PARTS}
        for name in folds
    }
    files: dict[str, Any] = {"corpus.json": reading.manifest, "skipped.json": reading.skipped}
    for name in wanted:
        files |= manifests.pop(name)
    write_together(Path(save_folder), files, seal=("protocol.json", summary), unwritten=manifests)
    return summary


def _manifest_text(entries: ManifestText, folds: Mapping, name: str, part: str) -> str:
    return entries.of(folds[name][part])


def _near_duplicates(manifest: dict, folds: Mapping, data_root: Path, memory: Path) -> list[str]:
    """What tables say about copies and excerpts that stay on one side of every fold.

    Raises
    ------
    SerError
        Some are on two sides: all of them at once, before the first training meets them.
    """
    paths = {id_: fields["wav"].replace("{data_root}", str(data_root)) for id_, fields in manifest.items()}
    recordings = {id_: (path, manifest[id_]["sha256"]) for id_, path in paths.items() if os.path.isfile(path)}
    pairs = near_duplicates(recordings, memory).pairs
    if not pairs:
        return []
    pair_texts = [f"{one} = {other} ({100 * share:.0f} %)" for one, other, share in pairs]
    apart = {}
    for fold, parts in folds.items():
        for pair, text in zip(pairs, pair_texts, strict=True):
            if len({part for part in PARTS for id_ in pair[:2] if id_ in parts[part]}) > 1:
                apart.setdefault(text, fold)
    if apart:
        raise SerError(
            got=f"{len(apart)} pairs of near-duplicates in train and test of one fold: "
            + first_few((f"{text} in {fold}" for text, fold in apart.items()), 10),
            expected="no copy or excerpt of a recording, however coded, on two sides of a fold",
            remedy="listen to them, and remove one of each pair from the labels",
        )
    return [f"{len(pair_texts)} pairs of near-duplicates, each on one side of every fold: {first_few(pair_texts)}"]


def _portable(manifest: dict) -> dict:
    """A manifest without absolute paths: where recordings lie is no part of what they are."""
    return {
        id_: {**fields, "wav": ""} if Path(fields["wav"]).is_absolute() else fields for id_, fields in manifest.items()
    }


def _statements(lacking, skipped, name, rules: Protocol, folds, unit_field) -> list[str]:
    """What every table must say about this division of this copy."""
    statements = [lacking] if lacking else []
    if skipped:
        reasons = ", ".join(sorted(set(skipped.values())))
        statements.append(f"{len(skipped)} utterances left out ({reasons}): {first_few(sorted(skipped))}")
    if rules.statement:
        statements.append(rules.statement)
    for parts in folds.values() if rules.split else ():
        values = {part: {fields[unit_field] for fields in parts[part].values()} for part in PARTS}
        both = values["train"] & values["test"]
        every = set().union(*values.values())
        if both:
            statements.append(f"{name} split: {len(both)} of {len(every)} {unit_field}s are in both train and test")
    return statements


def write_together(folder: Path, files: dict, *, seal: tuple, unwritten: dict) -> None:
    """Bring JSON files below ``folder`` into agreement; the seal is absent while they are not.

    Arguments
    ---------
    folder : Path
        Made when it is not there.
    files : dict
        ``{relative path: value, or function that returns the text}``.
    seal : tuple
        (relative path, value) of the file that vouches for the others: removed first, written last.
        The folds that an earlier seal listed and this one does not are removed.
    unwritten : dict
        ``{fold: files}``, which are only removed where some are there and not all of them are right.
    """
    seal_path = folder / seal[0]
    summary = seal[1]
    sealed = _read(seal_path)
    sealed = sealed if isinstance(sealed, dict) else {}
    stale = sorted(set(sealed.get("folds", ())) - set(summary["folds"]))
    stale += [fold for fold, fold_files in unwritten.items() if _is_outdated(folder, fold_files)]
    changed = {name: value for name, value in files.items() if not _says(folder / name, value)}
    if stale or changed:
        seal_path.unlink(missing_ok=True)
    for fold in stale:
        for part in PARTS:
            (folder / fold / f"{part}.json").unlink(missing_ok=True)
        with suppress(OSError):  # somebody keeps a file of their own there
            (folder / fold).rmdir()
    for name, value in changed.items():
        if callable(value):
            write_text(folder / name, value())
        else:
            write_json(folder / name, value)
    if stale or changed or sealed != summary:
        write_json(seal_path, summary)


def _is_outdated(folder: Path, files: dict) -> bool:
    present = [name for name in files if (folder / name).is_file()]
    return bool(present) and not all(_says(folder / name, value) for name, value in files.items())


def _says(path: Path, value) -> bool:
    """Whether a file has this value, or this text."""
    if not callable(value):
        return _read(path) == value
    return path.is_file() and path.read_bytes() == value().encode()


def _read(path: Path):
    try:
        return read_json(path)
    except SerError:
        return None
