"""Is this the corpus it claims to be? Files against published checksums, labels against published counts."""

import math
from collections import Counter
from pathlib import Path

from ser_plugins.corpora.manifest import Sound
from ser_plugins.corpora.names import is_name, shown, spellings
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.files import read_json

SYNTHETIC_MARKER = "synthetic_corpus.json"  # in the folder of a corpus written by ser_plugins.corpora.toy.emodb


def read_checksums(path) -> dict:
    """Read lines ``name<TAB>sha256<TAB>bytes`` into ``{name: (sha256, bytes)}``."""
    checksums = {}
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        name, sha256, size = line.split("\t")
        checksums[name] = (sha256, int(size))
    return checksums


def read_marker(data_root) -> tuple[str, dict] | None:
    """Layout and checksums ``{name: (sha256, bytes)}`` of a synthetic corpus; None when it is not synthetic."""
    path = Path(data_root) / SYNTHETIC_MARKER
    if not path.is_file():
        return None
    marker = read_json(path)
    try:
        checksums = {name: (sha256, size) for name, (sha256, size) in marker["files"].items()}
        return marker["parameters"]["layout"], checksums
    except (KeyError, TypeError, ValueError, AttributeError):
        raise SerError(
            got=f"{path}: no list of files",
            expected='a marker with {"parameters": {"layout": ...}, "files": {name: [sha256, bytes]}}',
            remedy="remove the folder and write the synthetic corpus anew (`make demo`)",
        ) from None


def verify_sounds(sounds: dict, checksums: dict, *, folder, sample_rate: int, remedy: str, refused=None) -> None:
    """Compare measured files with the published ones.

    Arguments
    ---------
    sounds : dict
        ``{name: Sound}`` as found.
    checksums : dict
        ``{name: (sha256, bytes)}`` as published.
    folder : path-like
        Where they were found; for the message.
    sample_rate : int
        In Hz; every file is mono at this rate.
    remedy : str
        What the user should do about a wrong corpus.
    refused : dict
        ``{sample rate: what circulates at that rate}``, to say what a wrong copy is.

    Raises
    ------
    MissingPathError, SerError
        Nothing there; wrong format; or files missing, extra, renamed or damaged, all named at once.
    """
    if not sounds:
        raise MissingPathError(got=f"no wav files in {folder}", expected=f"{len(checksums)} wav files", remedy=remedy)
    verify_format(sounds, folder=folder, sample_rate=sample_rate, remedy=remedy, refused=refused)
    missing = {name for name in checksums if name not in sounds}
    extra = {name for name in sounds if name not in checksums}
    published = {checksums[name][0]: name for name in sorted(missing)}
    renamed = {name: published[sounds[name].sha256] for name in sorted(extra) if sounds[name].sha256 in published}
    missing -= set(renamed.values())
    extra -= set(renamed)
    damaged = [
        f"{name} ({sound.size} of {checksums[name][1]} bytes)" if sound.size != checksums[name][1] else name
        for name, sound in sounds.items()
        if name in checksums and sound.sha256 != checksums[name][0]
    ]
    complaints = {
        "missing": sorted(missing),
        "extra": sorted(extra),
        "renamed": [f"{name} is {was}" for name, was in renamed.items()],
        "damaged or altered": damaged,
    }
    if any(complaints.values()):
        wrong = "; ".join(f"{len(names)} {kind}: {first_few(names)}" for kind, names in complaints.items() if names)
        raise SerError(
            got=f"{len(sounds)} wav files in {folder}, {wrong}",
            expected=f"the {len(checksums)} published files, each with its SHA-256",
            remedy=remedy,
        )


def verify_usable(utterances, sounds: dict, *, folder, remedy: str) -> None:
    """Raise one :class:`SerError` that names every recording that is missing or has a problem, and its label's line."""
    complaints = {"missing": [], "unusable": []}
    for utterance in utterances:
        sound = sounds.get(utterance.wav)
        source = f" ({utterance.source})" if utterance.source else ""
        if sound is None:
            complaints["missing"].append(f"{utterance.wav}{source}")
        elif sound.problem:
            complaints["unusable"].append(f"{utterance.wav}: {sound.problem}{source}")
    if any(complaints.values()):
        wrong = "; ".join(f"{len(names)} {kind}: {first_few(names, 10)}" for kind, names in complaints.items() if names)
        raise SerError(
            got=f"of {len(utterances)} recordings in {folder}, {wrong}",
            expected="an audio file for every label, whole and not empty",
            remedy=remedy,
        )


def verify_distinct(utterances, sounds: dict, *, folder, target: str, remedy: str) -> None:
    """Raise one :class:`SerError` that names every recording that occurs twice, whatever its file and its label.

    Arguments
    ---------
    utterances : iterable of Utterance
        Those that are used.
    sounds : dict
        ``{wav: Sound}``.
    folder : path-like
        Where the recordings are; for the message.
    target : str
        The field with the label, which the message tells as well.
    remedy : str
        What the user should do about it.
    """
    first_of = {}
    pairs = []
    for utterance in utterances:
        earliest = first_of.setdefault(sounds[utterance.wav].audio_sha256, utterance)
        if earliest is not utterance:
            pairs.append(" = ".join(_told(each, target) for each in (earliest, utterance)))
    if pairs:
        raise SerError(
            got=f"{len(pairs)} recordings in {folder} are there twice (identical samples): {first_few(pairs, 10)}",
            expected="every recording once, under one label",
            remedy=f"remove one of each pair from the labels, or both where the labels differ; or {remedy}",
        )


