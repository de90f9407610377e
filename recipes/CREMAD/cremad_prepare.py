"""CREMA-D, the Crowd-sourced Emotional Multimodal Actors Dataset: where its labels are, and what a whole copy holds.

7 442 English utterances, 91 actors, 12 sentences, 6 emotions, 16 kHz mono. A name such as ``1001_IEO_ANG_HI`` reads:
actor 1001, sentence IEO, anger, high intensity (one sentence is acted at three intensities, the others at none: XX).
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cremad_listeners import PUBLISHED, Heard, listeners, share_of_answers

from ser_plugins.corpora.corpus import find_corpus
from ser_plugins.corpora.manifest import Utterance
from ser_plugins.corpora.prepare import Corpus, prepare_corpus
from ser_plugins.corpora.protocols import PROTOCOLS, choose, speaker_groups
from ser_plugins.corpora.sounds import list_recordings
from ser_plugins.corpora.tables import read_rows
from ser_plugins.errors import MissingPathError, SerError

EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
SENTENCES = ("DFA", "IEO", "IOM", "ITH", "ITS", "IWL", "IWW", "MTI", "TAI", "TIE", "TSI", "WSI")
INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high", "XX": "unspecified"}
SEXES = {"Male": "male", "Female": "female"}
# A copy of before 2022 has 1040_ITH_SAD_X.wav.
NAME = re.compile(
    rf"(?P<speaker>10\d\d)_(?P<sentence>{'|'.join(SENTENCES)})_(?P<emotion>{'|'.join(EMOTIONS)})"
    r"_(?P<level>LO|MD|HI|XX?)\.(wav|flac)",
)
# Defects of the corpus itself, in every copy.
SILENT = ("1076_MTI_SAD_XX",)
TWO_LABELS = (
    ("1006_TIE_HAP_XX", "1006_TIE_NEU_XX"),
    ("1013_WSI_DIS_XX", "1013_WSI_SAD_XX"),
    ("1017_IWW_ANG_XX", "1017_IWW_FEA_XX"),
)
LEFT_OUT = {
    **dict.fromkeys(SILENT, "silent"),
    **{id_: "one recording under two labels" for pair in TWO_LABELS for id_ in pair},
}
# Utterances of an actor without those: 82, but one or a whole sentence was not recorded, or is left out.
FEWER = {1002: 81, 1006: 80, 1008: 76, 1009: 76, 1013: 80, 1017: 80, 1019: 76, 1076: 80}


def recordings(data_root: Path) -> dict[str, re.Match]:
    """The matches of :data:`NAME` by the recordings' paths: those of ``AudioWAV``, of ``audio``, or of the folder."""
    folder = next((data_root / name for name in ("AudioWAV", "audio") if (data_root / name).is_dir()), data_root)
    paths = [(folder / name).relative_to(data_root).as_posix() for name in list_recordings(folder)]
    if not paths:
        raise MissingPathError(
            got=f"no wav or flac in {folder}", expected="AudioWAV/1001_DFA_ANG_XX.wav and so on", remedy=CREMAD.remedy
        )
    matches = {path: NAME.fullmatch(Path(path).name) for path in paths}
    if foreign := [path for path, match in matches.items() if match is None]:
        raise SerError(
            got=f"{data_root / foreign[0]}",
            expected="a name such as 1001_IEO_ANG_HI.wav (actor, sentence, emotion, intensity)",
            remedy="remove the file; it is not part of CREMA-D",
        )
    return {path: match for path, match in matches.items() if match}


def id_of(match: re.Match) -> str:
    """The id that the tables of the corpus have for a recording."""
    return f"{match['speaker']}_{match['sentence']}_{match['emotion']}_{_level(match)}"


def _level(match) -> str:
    return "XX" if match["level"] == "X" else match["level"]


def utterances(data_root: Path, heard: dict[str, Heard]) -> Iterator[Utterance]:
    """Read the labels off the names, and the actors' sex and age and the listeners' answers where tables have them."""
    people = actors(data_root)
    for path, match in recordings(data_root).items():
        id_ = id_of(match)
        emotion = EMOTIONS[match["emotion"]]
        answers = heard.get(id_, Heard(None))
        fields = {
            "speaker": f"spk{match['speaker']}",  # a letter first: `--fold 1001` would become a number
            **people.get(match["speaker"], {"gender": None, "age": None}),
            "sentence": match["sentence"],
            "intensity": INTENSITIES[_level(match)],
            "emotion": emotion,
            "heard": answers.emotion,
            "votes": answers.votes,
            "recognition": answers.votes[emotion] / sum(answers.votes.values()) if answers.votes else None,
        }
        yield Utterance(id_, path, fields, skip=LEFT_OUT.get(id_, ""))


