"""What two parts of a fold share: ids, names of speakers and the like, recordings, near-duplicates."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations

from ser_plugins.corpora.auditing.audio import Audio
from ser_plugins.corpora.names import is_name, same_name, shown
from ser_plugins.corpora.verify import first_few
from ser_plugins.errors import SerError

SAMPLES = "identical samples"
NEAR = "near-duplicates"


class LeakageError(SerError):
    """Something of a held-out split occurs in another split."""


@dataclass(frozen=True)
class Leak:
    """One kind of thing that is in two parts.

    Arguments
    ---------
    kind : str
        ``id``, the name of a field, ``identical samples`` or ``near-duplicates``.
    parts : tuple of str
        The two, of train, valid and test.
    count : int
        How many ids, names or pairs.
    got, expected, remedy : str
        As a :class:`LeakageError` says it.
    """

    kind: str
    parts: tuple[str, str]
    count: int
    got: str
    expected: str
    remedy: str

    def error(self) -> LeakageError:
        """The leak as an error."""
        return LeakageError(got=self.got, expected=self.expected, remedy=self.remedy)


def shared_ids(splits: Mapping[str, Mapping]) -> list[Leak]:
    """Ids in two parts."""
    return _shared(splits, "id", lambda id_, fields: [id_])


def shared_names(splits: Mapping[str, Mapping], field: str) -> list[Leak]:
    """Names of a field in two parts, in whatever spelling.

    Example
    -------
    >>> leaks = shared_names({"train": {"u1": {"speaker": "Anna"}}, "test": {"u2": {"speaker": "anna"}}}, "speaker")
    >>> print(leaks[0].got)
    speaker 'Anna' = 'anna' in train (1) and test (1 utterances)
    """
    spelt = defaultdict(dict)
    for split in splits.values():
        for fields in split.values():
            if is_name(fields.get(field)):
                spelt[same_name(fields[field])][str(fields[field])] = None
    names = {key: next(iter(s)) if len(s) == 1 else " = ".join(map(shown, s)) for key, s in spelt.items()}

    def keys(id_, fields):
        return [names[same_name(fields[field])]] if is_name(fields.get(field)) else []

    return _shared(splits, field, keys)


def shared_recordings(splits: Mapping[str, Mapping], audio: Audio) -> list[Leak]:
    """Recordings in two parts: by their paths, else by their hashes."""
    # The same path is the same recording, also where there is nothing to hash.
    by_path = _shared(splits, SAMPLES, lambda id_, fields: [("wav", str(fields["wav"]))] if fields.get("wav") else [])
    found = {leak.parts for leak in by_path}
    by_hash = _shared(splits, SAMPLES, lambda id_, fields: list(audio.hashes(fields).items()))
    return by_path + [leak for leak in by_hash if leak.parts not in found]


def shared_copies(splits: Mapping[str, Mapping], audio: Audio) -> list[Leak]:
    """Near-duplicates in two parts."""
    owners = defaultdict(list)
    for name, split in splits.items() if audio.pairs else ():
        for id_, fields in split.items():
            owners[audio.path(fields)].append((name, id_))
    apart = defaultdict(list)
    for one, other, share in audio.pairs:
        for name, id_ in owners.get(one, ()):
            for other_name, other_id in owners.get(other, ()):
                if name != other_name:
                    pair = f"{id_} in {name} = {other_id} in {other_name}, {100 * share:.0f} % alike"
                    first, second = sorted((name, other_name), key=list(splits).index)
                    apart[first, second].append(pair)
    return [
        Leak(
            kind=NEAR,
            parts=parts,
            count=len(lines),
            got=f"{len(lines)} near-duplicates in two splits ({first_few(lines)})",
            expected="no copy or excerpt of a recording, however coded, in two of train, valid and test",
            remedy="listen to them, and move or remove one of each pair",
        )
        for parts, lines in apart.items()
    ]


def not_compared(splits: Mapping[str, Mapping], audio: Audio) -> dict[str, int]:
    """How many utterances could not be compared, by what they are compared by."""
    everything = [fields for split in splits.values() for fields in split.values()]
    hashes = [audio.hashes(fields) for fields in everything]
    return {
        SAMPLES: min(sum(kind not in sums for sums in hashes) for kind in ("sha256", "audio_sha256")),
        NEAR: sum(not audio.is_compared(fields) for fields in everything),
    }


def _shared(splits, kind: str, keys: Callable) -> list[Leak]:
    """What two splits share; ``keys(id, fields)`` lists the keys of an utterance."""
    owners = {name: {} for name in splits}
    for name, split in splits.items():
        for id_, fields in split.items():
            for key in keys(id_, fields):
                owners[name].setdefault(key, []).append(id_)
    leaks = []
    for one, other in combinations(splits, 2):
        common = sorted(owners[one].keys() & owners[other].keys())
        if not common:
            continue
        if kind == SAMPLES:
            pairs = dict.fromkeys(f"{owners[one][key][0]} = {owners[other][key][0]}" for key in common)
            count = len(pairs)
            got = f"{kind} in {one} and {other} ({first_few(pairs)})"
        else:
            inside = {name: sum(len(owners[name][key]) for key in common) for name in (one, other)}
            count = len(common)
            got = f"{kind} {first_few(common)} in {one} ({inside[one]}) and {other} ({inside[other]} utterances)"
        expected = f"no {kind} in two of train, valid and test"
        leaks.append(
            Leak(kind, (one, other), count, got, expected, "move or remove them, so that each is in one split only")
        )
    return leaks