def _told(utterance, target) -> str:
    about = ": ".join(str(word) for word in (utterance.source, utterance.fields.get(target)) if word not in ("", None))
    return f"{utterance.wav} ({about})" if about else utterance.wav


def verify_format(sounds: dict, *, folder, sample_rate: int, remedy: str, refused=None) -> None:
    """Raise :class:`SerError` unless every decodable file is mono at ``sample_rate`` Hz; see :func:`verify_sounds`."""

    def is_wrong(sound: Sound):
        return sound.sample_rate is not None and (sound.sample_rate, sound.channels) != (sample_rate, 1)

    wrong = {name: sound for name, sound in sounds.items() if is_wrong(sound)}
    if not wrong:
        return
    formats = sorted({(sound.sample_rate, sound.channels) for sound in wrong.values()})
    longest = max(sound.duration for sound in wrong.values())
    hint = "".join(f"; these are {refused[rate]}" for rate, _ in formats if rate in (refused or {}))
    raise SerError(
        got=f"{len(wrong)} of {len(sounds)} wav files in {folder} at "
        + ", ".join(f"{rate} Hz with {channels} channel(s)" for rate, channels in formats)
        + f", the longest {longest:.2f} s: {first_few(wrong)}{hint}",
        expected=f"{sample_rate} Hz mono, uncut",
        remedy=remedy,
    )


def verify_counts(manifest: dict, counts: dict, *, remedy: str, allow_partial: bool = False) -> str:
    """Compare label counts with the published ones, ``{field: {value: count}}``.

    Returns
    -------
    str
        Empty; or, with ``allow_partial``, what is missing, for every table. More than was published is always an error.

    Example
    -------
    >>> verify_counts({"u1": {"speaker": "spk03"}}, {"speaker": {"spk03": 1}}, remedy="")
    ''
    >>> verify_counts({"u1": {"speaker": "a"}}, {"speaker": {"a": 1, "b": 2}}, remedy="", allow_partial=True)
    'partial copy: 1 of 3 utterances, without speaker b'
    >>> verify_counts({"u1": {"speaker": "spk03"}}, {"speaker": {"spk03": 2}}, remedy="look")
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: speaker spk03: 1 utterances; expected: speaker spk03: 2; remedy: look
    """
    statements = []
    for field, expected in counts.items():
        counted = Counter(fields[field] for fields in manifest.values())
        wrong = [value for value in sorted({*counted, *expected}) if counted[value] != expected.get(value, 0)]
        refused = [value for value in wrong if not allow_partial or counted[value] > expected.get(value, 0)]
        if wrong and not refused:
            absent = [value for value in wrong if not counted[value]]
            fewer = [value for value in wrong if counted[value]]
            if absent:
                statements.append(f"without {field} {first_few(absent)}")
            if fewer and not statements:
                statements.append(f"with fewer of {field} {first_few(fewer)}")
        if refused:
            raise SerError(
                got=", ".join(f"{field} {value}: {counted[value]} utterances" for value in refused),
                expected=", ".join(f"{field} {value}: {expected.get(value, 0)}" for value in refused),
                remedy=remedy,
            )
    total = sum(next(iter(counts.values()), {}).values())
    return f"partial copy: {len(manifest)} of {total} utterances, {statements[0]}" if statements else ""


def verify_targets(manifest: dict, target: str, classes) -> None:
    """Raise :class:`SerError` unless every target is one of ``classes``, or, without classes, a finite number."""

    def is_right(value):
        return value in classes if classes else isinstance(value, float) and math.isfinite(value)

    wrong = [f"{id_} {fields.get(target)!r}" for id_, fields in manifest.items() if not is_right(fields.get(target))]
    if wrong:
        raise SerError(
            got=f"{len(wrong)} utterances with another {target}: {first_few(wrong)}",
            expected="one of " + ", ".join(classes) if classes else "a finite number",
            remedy="correct the labels, or leave these utterances out",
        )


def verify_names(manifest: dict, field: str, *, remedy: str) -> None:
    """Raise :class:`SerError` unless a field names something in every utterance.

    Example
    -------
    >>> verify_names({"u1": {"speaker": "nan"}}, "speaker", remedy="complete the labels")
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: 1 utterances without speaker (u1: 'nan'); expected: a speaker for every ...
    """
    values = {id_: fields.get(field) for id_, fields in manifest.items()}
    missing = [f"{id_}: {value!r}" for id_, value in values.items() if not is_name(value)]
    if missing:
        raise SerError(
            got=f"{len(missing)} utterances without {field} ({first_few(missing)})",
            expected=f"a {field} for every utterance, else they cannot be shown to be disjoint",
            remedy=remedy,
        )


def verify_one_spelling(manifest: dict, field: str, *, remedy: str) -> None:
    """Raise :class:`SerError` when a name in this field occurs in two spellings.

    Example
    -------
    >>> verify_one_spelling({"u1": {"speaker": "ben"}, "u2": {"speaker": "Ben"}}, "speaker", remedy="rename one")
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: speaker in two spellings: 'ben' = 'Ben'; expected: one spelling for every ...
    """
    twofold = spellings(fields[field] for fields in manifest.values())
    if twofold:
        raise SerError(
            got=f"{field} in two spellings: {first_few(' = '.join(map(shown, names)) for names in twofold)}",
            expected=f"one spelling for every {field}, else one counts as two",
            remedy=remedy,
        )


def first_few(names, limit: int = 5) -> str:
    """Name the first few and count the rest.

    Example
    -------
    >>> first_few(["a", "b", "c"], limit=2)
    'a, b and 1 more'
    """
    names = list(names)
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(str(name) for name in names[:limit]) + rest
