"""Named ways of dividing a corpus: which utterances are tested together, and what training may then not contain.

A protocol says two things: the *blocks*, a partition of the corpus, each of which is the test set of one fold; and the
fields in which training must be *disjoint* from what is held out. Training is everything else that shares none of these
with the held-out utterances. A published split is a protocol too: a field says train, valid or test, and there is one
fold. Epochs are chosen by ``select``; choosing on the test set does not exist. ``all`` is for a model to be used: it
trains on everything, tests nothing, and what it is worth is measured by another protocol with the same settings.
``loso-pairs`` and ``loso-all-pairs`` are inner validation, from which a configuration is chosen before a test set is
opened.
"""

import dataclasses
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import combinations

from ser_plugins.corpora.grouping import grouped, halves_of_sentences, in_turn
from ser_plugins.errors import SerError


@dataclass(frozen=True)
class Protocol:
    """One way of dividing a corpus.

    Arguments
    ---------
    unit : str
        What a fold tests, in words.
    blocks : callable
        ``(manifest, target, seed) -> {fold: [ids]}``: every utterance in exactly one block (``all``: in none, inner
        validation: in two or more). None for a fixed split.
    disjoint : tuple of str
        Fields that train, valid and test never share; the first is the unit that ``inner_speaker`` holds out.
    leaks : bool
        True for a protocol that is kept only to show what its leak is worth, or because others use it.
    split : str
        For a fixed split, the field that holds ``train``, ``valid`` or ``test``.
    relabel : callable
        ``fields -> fields of this protocol``, or None for an utterance that it does not use.
    counts : dict
        Published ``{field: {value: utterances}}`` of what it uses.
    statement : str
        What every table must say about it.
    """

    unit: str
    blocks: Callable | None = None
    disjoint: tuple = ()
    leaks: bool = False
    split: str = ""
    relabel: Callable | None = None
    counts: dict = dataclasses.field(default_factory=dict)
    statement: str = ""

    @property
    def selections(self) -> tuple:
        """How an epoch may be chosen: a fixed split brings its own validation set."""
        return ("last", "valid") if self.split else SELECTIONS

    def take(self, manifest: dict) -> dict:
        """What this protocol uses of a manifest, labelled as it has it."""
        if self.relabel is None:
            return manifest
        relabelled = {id_: self.relabel(fields) for id_, fields in manifest.items()}
        return {id_: fields for id_, fields in relabelled.items() if fields is not None}


def by_field(name: str) -> Callable:
    """One block per value of a field: per speaker is leave-one-speaker-out, per session leave-one-session-out.

    Example
    -------
    >>> by_field("speaker")({"u1": {"speaker": "spk08"}, "u2": {"speaker": "spk03"}})
    {'spk03': ['u2'], 'spk08': ['u1']}
    """
    return lambda manifest, target=None, seed=0: grouped(manifest, lambda fields: fields[name])


def by_pairs_on_a_ring(manifest, target=None, seed=0) -> dict:
    """One block per speaker, with the next one in order; the first follows the last. Blocks overlap.

    This is inner validation, for choosing and never for reporting: for the outer test speaker k, only models that never
    trained on k are used, and only their scores on the *other* speaker of the pair. Each pair serves both its speakers,
    so every outer speaker gets two inner ones for one training per speaker.

    Example
    -------
    >>> manifest = {f"u{n}": {"speaker": f"spk{n}"} for n in range(3)}
    >>> by_pairs_on_a_ring(manifest)
    {'spk0-spk1': ['u0', 'u1'], 'spk1-spk2': ['u1', 'u2'], 'spk2-spk0': ['u2', 'u0']}
    """
    speakers = _speakers_to_pair(manifest)
    names = list(speakers)
    following = dict(zip(names, names[1:] + names[:1], strict=True))
    return {f"{name}-{following[name]}": speakers[name] + speakers[following[name]] for name in names}


def by_all_pairs(manifest, target=None, seed=0) -> dict:
    """One block per pair of speakers: as on a ring, but every other speaker is an inner one of each outer speaker.

    Example
    -------
    >>> manifest = {f"u{n}": {"speaker": f"spk{n}"} for n in range(4)}
    >>> list(by_all_pairs(manifest))
    ['spk0-spk1', 'spk0-spk2', 'spk0-spk3', 'spk1-spk2', 'spk1-spk3', 'spk2-spk3']
    """
    pairs = combinations(_speakers_to_pair(manifest).items(), 2)
    return {f"{speaker}-{second_speaker}": ids + second_ids for (speaker, ids), (second_speaker, second_ids) in pairs}


