"""What a corpus is: constants and a generator of utterances; and how one is read and checked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ser_plugins.corpora.about import AboutCorpus
from ser_plugins.corpora.download import fetch_archive
from ser_plugins.corpora.manifest import NO_SOUND, entry
from ser_plugins.corpora.protocols import PROTOCOLS
from ser_plugins.corpora.sounds import list_recordings, measure_remembered, measure_wavs
from ser_plugins.corpora.sources import playable
from ser_plugins.corpora.verify import (
    read_checksums,
    read_marker,
    verify_counts,
    verify_distinct,
    verify_format,
    verify_sounds,
    verify_usable,
)
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.sound.suffixes import MEDIA


@dataclass(frozen=True)
class Corpus:
    """The constants of a corpus, and how to read its labels. What a corpus does not have is left out.

    Arguments
    ---------
    name, licence, citation : str
        As published; a licence by its SPDX identifier where it has one. Empty where nobody has said it.
    classes : tuple of str
        In the order that every table and model uses; empty for regression.
    target : str
        The field that holds the class (str) or the number (float).
    utterances : callable
        ``corpus folder -> iterator of Utterance``.
    task : str
        ``classification`` or ``regression``.
    scale : str
        For regression: ``mosi``, ``chsims``, ``vad`` or ``plain``, the convention of its metrics.
    unit_field : str
        The field whose values are independent of one another, where a protocol does not say it by ``disjoint``.
    wav_folder : str
        Where the wavs lie below the corpus folder.
    sample_rate : int
        In Hz.
    archive : str
        Address of a zip, to be downloaded. Without one, users bring their own copy.
    home : str
        The folder it is downloaded to: the YAMLs' default, below the working directory. No other is ever filled.
    remedy : str
        Where to get the corpus, in words; by default from ``archive``.
    checksums : Path
        Lines ``name<TAB>sha256<TAB>bytes``, one per wav. Without it, a file is read anew only when it has changed.
    counts : dict
        Published ``{field: {value: utterances}}``; ``Protocol.counts`` has those of a protocol.
    language : str
        That is spoken, by its ISO 639-1 code.
    speech : str
        What a model of this corpus knows, as in "It knows <speech>.", for model cards.
    refused : dict
        ``{sample rate: description}`` of wrong copies in circulation.
    protocols : dict
        ``{name: Protocol}`` on offer.
    """

    name: str
    licence: str
    citation: str
    classes: tuple
    target: str
    utterances: Callable
    task: str = "classification"
    scale: str | None = None
    unit_field: str = "speaker"
    wav_folder: str = ""
    sample_rate: int = 16000
    archive: str = ""
    home: str = ""
    remedy: str = ""
    checksums: Path | None = None
    counts: dict = field(default_factory=dict)
    language: str = ""
    speech: str = ""
    refused: dict = field(default_factory=dict)
    protocols: Mapping = field(default_factory=lambda: PROTOCOLS)

    @property
    def about(self) -> AboutCorpus:
        """What model cards say of the corpus."""
        return AboutCorpus(self.licence, self.citation, self.language, self.speech)


@dataclass(frozen=True)
class Reading:
    """A corpus as read: its name, whole manifest, ``{id: why it was left out}``, and what a partial copy lacks.

    ``soundless``: there were label files only.
    """

    name: str
    manifest: dict
    skipped: dict
    lacking: str
    synthetic: bool
    remedy: str
    soundless: bool


def find_corpus(corpus: Corpus, data_folder) -> Path:
    """Return the absolute corpus folder; where nothing is in ``corpus.home`` yet, download the official archive."""
    data_folder = Path(data_folder).expanduser().resolve()
    if data_folder.is_file():
        raise SerError(
            got=f"data_folder={data_folder}, a file",
            expected=f"the folder that holds {corpus.wav_folder}/" if corpus.wav_folder else f"{corpus.name}'s folder",
            remedy="unpack the archive and name its folder",
        )
    if data_folder.is_dir() and any(data_folder.iterdir()):
        return data_folder
    advice = f"name your own copy with --data_folder /path/to/{corpus.name.lower()}"
    if not corpus.archive or data_folder != Path(corpus.home).resolve():  # a mistyped path is no wish for a download
        download = f"leave --data_folder out to have it downloaded to {corpus.home}" if corpus.archive else ""
        raise MissingPathError(
            got=f"nothing at data_folder={data_folder}",
            expected=f"the folder of {corpus.name}",
            remedy=f"{advice}; {corpus.remedy or download}",
        )
    fetch_archive(corpus.archive, data_folder, remedy=f"{advice}, or try the synthetic corpus with `make demo`")
    return data_folder


def read_corpus(
    corpus: Corpus, data_root: Path, memory: Path, *, cache=None, allow_partial=False, needs_sound=True
) -> Reading:
    """Read every label, verify every file.

    A synthetic corpus brings its own checksums, and its name says in every table that it is one.

    Arguments
    ---------
    corpus : Corpus
        What it should be.
    data_root : Path
        Its folder.
    memory : Path
        Where measurements are kept from one call to the next.
    cache : path-like, optional
        Where videos and recordings of other rates or channels are converted to; without it they are refused.
    allow_partial : bool
        Labels without a recording are left out, and lower counts are told instead of refused.
    needs_sound : bool
        False: where there is no recording at all, the labels are enough.
    """
    marker = read_marker(data_root)
    checksums = None
    name = corpus.name
    remedy = corpus.remedy
    synthetic = marker is not None
    if synthetic:
        name = f"{corpus.name} (synthetic)"
    if marker is not None and marker[0] == corpus.name:  # else it is read by another recipe than its layout's
        checksums = marker[1]
        remedy = f"remove {data_root} and write it anew"
    elif corpus.checksums:
        checksums = read_checksums(corpus.checksums)
        remedy = (
            remedy
            or f"restore the files from {corpus.archive}, or move the folder away and leave --data_folder out, to have"
            f" it downloaded to {corpus.home}"
        )
    folder = data_root / corpus.wav_folder
    wanted: dict[str, Any] = {
        "folder": folder,
        "sample_rate": corpus.sample_rate,
        "remedy": remedy,
        "refused": corpus.refused,
    }
    soundless = not needs_sound and not list_recordings(data_root, MEDIA)
    if checksums and not soundless:
        sounds = measure_wavs(folder)
        verify_sounds(sounds, checksums, **wanted)
    utterances = _unique(corpus.utterances(data_root))
    skipped = {u.id: u.skip for u in utterances if u.skip}
    utterances = [u for u in utterances if not u.skip]
    if soundless:
        sounds = dict.fromkeys((u.wav for u in utterances), NO_SOUND)
    elif not checksums:
        utterances = playable(utterances, folder, cache) if cache else utterances
        sounds = measure_remembered(folder, [u.wav for u in utterances], memory)
    if not soundless:
        utterances, lost = _with_sound(utterances, sounds, corpus.target, wanted, allow_partial=allow_partial)
        skipped |= lost
    manifest = {u.id: entry(u, sounds[u.wav], corpus.wav_folder) for u in utterances}
    if not manifest:
        raise SerError(got=f"no utterance in {data_root}", expected=f"those of {corpus.name}", remedy=remedy)
    lacking = verify_counts(manifest, {} if synthetic else corpus.counts, remedy=remedy, allow_partial=allow_partial)
    return Reading(name, manifest, skipped, lacking, synthetic, remedy, soundless)


def _with_sound(utterances, sounds, target, wanted, *, allow_partial) -> tuple[list, dict]:
    """The utterances, each with a usable recording of its own; by id, those of a partial copy without one."""
    lost = {u.id: "no recording" for u in utterances if u.wav not in sounds} if allow_partial else {}
    utterances = [u for u in utterances if u.id not in lost]
    verify_usable(utterances, sounds, folder=wanted["folder"], remedy=wanted["remedy"])
    verify_format(sounds, **wanted)
    verify_distinct(utterances, sounds, folder=wanted["folder"], target=target, remedy=wanted["remedy"])
    return utterances, lost


def _unique(utterances) -> list:
    seen = {}
    for utterance in utterances:
        if utterance.id in seen:
            both = [u.source or u.wav for u in (seen[utterance.id], utterance)]
            raise SerError(
                got=f"the id {utterance.id} twice: {' and '.join(both)}",
                expected="every utterance once",
                remedy="remove one of them, or restore the labels",
            )
        seen[utterance.id] = utterance
    return list(seen.values())
