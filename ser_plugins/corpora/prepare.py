"""From a corpus on disk (or on its publisher's server) to verified manifests for every fold.

A recipe describes its corpus with a :class:`Corpus` and calls :func:`prepare_corpus`, which is called before *every*
training. Everything is verified and worked out anew each time (EmoDB: under a second), and only files that do not
already say the same are written: there is no "exists, so skip" that could be wrong.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ser_plugins.corpora.download import fetch_archive
from ser_plugins.corpora.manifest import digest, entry
from ser_plugins.corpora.protocols import PROTOCOLS, SELECTIONS, SUBSETS, choose, make_folds, take_subset
from ser_plugins.corpora.verify import measure_wavs, read_checksums, read_marker, verify_counts, verify_sounds
from ser_plugins.errors import SerError
from ser_plugins.files import read_json, write_json

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Corpus:
    """The constants of a corpus, and how to read its labels.

    Arguments
    ---------
    name, licence, citation, archive : str
        As published; ``archive`` is the address of a zip.
    classes : tuple of str
        In the order that every table and model uses.
    target : str
        The field that holds the class.
    wav_folder : str
        Where the wavs lie below the corpus folder.
    sample_rate : int
        In Hz.
    checksums : Path
        Lines ``name<TAB>sha256<TAB>bytes``, one per wav.
    counts : dict
        Published ``{field: {value: utterances}}``.
    utterances : callable
        ``(corpus folder, wavs below its wav folder) -> iterator of Utterance``.
    refused : dict
        ``{sample rate: description}`` of wrong copies in circulation.
    protocols : dict
        ``{name: Protocol}`` on offer.
    """

    name: str
    licence: str
    citation: str
    archive: str
    classes: tuple
    target: str
    wav_folder: str
    sample_rate: int
    checksums: Path
    counts: dict
    utterances: Callable
    refused: dict = field(default_factory=dict)
    protocols: Mapping = field(default_factory=lambda: PROTOCOLS)


def prepare_corpus(corpus: Corpus, data_folder, save_folder, *, protocol, subset, select, split_seed) -> dict:
    """Verify a corpus and write its manifests; see the recipe's own function for the options.

    Writes ``corpus.json``, ``<fold>/{train,valid,test}.json`` and, last of all, ``protocol.json`` into ``save_folder``.
    ``protocol.json`` is there only while all the others agree with it.

    Arguments
    ---------
    corpus : Corpus
        What to prepare.
    data_folder, save_folder : path-like
        Where the corpus is (or shall be downloaded to), and where manifests go.
    protocol, subset, select : str
        Names out of ``corpus.protocols``, ``SUBSETS`` and ``SELECTIONS``.
    split_seed : int
        Of random divisions and subsets.

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
    choose("subset", subset, SUBSETS)
    choose("select", select, SELECTIONS)
    if isinstance(split_seed, bool) or not isinstance(split_seed, int) or split_seed < 0:
        raise SerError(got=f"split_seed={split_seed!r}", expected="an integer >= 0", remedy="correct the option")
    rules = corpus.protocols[protocol]
    data_root = find_corpus(corpus, data_folder)
    name, manifest = read_corpus(corpus, data_root)
    used = take_subset(manifest, subset, target=corpus.target, seed=split_seed)
    folds = make_folds(used, rules, select=select, target=corpus.target, seed=split_seed)
    summary = {
        "corpus": name,
        "corpus_sha256": digest(manifest),
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
    summary = {**summary, "fingerprint": digest([summary, folds]), "data_root": str(data_root)}
    files = {f"{fold}/{part}.json": folds[fold][part] for fold in folds for part in PARTS}
    write_together(Path(save_folder), {"corpus.json": manifest, **files}, seal=("protocol.json", summary))
    return summary


def find_corpus(corpus: Corpus, data_folder) -> Path:
    """Return the absolute corpus folder; download the official archive there when nothing is there yet."""
    data_folder = Path(data_folder).expanduser().resolve()
    if data_folder.is_file():
        raise SerError(
            got=f"data_folder={data_folder}, a file",
            expected=f"the folder that holds {corpus.wav_folder}/",
            remedy="unpack the archive and name its folder",
        )
    if not data_folder.is_dir() or not any(data_folder.iterdir()):
        fetch_archive(
            corpus.archive,
            data_folder,
            remedy=f"name your own copy with --data_folder /path/to/{corpus.name.lower()}, "
            "or try the synthetic corpus with `make demo`",
        )
    return data_folder


def read_corpus(corpus: Corpus, data_root: Path) -> tuple[str, dict]:
    """Verify every file and return the corpus' name and whole manifest.

    A synthetic corpus brings its own checksums, and its name says in every table that it is one.
    """
    checksums = read_marker(data_root)
    synthetic = checksums is not None
    if synthetic:
        name, remedy = f"{corpus.name} (synthetic)", f"remove {data_root} and write it anew (`make demo`)"
    else:
        name, checksums = corpus.name, read_checksums(corpus.checksums)
        remedy = f"restore the files from {corpus.archive}, or name a new --data_folder to have it downloaded there"
    folder = data_root / corpus.wav_folder
    sounds = measure_wavs(folder)
    verify_sounds(
        sounds, checksums, folder=folder, sample_rate=corpus.sample_rate, remedy=remedy, refused=corpus.refused
    )
    manifest = {u.id: entry(u, sounds[u.wav], corpus.wav_folder) for u in corpus.utterances(data_root, sounds)}
    if not synthetic:
        verify_counts(manifest, corpus.counts, remedy=remedy)
    return name, manifest


def write_together(folder: Path, files: dict, *, seal: tuple) -> None:
    """Bring JSON files below ``folder`` into agreement; the seal is absent while they are not.

    Arguments
    ---------
    folder : Path
        Made when it is not there.
    files : dict
        ``{relative path: value}``.
    seal : tuple
        (relative path, value) of the file that vouches for the others: removed first, written last.
        The folds that an earlier seal listed and this one does not are removed.
    """
    seal_path, summary = folder / seal[0], seal[1]
    sealed = _read(seal_path)
    sealed = sealed if isinstance(sealed, dict) else {}
    stale = sorted(set(sealed.get("folds", ())) - set(summary["folds"]))
    changed = {name: value for name, value in files.items() if _read(folder / name) != value}
    if stale or changed:
        seal_path.unlink(missing_ok=True)
    for fold in stale:
        for part in PARTS:
            (folder / fold / f"{part}.json").unlink(missing_ok=True)
        with suppress(OSError):  # somebody keeps a file of their own there
            (folder / fold).rmdir()
    for name, value in changed.items():
        write_json(folder / name, value)
    if changed or sealed != summary:
        write_json(seal_path, summary)


def _read(path: Path):
    try:
        return read_json(path)
    except SerError:
        return None
