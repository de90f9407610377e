"""nEMO, a dataset of emotional speech in Polish: where its labels are, and what a whole copy holds.

4 481 utterances, 9 speakers, 90 sentences, 6 emotions. A name such as ``EB0_anger_13.wav`` reads: speaker EB0, anger,
sentence 13; not everybody says every sentence in every emotion.
"""

from collections.abc import Iterator
from pathlib import Path

from ser_plugins.corpora.manifest import Utterance
from ser_plugins.corpora.prepare import Corpus, prepare_corpus
from ser_plugins.corpora.protocols import PROTOCOLS, speaker_groups
from ser_plugins.corpora.tables import read_rows

EMOTIONS = {
    "anger": "anger",
    "fear": "fear",
    "happiness": "happiness",
    "sadness": "sadness",
    "surprised": "surprise",
    "neutral": "neutral",
}
SEXES = {"male": "male", "female": "female"}
COLUMNS = ("file_id", "emotion", "raw_text", "speaker_id", "gender", "age")


def utterances(data_root: Path) -> Iterator[Utterance]:
    """Read ``data.tsv``, a line for each recording."""
    for row in read_rows(data_root / "data.tsv", COLUMNS, delimiter="\t"):
        speaker = row.text("speaker_id")
        emotion = row.one_of("emotion", EMOTIONS)
        wav = row.text("file_id")
        stem = wav.removesuffix(".wav")
        sentence = stem.removeprefix(f"{speaker}_{row.cells['emotion']}_")
        if not sentence.isdecimal():
            row.wrong("file_id", f"{speaker}_{row.cells['emotion']}_ and the number of a sentence, .wav")
        fields = {
            "speaker": speaker,
            "gender": row.one_of("gender", SEXES),
            "age": int(row.number("age", 1, 120)),  # years
            "sentence": f"s{int(sentence):02d}",
            "emotion": emotion,
            "transcript": row.text("raw_text"),
        }
        yield Utterance(stem, wav, fields, source=row.source)


NEMO = Corpus(
    name="nEMO",
    licence="CC-BY-NC-SA-4.0",
    citation="Christop: nEMO: Dataset of Emotional Speech in Polish. LREC-COLING 2024",
    language="pl",
    speech="acted speech in Polish, ninety sentences by nine speakers",
    classes=tuple(EMOTIONS.values()),
    target="emotion",
    wav_folder="samples",
    utterances=utterances,
    remedy="clone https://github.com/amu-cai/nEMO; for a copy of some speakers only, add --allow_partial",
    protocols={**PROTOCOLS, **speaker_groups(3)},
)


def prepare_nemo(
    data_folder,
    save_folder,
    protocol="loso",
    subset="full",
    select="last",
    split_seed=0,
    allow_partial=False,
    cache_folder="results/nEMO/audio",
    fold="all",
) -> dict:
    """Verify nEMO and write the manifests of its folds.

    Arguments
    ---------
    data_folder : path-like
        Holds ``data.tsv`` and ``samples/``; or a synthetic corpus in the same layout.
    save_folder : path-like
        For ``corpus.json``, ``<fold>/{train,valid,test}.json`` and ``protocol.json``.
    protocol : str
        ``loso``; ``loso-sentence`` (tested sentences are unseen too); ``groups`` (three groups of three speakers),
        ``groups-sentence``; ``random``, ``all`` as in ``recipes/EmoDB``.
    subset, select, split_seed
        See ``recipes/EmoDB``.
    allow_partial : bool
        Accept a copy that lacks recordings; every table says so.
    cache_folder : path-like
        Where recordings of another rate go as 16 kHz mono.
    fold : str
        Whose manifests are written: ``all``, or comma-separated names.

    Returns
    -------
    dict
        What ``protocol.json`` says.
    """
    return prepare_corpus(
        NEMO,
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
