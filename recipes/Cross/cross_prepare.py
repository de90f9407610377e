"""Several corpora as one: every corpus is read and verified by its own recipe, and labels are brought to one language.

A speaker, a sentence and an id get the name of their corpus before their own, so that nothing of two corpora is one.
"""

import csv
import io
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import yaml

from ser_plugins.corpora.corpus import read_corpus
from ser_plugins.corpora.manifest import Utterance
from ser_plugins.corpora.prepare import Corpus, find_corpus, prepare_corpus
from ser_plugins.corpora.protocols import ALL, PROTOCOLS, Protocol, by_field, choose
from ser_plugins.corpora.verify import first_few
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.files import write_text

RECIPES = Path(__file__).resolve().parents[1]
LEAVE_ONE_CORPUS_OUT = "loco"
GROUPS = 6  # of speakers, in each corpus
OWN_NAMES = ("speaker", "session", "sentence")  # that only their corpus gives a meaning
SEX = ("gender", "sex")  # what corpora call it


@dataclass(frozen=True)
class Part:
    """One corpus: the name that it has here, what it is, and its entries ``{id: fields}`` with absolute paths."""

    name: str
    corpus: Corpus
    entries: dict
    sexes: dict  # speaker -> female, male, or what else their corpus says
    dropped: dict  # label -> number of recordings left out
    lacking: str  # what a copy lacks that is allowed to be partial


def find_recipe(name: str) -> Corpus:
    """The corpus that the recipe of that name describes."""
    recipes = {folder.parent.name.lower(): folder for folder in sorted(RECIPES.glob("*/*_prepare.py"))}
    offered = sorted(set(recipes) - {"cross", "csv"})
    choose("the name of a corpus in a folder", name, offered)
    script = recipes[name]
    if str(script.parent) not in sys.path:
        sys.path.append(str(script.parent))
    described = [value for value in vars(import_module(script.stem)).values() if isinstance(value, Corpus)]
    if described[0].task != "classification":
        raise SerError(
            got=f"{name}, a corpus of numbers", expected="corpora of emotions", remedy="leave it out of --corpora"
        )
    return described[0]


def described(name: str, path: Path) -> tuple[Corpus, Path]:
    """A corpus and its folder, from a CSV or an audformat database, or else by the recipe of its name."""
    if str(RECIPES / "CSV") not in sys.path:
        sys.path.append(str(RECIPES / "CSV"))
    reader = import_module("csv_prepare")
    file = reader.file_of(path)
    if file.is_file():
        return reader.csv_corpus(file), file.parent
    corpus = find_recipe(name)
    return corpus, find_corpus(corpus, path)


def places(corpora: str) -> dict[str, Path]:
    """Read ``name=path,name=path``.

    Example
    -------
    >>> places("emodb=data/EmoDB, mine=my.csv")["mine"].name
    'my.csv'
    """
    named = {}
    for item in filter(None, (text.strip() for text in str(corpora or "").split(","))):
        name, equals, path = item.partition("=")
        if not (equals and path and name.isalnum() and name.islower() and name.isascii()) or name in named:
            raise SerError(
                got=f"corpora: {item}",
                expected="name=path, names in lower-case letters and digits, each once",
                remedy="such as --corpora emodb=data/EmoDB,mine=/path/to/my.csv",
            )
        named[name] = Path(path).expanduser().resolve()
    if not named:
        raise SerError(
            got="no --corpora",
            expected="--corpora emodb=/path/to/emodb,mine=/path/to/my.csv",
            remedy="recipes/Cross/README.md says what can stand there",
        )
    return named


def read_labels(path) -> dict:
    """Read a label map; one beside this script is path_of_map by its name alone."""
    path_of_map = next((place for place in (Path(path), Path(__file__).parent / path) if place.is_file()), None)
    if path_of_map is None:
        raise MissingPathError(
            got=f"no file labels: {path}", expected="a label map, such as labels.yaml", remedy="correct the key"
        )
    labels = yaml.safe_load(path_of_map.read_text(encoding="utf-8")) or {}
    if not _is_label_map(labels):
        raise SerError(
            got=f"{path_of_map}: not a label map",
            expected="lines `label: name`, `label: null` or `corpus: {label: name}`",
            remedy="see recipes/Cross/labels.yaml",
        )
    return labels


