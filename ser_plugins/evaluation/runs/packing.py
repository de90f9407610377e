"""From a run as training leaves it to the two files of :mod:`ser_plugins.evaluation.runs.evidence`."""

from pathlib import Path

from ser_plugins.errors import SerError
from ser_plugins.evaluation.runs.evidence import INNER_TABLE, compressed, encode, is_packed
from ser_plugins.evaluation.runs.folds import FoldResults, read_run, refuse_other_scores
from ser_plugins.evaluation.runs.lockbox import LOG
from ser_plugins.files import built_aside, read_json

ROOM = Path("evidence")


def pack_run(run_folder, folder=None) -> Path:
    """Write a finished, open run as ``run.json`` and ``predictions.csv.gz``.

    Of seeds that all predict the same, as where nothing is drawn at random, the first is kept, and ``equal_seeds``
    names all of them.

    Arguments
    ---------
    run_folder : str or Path
        ``results/<corpus>/<system>/<protocol>``. Of a nested choice ``selection.json`` beside it is kept as well, and
        the inner predictions of its list, ``selection.csv``, as a third file, for ``ser ablation``.
    folder : str or Path, optional
        Where to; does not exist, is empty, or holds this very run. Without:
        ``evidence/`` and :func:`place_of`.

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
    notes, inner_table = _notes(run_folder), run_folder.resolve().parent / "selection.csv"
    if "chosen" in runs[0].results:
        selection = inner_table.with_suffix(".json")
        notes |= {"selection": read_json(selection)} if selection.is_file() else {}
    kept = _first_of_equal_seeds(runs)
    if len(kept) < len(runs):
        notes["equal_seeds"] = sorted({run.results["seed"] for run in runs})
    files = encode(kept, notes)
    if "selection" in notes and inner_table.is_file():
        files[INNER_TABLE] = compressed(inner_table.read_bytes())
    folder = ROOM / place_of(runs[0].results) if folder is None else Path(folder)
    write_packed(files, folder)
    return folder


def _notes(run_folder) -> dict:
    """What lies in a run folder beside its folds, by the key of ``run.json``."""
    notes, log, robustness = {}, run_folder / LOG, run_folder / "robustness.json"
    if log.is_file():
        notes["lockbox_log"] = log.read_text(encoding="utf-8").splitlines()
    if robustness.is_file():
        notes["robustness"] = read_json(robustness)
    return notes


def _first_of_equal_seeds(runs: list[FoldResults]) -> list[FoldResults]:
    """The folds of the first seed, where those of all others hold the same predictions; else all."""
    seeds = {}
    for run in runs:
        tables = {name: table.drop(columns="seed").set_index("id") for name, table in run.predictions.items()}
        seeds.setdefault(run.results["seed"], {})[run.results["fold"]] = tables
    first, *others = seeds.values()
    for tables in others:
        for fold, by_target in tables.items():
            if not all(table.equals(first[fold][name].loc[table.index]) for name, table in by_target.items()):
                return runs
    return [run for run in runs if run.results["seed"] == runs[0].results["seed"]]


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


def place_of(results: dict) -> Path:
    """Where a run is kept, below ``evidence/``.

    ``<corpus>/<system>.<protocol>``; of one that leaks or is transductive, which belongs into no table beside others,
    ``<corpus>/leaks/<system>.<protocol>``.

    Arguments
    ---------
    results : dict
        ``results.json`` of one of its folds.

    Example
    -------
    >>> protocol = {"corpus": "EmoDB", "protocol": "random", "leaks": True, "transductive": False}
    >>> place_of({"system": "bigru", "protocol": protocol}).as_posix()
    'EmoDB/leaks/bigru.random'
    """
    protocol = results["protocol"]
    names = protocol["corpus"], f"{results['system']}.{protocol['protocol']}"
    if any(Path(name).name != name or name.startswith(".") for name in names):
        raise SerError(
            got=f"corpus {names[0]!a}, run {names[1]!a}",
            expected="names of folders",
            remedy="name the folder yourself: ser pack RUN FOLDER",
        )
    corpus, run = names
    return Path(corpus, "leaks", run) if protocol["leaks"] or protocol["transductive"] else Path(corpus, run)