def actors(data_root: Path) -> dict[str, dict]:
    """Sex and age (years) by the actor's number, from ``VideoDemographics.csv`` or a copy's ``cremad.csv``."""
    tables = {"VideoDemographics.csv": ("ActorID", "Sex", "Age"), "cremad.csv": ("speaker", "sex", "age")}
    for name, (actor, sex, age) in tables.items():
        if (data_root / name).is_file():
            rows = read_rows(data_root / name, [actor, sex, age])
            return {
                row.text(actor): {"gender": row.one_of(sex, SEXES), "age": int(row.number(age, 1, 120))} for row in rows
            }
    return {}


CREMAD = Corpus(
    name="CREMA-D",
    licence="ODbL-1.0",
    citation="Cao, Cooper, Keutmann, Gur, Nenkova, Verma: CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset. "
    "IEEE Transactions on Affective Computing 5(4) (2014) 377-390",
    language="en",
    speech="acted speech in English, twelve sentences, recorded in a studio by 91 actors",
    classes=tuple(EMOTIONS.values()),
    target="emotion",
    utterances=lambda data_root: utterances(data_root, listeners(data_root)),
    remedy="clone https://github.com/CheyneyComputerScience/CREMA-D with git-lfs (without it, wavs are texts of 130 "
    "bytes); for a copy of some actors only, add --allow_partial",
    counts={
        "speaker": {f"spk{actor}": FEWER.get(actor, 82) for actor in range(1001, 1092)},
        "emotion": dict(zip(EMOTIONS.values(), (1270, 1270, 1270, 1270, 1086, 1269), strict=True)),
    },
    protocols={**speaker_groups(6), **PROTOCOLS},
)
TARGETS = ("emotion", "heard")


def prepare_cremad(
    data_folder,
    save_folder,
    protocol="groups",
    target="emotion",
    subset="full",
    select="last",
    split_seed=0,
    allow_partial=False,
    fold="all",
) -> dict:
    """Verify CREMA-D and write the manifests of its folds.

    Arguments
    ---------
    data_folder : path-like
        Holds ``AudioWAV/`` and the corpus' tables; or a copy with ``audio/`` (wav or flac) and ``cremad.csv``; or a
        synthetic corpus in the first of these layouts.
    save_folder : path-like
        For ``corpus.json``, ``<fold>/{train,valid,test}.json`` and ``protocol.json``.
    protocol : str
        ``groups`` (six groups of actors, every sixth in one), ``groups-sentence`` (tested sentences are unseen too);
        ``loso``, ``loso-sentence``, ``random``, ``all`` as in ``recipes/EmoDB``.
    target : str
        ``emotion`` (as acted); ``heard``: what most listeners heard by voice alone. What has no majority is left out,
        and counted in every table.
    subset, select, split_seed
        See ``recipes/EmoDB``.
    allow_partial : bool
        Accept a copy that lacks actors or recordings; every table says so.
    fold : str
        Whose manifests are written: ``all``, or comma-separated names.

    Returns
    -------
    dict
        What ``protocol.json`` says.
    """
    choose("target", target, TARGETS)
    data_root = find_corpus(CREMAD, data_folder)
    heard = listeners(data_root)
    if target == "heard" and not heard:
        raise SerError(
            got=f"target=heard, and no table of the listeners' answers in {data_root}",
            expected="processedResults/tabulatedVotes.csv, processedResults/summaryTable.csv, or a copy's cremad.csv",
            remedy="copy one of them from the corpus, or use --target emotion",
        )
    used = {id_of(match): EMOTIONS[match["emotion"]] for match in recordings(data_root).values()}
    labelled = {id_: emotion for id_, emotion in used.items() if id_ not in LEFT_OUT}
    if target == "heard":
        labelled = {id_: heard.get(id_, Heard(None)).emotion for id_ in labelled}
    statement = about_listeners(heard, labelled, target)
    corpus = replace(
        CREMAD,
        target=target,
        utterances=lambda root: utterances(root, heard),
        protocols={
            name: replace(rules, relabel=lambda fields: fields if fields[target] else None, statement=statement)
            for name, rules in CREMAD.protocols.items()
        },
    )
    return prepare_corpus(
        corpus,
        data_root,
        save_folder,
        protocol=protocol,
        subset=subset,
        select=select,
        split_seed=split_seed,
        allow_partial=allow_partial,
        fold=fold,
    )


def about_listeners(heard: dict[str, Heard], labels: dict, target: str) -> str:
    """What every table says: how often people who hear the voice alone name the label, and which were left out."""
    share, answers = share_of_answers(heard, labels)
    if target == "emotion":
        measured = f"{100 * share:.1f} % of their {answers} single answers name the acted emotion"
        return f"listeners, by voice alone: {measured if answers else PUBLISHED}"
    without = sum(label is None for label in labels.values())
    text = f"labels: what most listeners heard by voice alone; {without} utterances without a majority left out"
    return f"{text}; {100 * share:.1f} % of {answers} single answers agree" if answers else text
