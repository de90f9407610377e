"""Loads an exported model without running anything that its files say.

In SpeechBrain a ``hyperparams.yaml`` runs whatever it names, and a pickle whatever it holds. Here constructors are held
against a short list (:mod:`ser_plugins.serving.constructors`), weights are safetensors, which hold nothing else, and
files must lie inside the folder and be the ones that ``model.json`` has the hashes of. Each file is read once, so what
was checked is what is used.
"""

import ast
import hashlib
import json
from pathlib import Path
from typing import NamedTuple

from torch import nn

from ser_plugins.classifier import RegressionHead
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.scales import scale_named
from ser_plugins.serving.constructors import (
    MODULES,
    WITH_WEIGHTS,
    compose,
    construct,
    constructor,
    refuse_unsafe,
    scalar,
)
from ser_plugins.serving.hub import fetch, on_hub
from ser_plugins.serving.weights import fill, read_weights

YAML_FILE, LABEL_FILE, CARD_FILE, README_FILE = "hyperparams.yaml", "label_encoder.ckpt", "model.json", "README.md"
WEIGHT_FILES = tuple(f"{name}.safetensors" for name in WITH_WEIGHTS)
NEEDED = (YAML_FILE, *WEIGHT_FILES, LABEL_FILE)
# Bytes of a file, ten times what ours have and more; the worst YAML of that size takes seconds to refuse.
MAX_YAML, MAX_TEXT, MAX_WEIGHTS = 2**14, 2**18, 2**30


# The model in the box: small, trained by scripts/make_box_model.py, part of the package.
BOX = Path(__file__).parents[1] / "models" / "emodb"


class Model(NamedTuple):
    """A loaded model.

    Arguments
    ---------
    modules : torch.nn.ModuleDict
        ``compute_features``, ``mean_var_norm``, ``embedding_model``, ``classifier``; in evaluation mode, on the CPU.
    labels : tuple of str
        Names of the classifier's outputs: the classes, or the number that it gives.
    scale : str
        What that number is on, of :data:`ser_plugins.scales.SCALES`; None for classes.
    card : dict
        The content of ``model.json``; empty where there is none.
    others : tuple of torch.nn.ModuleDict
        Of an ensemble, the members beside ``modules``.
    """

    modules: nn.ModuleDict
    labels: tuple
    scale: str | None
    card: dict
    others: tuple = ()


def load_model(folder=None) -> Model:
    """Load a folder that ``ser export`` wrote; by default the model in the box.

    No random number is drawn and no file outside the folder is opened. Nothing is fetched, unless ``folder`` is
    ``hf:OWNER/NAME@COMMIT``, see :mod:`ser_plugins.serving.hub`.

    Raises
    ------
    MissingPathError, SerError
        No such folder; or it is not an export, names what is not allowed, was changed, or its weights do not fit.

    Example
    -------
    >>> load_model("https://example.org/model")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ser_plugins.errors.MissingPathError: got: no folder https:/example.org/model; expected: a local folder ...
    """
    folder = _local_folder(folder)
    if not folder.is_dir():
        raise MissingPathError(
            got=f"no folder {folder}",
            expected="a local folder written by ser export (paths are never fetched), or hf:OWNER/NAME@COMMIT",
            remedy="check the path",
        )
    if (folder / CARD_FILE).exists() and not (folder / YAML_FILE).exists():
        card = _read_card(folder)
        if "members" in card:
            return _ensemble(folder, card)
    missing = [name for name in NEEDED if not (folder / name).exists()]
    if missing:
        source = folder if (folder / "results.json").is_file() or any(folder.glob("seed_*")) else "FOLD_OR_RUN"
        raise SerError(
            got=f"{folder} has no {', '.join(missing)}",
            expected="a folder written by ser export, weights in safetensors",
            remedy=f"export a trained model first: ser export {source} NEW_FOLDER",
        )
    files, card = _verified(folder)
    yaml_file = folder / YAML_FILE
    nodes = compose(files[YAML_FILE], yaml_file)
    refuse_unsafe(nodes, yaml_file)
    modules = {}
    for name in MODULES:
        kind, arguments = constructor(nodes, name, yaml_file)
        arguments = {key: scalar(node, yaml_file) for key, node in arguments.items()}
        modules[name] = construct(kind, name, arguments, yaml_file)
    for name in WITH_WEIGHTS:
        path = folder / f"{name}.safetensors"
        fill(modules[name], read_weights(files[path.name], path), path)
    labels = _read_labels(files[LABEL_FILE], folder / LABEL_FILE)
    outputs = modules["classifier"].output.out_features
    if len(labels) != outputs or list(labels) != (card.get("classes") or list(labels)):
        raise SerError(
            got=f"{folder / LABEL_FILE}: {len(labels)} labels ({', '.join(labels)})",
            expected=f"the {outputs} classes of the classifier" + (f", as in {CARD_FILE}" if card else ""),
            remedy="export the model again",
        )
    scale = None
    if isinstance(modules["classifier"], RegressionHead):
        scale = scalar(nodes["scale"], yaml_file) if "scale" in nodes else "none"
        scale_named(scale)
    return Model(nn.ModuleDict(modules).eval().requires_grad_(False), labels, scale, card)