def _is_label_map(labels) -> bool:
    if not isinstance(labels, dict):
        return False
    names = []
    for value in labels.values():
        names += value.values() if isinstance(value, dict) else [value]
    return all(name is None or isinstance(name, str) for name in names)


def read_part(name: str, path: Path, labels: dict, save_folder: Path, cache_folder, allow_partial=False) -> Part:
    """Read and verify one corpus, and translate its labels."""
    corpus, root = described(name, path)
    memory = save_folder / f"measured_{name}.json"
    reading = read_corpus(corpus, root, memory, cache=cache_folder, allow_partial=allow_partial)
    own = labels.get(name) if isinstance(labels.get(name), dict) else {}
    entries = {}
    sexes = {}
    dropped = Counter()
    for id_, fields in next(iter(corpus.protocols.values())).take(reading.manifest).items():
        label = fields[corpus.target]
        emotion = own.get(label, labels.get(label, label))
        if emotion is None:
            dropped[label] += 1
            continue
        wav = fields["wav"].replace("{data_root}", str(root))
        names = {key: f"{name}_{fields[key]}" for key in OWN_NAMES if key in fields}
        sexes[names["speaker"]] = next((str(fields[key]).lower() for key in SEX if fields.get(key)), "")
        entries[f"{name}_{id_}"] = {"wav": wav, **names, "corpus": name, "emotion": emotion}
    return Part(name, replace(corpus, name=reading.name), entries, sexes, dict(dropped), reading.lacking)


def by_groups_of_speakers(manifest, target=None, seed=0) -> dict:
    """Blocks of speakers: of every corpus each sixth one, in the order of their names."""
    speakers = {}
    for fields in manifest.values():
        speakers.setdefault(fields["corpus"], set()).add(fields["speaker"])
    group = {
        speaker: f"group{1 + place % GROUPS}"
        for corpus_speakers in speakers.values()
        for place, speaker in enumerate(sorted(corpus_speakers))
    }
    blocks = {name: [] for name in sorted(set(group.values()))}
    for id_, fields in manifest.items():
        blocks[group[fields["speaker"]]].append(id_)
    return blocks


PROTOCOLS_HERE = {
    LEAVE_ONE_CORPUS_OUT: Protocol("corpus", by_field("corpus"), ("speaker", "corpus")),
    "groups": Protocol("a sixth of the speakers of every corpus", by_groups_of_speakers, ("speaker",)),
    ALL: PROTOCOLS[ALL],
}


def shared_labels(parts: list[Part]) -> set:
    """Labels of two corpora or more: whichever is tested, another one trains them."""
    corpora = Counter(label for part in parts for label in {fields["emotion"] for fields in part.entries.values()})
    return {label for label, count in corpora.items() if count > 1}


