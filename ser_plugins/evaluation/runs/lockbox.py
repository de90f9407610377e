"""Predictions that nobody has looked at yet: kept unread beside a fold's ``results.json`` until the run is unsealed.

A seal keeps a score from being seen by accident, and shows when it was opened. It is no secret: whoever wants to can
decode the file, or write another one with its hash. It guards honest people against themselves; it is not cryptography.
"""

import base64
import hashlib
import zlib
from datetime import UTC, datetime
from pathlib import Path

from ser_plugins.errors import SerError
from ser_plugins.evaluation.metrics.tasks import predictions_files
from ser_plugins.evaluation.runs.folds import FoldResults, checked_results, read_predictions, read_run, tasks_in
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


def read_unseen(folder) -> FoldResults:
    """Read and check one finished fold, sealed or open; for code that must not show what it reads.

    Raises
    ------
    SerError
        When sealed predictions are not what was sealed; and all that
        :func:`ser_plugins.evaluation.runs.folds.fold_results` raises of an open fold.
    """
    folder, results = Path(folder), checked_results(folder)
    tasks, texts = tasks_in(results), _texts(folder, results)
    return FoldResults(
        results,
        {
            target: read_predictions(folder / name, results, tasks[target], texts.get(name))
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
    runs = read_run(run_folder, read_unseen)
    sealed = {_place(run.results): run for run in runs if "sealed" in run.results}
    if not sealed:
        return []
    hashes = [digest for run in sealed.values() for digest in run.results["sealed"]["sha256"].values()]
    with open(run_folder / LOG, "a", encoding="utf-8") as log:
        log.write(f"{_now()} opened {', '.join(sealed)}; sha256 of their hashes {_sha256(''.join(hashes))}\n")
    for place, run in sealed.items():
        _write_open(run_folder / place, run)
    return list(sealed)


def _place(results):
    return f"seed_{results['seed']}/{results['fold']}"


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


def _write_open(folder, run):
    """``results.json`` comes last: until then the fold is sealed, and opened again by the next call."""
    for name, text in _texts(folder, run.results).items():
        write_text(folder / name, text)
    scores = {
        target: task.metrics(run.predictions[target]["true"], run.predictions[target]["predicted"])
        for target, task in tasks_in(run.results).items()
    }
    own, *others = scores
    opened = {key: value for key, value in run.results.items() if key != "sealed"}
    opened["metrics"] = scores[own]
    opened["auxiliary"] = {target: {**opened["auxiliary"][target], "metrics": scores[target]} for target in others}
    write_json(folder / "results.json", {**opened, "was_sealed": {**run.results["sealed"], "opened_at": _now()}})


def _sealed(path: Path) -> Path:
    return path.with_suffix(".sealed")


def _sha256(text) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
