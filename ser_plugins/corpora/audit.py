"""The auditor: does anything of the test set occur in training?

It runs before every training and fails it; it is not a warning. An id, identical samples, or a copy or excerpt of a
recording (whatever it was coded by) in two splits is always a leak. A field such as the speaker is one when a protocol
claims to be disjoint in it. What cannot be shown is an error (manifests without speakers are not speaker-independent)
or is said in the line (recordings that were not compared).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from ser_plugins.corpora.auditing.audio import examine
from ser_plugins.corpora.auditing.division import DivisionAudit, audit_division
from ser_plugins.corpora.auditing.leaks import (
    NEAR,
    SAMPLES,
    Leak,
    LeakageError,
    not_compared,
    shared_copies,
    shared_ids,
    shared_names,
    shared_recordings,
)
from ser_plugins.corpora.lists.columns import our_name
from ser_plugins.corpora.lists.division import Division, read_division
from ser_plugins.corpora.lists.reading import Reader, read_split
from ser_plugins.corpora.names import is_name, same_name
from ser_plugins.corpora.spoken import said_in_training
from ser_plugins.corpora.verify import verify_names, verify_one_spelling
from ser_plugins.errors import SerError

__all__ = ["Audit", "LeakageError", "audit", "audit_files", "audit_folds", "audit_lists"]

GROUPS = ("speaker", "session", "video", "recording")  # what foreign manifests are checked for
REPORTED = (*GROUPS, "sentence", "script", "transcript")
# What recordings are compared by, how that is called in the line, and what it needs.
COMPARISONS = {
    SAMPLES: (SAMPLES, "no hash or file"),
    NEAR: ("near-duplicates (fingerprint)", "no file, or too short"),
}


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
    ser_plugins.corpora.auditing.leaks.LeakageError: got: identical samples in train and test (other = spk08); ...
    """
    splits = {"train": train, "valid": valid, "test": test}
    for name in ("train", "test"):
        if not splits[name]:
            raise SerError(got=f"{name}: 0 utterances", expected="at least one", remedy="check the manifest")
    occurring = {field for split in splits.values() for fields in split.values() for field in fields}
    claimed = claimed_fields(occurring, disjoint, leaks=leaks)
    _raise_first(shared_ids(splits))
    everything = {**train, **valid, **test}
    for field in claimed:
        verify_names(everything, field, remedy=f"add {field!r}, or name the field that plays its part with --disjoint")
        if not leaks:
            _raise_first(shared_names(splits, field))
        verify_one_spelling(everything, field, remedy="write it the same way everywhere, or rename one of them")
    audio = examine(everything.items(), data_root, memory)
    _raise_first([*shared_recordings(splits, audio), *shared_copies(splits, audio)])
    unknown = not_compared(splits, audio)

    fields = [*claimed, *(field for field in REPORTED if field in occurring and field not in claimed)]
    values = {field: {name: _values(split, field) for name, split in splits.items()} for field in fields}
    shared = {field: _shared(values[field]) for field in fields}
    return _report(splits, values, shared, unknown, leaks)


def audit_files(train, valid, test, *, disjoint=None, leaks=False, data_root=None, memory=None) -> Audit:
    """Check three files, of any kind that is read; by default for every one of speaker, session and video."""
    manifests = [read_split(path, data_root) for path in (train, valid, test)]
    return audit(*manifests, disjoint=disjoint, leaks=leaks, data_root=data_root, memory=memory)


def audit_lists(
    paths: Sequence, *, disjoint=None, reader: Reader | None = None, memory=None, read_audio: bool = True
) -> DivisionAudit:
    """Look at every fold of what people have, and raise no leak.

    Arguments
    ---------
    paths : sequence of path-like
        Train, valid and test, train and test, or one list or folder that says how it is divided:
        :func:`ser_plugins.corpora.lists.division.read_division`.
    disjoint : sequence of str, optional
        Fields that no two parts may share. None: every one of speaker, session, video and recording that occurs.
    reader : Reader, optional
        How lists are read: columns, speakers out of names of files, where recordings are.
    memory : Path, optional
        File that keeps fingerprints from one audit to the next.
    read_audio : bool
        Whether recordings are read, where they are found.

    Returns
    -------
    DivisionAudit
        ``.leaking`` names the folds with a leak; ``auditing.page`` says all of it.

    Raises
    ------
    SerError
        Lists that cannot be read, or with which nothing can be shown: utterances without speakers.
    """
    reader = reader or Reader()
    division = read_division(paths, reader)
    return audit_folds(division, disjoint=disjoint, data_root=reader.data_root, memory=memory, read_audio=read_audio)


def audit_folds(
    division: Division, *, disjoint=None, data_root=None, memory=None, read_audio: bool = True
) -> DivisionAudit:
    """Look at every fold of a division that was read: see :func:`audit_lists`."""
    parts = [split for fold in division.folds for split in fold.parts.values()]
    occurring = {field for split in parts for fields in split.values() for field in fields}
    claimed = claimed_fields(occurring, disjoint)
    for split in parts:
        for field in claimed:
            verify_names(split, field, remedy=f"add {field!r}, or name the field that plays its part with --disjoint")
    reported = [field for field in REPORTED if field in occurring]
    return audit_division(
        division, claimed=claimed, reported=reported, data_root=data_root, memory=memory, read_audio=read_audio
    )


def claimed_fields(occurring: Iterable[str], disjoint=None, *, leaks=False) -> tuple[str, ...]:
    """The fields that no two splits may share: those that are named, or every group that occurs.

    Raises
    ------
    SerError
        None of them.
    """
    occurring = set(occurring)
    if disjoint is None:
        claimed = tuple(field for field in GROUPS if field in occurring)
    else:
        claimed = tuple(field if field in occurring else our_name(field) for field in disjoint)
    if not claimed and not leaks:
        raise SerError(
            got="manifests with the fields " + ", ".join(sorted(occurring)),
            expected="at least one of " + ", ".join(GROUPS) + ", else nothing can be shown to be disjoint",
            remedy="add the field, name your own with --disjoint, or take it from names of files with --speaker-from",
        )
    return claimed


def _raise_first(leaks: Iterable[Leak]) -> None:
    for leak in leaks:
        raise leak.error()


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
    again, transcripts = said_in_training(splits["train"], splits["test"])
    said = [f"said in training too: {again} of {transcripts} transcripts of test"] if transcripts else []
    common = [f"{field} ({len(s)} of {len(set().union(*values[field].values()))})" for field, s in shared.items() if s]
    line = "; ".join(
        [
            f"{'LEAKING' if leaks else 'audit ok'}: {'/'.join(map(str, counts.values()))} utterances",
            "disjoint: " + (", ".join([*disjoint, *compared]) or "nothing"),
            "shared: " + (", ".join(common) or "nothing"),
            *said,
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
