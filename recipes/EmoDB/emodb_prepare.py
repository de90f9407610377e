"""EmoDB, the Berlin Database of Emotional Speech: where its labels are, and what a genuine copy holds.

535 German utterances, 10 actors, 10 sentences, 7 emotions, 16 kHz mono. A name such as ``03a01Fa`` reads: speaker 03,
sentence a01, emotion letter F (Freude, happiness), take a. Everything that another corpus needs too is in
``ser_plugins.corpora``.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from ser_plugins.corpora.manifest import Utterance
from ser_plugins.corpora.prepare import Corpus, prepare_corpus
from ser_plugins.corpora.sounds import list_wavs
from ser_plugins.errors import SerError

EMOTIONS = {
    "W": "anger",  # Wut
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fear",  # Angst
    "F": "happiness",  # Freude
    "T": "sadness",  # Trauer
    "N": "neutral",
}
SPEAKERS = {"03": 49, "08": 58, "09": 43, "10": 38, "11": 55, "12": 35, "13": 61, "14": 69, "15": 56, "16": 71}
MALE = ("03", "10", "11", "12", "15")
NAME = re.compile(r"(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<emotion>[WLEAFTN])[a-z]\.wav")


def utterances(data_root: Path) -> Iterator[Utterance]:
    """Read the labels off the names, and the listeners' recognition rates from ``erkennung.txt`` (optional)."""
    rates = recognition_rates(data_root / "erkennung.txt")
    for name in list_wavs(data_root / "wav"):
        match = NAME.fullmatch(name)
        if match is None or match["speaker"] not in SPEAKERS:
            raise SerError(
                got=f"{data_root / 'wav' / name}",
                expected="a name such as 03a01Fa.wav (speaker, sentence, emotion letter, take)",
                remedy="remove the file; it is not part of EmoDB",
            )
        fields = {
            "speaker": f"spk{match['speaker']}",  # a letter first: `--fold 03` would become the number 3
            "gender": "male" if match["speaker"] in MALE else "female",
            "sentence": match["sentence"],
            "emotion": EMOTIONS[match["emotion"]],
            "recognition": rates.get(name),
        }
        yield Utterance(name.removesuffix(".wav"), name, fields)


def recognition_rates(path: Path) -> dict[str, float]:
    """Share of the 20 listeners who recognised the emotion, by wav name; also of takes that were not published.

    The file is Latin-1 and tab-separated, with no-break spaces as padding and a decimal comma: ``03a01Fa.wav  90,00``.
    """
    if not path.is_file():
        return {}
    rates = {}
    for number, line in enumerate(path.read_text(encoding="latin-1").splitlines()[1:], start=2):
        columns = [column.strip(" \xa0") for column in line.split("\t")]
        try:
            rates[columns[1]] = float(columns[2].replace(",", ".")) / 100
        except (IndexError, ValueError):
            raise SerError(
                got=f"{path}, line {number}: {line!r}",
                expected="number, name, recognised (65,00), natural (35,00), separated by tabs",
                remedy="restore the file from the archive, or remove it (recognition is then unknown)",
            ) from None
    return rates


EMODB = Corpus(
    name="EmoDB",
    licence="CC0-1.0",
    citation="Burkhardt, Paeschke, Rolfes, Sendlmeier, Weiss: A Database of German Emotional Speech. Interspeech 2005",
    language="de",
    speech="acted speech in German, recorded in a studio by few speakers",
    archive="http://emodb.bilderbar.info/download/download.zip",
    home="data/EmoDB",
    classes=tuple(EMOTIONS.values()),
    target="emotion",
    wav_folder="wav",
    sample_rate=16000,
    checksums=Path(__file__).with_name("emodb_sha256.tsv"),
    counts={
        "speaker": {f"spk{speaker}": count for speaker, count in SPEAKERS.items()},
        "emotion": dict(zip(EMOTIONS.values(), (127, 81, 46, 69, 71, 62, 79), strict=True)),
    },
    utterances=utterances,
    refused={22050: "the copies cut to 2 s and resampled to 22.05 kHz that circulate, not the corpus"},
)


def prepare_emodb(
    data_folder, save_folder, protocol="loso", subset="full", select="last", split_seed=0, fold="all"
) -> dict:
    """Verify EmoDB, write the manifests of its folds; download it when ``data_folder`` is ``data/EmoDB``, not there.

    Arguments
    ---------
    data_folder : path-like
        Holds ``wav/`` and ``erkennung.txt``; or a synthetic corpus in the same layout.
    save_folder : path-like
        For ``corpus.json``, ``<fold>/{train,valid,test}.json`` and ``protocol.json``.
    protocol : str
        ``loso``; ``loso-sentence`` (tested sentences are unseen too); ``random`` (leaks; only to show by how much).
    subset : str
        ``full``, or ``balanced50``: at most 50 utterances of each emotion.
    select : str
        ``last`` (no validation set), or ``inner_speaker`` (the next speaker validates).
    split_seed : int
        Of ``balanced50`` and ``random``.
    fold : str
        Whose manifests are written: ``all``, or comma-separated names.

    Returns
    -------
    dict
        What ``protocol.json`` says.
    """
    return prepare_corpus(
        EMODB,
        data_folder,
        save_folder,
        protocol=protocol,
        subset=subset,
        select=select,
        split_seed=split_seed,
        fold=fold,
    )