def _speakers_to_pair(manifest) -> dict:
    speakers = grouped(manifest, lambda fields: fields["speaker"])
    if len(speakers) < 3:
        raise SerError(
            got=f"{len(speakers)} speaker(s)", expected="three or more for inner validation", remedy="a larger corpus"
        )
    return speakers


def at_random(manifest, target, seed=0) -> dict:
    """Ten stratified random blocks (fewer when a class has fewer utterances), whoever speaks."""
    from sklearn.model_selection import StratifiedKFold

    ids = sorted(manifest)
    labels = [label if isinstance(label := manifest[id_][target], str) else "" for id_ in ids]  # numbers are no strata
    folds = min([10, *(labels.count(label) for label in set(labels))])
    if folds < 2:
        raise SerError(
            got="a class with one utterance", expected="two or more of every class", remedy="use the protocol loso"
        )
    blocks = StratifiedKFold(folds, shuffle=True, random_state=seed).split(ids, labels)
    return {f"leaky{number:02d}": [ids[i] for i in test] for number, (_, test) in enumerate(blocks, start=1)}


ALL = "all"
RING, ALL_PAIRS = INNER = ("loso-pairs", "loso-all-pairs")  # for choosing: their scores are never a result
PROTOCOLS = {
    "loso": Protocol("speaker", by_field("speaker"), ("speaker",)),
    "loso-sentence": Protocol(
        "speaker x half of the sentences", halves_of_sentences(by_field("speaker")), ("speaker", "sentence")
    ),
    RING: Protocol("pair of speakers (inner validation)", by_pairs_on_a_ring, ("speaker",)),
    ALL_PAIRS: Protocol("pair of speakers (inner validation)", by_all_pairs, ("speaker",)),
    "random": Protocol("utterance (random folds, speakers leak)", at_random, leaks=True),
    ALL: Protocol("nothing (everything is trained on)", lambda manifest, target, seed: {ALL: []}),
}


def speaker_groups(count: int, together: int = 1) -> dict[str, Protocol]:
    """Protocols for corpora of many speakers, who are tested in groups: ``groups``, and ``groups-sentence``.

    Speakers are dealt out in the order of their names; see :func:`~ser_plugins.corpora.grouping.in_turn`.
    """
    blocks = in_turn("speaker", count, together)
    sentences_apart = Protocol(
        "group of speakers x half of the sentences", halves_of_sentences(blocks), ("speaker", "sentence")
    )
    return {"groups": Protocol("group of speakers", blocks, ("speaker",)), "groups-sentence": sentences_apart}


PARTS = ("train", "valid", "test")
SUBSETS = ("full", "balanced50")
SELECTIONS = ("last", "inner_speaker")


def choose(option: str, value, allowed):
    """Return ``value`` when it is one of ``allowed``.

    Example
    -------
    >>> choose("select", "test", SELECTIONS)
    Traceback (most recent call last):
    ser_plugins.errors.SerError: got: select='test'; expected: one of last, inner_speaker; remedy: correct the option
    """
    if value not in tuple(allowed):
        raise SerError(got=f"{option}={value!r}", expected="one of " + ", ".join(allowed), remedy="correct the option")
    return value


def choose_folds(wanted: str, available) -> list:
    """Return the folds of ``all`` or of comma-separated names, each once.

    Example
    -------
    >>> choose_folds("spk08,spk03,spk08", ["spk03", "spk08", "spk09"])
    ['spk08', 'spk03']
    """
    if wanted == ALL:
        return list(available)
    names = list(dict.fromkeys(wanted.split(",")))  # each once: two trainings of one fold would collide
    for name in names:
        if name not in available:
            raise SerError(
                got=f"fold {name!r}", expected=f"all, or some of {', '.join(available)}", remedy="correct the option"
            )
    return names


def take_subset(manifest: dict, subset: str, *, target: str, seed: int = 0) -> dict:
    """Keep everything (``full``), or at most 50 utterances of every class, drawn by ``seed`` (``balanced50``)."""
    if choose("subset", subset, SUBSETS) == "full":
        return manifest
    generator = random.Random(seed)
    kept = set()
    for _, ids in grouped(manifest, lambda fields: fields[target]).items():
        kept.update(generator.sample(sorted(ids), min(50, len(ids))))
    return {id_: fields for id_, fields in manifest.items() if id_ in kept}


