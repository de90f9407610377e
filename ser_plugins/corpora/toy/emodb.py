"""Synthetic corpora in real layouts, for the demo and the tests; ``voice`` speaks them.

:func:`write_corpus` turns takes into a folder and knows no layout. A layout is a function that lists takes and the
files beside them, such as :func:`emodb_layout`. The folder carries a marker with the checksum of every wav: a recipe
verifies it by the same code as a published corpus, and calls it synthetic wherever its name is printed.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from ser_plugins.corpora.toy.synth import SAMPLE_RATE, STYLES, make_sentence, make_speaker, speak
from ser_plugins.corpora.verify import SYNTHETIC_MARKER, first_few
from ser_plugins.errors import SerError
from ser_plugins.files import read_json, sha256_of, write_json

EMODB_FEMALE = {"03": False, "08": True, "09": True, "10": False, "11": False,
                "12": False, "13": True, "14": True, "15": False, "16": True}  # fmt: skip
EMODB_SENTENCES = ("a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10")
EMODB_LETTERS = dict(zip(STYLES, "WLEAFTN", strict=True))


@dataclass(frozen=True)
class Take:
    """One recording to be made: ``path`` below the corpus folder; ``name`` below the folder that the marker lists.

    Without a name it is not listed (what is converted first has no checksum); without an emotion it is empty.
    """

    path: str
    name: str
    speaker: str
    gender: str
    sentence: str
    emotion: str


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
    takes, beside = emodb_layout(list(EMODB_FEMALE)[:speakers], EMODB_SENTENCES[:sentences], emotions, seed)
    return write_corpus(folder, takes, beside, parameters, syllables=syllables, seed=seed)


def emodb_layout(speakers, sentences, emotions, seed) -> tuple[list[Take], dict]:
    """List the takes of EmoDB's layout, and the files beside them as ``{path: bytes}``.

    ``erkennung.txt`` also rates takes without a wav (a second take of each, and speaker 08's disgust), as the real one.
    """
    rng = np.random.default_rng(seed)
    takes, rows = [], ["Nr.\tSatz\terkannt\tnatuerlich"]
    for sentence in sentences:
        for speaker in speakers:
            for emotion in emotions:
                for take in "ab":
                    name = f"{speaker}{sentence}{EMODB_LETTERS[emotion]}{take}.wav"
                    published = take == "a" and (speaker, emotion) != ("08", "disgust")
                    recognised, natural = (
                        rng.integers(16, 21) if published else rng.integers(4, 16),
                        rng.integers(8, 21),
                    )
                    columns = [name, *(f"{5 * votes},00".ljust(10, "\xa0") for votes in (recognised, natural))]
                    rows.append("\t".join([str(len(rows)).ljust(3, "\xa0"), *columns]))
                    if published:
                        gender = "female" if EMODB_FEMALE[speaker] else "male"
                        takes.append(Take(f"wav/{name}", name, speaker, gender, sentence, emotion))
    return takes, {"erkennung.txt": ("\n".join(rows) + "\n").encode("latin-1")}


def write_wav(path, samples) -> None:
    """Write (samples,), int16, as 16 kHz mono wav."""
    soundfile.write(path, samples, SAMPLE_RATE, subtype="PCM_16")


def write_corpus(folder, takes, beside, parameters, *, syllables, seed, write=write_wav) -> Path:
    """Speak the takes and write them with the files beside them and the marker: whole or not at all.

    Every wav depends on the seed and on its own path, speaker, sentence and emotion only: a smaller corpus is a part of
    a larger one. ``write(path, samples)`` puts one recording into its file.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise SerError(got=f"{folder}, a file", expected="a folder to write", remedy="name another folder")
    if folder.is_dir() and any(folder.iterdir()):
        marker = folder / SYNTHETIC_MARKER
        if marker.is_file() and read_json(marker).get("parameters") == parameters:
            return folder
        raise SerError(
            got=f"{folder} holds {first_few(sorted(path.name for path in folder.iterdir()))}",
            expected="a new folder, or one with the same synthetic corpus",
            remedy="remove it or name another",
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        files = {}
        for take in takes:
            path = temporary / take.path
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, _say(take, syllables, seed))
            if take.name:
                files[take.name] = [sha256_of(path), path.stat().st_size]
        for name, content in beside.items():
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        write_json(temporary / SYNTHETIC_MARKER, {"synthetic": True, "parameters": parameters, "files": files})
        temporary.chmod(0o755)  # mkdtemp makes private folders
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _say(take: Take, syllables: int, seed: int) -> np.ndarray:
    def chance(*what):
        return np.random.default_rng([seed, *"/".join(what).encode()])

    if not take.emotion:
        return np.zeros(0, np.int16)
    sentence = make_sentence(syllables, chance("sentence", take.sentence))
    speaker = make_speaker(take.gender, chance("speaker", take.speaker))
    return speak(sentence, speaker, take.emotion, chance("take", take.path))


def within(option: str, value: int, most: int) -> int:
    """Return an option's value when it is from 1 to ``most``."""
    if not 1 <= value <= most:
        raise SerError(got=f"{option}={value}", expected=f"1 to {most}", remedy="correct the option")
    return value
