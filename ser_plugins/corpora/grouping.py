"""Dividing whole groups (videos, say) so that the parts get about their share of the utterances."""

import random
from collections import Counter
from collections.abc import Callable, Mapping


def divide(sizes: Mapping, shares: Mapping, seed: int = 0) -> dict:
    """Give every group to one part: ``{group: part}``.

    Largest first (equal ones in an order drawn by ``seed``), each to the part that is furthest below its share.

    Arguments
    ---------
    sizes : dict
        ``{group: utterances}``.
    shares : dict
        ``{part: share}``, in any unit.
    seed : int
        Another seed, another division, with the same shares.

    Example
    -------
    >>> divide({"a": 5, "b": 3, "c": 1, "d": 1}, {"train": 0.8, "test": 0.2})
    {'a': 'train', 'b': 'train', 'c': 'test', 'd': 'test'}
    """
    groups = sorted(sizes)
    random.Random(seed).shuffle(groups)
    groups.sort(key=lambda group: -sizes[group])
    unit = sum(sizes.values()) / sum(shares.values())
    missing = {part: share * unit for part, share in shares.items()}
    given = {}
    for group in groups:
        part = max(missing, key=missing.__getitem__)
        given[group] = part
        missing[part] -= sizes[group]
    return dict(sorted(given.items()))


def in_groups(field: str, count: int) -> Callable:
    """Blocks for a protocol: the values of ``field`` in ``count`` groups of about equal size, drawn by the split seed.

    Example
    -------
    >>> manifest = {f"u{i}": {"video": f"v{i // 2}"} for i in range(8)}
    >>> [len(block) for block in in_groups("video", 2)(manifest, "label", 0).values()]
    [4, 4]
    """

    def blocks(manifest, target=None, seed=0) -> dict:
        sizes = Counter(fields[field] for fields in manifest.values())
        names = [f"group{number:02d}" for number in range(1, min(count, len(sizes)) + 1)]
        group_of = divide(sizes, dict.fromkeys(names, 1), seed)
        return {name: [id_ for id_ in manifest if group_of[manifest[id_][field]] == name] for name in names}

    return blocks
