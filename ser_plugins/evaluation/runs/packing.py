"""From a run as training leaves it to the two files of :mod:`ser_plugins.evaluation.runs.evidence`."""

from pathlib import Path

from ser_plugins.errors import SerError
from ser_plugins.evaluation.runs.evidence import encode, is_packed
from ser_plugins.evaluation.runs.folds import read_run, refuse_other_scores
from ser_plugins.evaluation.runs.lockbox import LOG
from ser_plugins.files import built_aside, read_json

ROOM = Path("evidence")


def pack_run(run_folder, folder=None) -> Path:
    """Write a finished, open run as ``run.json`` and ``predictions.csv.gz``.

    Arguments
    ---------
    run_folder : str or Path
        ``results/<corpus>/<system>/<protocol>``. Of a nested choice ``selection.json`` beside it is kept as well.
    folder : str or Path, optional
        Where to; does not exist, is empty, or holds this very run. Without:
        ``evidence/<corpus>/<system>.<protocol>``.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    MissingFoldError, MissingPathError, SealedError, SerError
        As :func:`ser_plugins.evaluation.runs.folds.read_run`; a run that is packed already; scores that are not
        those of the predictions; or a folder that is not free. Nothing is written then.

    Example
    -------
    >>> pack_run("results/nothing")
    Traceback (most recent call last):
    ser_plugins.errors.MissingPathError: got: no seed_<n>/<fold>/results.json below results/nothing; expected: a run \
folder, results/<corpus>/<system>/<protocol>, with finished folds; remedy: name the run folder, or train first
    """
    run_folder = Path(run_folder)
    if is_packed(run_folder):
        raise SerError(got=f"{run_folder}: packed", expected="a run as training leaves it", remedy="copy the folder")
    runs = read_run(run_folder)
    refuse_other_scores(runs, run_folder)
    log, selection = run_folder / LOG, run_folder.resolve().parent / "selection.json"
    files = encode(
        runs,
        log.read_text(encoding="utf-8") if log.is_file() else "",
        read_json(selection) if "chosen" in runs[0].results and selection.is_file() else None,
    )
    folder = _place(runs[0].results) if folder is None else Path(folder)
    write_packed(files, folder)
    return folder


def write_packed(files: dict[str, bytes], folder: Path) -> None:
    """Write what :func:`~ser_plugins.evaluation.runs.evidence.encode` makes, both files or none.

    Raises
    ------
    SerError
        When the folder holds anything else, or what would be written could not be read again.
    """
    folder = folder.absolute()
    if is_packed(folder) and all((folder / name).read_bytes() == content for name, content in files.items()):
        return
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SerError(
            got=f"{folder} holds something else", expected="a new or empty folder", remedy="remove it, or name another"
        )
    with built_aside(folder) as built:
        for name, content in files.items():
            (built / name).write_bytes(content)
        read_run(built)


def _place(results: dict) -> Path:
    protocol = results["protocol"]
    names = protocol["corpus"], f"{results['system']}.{protocol['protocol']}"
    if any(Path(name).name != name or name.startswith(".") for name in names):
        raise SerError(
            got=f"corpus {names[0]!a}, run {names[1]!a}",
            expected="names of folders",
            remedy="name the folder yourself: ser pack RUN FOLDER",
        )
    return ROOM.joinpath(*names)
