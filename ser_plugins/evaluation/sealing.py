"""Predictions that nobody has looked at yet: kept unread beside a fold's ``results.json`` until the run is unsealed.

A seal keeps a score from being seen by accident, and shows when it was opened. It is no secret: whoever wants to can
decode the file, or write another one with its hash. It guards honest people against themselves; it is not cryptography.
"""

import base64
import hashlib
import zlib
from datetime import UTC, datetime
from pathlib import Path

from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.evaluation.folds import MissingFoldError, read_predictions, tasks_in
from ser_plugins.evaluation.tasks import predictions_files
from ser_plugins.files import read_json, write_json, write_text

LOG = "seal.log"


def seal(folder, texts: dict) -> dict:
    """Write the predictions of a fold as ``*.sealed``; what its ``results.json`` says in the place of metrics.

    Arguments
    ---------
    folder : Path
        Of the fold.
    texts : dict
        ``{"predictions.csv": its text}``, and the auxiliary targets' files likewise.

    Returns
    -------
    dict
        ``at`` (UTC), and ``sha256`` of the text by file.

    Example
    -------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> sorted(seal(folder, {"predictions.csv": "id,true,predicted"}))
    ['at', 'sha256']
    >>> [path.name for path in folder.iterdir()]
    ['predictions.sealed']
    """
    for name, text in texts.items():
        coded = base64.encodebytes(zlib.compress(text.encode()))
        write_text(_sealed(Path(folder) / name), coded.decode())
    return {"at": _now(), "sha256": {name: _sha256(text) for name, text in texts.items()}}


def predictions_of(folder, results: dict) -> dict:
    """The predictions of a fold by target, sealed or open, as tables; for code that must not show them.

    Raises
    ------
    SerError
        When sealed predictions are not what was sealed.
    """
    texts = _texts(Path(folder), results)
    files = predictions_files(tasks_in(results))
    return {
        target: read_predictions(Path(folder) / files[target], results, task, texts.get(files[target]))
        for target, task in tasks_in(results).items()
    }


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
    MissingFoldError, MissingPathError
        When a fold of the protocol is not finished: a run is opened once, as a whole.
    SerError
        When sealed predictions are not what was sealed. Nothing is opened then.
    """
    run_folder = Path(run_folder)
    found = {path.parent: read_json(path) for path in sorted(run_folder.glob("seed_*/*/results.json"))}
    if not found:
        raise MissingPathError(
            got=f"no finished fold below {run_folder}", expected="a sealed run", remedy="name its run folder"
        )
    sealed = {folder: results for folder, results in found.items() if "sealed" in results}
    if not sealed:
        return []
    _refuse_unfinished(run_folder, found)
    opened = {folder: (_texts(folder, results), _scores(folder, results)) for folder, results in sealed.items()}
    names = [folder.relative_to(run_folder).as_posix() for folder in sealed]
    hashes = [digest for results in sealed.values() for digest in results["sealed"]["sha256"].values()]
    with open(run_folder / LOG, "a", encoding="utf-8") as log:
        log.write(f"{_now()} opened {', '.join(names)}; sha256 of their hashes {_sha256(''.join(hashes))}\n")
    for folder, results in sealed.items():
        _write_open(folder, results, *opened[folder])
    return names


def _refuse_unfinished(run_folder, found):
    folds = next(iter(found.values()))["protocol"]["folds"]
    seeds = sorted(path for path in run_folder.glob("seed_*") if path.is_dir())
    missing = [f"{seed.name}/{fold}" for seed in seeds for fold in folds if seed / fold not in found]
    if missing:
        raise MissingFoldError(
            got=f"{run_folder} lacks {', '.join(missing)}",
            expected="all folds, before the first is opened",
            remedy="give the training command again: it finishes what is unfinished",
        )


def _texts(folder, results) -> dict:
    """What was sealed, by file; nothing of an open fold."""
    texts, sealed = {}, results.get("sealed", {"sha256": {}})
    for name, digest in sealed["sha256"].items():
        path = _sealed(folder / name)
        try:
            texts[name] = zlib.decompress(base64.decodebytes(path.read_bytes())).decode()
        except (OSError, ValueError, zlib.error):
            texts[name] = ""
        if _sha256(texts[name]) != digest:
            raise SerError(
                got=f"{path}: not what was sealed at {sealed['at']}",
                expected=f"predictions with sha256 {digest[:8]}",
                remedy="restore the file, or train the fold again",
            )
    return texts


def _scores(folder, results) -> dict:
    tables, tasks = predictions_of(folder, results), tasks_in(results)
    return {target: task.metrics(tables[target]["true"], tables[target]["predicted"]) for target, task in tasks.items()}


def _write_open(folder, results, texts, scores):
    """``results.json`` comes last: until then the fold is sealed, and opened again by the next call."""
    for name, text in texts.items():
        write_text(folder / name, text)
    own, *others = scores
    opened = {key: value for key, value in results.items() if key != "sealed"}
    opened["metrics"] = scores[own]
    opened["auxiliary"] = {target: {**results["auxiliary"][target], "metrics": scores[target]} for target in others}
    write_json(folder / "results.json", {**opened, "was_sealed": {**results["sealed"], "opened_at": _now()}})


def _sealed(path: Path) -> Path:
    return path.with_suffix(".sealed")


def _sha256(text) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
