"""Dividing whole groups (videos, speakers): by their share of the utterances, or in turn; and sentences in halves."""

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


def in_turn(field: str, count: int, together: int = 1) -> Callable:
    """Blocks for a protocol: the values of ``field``, in order, dealt out to ``count`` groups. Nothing is drawn.

    Arguments
    ---------
    field : str
        Such as the speaker.
    count : int
        Groups; fewer where there are fewer values.
    together : int
        How many neighbours are dealt at a time: 2 keeps pairs, such as a man and a woman, in one group.

    Example
    -------
    >>> manifest = {f"u{i}": {"speaker": f"spk{i}"} for i in range(7)}
    >>> in_turn("speaker", 3)(manifest, "label", 0)
    {'group1': ['u0', 'u3', 'u6'], 'group2': ['u1', 'u4'], 'group3': ['u2', 'u5']}
    >>> in_turn("speaker", 3, together=2)(manifest, "label", 0)
    {'group1': ['u0', 'u1', 'u6'], 'group2': ['u2', 'u3'], 'group3': ['u4', 'u5']}
    """

    def blocks(manifest, target=None, seed=0) -> dict:
        values = sorted({fields[field] for fields in manifest.values()})
        group_of = {value: f"group{1 + place // together % count}" for place, value in enumerate(values)}
        return grouped(manifest, lambda fields: group_of[fields[field]])

    return blocks


def halves_of_sentences(blocks: Callable) -> Callable:
    """Each block of a protocol in two, by its sentences.

    Every second sentence goes to the other half, so that sentences of one series (EmoDB's short ``a``, long ``b``)
    are in both.

    Example
    -------
    >>> manifest = {f"u{i}": {"speaker": "spk1", "sentence": f"a{i}"} for i in range(3)}
    >>> halves_of_sentences(in_turn("speaker", 1))(manifest, "label", 0)
    {'group1_s1': ['u0', 'u2'], 'group1_s2': ['u1']}
    """

    def halves(manifest, target=None, seed=0) -> dict:
        sentences = sorted({fields["sentence"] for fields in manifest.values()})
        half_of = {sentence: f"s{1 + place % 2}" for place, sentence in enumerate(sentences)}
        divided = {}
        for name, ids in blocks(manifest, target, seed).items():
            for id_ in ids:
                divided.setdefault(f"{name}_{half_of[manifest[id_]['sentence']]}", []).append(id_)
        return dict(sorted(divided.items()))

    return halves


def grouped(manifest: Mapping, key: Callable) -> dict:
    """Ids by what ``key`` makes of their fields, in the order of its values.

    Example
    -------
    >>> grouped({"u1": {"speaker": "spk08"}, "u2": {"speaker": "spk03"}}, lambda fields: fields["speaker"])
    {'spk03': ['u2'], 'spk08': ['u1']}
    """
    blocks = {}
    for id_, fields in manifest.items():
        blocks.setdefault(key(fields), []).append(id_)
    return dict(sorted(blocks.items()))
