"""All folds of a protocol: each on its own, against one another, and what metadata say of the labels."""

import hashlib
import math
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import Any

import numpy as np

from ser_plugins import __version__
from ser_plugins.corpora.auditing.audio import Audio, examine, levels
from ser_plugins.corpora.auditing.confounds import MOST_CLASSES, Confound, find_confounds
from ser_plugins.corpora.auditing.fold import LABEL, FoldAudit, audit_fold
from ser_plugins.corpora.lists.division import Division
from ser_plugins.corpora.manifest import canonical
from ser_plugins.corpora.names import is_name, shown, spellings
from ser_plugins.corpora.verify import first_few

NAMES = ("speaker", "session", "video")  # that may predict a label


@dataclass(frozen=True)
class Coverage:
    """How often utterances are tested.

    Arguments
    ---------
    utterances : int
        In all folds together.
    times : dict
        ``{how often: utterances}``.
    """

    utterances: int
    times: dict[int, int]

    @property
    def once(self) -> bool:
        """Whether every utterance is tested exactly once."""
        return set(self.times) == {1}


@dataclass(frozen=True)
class DivisionAudit:
    """What was found in all folds.

    Arguments
    ---------
    name : str
        Of the lists.
    digest : str
        Eight digits of the SHA-256 of which utterance is in which part of which fold.
    folds : tuple of FoldAudit
        In order.
    coverage : Coverage
        How often utterances are tested.
    confounds : tuple of Confound
        What metadata say of labels; empty where there are no classes.
    remarks : tuple of str
        What was guessed, and what could not be looked at.
    claimed : tuple of str
        Fields that no two parts may share.
    """

    name: str
    digest: str
    folds: tuple[FoldAudit, ...]
    coverage: Coverage
    confounds: tuple[Confound, ...]
    remarks: tuple[str, ...]
    claimed: tuple[str, ...]

    @property
    def leaking(self) -> tuple[str, ...]:
        """Names of the folds with a leak."""
        return tuple(fold.name for fold in self.folds if fold.leaking)

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        values = asdict(self)
        values["confounds"] = [{**asdict(found), "predicts": found.predicts} for found in self.confounds]
        return {"schema": 1, "version": __version__, "leaking": list(self.leaking), **values}


def audit_division(
    division: Division,
    *,
    claimed: Sequence[str],
    reported: Sequence[str],
    data_root=None,
    memory=None,
    read_audio: bool = True,
) -> DivisionAudit:
    """Look at every fold; nothing that is found is raised.

    Arguments
    ---------
    division : Division
        As :func:`ser_plugins.corpora.lists.division.read_division` gives it.
    claimed, reported : sequence of str
        Fields that no two parts may share, and those that are counted.
    data_root, memory
        As :func:`~ser_plugins.corpora.auditing.audio.examine` has them.
    read_audio : bool
        Whether recordings are read: hashes, near-duplicates, lengths, rates and levels.
    """
    audio = examine(_every(division), data_root, memory) if read_audio else Audio(data_root=data_root)
    folds = tuple(
        audit_fold(fold.name, fold.parts, audio, claimed=claimed, reported=reported) for fold in division.folds
    )
    confounds, remark = _confounds(division, audio)
    return DivisionAudit(
        name=division.name,
        digest=_digest(division),
        folds=folds,
        coverage=_coverage(division),
        confounds=tuple(confounds),
        remarks=(
            *division.remarks,
            *_conflicts(division),
            *_respelt(division, claimed),
            *([remark] if remark else []),
        ),
        claimed=tuple(claimed),
    )


def _every(division) -> Iterator[tuple[str, Mapping]]:
    for fold in division.folds:
        for split in fold.parts.values():
            yield from split.items()


