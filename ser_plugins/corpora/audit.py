"""The auditor: does anything of the test set occur in training?

It runs before every training and fails it; it is not a warning. An id, identical samples, or a copy or excerpt of a
recording (whatever it was coded by) in two splits is always a leak. A field such as the speaker is one when a protocol
claims to be disjoint in it. What cannot be shown is an error (manifests without speakers are not speaker-independent)
or is said in the line (recordings that were not compared).
"""

import os
from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from ser_plugins.corpora.foreign import read_split
from ser_plugins.corpora.manifest import measure
from ser_plugins.corpora.names import is_name, same_name, shown
from ser_plugins.corpora.near_duplicates import near_duplicates
from ser_plugins.corpora.verify import first_few, verify_names, verify_one_spelling
from ser_plugins.errors import SerError

GROUPS = ("speaker", "session", "video")  # what foreign manifests are checked for
REPORTED = (*GROUPS, "sentence", "script")
HASHES = ("sha256", "audio_sha256")
SAMPLES = "identical samples"
# What recordings are compared by, how that is called in the line, and what it needs.
COMPARISONS = {
    SAMPLES: (SAMPLES, "no hash or file"),
    "near-duplicates": ("near-duplicates (fingerprint)", "no file, or too short"),
}


class LeakageError(SerError):
    """Something of a held-out split occurs in another split."""


@dataclass(frozen=True)
class Audit:
    """What the auditor found in splits that do not leak (or are allowed to).

    Arguments
    ---------
    line : str
        All of it in one line.
    counts : dict
        Utterances in ``train``, ``valid`` and ``test``.
    disjoint, shared : tuple of str
        Fields without and with values in more than one split.
    audio_compared : bool
        False when some utterances had neither a hash nor a file, or were too short for a fingerprint.
    """

    line: str
    counts: dict[str, int]
    disjoint: tuple[str, ...]
    shared: tuple[str, ...]
    audio_compared: bool


def audit(train, valid, test, *, disjoint=("speaker",), leaks=False, data_root=None, memory=None) -> Audit:
    r"""Check three manifests against each other.

    Arguments
    ---------
    train, valid, test : dict
        Manifests; ``valid`` may be empty.
    disjoint : sequence of str, optional
        Fields that no two splits may share. None: every one of speaker, session and video that occurs.
    leaks : bool
        True for a protocol that is known to leak: shared fields are printed, not raised. Ids and recordings still are.
    data_root : path-like, optional
        What ``{data_root}`` stands for, to find the files: they are hashed, and compared by fingerprint.
    memory : Path, optional
        File that keeps fingerprints from one audit to the next.

    Returns
    -------
    Audit
        ``.line`` says what is disjoint and what is shared.

    Raises
    ------
    LeakageError, SerError
        A leak; or an empty split, a field that is missing, so that nothing can be shown, or a file that is not the one
        whose hash the manifest has.

    Example
    -------
    >>> def one(speaker):
    ...     return {speaker: {"wav": f"{speaker}.wav", "speaker": speaker, "sentence": "a01", "sha256": speaker}}
    >>> print(audit(one("spk03"), {}, one("spk08")).line.replace("; ", "\n"))
    audit ok: 1/0/1 utterances
    disjoint: speaker (1/0/1), identical samples
    shared: sentence (1 of 1)
    near-duplicates not compared in 2 of 2 (no file, or too short)
    >>> train = {"other": {**one("spk08")["spk08"], "speaker": "spk03"}}
    >>> audit(train, {}, one("spk08"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ser_plugins.corpora.audit.LeakageError: got: identical samples in train and test (other = spk08); expected: ...
    """
    splits = {"train": train, "valid": valid, "test": test}
    for name in ("train", "test"):
        if not splits[name]:
            raise SerError(got=f"{name}: 0 utterances", expected="at least one", remedy="check the manifest")
    occurring = {field for split in splits.values() for fields in split.values() for field in fields}
    claimed = tuple(field for field in GROUPS if field in occurring) if disjoint is None else tuple(disjoint)
    if not claimed and not leaks:
        raise SerError(
            got="manifests with the fields " + ", ".join(sorted(occurring)),
            expected="at least one of " + ", ".join(GROUPS) + ", else nothing can be shown to be disjoint",
            remedy="add the field, or name your own with --disjoint",
        )
    _compare(splits, "id", lambda id_, fields: [id_])
    everything = {**train, **valid, **test}
    for field in claimed:
        verify_names(everything, field, remedy=f"add {field!r}, or name the field that plays its part with --disjoint")
        if not leaks:
            _compare_names(splits, field)
        verify_one_spelling(everything, field, remedy="write it the same way everywhere, or rename one of them")
    files = {id_: path for id_, fields in everything.items() if (path := _find(fields, data_root)) is not None}
    hashes = {id_: _hashes(id_, fields, files.get(id_)) for id_, fields in everything.items()}
    without_hash = _compare_samples(splits, hashes)
    comparison = near_duplicates({id_: (path, hashes[id_]["sha256"]) for id_, path in files.items()}, memory)
    _compare_pairs(splits, comparison.pairs)
    unknown = {"identical samples": without_hash, "near-duplicates": len(everything) - comparison.compared}

    fields = [*claimed, *(field for field in REPORTED if field in occurring and field not in claimed)]
    values = {field: {name: _values(split, field) for name, split in splits.items()} for field in fields}
    shared = {field: _shared(values[field]) for field in fields}
    return _report(splits, values, shared, unknown, leaks)