def prepare_cross(
    corpora,
    save_folder,
    protocol=LEAVE_ONE_CORPUS_OUT,
    labels="labels.yaml",
    select="last",
    allow_partial=False,
    cache_folder="results/Cross/audio",
    fold="all",
) -> dict:
    """Read several corpora, bring their labels to one language, and write the manifests of the folds.

    Arguments
    ---------
    corpora : str
        ``name=path,name=path``: the folder of a corpus that a recipe of that name knows (``emodb=...``), or a CSV or
        an audformat database as ``recipes/CSV`` reads them, under any name.
    save_folder : path-like
        For ``corpus.json``, ``<fold>/{train,valid,test}.json`` and ``protocol.json``; and ``speakers.csv``, with the
        sex of every speaker where their corpus says it, for ``ser export --speakers``.
    protocol : str
        ``loco``: leave one corpus out; the emotions are those that two corpora or more have. ``groups``: six folds, a
        sixth of the speakers of every corpus in each, all emotions. ``all``: trains on everything, tests nothing.
    labels : path-like
        The label map.
    select : str
        ``last``, or ``inner_speaker``.
    allow_partial : bool
        Copies that lack recordings are used, and every table says what they lack.
    cache_folder : path-like
        Where recordings of another rate, stereo ones and videos go as 16 kHz mono.
    fold : str
        Whose manifests are written: ``all``, or comma-separated names, in ``loco`` those of corpora.

    Returns
    -------
    dict
        What ``protocol.json`` says. Every entry of a manifest names, as ``classes``, the emotions of its corpus: it is
        judged among these.

    Raises
    ------
    SerError
        A corpus that is not as its recipe says, a label map that is none, or corpora that share no emotion.
    """
    choose("protocol", protocol, PROTOCOLS_HERE)
    folder = Path(save_folder)
    folder.mkdir(parents=True, exist_ok=True)
    label_map = read_labels(labels)
    parts = [
        read_part(name, path, label_map, folder, cache_folder, allow_partial) for name, path in places(corpora).items()
    ]
    if protocol == LEAVE_ONE_CORPUS_OUT:
        parts = _with_shared_labels(parts)
    rules = replace(PROTOCOLS_HERE[protocol], statement=_statement(parts))
    emotions = {fields["emotion"] for part in parts for fields in part.entries.values()}
    joint = Corpus(
        name=" + ".join(part.corpus.name for part in parts),
        licence=_joined(part.corpus.licence for part in parts),
        citation=_joined(part.corpus.citation for part in parts),
        language=parts[0].corpus.language if len({part.corpus.language for part in parts}) == 1 else "",
        classes=tuple(sorted(emotions)),
        target="emotion",
        utterances=lambda root: _utterances(parts),
        remedy="correct the corpora that --corpora names",
        protocols={**PROTOCOLS_HERE, protocol: rules},
    )
    summary = prepare_corpus(joint, RECIPES, folder, protocol=protocol, select=select, fold=fold)
    write_text(folder / "speakers.csv", _speakers(parts))
    return summary


def _speakers(parts: list[Part]) -> str:
    table = io.StringIO()
    rows = sorted(pair for part in parts for pair in part.sexes.items())
    csv.writer(table, lineterminator="\n").writerows([("speaker", "sex"), *rows])
    return table.getvalue()


def _with_shared_labels(parts: list[Part]) -> list[Part]:
    shared = shared_labels(parts)
    left = []
    for part in parts:
        entries = {id_: fields for id_, fields in part.entries.items() if fields["emotion"] in shared}
        alone = Counter(fields["emotion"] for fields in part.entries.values() if fields["emotion"] not in shared)
        left.append(replace(part, entries=entries, dropped={**part.dropped, **alone}))
    if lacking := [part.name for part in left if len({fields["emotion"] for fields in part.entries.values()}) < 2]:
        raise SerError(
            got=f"{', '.join(lacking)}: fewer than two emotions that another corpus has",
            expected="two or more",
            remedy="add a corpus, or bring its labels to the others' names in the label map",
        )
    return left


def _statement(parts: list[Part]) -> str:
    """What every table says: how many recordings of each corpus there are, and what was left out."""
    texts = []
    for part in parts:
        dropped = [f"{label} ({count})" for label, count in sorted(part.dropped.items())]
        without = f" without {first_few(dropped, 10)}" if dropped else ""
        texts.append(f"{part.name} {len(part.entries)}{without}")
    lacks = [f"{part.name}: {part.lacking}" for part in parts if part.lacking]
    return "; ".join([f"recordings of each corpus: {', '.join(texts)}", *lacks])


def _utterances(parts: list[Part]) -> Iterator[Utterance]:
    for part in parts:
        classes = sorted({fields["emotion"] for fields in part.entries.values()})
        for id_, fields in part.entries.items():
            described = {key: value for key, value in fields.items() if key != "wav"}
            yield Utterance(id_, fields["wav"], {**described, "classes": classes}, source=part.corpus.name)


def _joined(texts) -> str:
    return "; ".join(dict.fromkeys(filter(None, texts)))
