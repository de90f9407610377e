"""A synthetic corpus in CREMA-D's layout, with the defects of the real one."""

import csv
import io
from pathlib import Path

import numpy as np

from ser_plugins.corpora.toy.writing import ToyRecording, within, write_corpus

# Actors and sentences that have defects come first, so that small corpora have them as well.
ACTORS = {
    1006: ("Female", 58), 1013: ("Female", 22), 1017: ("Male", 42), 1076: ("Female", 25), 1001: ("Male", 51),
    1091: ("Female", 29), 1005: ("Male", 29), 1034: ("Male", 74),
}  # fmt: skip
SENTENCES = ("TIE", "WSI", "IEO", "MTI", "IWW", "DFA")
EMOTIONS = {
    "ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happiness", "NEU": "neutral", "SAD": "sadness",
}  # fmt: skip
SILENT = "1076_MTI_SAD_XX"
SAME_AUDIO = {
    "1006_TIE_NEU_XX": "1006_TIE_HAP_XX", "1013_WSI_SAD_XX": "1013_WSI_DIS_XX", "1017_IWW_FEA_XX": "1017_IWW_ANG_XX",
}  # fmt: skip
PRESENTED = ("voice", "face", "both")  # what the listeners were given; the first digit of a row's name counts them
RATERS = 10


def write_toy_cremad(folder, speakers=6, sentences=2, syllables=3, seed=0) -> Path:
    """Write a synthetic corpus in CREMA-D's layout.

    Arguments
    ---------
    folder : path-like
        As for :func:`~ser_plugins.corpora.toy.emodb.write_toy_emodb`.
    speakers : int
        1 to 8 of the actors.
    sentences : int
        1 to 6 of CREMA-D's, in six emotions; the third one (``IEO``) at three intensities, as there.
    syllables, seed : int
        As for EmoDB's.

    Returns
    -------
    Path
        The folder.

    Example
    -------
    >>> import tempfile
    >>> folder = write_toy_cremad(Path(tempfile.mkdtemp()) / "cremad", speakers=1, sentences=1, syllables=1)
    >>> sorted(path.name for path in (folder / "AudioWAV").iterdir())[:2]
    ['1006_TIE_ANG_XX.wav', '1006_TIE_DIS_XX.wav']
    """
    parameters = {
        "layout": "CREMA-D",
        "speakers": within("speakers", speakers, len(ACTORS)),
        "sentences": within("sentences", sentences, len(SENTENCES)),
        "syllables": within("syllables", syllables, 100),
        "seed": seed,
    }
    ids = [
        f"{actor}_{sentence}_{emotion}_{level}"
        for actor in list(ACTORS)[:speakers]
        for sentence in SENTENCES[:sentences]
        for emotion in EMOTIONS
        for level in (("LO", "MD", "HI") if sentence == "IEO" and emotion != "NEU" else ("XX",))
    ]
    demographics: list[list] = [["ActorID", "Age", "Sex", "Race", "Ethnicity"]]
    demographics += [[actor, age, sex, "Unknown", "Unknown"] for actor, (sex, age) in list(ACTORS.items())[:speakers]]
    beside = {
        "VideoDemographics.csv": _csv(demographics),
        "processedResults/tabulatedVotes.csv": _csv(_votes(ids, np.random.default_rng(seed))),
    }
    return write_corpus(folder, map(_recording, ids), beside, parameters, syllables=syllables, seed=seed)


def _recording(id_) -> ToyRecording:
    path = f"AudioWAV/{id_}.wav"
    take = SAME_AUDIO.get(id_, id_)
    actor, sentence, emotion, _ = take.split("_")
    gender = ACTORS[int(actor)][0].lower()
    return ToyRecording(path, path, actor, gender, sentence, "" if id_ == SILENT else EMOTIONS[emotion], take)


def _votes(ids, rng) -> list[list]:
    """Counts of answers to each recording, presented in three ways; most name the emotion or call it neutral."""
    rows: list[list] = [["", *(code[0] for code in EMOTIONS), "fileName", "numResponses"]]
    for digit, _ in enumerate(PRESENTED, start=1):
        for number, id_ in enumerate(ids, start=1):
            shares = np.full(len(EMOTIONS), 0.05)
            shares[list(EMOTIONS).index(id_.split("_")[2])] += 0.4
            shares[list(EMOTIONS).index("NEU")] += 0.3
            rows.append([digit * 100000 + number, *rng.multinomial(RATERS, shares / shares.sum()), id_, RATERS])
    return rows


def _csv(rows) -> bytes:
    """As R writes it: texts quoted, numbers not, also in the column without a name."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerows([[cell if isinstance(cell, str) else int(cell) for cell in row] for row in rows])
    return table.getvalue().encode()