def audit_files(train, valid, test, *, disjoint=None, leaks=False, data_root=None, memory=None) -> Audit:
    """Check three files, of any kind that is read; by default for every one of speaker, session and video."""
    manifests = [read_split(path, data_root) for path in (train, valid, test)]
    return audit(*manifests, disjoint=disjoint, leaks=leaks, data_root=data_root, memory=memory)


def _compare_names(splits, field):
    """Raise when two splits share a name, in whatever spelling."""
    spelt = defaultdict(dict)
    for split in splits.values():
        for fields in split.values():
            spelt[same_name(fields[field])][str(fields[field])] = None
    names = {key: next(iter(s)) if len(s) == 1 else " = ".join(map(shown, s)) for key, s in spelt.items()}
    _compare(splits, field, lambda id_, fields: [names[same_name(fields[field])]])


def _compare(splits, kind, keys):
    """Raise when two splits share a key; ``keys(id, fields)`` lists the keys of an utterance."""
    owners = {name: {} for name in splits}
    for name, split in splits.items():
        for id_, fields in split.items():
            for key in keys(id_, fields):
                owners[name].setdefault(key, []).append(id_)
    for one, other in combinations(splits, 2):
        common = sorted(owners[one].keys() & owners[other].keys())
        if common and kind == SAMPLES:
            pairs = dict.fromkeys(f"{owners[one][key][0]} = {owners[other][key][0]}" for key in common)
            got = f"{kind} in {one} and {other} ({first_few(pairs)})"
        elif common:
            inside = {name: sum(len(owners[name][key]) for key in common) for name in (one, other)}
            got = f"{kind} {first_few(common)} in {one} ({inside[one]}) and {other} ({inside[other]} utterances)"
        if common:
            raise LeakageError(
                got=got,
                expected=f"no {kind} in two of train, valid and test",
                remedy="move or remove them, so that each is in one split only",
            )


def _compare_samples(splits, hashes) -> int:
    """Raise on a recording in two splits; return how many utterances could not be compared."""
    # The same path is the same recording, also where there is nothing to hash.
    _compare(splits, SAMPLES, lambda id_, fields: [("wav", str(fields["wav"]))] if fields.get("wav") else [])
    _compare(splits, SAMPLES, lambda id_, fields: list(hashes[id_].items()))
    return min(sum(kind not in sums for sums in hashes.values()) for kind in HASHES)


def _compare_pairs(splits, pairs) -> None:
    """Raise on near-duplicates in two splits."""
    split_of = {id_: name for name, split in splits.items() for id_ in split}
    apart = [(one, other, share) for one, other, share in pairs if split_of[one] != split_of[other]]
    if apart:
        lines = [
            f"{one} in {split_of[one]} = {other} in {split_of[other]}, {100 * share:.0f} % alike"
            for one, other, share in apart
        ]
        raise LeakageError(
            got=f"{len(apart)} near-duplicates in two splits ({first_few(lines)})",
            expected="no copy or excerpt of a recording, however coded, in two of train, valid and test",
            remedy="listen to them, and move or remove one of each pair",
        )


def _find(fields, data_root) -> Path | None:
    """The file of an utterance, if it is there."""
    if not fields.get("wav"):
        return None
    wav = str(fields["wav"])
    path = Path(wav if data_root is None else wav.replace("{data_root}", str(data_root)))
    return path if os.path.isfile(path) else None


def _hashes(id_, fields, path) -> dict:
    """The hashes that a manifest gives, which have to be those of the file where there is one; or the file's."""
    listed = {kind: fields[kind] for kind in HASHES if fields.get(kind)}
    if path is None:
        return listed
    sound = measure(path)
    computed = {"sha256": sound.sha256, "audio_sha256": sound.audio_sha256}
    wrong = [kind for kind in listed if computed[kind] != listed[kind]]
    if wrong:
        raise SerError(
            got=f"{id_}: {path}: another file than the one whose SHA-256 is in the manifest ({' and '.join(wrong)})",
            expected="the hashes that the manifest has",
            remedy="restore the file, or prepare the corpus again",
        )
    return {kind: value for kind, value in computed.items() if value}


def _values(split, field) -> set:
    return {same_name(fields[field]) for fields in split.values() if is_name(fields.get(field))}


def _shared(values) -> set:
    return set().union(*(values[one] & values[other] for one, other in combinations(values, 2)))


def _report(splits, values, shared, unknown, leaks) -> Audit:
    counts = {name: len(split) for name, split in splits.items()}
    total = sum(counts.values())
    compared = [COMPARISONS[kind][0] for kind, count in unknown.items() if count < total]
    left = [f"{kind} not compared in {n} of {total} ({COMPARISONS[kind][1]})" for kind, n in unknown.items() if n]
    disjoint = [
        f"{field} ({'/'.join(str(len(v)) for v in values[field].values())})" for field in values if not shared[field]
    ]
    common = [f"{field} ({len(s)} of {len(set().union(*values[field].values()))})" for field, s in shared.items() if s]
    line = "; ".join(
        [
            f"{'LEAKING' if leaks else 'audit ok'}: {'/'.join(map(str, counts.values()))} utterances",
            "disjoint: " + (", ".join([*disjoint, *compared]) or "nothing"),
            "shared: " + (", ".join(common) or "nothing"),
            *left,
        ]
    )
    return Audit(
        line=line,
        counts=counts,
        disjoint=tuple(field for field in values if not shared[field]),
        shared=tuple(field for field in values if shared[field]),
        audio_compared=not any(unknown.values()),
    )
