"""Near-duplicates in a corpus: which recordings hold one another, found once and remembered.

What is remembered belongs to the SHA-256 of a file, not to its name or time: another file is another recording.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ser_plugins.corpora.over_files import over_files
from ser_plugins.errors import AudioError
from ser_plugins.files import atomic_path
from ser_plugins.sound.likeness import FEWEST, Likeness, find_alike, fingerprint
from ser_plugins.sound.read import read_wave

FINGERPRINTS = "fingerprints.npz"  # the memory's name, in the manifest folder
RULES = 4  # that fingerprints and pairs are made by; those of other rules are made anew


@dataclass(frozen=True)
class NearDuplicates:
    """What was found among recordings.

    Arguments
    ---------
    pairs : list of tuple
        (id, id, share of what they have in common).
    compared : frozenset
        Ids of recordings that were compared; the others are unreadable, or too short to be told from one another.
    """

    pairs: list
    compared: frozenset


def near_duplicates(recordings: Mapping, memory: Path | None = None) -> NearDuplicates:
    """Compare all recordings with all.

    Arguments
    ---------
    recordings : mapping
        ``{id: (path, SHA-256 of the file)}``.
    memory : Path, optional
        File with what earlier calls found. It is believed for any part of the recordings it is about, and written anew
        for others. A damaged one counts as empty.
    """
    hashes = list(dict.fromkeys(sha256 for _, sha256 in recordings.values()))
    prints, alike = _recall(memory)
    if not prints.keys() >= set(hashes):
        paths = {sha256: path for path, sha256 in recordings.values()}
        missing = [sha256 for sha256 in hashes if sha256 not in prints]
        fresh = over_files(_fingerprint, [paths[sha256] for sha256 in missing], "fingerprints")
        prints |= zip(missing, fresh, strict=True)
        prints = {sha256: prints[sha256] for sha256 in hashes}
        alike = find_alike(list(prints.values()))
        if memory is not None:
            _remember(memory, prints, alike)
    order = list(prints)
    owners = {}
    for id_, (_, sha256) in recordings.items():
        owners.setdefault(sha256, []).append(id_)
    pairs = [
        (one, other, pair.agreement)
        for pair in alike
        for one in owners.get(order[pair.first], ())
        for other in owners.get(order[pair.second], ())
    ]
    compared = frozenset(id_ for id_, (_, sha256) in recordings.items() if len(prints[sha256]) >= FEWEST)
    return NearDuplicates(pairs, compared)


def _fingerprint(path) -> np.ndarray:
    """The fingerprint of a file; that of what cannot be read is empty."""
    try:
        return fingerprint(*read_wave(path))
    except AudioError:
        return np.zeros(0, np.uint32)


def _remember(memory: Path, prints: dict, alike: list) -> None:
    with atomic_path(memory) as temporary, open(temporary, "wb") as file:
        np.savez(
            file,
            rules=RULES,
            sha256=np.array(list(prints)),
            lengths=np.array([len(peaks) for peaks in prints.values()]),
            peaks=np.concatenate([np.zeros(0, np.uint32), *prints.values()]),
            pairs=np.array([(pair.first, pair.second) for pair in alike], int).reshape(-1, 2),
            agreement=np.array([pair.agreement for pair in alike], float),
            whole=np.array([pair.whole for pair in alike], bool),
        )


def _recall(memory: Path | None) -> tuple[dict, list]:
    """Fingerprints by SHA-256, and the pairs of them that are alike."""
    if memory is None:
        return {}, []
    try:
        with open(memory, "rb") as file, np.load(file) as kept:
            if int(kept["rules"]) != RULES:
                return {}, []
            peaks = np.split(kept["peaks"], np.cumsum(kept["lengths"])[:-1])
            prints = dict(zip(kept["sha256"].tolist(), peaks, strict=True))
            columns = (kept["pairs"].tolist(), kept["agreement"].tolist(), kept["whole"].tolist())
            alike = [
                Likeness(first, second, agreement, whole)
                for (first, second), agreement, whole in zip(*columns, strict=True)
            ]
            return prints, [pair for pair in alike if 0 <= pair.first < pair.second < len(prints)]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return {}, []
