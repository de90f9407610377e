"""Recordings to be made -> a synthetic corpus on disk, whole or not at all.

A layout is a function that lists recordings and the files beside them, such as
:func:`ser_plugins.corpora.toy.emodb.emodb_layout`; here no layout is known. The folder carries a marker with the
checksum of every wav: a recipe verifies it by the same code as a published corpus, and calls it synthetic wherever its
name is printed.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser_plugins.corpora.toy.synth import make_sentence, make_speaker, speak
from ser_plugins.corpora.verify import SYNTHETIC_MARKER, first_few
from ser_plugins.errors import SerError
from ser_plugins.files import read_json, sha256_of, write_json
from ser_plugins.sound.convert import write_wav


@dataclass(frozen=True)
class ToyRecording:
    """One recording to be made: ``path`` below the corpus folder; ``name`` below the folder that the marker lists.

    Without a name it is not listed (what is converted first has no checksum); without an emotion it is empty. ``take``
    is what makes two recordings of one sentence differ, by default their path.
    """

    path: str
    name: str
    speaker: str
    gender: str
    sentence: str
    emotion: str
    take: str = ""


def write_corpus(folder, recordings, beside, parameters, *, syllables, seed, write=write_wav) -> Path:
    """Speak the recordings and write them with the files beside them and the marker: whole or not at all.

    Every wav depends on the seed and on its own path (or take), speaker, sentence and emotion only: a smaller corpus is
    a part of a larger one. ``write(path, samples)`` puts one recording into its file.
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
        for recording in recordings:
            path = temporary / recording.path
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, _say(recording, syllables, seed))
            if recording.name:
                files[recording.name] = [sha256_of(path), path.stat().st_size]
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


def _say(recording: ToyRecording, syllables: int, seed: int) -> np.ndarray:
    def chance(*words):
        return np.random.default_rng([seed, *"/".join(words).encode()])

    if not recording.emotion:
        return np.zeros(0, np.int16)
    sentence = make_sentence(syllables, chance("sentence", recording.sentence))
    speaker = make_speaker(recording.gender, chance("speaker", recording.speaker))
    return speak(sentence, speaker, recording.emotion, chance("take", recording.take or recording.path))


def within(option: str, value: int, most: int) -> int:
    """Return an option's value when it is from 1 to ``most``."""
    if not 1 <= value <= most:
        raise SerError(got=f"{option}={value}", expected=f"1 to {most}", remedy="correct the option")
    return value
