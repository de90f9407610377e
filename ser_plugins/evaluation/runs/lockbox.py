"""Predictions that nobody has looked at yet: kept unread beside a fold's ``results.json`` until the run is unsealed.

A seal keeps a score from being seen by accident, and shows when it was opened. It is no secret: whoever wants to can
decode the file, or write another one with its hash. It guards honest people against themselves; it is not cryptography.
"""

import base64
import hashlib
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ser_plugins.errors import SerError
from ser_plugins.evaluation.metrics.tasks import predictions_files
from ser_plugins.evaluation.runs.fold_record import Seal
from ser_plugins.evaluation.runs.folds import FoldResults, read_fold_record, read_predictions, read_run, with_scores
from ser_plugins.files import read_json, write_text

LOG = "seal.log"


def seal(folder, texts: dict) -> Seal:
    """Write the predictions of a fold as ``*.sealed``; what its ``results.json`` says in the place of metrics.

    Arguments
    ---------
    folder : Path
        Of the fold.
    texts : dict
        ``{"predictions.csv": its text}``, and the auxiliary targets' files likewise.

    Returns
    -------
    Seal
        The time, and SHA-256 of the text by file.

    Example
    -------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> list(seal(folder, {"predictions.csv": "id,true,predicted"}).sha256)
    ['predictions.csv']
    >>> [path.name for path in folder.iterdir()]
    ['predictions.sealed']
    """
    for name, text in texts.items():
        coded = base64.encodebytes(zlib.compress(text.encode()))
        write_text(_sealed(Path(folder) / name), coded.decode())
    return Seal(at=_now(), sha256={name: _sha256(text) for name, text in texts.items()})


def read_unseen(folder) -> FoldResults:
    """Read and check one finished fold, sealed or open; for code that must not show what it reads.

    Raises
    ------
    SerError
        When sealed predictions are not what was sealed; and all that
        :func:`ser_plugins.evaluation.runs.folds.fold_results` raises of an open fold.
    """
    folder, record = Path(folder), read_fold_record(folder)
    tasks, texts = record.tasks, _texts(folder, record.sealed)
    return FoldResults(
        record,
        {
            target: read_predictions(folder / name, record, tasks[target], texts.get(name))
            for target, name in predictions_files(tasks).items()
        },
    )


def is_sealed(run_folder) -> bool:
    """Whether a run has a fold that nobody has looked at yet."""
    return any("sealed" in read_json(path) for path in Path(run_folder).glob("seed_*/*/results.json"))


def unseal(run_folder) -> list[str]:
    """Open every sealed fold of a run, all together or none, and note it in ``seal.log`` before the first is written.

    Arguments
    ---------
    run_folder : str or Path
        ``results/<corpus>/<system>/<protocol>``.

    Returns
    -------
    list of str
        The folds opened, ``seed_<n>/<fold>``; none of a run that is open.

    Raises
    ------
    MissingFoldError, MissingPathError, SerError
        When a fold of the protocol is not finished (a run is opened once, as a whole), sealed predictions are not what
        was sealed, or the folds do not belong together. Nothing is opened then.
    """
    run_folder = Path(run_folder)
    sealed = [fold for fold in read_run(run_folder, read_unseen) if fold.record.sealed]
    if not sealed:
        return []
    seals = [fold.record.sealed for fold in sealed]
    hashes = [digest for seal in seals if seal for digest in seal.sha256.values()]
    places = [fold.record.place for fold in sealed]
    with open(run_folder / LOG, "a", encoding="utf-8") as log:
        log.write(f"{_now()} opened {', '.join(places)}; sha256 of their hashes {_sha256(''.join(hashes))}\n")
    for place, fold in zip(places, sealed, strict=True):
        _write_open(run_folder / place, fold)
    return places


def _texts(folder, seal: Seal | None) -> dict:
    """What was sealed, by file; nothing of an open fold."""
    if seal is None:
        return {}
    texts = {}
    for name, digest in seal.sha256.items():
        path = _sealed(folder / name)
        try:
            texts[name] = zlib.decompress(base64.decodebytes(path.read_bytes())).decode()
        except (OSError, ValueError, zlib.error):
            texts[name] = ""
        if _sha256(texts[name]) != digest:
            raise SerError(
                got=f"{path}: not what was sealed at {seal.at}",
                expected=f"predictions with sha256 {digest[:8]}",
                remedy="restore the file, or train the fold again",
            )
    return texts


def _write_open(folder, fold):
    """``results.json`` comes last: until then the fold is sealed, and opened again by the next call."""
    seal = fold.record.sealed
    for name, text in _texts(folder, seal).items():
        write_text(folder / name, text)
    record = replace(fold.record, sealed=None, was_sealed=replace(seal, opened_at=_now()))
    with_scores(record, fold.predictions).write(folder)


def _sealed(path: Path) -> Path:
    return path.with_suffix(".sealed")


def _sha256(text) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
