"""Every recording of a test set, as it is and under every condition, judged by one model; each condition is kept."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ser_plugins.corpora.tables import read_rows
from ser_plugins.corpora.verify import first_few
from ser_plugins.errors import AudioError, MissingPathError, SerError
from ser_plugins.files import atomic_path, read_json, sha256_of, write_json
from ser_plugins.inference.classifiers import EmotionClassifier
from ser_plugins.inference.loading import README_FILE
from ser_plugins.inference.model_card import ModelCard
from ser_plugins.inference.recording import read_recording
from ser_plugins.stress.conditions import CONDITIONS, RATE
from ser_plugins.stress.folder import RECORDINGS, TRIAL

AS_RECORDED = "as recorded"
NO_SPEECH = "no speech"
NAMES = (AS_RECORDED, *(condition.name for condition in CONDITIONS))
ANSWERS = ["id", "predicted"]


@dataclass(frozen=True)
class LabelledRecordings:
    """What a CSV says of the recordings that a model is tried on.

    Arguments
    ---------
    path : Path
        The CSV.
    table : pandas.DataFrame
        A row per recording: ``id`` (its ``wav``), ``true``, ``speaker``, and the CSV's other columns.
    speakers_told : bool
        False where the CSV has no speakers: then every recording counts as one of its own.
    """

    path: Path
    table: pd.DataFrame
    speakers_told: bool


@dataclass(frozen=True)
class Tried:
    """What was answered to a test set.

    Arguments
    ---------
    tests : LabelledRecordings
        The recordings.
    answers : dict
        By condition, tables with ``id`` and ``predicted``.
    classes : list of str
        Of the model, or of the models of a run.
    model_sha256 : str
        See :func:`identity`; of a run over the models of all folds.
    """

    tests: LabelledRecordings
    answers: dict[str, pd.DataFrame]
    classes: list[str]
    model_sha256: str


def read_test_set(path, classes: list[str]) -> LabelledRecordings:
    """Read a CSV with the columns wav, label and, for honest intervals, speaker.

    Raises
    ------
    MissingPathError, SerError
        No such file; a recording twice; labels that the model does not know.
    """
    path = Path(path)
    rows = read_rows(path, ["wav", "label"])
    table = pd.DataFrame([row.cells for row in rows]).rename(columns={"wav": "id", "label": "true"})
    if repeated := sorted(table["id"][table["id"].duplicated()]):
        raise SerError(got=f"{path}: {repeated[0]} twice", expected="every recording once", remedy="remove one line")
    if unknown := sorted(set(table["true"]) - set(classes)):
        raise SerError(
            got=f"{path}: labels {first_few(unknown)}",
            expected=f"those of the model: {', '.join(classes)}",
            remedy="rename them, or leave these lines out",
        )
    speakers_told = "speaker" in table and bool((table["speaker"] != "").all())
    return LabelledRecordings(path, table if speakers_told else table.assign(speaker=table["id"]), speakers_told)


def answers(
    classifier: EmotionClassifier, tests: LabelledRecordings, folder: Path, voices: LabelledRecordings | None = None
) -> Iterator[tuple[str, pd.DataFrame]]:
    """The answers of a loaded model under each of ``NAMES``: tables with ``id`` and ``predicted``.

    What is judged is kept in ``folder/predictions`` and not judged again. In babble speak the other speakers of
    ``voices``, by default those of the test set.

    Raises
    ------
    MissingPathError, AudioError, SerError
        A recording that cannot be used as it is; a folder that belongs to another model or test set.
    """
    _claim(folder, classifier, tests)
    waves = others = None
    for name in NAMES:
        path = _answers_file(folder, name)
        if not path.is_file():
            waves = waves or _waves(classifier, tests)
            others = others or (waves if voices is None else _waves(classifier, voices))
            babbling = list(zip(others, (voices or tests).table["speaker"], strict=True))
            labels = [_label(classifier, wave) for wave in _changed(name, waves, tests, babbling)]
            with atomic_path(path) as temporary:
                pd.DataFrame({"id": tests.table["id"], "predicted": labels}).to_csv(temporary, index=False)
        yield name, kept_answers(folder, name)


def _claim(folder: Path, classifier, tests) -> None:
    """Note whose answers a folder holds, or see that they are of the same model and recordings."""
    claim = {
        "test_sha256": sha256_of(tests.path),
        "model_sha256": identity(classifier.model_card),
        "classes": classifier.labels,
    }
    path = folder / TRIAL
    if path.is_file() and read_json(path) != claim:
        raise SerError(
            got=f"{folder}: answers of another model, or to another test set",
            expected="an empty folder, or the one of this trial",
            remedy="name another folder with --out",
        )
    with atomic_path(folder / RECORDINGS) as temporary:
        tests.table[["id", "true", "speaker"]].to_csv(temporary, index=False)
    write_json(path, claim)


def kept_recordings(folder: Path) -> pd.DataFrame:
    """The recordings that a trial has judged: columns ``id``, ``true`` and ``speaker``."""
    path = folder / RECORDINGS
    if not path.is_file():
        raise MissingPathError(
            got=f"no file {path}", expected="what ser stress writes", remedy="give the command again: ser stress --out"
        )
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def kept_answers(folder: Path, name: str) -> pd.DataFrame:
    """The answers that a trial has kept of one condition: columns ``id`` and ``predicted``."""
    return pd.read_csv(_answers_file(folder, name), dtype=str, keep_default_na=False)[ANSWERS]


def _answers_file(folder: Path, name: str) -> Path:
    return folder / "predictions" / f"{_file_name(name)}.csv"


def identity(card: ModelCard | None) -> str:
    """SHA-256 over the hashes of what a loaded model computes with: weights, description and labels, not its card.

    Raises
    ------
    SerError
        No card: the model was not loaded from a folder.
    """
    if card is None:
        raise SerError(
            got="a model that was made in memory",
            expected="one from a folder, whose files have hashes",
            remedy="load it with EmotionClassifier.from_hparams",
        )
    hashes = {name: digest for name, digest in (card.files | card.members).items() if name != README_FILE}
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def _waves(classifier, tests) -> list[torch.Tensor]:
    """All recordings (samples,) at 16 kHz."""
    files = [tests.path.parent / name for name in tests.table["id"]]
    return [read_recording(file, RATE, classifier.min_samples).wave for file in files]


def _changed(name: str, waves: list[torch.Tensor], tests, babbling) -> Iterator[torch.Tensor]:
    if name == AS_RECORDED:
        yield from waves
        return
    condition = next(condition for condition in CONDITIONS if condition.name == name)
    for wave, speaker in zip(waves, tests.table["speaker"], strict=True):
        voices = []
        if condition.family == "babble":
            voices = [other for other, who in babbling if who != speaker]
        sha256 = hashlib.sha256(wave.numpy().astype(np.float32).tobytes()).hexdigest()
        yield condition.changed(wave, sha256, voices)


def _label(classifier, wave) -> str:
    """What a model answers to a wave (samples,); a recording that no longer can be used has no speech."""
    try:
        return classifier.predict(wave, RATE).label or NO_SPEECH
    except AudioError:
        return NO_SPEECH


def _file_name(name: str) -> str:
    """A condition's name as a file's.

    Example
    -------
    >>> _file_name("white noise, 20 dB"), _file_name("tempo - 10 %")
    ('white_noise_20_db', 'tempo_minus_10')
    """
    words = name.lower().replace("- ", "minus ").replace("+ ", "plus ")
    return "_".join("".join(letter if letter.isalnum() else " " for letter in words).split())
