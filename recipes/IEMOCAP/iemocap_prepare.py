"""IEMOCAP: where its labels are, and what a whole copy holds.

10 039 utterances of dialogues, improvised and scripted, by ten actors in five sessions; 16 kHz mono. In an id such as
``Ses01F_script01_1_M003`` the last token names who speaks (session 1, male actor); ``Ses01F`` only says who wore the
markers. Ids are split at ``_`` and never cut by position: ``impro05a`` and ``script01_1b`` occur too.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ser_plugins.corpora.manifest import Utterance
from ser_plugins.corpora.prepare import Corpus, prepare_corpus
from ser_plugins.corpora.protocols import ALL, Protocol, by_field, choose
from ser_plugins.corpora.protocols import PROTOCOLS as DIVISIONS
from ser_plugins.corpora.spoken import text_disjoint
from ser_plugins.corpora.text import read_lines
from ser_plugins.errors import MissingPathError, SerError

LABELS = {"xxx": 2507, "fru": 1849, "neu": 1708, "ang": 1103, "sad": 1084, "exc": 1041, "hap": 595, "sur": 107,
          "fea": 40, "oth": 3, "dis": 2}  # fmt: skip
SPEAKERS = ("Ses01F", "Ses01M", "Ses02F", "Ses02M", "Ses03F", "Ses03M", "Ses04F", "Ses04M", "Ses05F", "Ses05M")
CLASSES = {"ang": "anger", "hap": "happiness", "exc": "happiness", "neu": "neutral", "sad": "sadness"}
WITHOUT_EXCITED = {label: emotion for label, emotion in CLASSES.items() if label != "exc"}
DIMENSIONS = ("valence", "activation", "dominance")
HEAD = re.compile(r"\[(?P<start>[\d.]+) - (?P<end>[\d.]+)\]\t(?P<id>\S+)\t(?P<label>\w+)\t\[(?P<means>[^]]*)\]\s*")
TURN = re.compile(
    r"(?P<dialogue>Ses(?P<session>0[1-5])[FM]_(?P<script>(?P<kind>impro|script)\w+))_(?P<actor>[FM])\d\w*"
)
SPOKEN = re.compile(r"(?P<id>Ses\S+)\s*\[[\d.]+\s*-\s*[\d.]+\]\s*:(?P<text>.*)")


def utterances(data_root: Path) -> Iterator[Utterance]:
    """Read ``SessionN/dialog/EmoEvaluation/*.txt`` and the transcripts beside them."""
    files = sorted(data_root.glob("Session[1-5]/dialog/EmoEvaluation/*.txt"))
    if not files:
        raise MissingPathError(
            got=f"no Session1/dialog/EmoEvaluation/*.txt in {data_root}",
            expected="the folder that holds Session1 to Session5",
            remedy="name that folder (often IEMOCAP_full_release) with --data_folder",
        )
    for path in files:
        if not path.name.startswith("._"):  # what macOS leaves on foreign disks
            yield from dialogue(path, data_root)


def dialogue(path: Path, data_root: Path) -> Iterator[Utterance]:
    """Read the header lines of one dialogue; the single votes below them are not needed."""
    texts = transcripts(path.parents[1] / "transcriptions" / path.name)
    count = 0
    for number, line in enumerate(read_lines(path)[0], start=1):
        if not line.startswith("[") and "Ses" not in line:
            continue  # the % header, a vote, a blank
        head = HEAD.fullmatch(line)
        turn = TURN.fullmatch(head["id"]) if head else None
        means = re.fullmatch(r"([0-5]\.\d+), ([0-5]\.\d+), ([0-5]\.\d+)", head["means"]) if head else None
        if not turn or not means or turn["dialogue"] != path.stem or head["label"] not in LABELS:
            raise SerError(
                got=f"{path}, line {number}: {line!r}",
                expected=f"[start - end], {path.stem}_F000 (or M), one of {', '.join(LABELS)}, "
                "[valence, activation, dominance], separated by tabs",
                remedy="restore the file from the corpus",
            )
        count += 1
        session = path.relative_to(data_root).parts[0]
        fields = {
            "speaker": f"Ses{turn['session']}{turn['actor']}",
            "session": f"Ses{turn['session']}",
            "gender": "female" if turn["actor"] == "F" else "male",
            "kind": "improvised" if turn["kind"] == "impro" else "scripted",
            "script": turn["script"],
            "label": head["label"],
            **{name: float(mean) for name, mean in zip(DIMENSIONS, means.groups(), strict=True)},
            "start": float(head["start"]),  # s, in the dialogue
            "transcript": texts.get(head["id"]),
        }
        wav = f"{session}/sentences/wav/{path.stem}/{head['id']}.wav"
        yield Utterance(head["id"], wav, fields, source=f"{path.relative_to(data_root).as_posix()}, line {number}")
    if not count:
        raise SerError(got=f"{path}: no utterance", expected="a line for each", remedy="restore it from the corpus")


def transcripts(path: Path) -> dict[str, str]:
    """What was said, by id. Lines without an id are nobody's turn; the parts of a turn on several lines are joined."""
    texts = {}
    for number, line in enumerate(read_lines(path)[0] if path.is_file() else (), start=1):
        match = SPOKEN.fullmatch(line.strip())
        if match:
            texts[match["id"]] = f"{texts.get(match['id'], '')} {match['text'].strip()}".strip()
        elif line.startswith("Ses"):
            raise SerError(
                got=f"{path}, line {number}: {line!r}",
                expected="id [start-end]: text",
                remedy="restore the file from the corpus, or remove it (transcripts are then unknown)",
            )
    return texts


def by_speakers(*counts) -> dict:
    """Published counts of the ten speakers, and of their sessions."""
    sessions = {f"Ses0{1 + place // 2}": sum(counts[place : place + 2]) for place in range(0, 10, 2)}
    return {"session": sessions, "speaker": dict(zip(SPEAKERS, counts, strict=True))}


def emotions(anger, happiness, neutral, sadness) -> dict:
    """Published counts of the four classes."""
    return {"emotion": {"anger": anger, "happiness": happiness, "neutral": neutral, "sadness": sadness}}


def relabelled(classes: dict, kinds=("improvised", "scripted")):
    """Keep the utterances that have one of the classes and kinds."""

    def relabel(fields):
        used = fields["label"] in classes and fields["kind"] in kinds
        return {**fields, "emotion": classes[fields["label"]]} if used else None

    return relabel


PROTOCOLS = {
    "4class-5531": {
        "relabel": relabelled(CLASSES),
        "counts": {**by_speakers(528, 557, 481, 542, 522, 629, 528, 503, 590, 651), **emotions(1103, 1636, 1708, 1084)},
    },
    "4class-4490": {"relabel": relabelled(WITHOUT_EXCITED), "counts": emotions(1103, 595, 1708, 1084)},
    "4class-impro2943": {"relabel": relabelled(CLASSES, ["improvised"]), "counts": emotions(289, 947, 1099, 608)},
    "4class-impro2280": {
        "relabel": relabelled(WITHOUT_EXCITED, ["improvised"]),
        "counts": emotions(289, 284, 1099, 608),
    },
    "all-10039": {},  # for valence, activation and dominance
}
UNITS = {
    "speaker": Protocol("speaker (scene partner kept out)", by_field("speaker"), ("speaker", "session")),
    "speaker_keep_partner": Protocol(
        "speaker", by_field("speaker"), ("speaker",), statement="the test speaker's scene partner is in training"
    ),
    "session": Protocol("session", by_field("session"), ("session",)),
}
TEXT_DISJOINT = "text-disjoint"  # as `speaker`, and nothing of what is said in training
ONE_SESSION = replace(
    UNITS["speaker_keep_partner"], statement="one session only: training is the test speaker's scene partner"
)
BLANKS = "means of the raters as published: a blank dominance counts as 0, so that means below 1 occur and are kept"

IEMOCAP = Corpus(
    name="IEMOCAP",
    licence="signed licence agreement with USC; no redistribution",
    citation="Busso et al.: IEMOCAP: Interactive emotional dyadic motion capture database. LRE 42 (2008) 335-359",
    language="en",
    speech="dialogues of ten actors in English, improvised and scripted",
    classes=("anger", "happiness", "neutral", "sadness"),
    target="emotion",
    utterances=utterances,
    remedy="ask for the corpus at https://sail.usc.edu/iemocap, restore what is missing; "
    "for a copy of some sessions only, add --allow_partial",
    counts={**by_speakers(873, 946, 859, 952, 1048, 1088, 987, 1116, 1033, 1137), "label": LABELS},
)


def prepare_iemocap(
    data_folder,
    save_folder,
    protocol="4class-5531",
    unit="speaker",
    target="emotion",
    subset="full",
    select="last",
    split_seed=0,
    allow_partial=False,
    fold="all",
) -> dict:
    """Verify IEMOCAP and write the manifests of its folds.

    Arguments
    ---------
    data_folder : path-like
        Holds ``Session1`` to ``Session5``; or a synthetic corpus in the same layout.
    save_folder : path-like
        For ``corpus.json``, ``<fold>/{train,valid,test}.json`` and ``protocol.json``.
    protocol : str
        ``4class-5531`` (excited is happy), ``4class-4490`` (without excited), ``4class-impro2943`` and
        ``4class-impro2280`` (the same, improvised dialogues only), ``all-10039`` (for the other targets);
        ``all`` (trains on everything that ``4class-5531``, or of the other targets ``all-10039``, has, tests nothing).
    unit : str
        ``speaker`` (ten folds, the scene partner neither trains nor tests), ``speaker_keep_partner``, ``session``;
        ``text-disjoint`` (as ``speaker``, and training has nothing that the tested speaker says).
    target : str
        ``emotion``; or ``valence``, ``activation``, ``dominance``, a number from 1 to 5.
    subset, select, split_seed
        See ``recipes/EmoDB``.
    allow_partial : bool
        Accept a copy that lacks sessions or recordings; every table says so.
    fold : str
        Whose manifests are written: ``all``, or comma-separated names.

    Returns
    -------
    dict
        What ``protocol.json`` says.
    """
    choose("protocol", protocol, (*PROTOCOLS, ALL))
    choose("unit", unit, (*UNITS, TEXT_DISJOINT))
    rules = UNITS["speaker" if unit == TEXT_DISJOINT else unit]
    utterances_used = PROTOCOLS.get(protocol, PROTOCOLS["4class-5531" if target == "emotion" else "all-10039"])
    if allow_partial and unit == "speaker" and len(list(Path(data_folder).expanduser().glob("Session[1-5]"))) == 1:
        rules = ONE_SESSION
    if protocol == ALL:
        rules = DIVISIONS[ALL]
    corpus = IEMOCAP
    if choose("target", target, ("emotion", *DIMENSIONS)) != "emotion":
        rules = replace(rules, statement="; ".join(filter(None, (rules.statement, BLANKS))))
        corpus = replace(corpus, task="regression", scale="vad", classes=(), target=target)
    rules = replace(rules, **utterances_used)
    if unit == TEXT_DISJOINT and protocol != ALL:
        rules = text_disjoint(rules)
    return prepare_corpus(
        replace(corpus, protocols={protocol: rules}),
        data_folder,
        save_folder,
        protocol=protocol,
        subset=subset,
        select=select,
        split_seed=split_seed,
        allow_partial=allow_partial,
        fold=fold,
    )
