"""From a run as training leaves it to the two files of :mod:`ser_plugins.evaluation.runs.evidence`."""

from pathlib import Path

from ser_plugins.errors import SerError
from ser_plugins.evaluation.runs.evidence import INNER_TABLE, compressed, encode, is_packed
from ser_plugins.evaluation.runs.fold_record import FoldRecord
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
    folds = read_run(run_folder)
    refuse_other_scores(folds, run_folder)
    notes, inner_table = _notes(run_folder), run_folder.resolve().parent / "selection.csv"
    if folds[0].record.chosen:
        selection = inner_table.with_suffix(".json")
        notes |= {"selection": read_json(selection)} if selection.is_file() else {}
    kept = _first_of_equal_seeds(folds)
    if len(kept) < len(folds):
        notes["equal_seeds"] = tuple(sorted({fold.record.seed for fold in folds}))
    files = encode(kept, **notes)
    if "selection" in notes and inner_table.is_file():
        files[INNER_TABLE] = compressed(inner_table.read_bytes())
    folder = ROOM / place_of(folds[0].record) if folder is None else Path(folder)
    write_packed(files, folder)
    return folder


def _notes(run_folder) -> dict:
    """What lies in a run folder beside its folds, by the field of the run's record."""
    notes, log, robustness = {}, run_folder / LOG, run_folder / "robustness.json"
    if log.is_file():
        notes["lockbox_log"] = tuple(log.read_text(encoding="utf-8").splitlines())
    if robustness.is_file():
        notes["robustness"] = read_json(robustness)
    return notes


def _first_of_equal_seeds(folds: list[FoldResults]) -> list[FoldResults]:
    """The folds of the first seed, where those of all others hold the same predictions; else all."""
    seeds = {}
    for record, predictions in folds:
        tables = {target: table.drop(columns="seed").set_index("id") for target, table in predictions.items()}
        seeds.setdefault(record.seed, {})[record.fold] = tables
    first_seed, *further_seeds = seeds.values()
    for seed in further_seeds:
        for fold, tables in seed.items():
            if not all(table.equals(first_seed[fold][name].loc[table.index]) for name, table in tables.items()):
                return folds
    return [fold for fold in folds if fold.record.seed == folds[0].record.seed]


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


def place_of(record: FoldRecord) -> Path:
    """Where a run is kept, below ``evidence/``.

    ``<corpus>/<system>.<protocol>``; of one that leaks or is transductive, which belongs into no table beside others,
    ``<corpus>/leaks/<system>.<protocol>``.

    Arguments
    ---------
    record : FoldRecord
        Of one of its folds.

    Raises
    ------
    SerError
        The names are not those of folders.
    """
    protocol = record.protocol
    run = f"{record.system}.{protocol.protocol}"
    if any(Path(name).name != name or name.startswith(".") for name in (protocol.corpus, run)):
        raise SerError(
            got=f"corpus {protocol.corpus!a}, run {run!a}",
            expected="names of folders",
            remedy="name the folder yourself: ser pack RUN FOLDER",
        )
    return Path(protocol.corpus, *(["leaks"] if protocol.leaks or protocol.transductive else []), run)
