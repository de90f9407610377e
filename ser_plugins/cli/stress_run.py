"""A run under stress: the model of every fold is tried on the recordings that it was tested on."""

import hashlib
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ser_plugins.corpora.manifest import read_manifest
from ser_plugins.errors import SerError
from ser_plugins.evaluation.runs.folds import read_run
from ser_plugins.export.folder import export_model
from ser_plugins.files import atomic_path, read_json
from ser_plugins.inference.classifiers import EmotionClassifier
from ser_plugins.stress.trial import Tried, answers, identity, read_test_set
from ser_plugins.training.recordings import path_of
from ser_plugins.training.settings import resolve

_NOT_SAID = ("wav", "sha256", "audio_sha256")  # fields of a manifest that describe nobody


@dataclass(frozen=True)
class FoldsOfRun:
    """The folds of a run's first seed.

    Arguments
    ---------
    places : dict
        Name -> the folder that its training has left.
    tests : dict
        Name -> a CSV of the recordings that it has tested.
    everybody : Path
        A CSV of them all.
    """

    places: dict[str, Path]
    tests: dict[str, Path]
    everybody: Path

    @property
    def table(self) -> pd.DataFrame:
        """All recordings, with what their manifests say of them."""
        return pd.read_csv(self.everybody, dtype=str, keep_default_na=False)


def folds_of(run: Path, out: Path) -> FoldsOfRun:
    """Find the folds of a run's first seed, and write below ``out/folds`` what they have tested.

    Raises
    ------
    MissingPathError, SerError
        A run that is not finished, was packed without its checkpoints, or is of numbers.
    """
    records = [fold.record for fold in read_run(run)]
    seed = records[0].seed
    places = {record.fold: run / f"seed_{seed}" / record.fold for record in records if record.seed == seed}
    for place in places.values():
        if not place.is_dir():
            raise SerError(
                got=f"no folder {place}",
                expected="a run folder as it was trained, with its checkpoints",
                remedy="train it again: a packed run has no weights",
            )
    tests = {name: _test_set(place, out / "folds" / name / "test.csv") for name, place in places.items()}
    everybody = out / "folds" / "all.csv"
    _write(pd.concat([pd.read_csv(file, dtype=str, keep_default_na=False) for file in tests.values()]), everybody)
    return FoldsOfRun(places, tests, everybody)


def try_run(folds: FoldsOfRun, out: Path, progress: Callable[[list[str]], Iterable[str]] = iter) -> Tried:
    """Try the model of every fold on what it has tested; in babble speak the recordings of all folds.

    The answers of each fold are kept in ``out/folds``; ``progress`` goes through their names, and may show it.

    Raises
    ------
    MissingPathError, AudioError, SerError
        A recording that cannot be used as it is; a folder that belongs to another run.
    """
    parts: dict[str, list[pd.DataFrame]] = {}
    identities = []
    classes: list[str] = []
    for name in progress(list(folds.places)):
        with tempfile.TemporaryDirectory() as folder:
            export_model(folds.places[name], Path(folder) / "model")
            classifier = EmotionClassifier.from_hparams(Path(folder) / "model", device="cpu")
        classes = classifier.labels
        identities.append(identity(classifier.model_card))
        tests, voices = (read_test_set(file, classes) for file in (folds.tests[name], folds.everybody))
        for condition, table in answers(classifier, tests, out / "folds" / name, voices):
            parts.setdefault(condition, []).append(table)
    tables = {condition: pd.concat(tables, ignore_index=True) for condition, tables in parts.items()}
    digest = hashlib.sha256("".join(identities).encode()).hexdigest()
    return Tried(read_test_set(folds.everybody, classes), tables, classes, digest)


def _test_set(place: Path, file: Path) -> Path:
    """Write what a fold has tested as a CSV with the columns wav, label, speaker, and what else the manifest says."""
    values = resolve(place / "hyperparams.yaml", {})
    manifest = Path(values["test_annotation"])
    protocol = read_json(manifest.parents[1] / "protocol.json")
    rows = []
    for fields in read_manifest(manifest).values():
        target = fields[protocol["target"]]
        if not isinstance(target, str):
            raise SerError(got=f"{place}: a run of numbers", expected="a run of emotions", remedy="choose another run")
        others = {key: value for key, value in fields.items() if isinstance(value, str) and key not in _NOT_SAID}
        others.pop(protocol["target"])
        rows.append({"wav": path_of(fields, protocol), "label": target, **others})
    _write(pd.DataFrame(rows).fillna(""), file)
    return file


def _write(table: pd.DataFrame, file: Path) -> None:
    with atomic_path(file) as temporary:
        table.to_csv(temporary, index=False)