class Folds(Mapping):
    """``{fold: {"train": manifest, "valid": manifest, "test": manifest}}``, each fold made when it is asked for.

    A thousand folds of 100,000 utterances, all at once, would be 100 million entries.

    Arguments
    ---------
    names : iterable of str
        Of the folds.
    divide : callable
        ``fold -> {part: manifest}``.
    """

    def __init__(self, names, divide: Callable) -> None:
        self.names, self.divide = dict.fromkeys(names), divide

    def __getitem__(self, fold: str) -> dict:
        if fold not in self.names:
            raise KeyError(fold)
        return self.divide(fold)

    def __iter__(self) -> Iterator:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def make_folds(manifest: dict, protocol: Protocol, *, select="last", target: str, seed=0, name="fixed") -> Mapping:
    """Divide a manifest: ``{fold: {"train": manifest, "valid": manifest, "test": manifest}}``.

    Folds that leave nothing to train on, or to choose by, are refused when they are asked for.

    Arguments
    ---------
    manifest : dict
        The utterances to divide.
    protocol : Protocol
        One of ``PROTOCOLS``, or a corpus' own.
    select : str
        ``last``: valid is empty, training uses all it may. ``inner_speaker``: valid is the next speaker in cyclic
        order (in a leaking protocol the next random block). ``valid``: what a fixed split has for it.
    target : str
        The field with the class, for stratifying.
    seed : int
        Of random divisions.
    name : str
        Of the only fold of a fixed split.

    Example
    -------
    >>> corpus = {f"u{i}": {"speaker": f"spk{i % 3}", "emotion": "anger"} for i in range(6)}
    >>> folds = make_folds(corpus, PROTOCOLS["loso"], select="inner_speaker", target="emotion")
    >>> {part: list(utterances) for part, utterances in folds["spk2"].items()}
    {'train': ['u1', 'u4'], 'valid': ['u0', 'u3'], 'test': ['u2', 'u5']}
    """
    choose("select", select, protocol.selections)
    if protocol.split:
        return {name: _fixed(manifest, protocol.split, select)}
    assert protocol.blocks is not None  # a protocol has one of the two
    blocks = protocol.blocks(manifest, target, seed)
    sharing = {field: grouped(manifest, lambda fields, field=field: fields[field]) for field in protocol.disjoint}
    return Folds(blocks, partial(_fold, manifest=manifest, blocks=blocks, sharing=sharing, select=select))


def _fold(name, manifest, blocks, sharing, select) -> dict:
    test = {id_: manifest[id_] for id_ in blocks[name]}
    train = _independent(manifest, test, sharing)
    valid = {}
    if select == "inner_speaker":
        valid = _inner(train, test, tuple(sharing)) if sharing else _next_block(manifest, blocks, name)
        train = _independent(train, valid, sharing)
    if not train or (select == "inner_speaker" and not valid):
        raise SerError(
            got=f"fold {name}: {len(train)} utterances left for train and {len(valid)} for valid",
            expected="some of each",
            remedy="a larger corpus, a protocol that holds out less, or select last",
        )
    return {"train": train, "valid": valid, "test": test}


def _fixed(manifest, split, select) -> dict:
    """The parts as published. Validation utterances are never trained on, so that every ``select`` trains the same."""
    parts = {name: {} for name in PARTS}
    for id_, fields in manifest.items():
        parts[choose(f"{split} of {id_}", fields[split], PARTS)][id_] = fields
    empty = [name for name in PARTS if not parts[name] and (name != "valid" or select == "valid")]
    if empty:
        raise SerError(
            got=f"{split}: no utterance in {', '.join(empty)}",
            expected=f"some in each of {', '.join(PARTS)}",
            remedy="complete the split, or choose another protocol (or select last, which needs no valid)",
        )
    return parts


def _independent(manifest, held_out, sharing) -> dict:
    """What shares neither an id nor a disjoint field with ``held_out``; ``sharing`` is ``{field: {value: ids}}``."""
    excluded = set(held_out)
    for field, ids_of in sharing.items():
        for value in {fields[field] for fields in held_out.values()}:
            excluded.update(ids_of[value])
    independent = manifest.copy()
    for id_ in excluded:
        independent.pop(id_, None)
    return independent


def _inner(train, test, disjoint) -> dict:
    """The next speaker's utterances; of further disjoint fields half of the values, so that the rest can train."""
    unit, *further_fields = disjoint
    tested_unit = next(iter(test.values()))[unit]
    units = sorted({fields[unit] for fields in train.values()})
    # Cyclic: the first one after the tested unit, else the very first.
    following = next((value for value in units if value > tested_unit), units[0] if units else None)
    valid = {id_: fields for id_, fields in train.items() if fields[unit] == following}
    for field in further_fields:
        values = sorted({fields[field] for fields in valid.values()})
        kept = values[: max(1, len(values) // 2)]
        valid = {id_: fields for id_, fields in valid.items() if fields[field] in kept}
    return valid


def _next_block(manifest, blocks, fold) -> dict:
    names = list(blocks)
    return {id_: manifest[id_] for id_ in blocks[names[(names.index(fold) + 1) % len(names)]]}
