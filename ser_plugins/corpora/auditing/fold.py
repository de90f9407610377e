"""One fold: what its parts share, how many there are of what, and which classes are on one side only."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from ser_plugins.corpora.auditing.audio import Audio
from ser_plugins.corpora.auditing.leaks import (
    Leak,
    not_compared,
    shared_copies,
    shared_ids,
    shared_names,
    shared_recordings,
)
from ser_plugins.corpora.names import is_name, same_name

LABEL = "label"


@dataclass(frozen=True)
class FieldCount:
    """Values of a field in the parts of a fold.

    Arguments
    ---------
    distinct : dict
        ``{part: how many}``.
    shared : int
        In two parts or more.
    all : int
        In the fold together.
    missing : int
        Utterances without a value.
    """

    distinct: dict[str, int]
    shared: int
    all: int
    missing: int


@dataclass(frozen=True)
class FoldAudit:
    """What was found in one fold.

    Arguments
    ---------
    name : str
        Of the fold.
    counts : dict
        Utterances in ``train``, ``valid`` and ``test``.
    leaks : tuple of Leak
        What is in two parts and must not be.
    fields : dict
        :class:`FieldCount` by field, the claimed ones first.
    unknown : dict
        Utterances that could not be compared, by what they are compared by.
    classes : dict
        ``{part: {class: utterances}}``; empty where labels are not classes.
    only_in : dict
        ``{part: classes that train or test alone has}``.
    single_class_speakers : tuple of str
        Speakers of the test with one class, where the test has several.
    """

    name: str
    counts: dict[str, int]
    leaks: tuple[Leak, ...]
    fields: dict[str, FieldCount]
    unknown: dict[str, int]
    classes: dict[str, dict[str, int]]
    only_in: dict[str, tuple[str, ...]]
    single_class_speakers: tuple[str, ...]

    @property
    def leaking(self) -> bool:
        """Whether anything is in two parts that must not be."""
        return bool(self.leaks)


def audit_fold(
    name: str, splits: Mapping[str, Mapping], audio: Audio, *, claimed: Sequence[str], reported: Sequence[str]
) -> FoldAudit:
    """Look for everything in one fold, and raise nothing.

    Arguments
    ---------
    name : str
        Of the fold.
    splits : dict
        Manifests of ``train``, ``valid`` and ``test``; labels under ``label``.
    audio : Audio
        What is known of the recordings.
    claimed : sequence of str
        Fields that no two parts may share.
    reported : sequence of str
        Fields that are counted.
    """
    leaks = [
        *shared_ids(splits),
        *(leak for field in claimed for leak in shared_names(splits, field)),
        *shared_recordings(splits, audio),
        *shared_copies(splits, audio),
    ]
    classes = {part: Counter(labels_of(split)) for part, split in splits.items()}
    return FoldAudit(
        name=name,
        counts={part: len(split) for part, split in splits.items()},
        leaks=tuple(leaks),
        fields={field: _count(splits, field) for field in dict.fromkeys((*claimed, *reported))},
        unknown=not_compared(splits, audio),
        classes={part: dict(sorted(counted.items())) for part, counted in classes.items()},
        only_in=_one_sided(classes["train"], classes["test"]),
        single_class_speakers=_of_one_class(splits["test"]),
    )


def labels_of(split: Mapping[str, Mapping]) -> list[str]:
    """The label of every utterance that has one."""
    return [str(fields[LABEL]) for fields in split.values() if is_name(fields.get(LABEL))]


def _count(splits, field) -> FieldCount:
    values = {
        part: {same_name(fields[field]) for fields in split.values() if is_name(fields.get(field))}
        for part, split in splits.items()
    }
    shared = set().union(*(values[one] & values[other] for one, other in combinations(values, 2)))
    return FieldCount(
        distinct={part: len(found) for part, found in values.items()},
        shared=len(shared),
        all=len(set().union(*values.values())),
        missing=sum(not is_name(fields.get(field)) for split in splits.values() for fields in split.values()),
    )


def _one_sided(train: Counter, test: Counter) -> dict[str, tuple[str, ...]]:
    """Classes that only one of training and test has; nothing where one of them has no labels."""
    if not train or not test:
        return {}
    found = {"train": sorted(set(train) - set(test)), "test": sorted(set(test) - set(train))}
    return {part: tuple(names) for part, names in found.items() if names}


def _of_one_class(test: Mapping[str, Mapping]) -> tuple[str, ...]:
    classes = defaultdict(set)
    counted = Counter()
    for fields in test.values():
        if is_name(fields.get("speaker")) and is_name(fields.get(LABEL)):
            classes[str(fields["speaker"])].add(str(fields[LABEL]))
            counted[str(fields["speaker"])] += 1
    if len(set().union(*classes.values())) < 2:
        return ()
    return tuple(sorted(name for name, labels in classes.items() if len(labels) == 1 and counted[name] > 1))
