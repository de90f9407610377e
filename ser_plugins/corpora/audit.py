"""The auditor: does anything of the test set occur in training?

It runs before every training and fails it; it is not a warning. An id or an identical recording in two splits is
always a leak. A field such as the speaker is one when a protocol claims to be disjoint in it. What cannot be shown is
an error (manifests without speakers are not speaker-independent) or is said in the line (audio that was not compared).
"""

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from ser_plugins.corpora.manifest import measure, read_manifest
from ser_plugins.corpora.names import is_name, same_name, shown
from ser_plugins.corpora.verify import first_few, verify_names, verify_one_spelling
from ser_plugins.errors import SerError

GROUPS = ("speaker", "session", "video")  # what foreign manifests are checked for
REPORTED = (*GROUPS, "sentence", "script")
HASHES = ("sha256", "audio_sha256")


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
        False when some utterances had neither a hash nor a file.
    """

    line: str
    counts: dict
    disjoint: tuple
    shared: tuple
    audio_compared: bool


def audit(train, valid, test, *, disjoint=("speaker",), leaks=False, data_root=None) -> Audit:
    """Check three manifests against each other.

    Arguments
    ---------
    train, valid, test : dict
        Manifests; ``valid`` may be empty.
    disjoint : sequence of str, optional
        Fields that no two splits may share. None: every one of speaker, session and video that occurs.
    leaks : bool
        True for a protocol that is known to leak: shared fields are printed, not raised. Ids and recordings still are.
    data_root : path-like, optional
        What ``{data_root}`` stands for; used to hash files for which a manifest has no hashes.

    Returns
    -------
    Audit
        ``.line`` says what is disjoint and what is shared.

    Raises
    ------
    LeakageError, SerError
        A leak; or an empty split, or a field that is missing, so that nothing can be shown.

    Example
    -------
    >>> def one(speaker):
    ...     return {speaker: {"wav": f"{speaker}.wav", "speaker": speaker, "sentence": "a01", "sha256": speaker}}
    >>> audit(one("spk03"), {}, one("spk08")).line
    'audit ok: 1/0/1 utterances; disjoint: speaker (1/0/1), audio; shared: sentence (1 of 1)'
    >>> train = {"other": {**one("spk08")["spk08"], "speaker": "spk03"}}
    >>> audit(train, {}, one("spk08"))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ser_plugins.corpora.audit.LeakageError: got: the same audio in train and test (other = spk08); expected: ...
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
    unknown = _compare_audio(splits, data_root)

    fields = [*claimed, *(field for field in REPORTED if field in occurring and field not in claimed)]
    values = {field: {name: _values(split, field) for name, split in splits.items()} for field in fields}
    shared = {field: _shared(values[field]) for field in fields}
    return _report(splits, values, shared, unknown, leaks)


def audit_files(train, valid, test, *, disjoint=None, leaks=False, data_root=None) -> Audit:
    """Check three manifest files; by default for every one of speaker, session and video that occurs."""
    manifests = [read_manifest(path) for path in (train, valid, test)]
    return audit(*manifests, disjoint=disjoint, leaks=leaks, data_root=data_root)


def _compare_names(splits, field):
    """Raise when two splits share a name, in whatever spelling."""
    spelt = defaultdict(dict)
    for split in splits.values():
        for fields in split.values():
            spelt[same_name(fields[field])][str(fields[field])] = None
    names = {key: next(iter(s)) if len(s) == 1 else " = ".join(map(shown, s)) for key, s in spelt.items()}
    _compare(splits, field, lambda id_, fields: [names[same_name(fields[field])]])


def _compare(splits, what, keys):
    """Raise when two splits share a key; ``keys(id, fields)`` lists the keys of an utterance."""
    owners = {name: {} for name in splits}
    for name, split in splits.items():
        for id_, fields in split.items():
            for key in keys(id_, fields):
                owners[name].setdefault(key, []).append(id_)
    for one, other in combinations(splits, 2):
        common = sorted(owners[one].keys() & owners[other].keys())
        if common and what == "audio":
            pairs = dict.fromkeys(f"{owners[one][key][0]} = {owners[other][key][0]}" for key in common)
            found = f"the same audio in {one} and {other} ({first_few(pairs)})"
        elif common:
            inside = {name: sum(len(owners[name][key]) for key in common) for name in (one, other)}
            found = f"{what} {first_few(common)} in {one} ({inside[one]}) and {other} ({inside[other]} utterances)"
        if common:
            raise LeakageError(
                got=found,
                expected=f"no {what} in two of train, valid and test",
                remedy=f"move or remove them, so that each {what} is in one split only",
            )


def _compare_audio(splits, data_root) -> int:
    """Raise on a recording in two splits; return how many utterances could not be compared."""
    hashes = {
        name: {id_: _hashes(fields, data_root) for id_, fields in split.items()} for name, split in splits.items()
    }
    # The same path is the same recording, also where there is nothing to hash.
    _compare(splits, "audio", lambda id_, fields: [("wav", str(fields["wav"]))] if fields.get("wav") else [])
    _compare(hashes, "audio", lambda id_, fields: list(fields.items()))
    everyone = [known for split in hashes.values() for known in split.values()]
    return min(sum(kind not in known for known in everyone) for kind in HASHES)


def _hashes(fields, data_root) -> dict:
    """The hashes that a manifest gives, completed from the file where there is one."""
    known = {kind: fields[kind] for kind in HASHES if fields.get(kind)}
    if len(known) < len(HASHES) and fields.get("wav"):
        wav = str(fields["wav"])
        path = Path(wav if data_root is None else wav.replace("{data_root}", str(data_root)))
        if path.is_file():
            sound = measure(path)
            measured = {"sha256": sound.sha256, "audio_sha256": sound.audio_sha256}
            known = {**{kind: value for kind, value in measured.items() if value}, **known}
    return known


def _values(split, field) -> set:
    return {same_name(fields[field]) for fields in split.values() if is_name(fields.get(field))}


def _shared(values) -> set:
    return set().union(*(values[one] & values[other] for one, other in combinations(values, 2)))


def _report(splits, values, shared, unknown, leaks) -> Audit:
    counts = {name: len(split) for name, split in splits.items()}
    total = sum(counts.values())
    disjoint = [
        f"{field} ({'/'.join(str(len(v)) for v in values[field].values())})" for field in values if not shared[field]
    ]
    common = [f"{field} ({len(s)} of {len(set().union(*values[field].values()))})" for field, s in shared.items() if s]
    line = "; ".join(
        [
            f"{'LEAKING' if leaks else 'audit ok'}: {'/'.join(map(str, counts.values()))} utterances",
            "disjoint: " + ", ".join([*disjoint, *([] if unknown else ["audio"])] or ["nothing"]),
            "shared: " + (", ".join(common) or "nothing"),
            *([f"audio not compared ({unknown} of {total} without hash or file)"] if unknown else []),
        ]
    )
    return Audit(
        line=line,
        counts=counts,
        disjoint=tuple(field for field in values if not shared[field]),
        shared=tuple(field for field in values if shared[field]),
        audio_compared=not unknown,
    )