def _digest(division) -> str:
    """What is in which part of which fold, wherever the corpus lies: without the folder that all ids begin with."""
    ids = {id_ for id_, _ in _every(division)}
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(min(ids), max(ids), strict=False))
    length = 1 + "".join(character for character, _ in alike).rfind("/")
    result = hashlib.sha256()
    for fold in sorted(division.folds, key=lambda fold: fold.name):
        for part, split in sorted(fold.parts.items()):
            result.update(canonical([fold.name, part, sorted(id_[length:] for id_ in split)]).encode())
    return result.hexdigest()[:8]


def _coverage(division) -> Coverage:
    tested = Counter(id_ for fold in division.folds for id_ in fold.parts["test"])
    utterances = {id_ for id_, _ in _every(division)}
    times = Counter(tested.get(id_, 0) for id_ in utterances)
    return Coverage(len(utterances), dict(sorted(times.items())))


def _conflicts(division) -> list[str]:
    """Ids that are another recording in another fold or part."""
    first: dict[str, Mapping] = {}
    other: dict[str, None] = {}
    for id_, fields in _every(division):
        earliest = first.setdefault(id_, fields)
        if earliest is not fields and (earliest.get("wav"), earliest.get(LABEL)) != (
            fields.get("wav"),
            fields.get(LABEL),
        ):
            other[id_] = None
    return [f"{len(other)} ids with another path or label in another list: {first_few(other)}"] if other else []


def _respelt(division, claimed) -> list[str]:
    """Names that occur in two spellings, and count as one."""
    lines = []
    for field in claimed:
        names = dict.fromkeys(str(fields[field]) for _, fields in _every(division) if is_name(fields.get(field)))
        if twofold := [" = ".join(map(shown, variants)) for variants in spellings(names)]:
            lines.append(f"{field} in two spellings, which count as one: {first_few(twofold)}")
    return lines


def _confounds(division, audio: Audio) -> tuple[list[Confound], str]:
    """What metadata say of labels, over the tested utterances of all folds; or why nothing is told."""
    places: dict[str, int] = {}
    entries: list[Mapping] = []
    for id_, fields in _every(division):
        if id_ not in places and is_name(fields.get(LABEL)):
            places[id_] = len(entries)
            entries.append(fields)
    labels = [str(fields[LABEL]) for fields in entries]
    distinct = len(set(labels))
    if distinct < 2:
        return [], "confounds not looked for: no labels" if not labels else "confounds not looked for: one class"
    if distinct > MOST_CLASSES:
        return [], f"confounds not looked for: {distinct} labels, which are no classes"
    folds = [
        (
            _where(places, fold.parts["train"]),
            _where(places, fold.parts["test"]),
        )
        for fold in division.folds
    ]
    return find_confounds(labels, _columns(entries, audio), folds), ""


def _where(places, split) -> np.ndarray:
    return np.array([places[id_] for id_ in split if id_ in places], dtype=int)


def _columns(entries: Sequence[Mapping], audio: Audio) -> dict[str, list]:
    """Metadata that are there: numbers as float, names as text."""
    sounds = [audio.sounds.get(audio.path(fields)) for fields in entries]
    level_of = levels(audio.sounds)
    columns: dict[str, list] = {
        "duration": [
            _number(sound.duration if sound else fields.get("duration"))
            for sound, fields in zip(sounds, entries, strict=True)
        ],
        "sample rate": [
            _number(sound.sample_rate if sound else fields.get("sample_rate"))
            for sound, fields in zip(sounds, entries, strict=True)
        ],
        "level": [_number(level_of.get(audio.path(fields), fields.get("level"))) for fields in entries],
        "folder": [posixpath.dirname(str(fields.get("wav") or "").replace("\\", "/")) for fields in entries],
    }
    for field in NAMES:
        columns[field] = [str(fields[field]) if is_name(fields.get(field)) else "" for fields in entries]
    numbers = ("duration", "sample rate", "level")
    return {
        name: values
        for name, values in columns.items()
        if (any(not math.isnan(v) for v in values) if name in numbers else 2 * len(set(values)) <= len(values))
    }


def _number(value) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return math.nan
    return number if math.isfinite(number) else math.nan
