"""RAVDESS, the Ryerson Audio-Visual Database of Emotional Speech and Song: its names, and what a whole copy holds.

1 440 spoken (and 1 012 sung) English utterances, 24 actors, 2 statements, 8 emotions, 48 kHz. A name such as
``03-01-06-01-02-01-12`` reads: audio only, speech, fearful, normal intensity, statement 2, first repetition, actor 12.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from ser_plugins.corpora.manifest import Utterance
from ser_plugins.corpora.prepare import Corpus, prepare_corpus
from ser_plugins.corpora.protocols import PROTOCOLS, speaker_groups
from ser_plugins.corpora.sounds import list_recordings
from ser_plugins.errors import MissingPathError, SerError

EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
CHANNELS = {"01": "speech", "02": "song"}
INTENSITIES = {"01": "normal", "02": "strong"}
STATEMENTS = {"01": "kids", "02": "dogs"}  # "Kids are talking by the door", "Dogs are sitting by the door"
NAME = re.compile(
    r"03-(?P<channel>0[12])-(?P<emotion>0[1-8])-(?P<intensity>0[12])-(?P<statement>0[12])-(?P<repetition>0[12])"
    r"-(?P<actor>[01]\d|2[0-4])\.(wav|flac)"
)
# A defect of the corpus itself: the second repetition is the first one, to the byte.
LEFT_OUT = {"03-01-03-01-02-02-07": "the same audio as 03-01-03-01-02-01-07"}
SPOKEN = {
    "speaker": {f"spk{actor:02d}": 60 - (actor == 7) for actor in range(1, 25)},
    "emotion": dict(zip(EMOTIONS.values(), (96, 192, 191, 192, 192, 192, 192, 192), strict=True)),
}
SUNG = {  # actor 18 does not sing, and nobody sings disgust or surprise
    "speaker": {f"spk{actor:02d}": 44 * (actor != 18) for actor in range(1, 25)},
    "emotion": dict(zip(EMOTIONS.values(), (92, 184, 184, 184, 184, 184, 0, 0), strict=True)),
}


def utterances(data_root: Path, song: bool = False) -> Iterator[Utterance]:
    """Read the labels off the names of all recordings below a folder."""
    paths = list_recordings(data_root)
    if not paths:
        raise MissingPathError(
            got=f"no wav or flac in {data_root}",
            expected="Actor_01/03-01-01-01-01-01-01.wav and so on",
            remedy=RAVDESS.remedy,
        )
    for path in paths:
        match = NAME.fullmatch(Path(path).name)
        if match is None or match["actor"] == "00":
            raise SerError(
                got=f"{data_root / path}",
                expected="a name such as 03-01-06-01-02-01-12.wav (audio only, channel, emotion, intensity, statement, "
                "repetition, actor)",
                remedy="remove the file; it is not part of the sound recordings of RAVDESS",
            )
        if CHANNELS[match["channel"]] == "song" and not song:
            continue
        id_ = Path(path).stem
        fields = {
            "speaker": f"spk{match['actor']}",  # a letter first: `--fold 01` would become the number 1
            "gender": "male" if int(match["actor"]) % 2 else "female",
            "sentence": STATEMENTS[match["statement"]],
            "channel": CHANNELS[match["channel"]],
            "intensity": INTENSITIES[match["intensity"]],
            "repetition": int(match["repetition"]),
            "emotion": EMOTIONS[match["emotion"]],
        }
        yield Utterance(id_, path, fields, skip=LEFT_OUT.get(id_, ""))


RAVDESS = Corpus(
    name="RAVDESS",
    licence="CC-BY-NC-SA-4.0",
    citation="Livingstone, Russo: The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS). "
    "PLoS ONE 13(5) (2018) e0196391",
    language="en",
    speech="acted speech in English, two statements, recorded in a studio by 24 actors",
    classes=tuple(EMOTIONS.values()),
    target="emotion",
    utterances=utterances,
    remedy="unpack Audio_Speech_Actors_01-24.zip of https://zenodo.org/records/1188976; for a copy of some actors "
    "only, add --allow_partial",
    counts=SPOKEN,
    # Odd actors are men and even ones women: pairs stay together, so that each group has both.
    protocols={**PROTOCOLS, **speaker_groups(6, together=2)},
)


def prepare_ravdess(
    data_folder,
    save_folder,
    protocol="loso",
    song=False,
    subset="full",
    select="last",
    split_seed=0,
    allow_partial=False,
    cache_folder="results/RAVDESS/audio",
    fold="all",
) -> dict:
    """Verify RAVDESS and write the manifests of its folds.

    Arguments
    ---------
    data_folder : path-like
        Holds ``Actor_01`` to ``Actor_24``, somewhere below; or a synthetic corpus in the same layout.
    save_folder : path-like
        For ``corpus.json``, ``<fold>/{train,valid,test}.json`` and ``protocol.json``.
    protocol : str
        ``loso``; ``loso-sentence`` (the tested statement is unseen too); ``groups`` (six groups of four actors),
        ``groups-sentence``; ``random``, ``all`` as in ``recipes/EmoDB``.
    song : bool
        Use the sung recordings too; without it they are passed over.
    subset, select, split_seed
        See ``recipes/EmoDB``.
    allow_partial : bool
        Accept a copy that lacks actors or recordings; every table says so.
    cache_folder : path-like
        Where the recordings, of 48 kHz and some of them stereo, go as 16 kHz mono.
    fold : str
        Whose manifests are written: ``all``, or comma-separated names.

    Returns
    -------
    dict
        What ``protocol.json`` says.
    """
    both = {name: {value: count + SUNG[name][value] for value, count in of.items()} for name, of in SPOKEN.items()}
    statement = "speech and song" if song else "speech without song"
    corpus = replace(
        RAVDESS,
        utterances=partial(utterances, song=song),
        counts=both if song else SPOKEN,
        protocols={name: replace(rules, statement=statement) for name, rules in RAVDESS.protocols.items()},
    )
    return prepare_corpus(
        corpus,
        data_folder,
        save_folder,
        protocol=protocol,
        subset=subset,
        select=select,
        split_seed=split_seed,
        allow_partial=allow_partial,
        cache_folder=cache_folder,
        fold=fold,
    )
