"""What the recordings of a corpus say, found out once for all folds: hashes, lengths, levels, near-duplicates."""

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ser_plugins.corpora.manifest import Sound, measure
from ser_plugins.corpora.near_duplicates import near_duplicates
from ser_plugins.corpora.over_files import MANY, over_files
from ser_plugins.errors import AudioError, SerError
from ser_plugins.sound.read import read_wave

HASHES = ("sha256", "audio_sha256")
SOON = 10 * MANY  # files that are read without showing progress: of these nothing but bytes or samples is asked


@dataclass(frozen=True)
class Audio:
    """What is known of recordings, by the path of their file.

    Arguments
    ---------
    sounds : dict
        ``{path: Sound}`` of those that were read.
    pairs : list of tuple
        Near-duplicates: (path, path, share of what they have in common).
    compared : frozenset
        Paths that were compared by fingerprint.
    data_root : path-like, optional
        What ``{data_root}`` stands for.
    """

    sounds: Mapping[str, Sound] = field(default_factory=dict)
    pairs: list = field(default_factory=list)
    compared: frozenset = frozenset()
    data_root: str | Path | None = None

    def path(self, fields: Mapping) -> str:
        """Where the recording of an utterance is looked for; empty where that is not said."""
        wav = str(fields.get("wav") or "")
        return wav if self.data_root is None else wav.replace("{data_root}", str(self.data_root))

    def hashes(self, fields: Mapping) -> dict[str, str]:
        """The hashes that a manifest gives, or those of the file."""
        sound = self.sounds.get(self.path(fields))
        if sound is None:
            return {kind: fields[kind] for kind in HASHES if fields.get(kind)}
        return {kind: value for kind in HASHES if (value := getattr(sound, kind))}

    def is_compared(self, fields: Mapping) -> bool:
        """Whether the recording of an utterance was compared by fingerprint."""
        return self.path(fields) in self.compared


def examine(utterances: Iterable[tuple[str, Mapping]], data_root=None, memory=None) -> Audio:
    """Read and compare all recordings that are there.

    Arguments
    ---------
    utterances : iterable of (str, mapping)
        Ids and fields; the same recording may come several times.
    data_root : path-like, optional
        What ``{data_root}`` stands for.
    memory : Path, optional
        File that keeps fingerprints from one audit to the next.

    Raises
    ------
    SerError
        A file that is not the one whose hash the manifest has.
    """
    place = Audio(data_root=data_root)
    listed: dict[str, tuple[str, Mapping]] = {}
    for id_, fields in utterances:
        path = place.path(fields)
        if path and path not in listed and os.path.isfile(path):
            listed[path] = (id_, fields)
    sounds = dict(zip(listed, over_files(measure, list(listed), "hashes", SOON), strict=True))
    for path, (id_, fields) in listed.items():
        _refuse_other_file(id_, path, fields, sounds[path])
    found = near_duplicates({path: (Path(path), sounds[path].sha256) for path in listed}, memory)
    return Audio(sounds, found.pairs, found.compared, data_root)


def levels(paths: Iterable[str]) -> dict[str, float | None]:
    """The level of every recording in dB of full scale, ``10 log10`` of the variance; None where it cannot be read."""
    paths = list(paths)
    return dict(zip(paths, over_files(_level, paths, "levels", SOON), strict=True))


def _level(path: str) -> float | None:
    try:
        wave, _ = read_wave(path)
    except AudioError:
        return None
    return 10 * math.log10(float(np.var(np.asarray(wave, float))) + 1e-12)


def _refuse_other_file(id_: str, path: str, fields: Mapping, sound: Sound) -> None:
    wrong = [kind for kind in HASHES if fields.get(kind) and fields[kind] != getattr(sound, kind)]
    if wrong:
        raise SerError(
            got=f"{id_}: {path}: another file than the one whose SHA-256 is in the manifest ({' and '.join(wrong)})",
            expected="the hashes that the manifest has",
            remedy="restore the file, or prepare the corpus again",
        )