def read_readme(folder=None) -> str:
    """The model card in markdown of a folder as :func:`load_model` takes it; empty where there is none.

    Raises
    ------
    SerError
        It lies outside the folder, is too large, or is not the one that ``model.json`` has the hash of.

    Example
    -------
    >>> read_readme().splitlines()[0].startswith("# ")  # of the model in the box
    True
    """
    folder = _local_folder(folder)
    path = folder / README_FILE
    if not path.exists():
        return ""
    content = read_inside(folder, README_FILE)
    if (folder / CARD_FILE).exists():
        _refuse_changed(path, content, _read_card(folder)["files"].get(README_FILE))
    return content.decode("utf-8", errors="replace")


def _local_folder(folder) -> Path:
    """The model in the box by default; one on the hub is fetched, once."""
    if on_hub(folder):
        return fetch(folder, {name: _largest(name) for name in (*NEEDED, CARD_FILE, README_FILE)})
    return BOX if folder is None else Path(folder)


def read_inside(folder: Path, name: str) -> bytes:
    """The bytes of a regular file that lies in ``folder`` itself, links followed."""
    path = folder / name
    # A name with a zero byte is none; the system refuses it in its own words.
    real = folder if "\0" in name else path.resolve()
    if real.parent != folder.resolve() or Path(name).name != name:
        raise SerError(
            got=f"{path} leads to {real}",
            expected="files inside the model's folder",
            remedy="put a copy of the file in place of the link",
        )
    if not real.is_file():
        raise MissingPathError(got=f"no file {path}", expected="a regular file", remedy="export the model again")
    size, most = real.stat().st_size, _largest(name)
    if size > most:
        raise SerError(
            got=f"{path}: {size:,} bytes",
            expected=f"at most {most:,} bytes",
            remedy="load only models written by ser export",
        )
    return real.read_bytes()


def _largest(name: str) -> int:
    return {YAML_FILE: MAX_YAML, **dict.fromkeys(WEIGHT_FILES, MAX_WEIGHTS)}.get(name, MAX_TEXT)


def _verified(folder: Path):
    """Read every file once; with a ``model.json``, all that it lists, each held against its hash."""
    files = {name: read_inside(folder, name) for name in NEEDED}
    if not (folder / CARD_FILE).exists():
        return files, {}
    path, card = folder / CARD_FILE, _read_card(folder)
    hashes = card["files"]
    unlisted = [name for name in NEEDED if name not in hashes]
    if unlisted:
        raise SerError(
            got=f"{path} has no hash of {', '.join(unlisted)}",
            expected="a hash of every file",
            remedy="export the model again",
        )
    for name, expected in hashes.items():
        _refuse_changed(folder / name, files[name] if name in files else read_inside(folder, name), expected)
    return files, card


def _refuse_changed(path: Path, content: bytes, expected) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise SerError(
            got=f"{path} has SHA-256 {found[:12]}...",
            expected=f"{str(expected)[:12]}..., as {CARD_FILE} says: the file was changed or damaged",
            remedy="copy the folder again from where it came, or export the model again",
        )


def _ensemble(folder: Path, card: dict) -> Model:
    """Members in folders of their own inside ``folder``, each listed with the hash of its card, all of one kind."""
    members = []
    for name, expected in dict(card["members"]).items():
        if (folder / name).resolve().parent != folder.resolve():
            raise SerError(
                got=f"{folder / name} leads to {(folder / name).resolve()}",
                expected="members inside the ensemble's folder",
                remedy="put a copy of the member in place of the link",
            )
        _refuse_changed(folder / name / CARD_FILE, read_inside(folder / name, CARD_FILE), expected)
        members.append(load_model(folder / name))
    for name, expected in card["files"].items():
        _refuse_changed(folder / name, read_inside(folder, name), expected)
    kinds = {
        (member.labels, member.scale, member.modules["compute_features"].sample_rate, bool(member.others))
        for member in members
    }
    if len(kinds) != 1:
        raise SerError(
            got=f"{folder}: members with {len(kinds)} kinds of outputs or input",
            expected="one order of labels, one scale and one sample rate, and no ensemble as a member",
            remedy="export the ensemble again, from the folds or seeds of one run",
        )
    first, *others = members
    return first._replace(card=card, others=tuple(member.modules for member in others))


def _read_card(folder: Path) -> dict:
    try:
        card = json.loads(read_inside(folder, CARD_FILE))
        return {**card, "files": dict(card["files"])}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SerError(
            got=f"{folder / CARD_FILE}: {type(error).__name__}: {error}",
            expected="JSON with the hashes of the files",
            remedy="export the model again",
        ) from None


def _read_labels(content: bytes, path) -> tuple:
    """Labels in the text format of SpeechBrain's ``CategoricalEncoder``: ``'anger' => 0`` and so on."""
    try:
        pairs = content.decode("utf-8").split("=====", 1)[0].splitlines()
        index_of = {}
        for line in pairs:
            label, index = line.rsplit(" => ", 1)
            index_of[str(ast.literal_eval(label))] = int(index)
        if not index_of or sorted(index_of.values()) != list(range(len(pairs))):
            raise ValueError(f"indices {sorted(index_of.values())}")
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise SerError(
            got=f"{path}: {error}", expected="one line 'label' => index per class", remedy="export the model again"
        ) from None
    return tuple(sorted(index_of, key=index_of.get))
