"""A synthetic corpus in EmoDB's layout."""

from pathlib import Path

import numpy as np

from ser_plugins.corpora.toy.synth import STYLES
from ser_plugins.corpora.toy.writing import ToyRecording, within, write_corpus
from ser_plugins.errors import SerError

EMODB_FEMALE = {"03": False, "08": True, "09": True, "10": False, "11": False,
                "12": False, "13": True, "14": True, "15": False, "16": True}  # fmt: skip
EMODB_SENTENCES = ("a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10")
EMODB_LETTERS = dict(zip(STYLES, "WLEAFTN", strict=True))


def write_toy_emodb(folder, speakers=10, sentences=4, emotions=tuple(STYLES), syllables=6, seed=0) -> Path:
    """Write a synthetic corpus in EmoDB's layout.

    Arguments
    ---------
    folder : path-like
        Does not exist, is empty, or holds the same synthetic corpus already (then nothing is done).
    speakers, sentences : int
        1 to 10 of EmoDB's; one wav for each pair and emotion, except that speaker 08 has no disgust.
    emotions : sequence of str
        Any of anger, boredom, disgust, fear, happiness, sadness, neutral.
    syllables : int
        Length of a sentence; about 0.2 s each.
    seed : int
        The same files for the same seed.

    Returns
    -------
    Path
        The folder.

    Example
    -------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "emodb"
    >>> write_toy_emodb(folder, speakers=1, sentences=1, emotions=("happiness",)) == folder
    True
    >>> sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))
    ['erkennung.txt', 'synthetic_corpus.json', 'wav/03a01Fa.wav']
    """
    parameters = {
        "layout": "EmoDB",
        "speakers": within("speakers", speakers, len(EMODB_FEMALE)),
        "sentences": within("sentences", sentences, len(EMODB_SENTENCES)),
        "emotions": list(emotions),
        "syllables": within("syllables", syllables, 100),
        "seed": seed,
    }
    if not emotions or set(emotions) - set(STYLES):
        raise SerError(
            got=f"emotions={emotions!r}", expected="some of " + ", ".join(STYLES), remedy="correct the option"
        )
    recordings, beside = emodb_layout(list(EMODB_FEMALE)[:speakers], EMODB_SENTENCES[:sentences], emotions, seed)
    return write_corpus(folder, recordings, beside, parameters, syllables=syllables, seed=seed)


def emodb_layout(speakers, sentences, emotions, seed) -> tuple[list[ToyRecording], dict]:
    """List the recordings of EmoDB's layout, and the files beside them as ``{path: bytes}``.

    As the real one, ``erkennung.txt`` also rates what has no wav: a second take of each, and speaker 08's disgust.
    """
    rng = np.random.default_rng(seed)
    recordings = []
    rows = ["Nr.\tSatz\terkannt\tnatuerlich"]
    for sentence in sentences:
        for speaker in speakers:
            for emotion in emotions:
                for take in "ab":
                    name = f"{speaker}{sentence}{EMODB_LETTERS[emotion]}{take}.wav"
                    published = take == "a" and (speaker, emotion) != ("08", "disgust")
                    recognised = rng.integers(16, 21) if published else rng.integers(4, 16)
                    natural = rng.integers(8, 21)
                    columns = [name, *(f"{5 * votes},00".ljust(10, "\xa0") for votes in (recognised, natural))]
                    rows.append("\t".join([str(len(rows)).ljust(3, "\xa0"), *columns]))
                    if published:
                        gender = "female" if EMODB_FEMALE[speaker] else "male"
                        recordings.append(ToyRecording(f"wav/{name}", name, speaker, gender, sentence, emotion))
    return recordings, {"erkennung.txt": ("\n".join(rows) + "\n").encode("latin-1")}
