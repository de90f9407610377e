"""Loads an exported model without running anything that its files say.

In SpeechBrain a ``hyperparams.yaml`` runs whatever it names, and a pickle whatever it holds. Here the YAML has to be
the text of an export (:mod:`ser_plugins.inference.description`), with arguments within bounds, weights are safetensors,
which hold nothing else, and files must lie inside the folder and be the ones that ``model.json`` has the hashes of.
Each file is read once, so what was checked is what is used; weights come last, and only of the size that the YAML asks
for.
"""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from torch import nn

from ser_plugins.classifier import CLASSIFIERS
from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.hub import fetch, on_hub
from ser_plugins.inference.constructors import construct
from ser_plugins.inference.description import MODULES, read_description
from ser_plugins.inference.labels import read_labels
from ser_plugins.inference.model_card import ModelCard, read_card
from ser_plugins.inference.weights import MAX_WEIGHTS, fill, largest_file, read_weights
from ser_plugins.subwords import SubwordEncoder
from ser_plugins.text import READERS

YAML_FILE, LABEL_FILE, CARD_FILE, README_FILE = "hyperparams.yaml", "label_encoder.ckpt", "model.json", "README.md"
LICENCE_FILE = "LICENSE.whisper"  # of a pretrained encoder inside
PIECES_FILE = "subwords.model"  # of a model that reads, in SentencePiece's own format
WEIGHT_FILES = {name: f"{name}.safetensors" for name in MODULES}
FRONT_END_FILE = WEIGHT_FILES["compute_features"]  # of a pretrained encoder; a spectrogram has no weights
NEEDED = (YAML_FILE, *(file for file in WEIGHT_FILES.values() if file != FRONT_END_FILE), LABEL_FILE)
OPTIONAL = (FRONT_END_FILE, LICENCE_FILE, PIECES_FILE, README_FILE)
MAX_YAML, MAX_TEXT, MAX_PIECES_FILE = 2**14, 2**18, 2**22  # bytes, ten times what ours have and more

FENCE = "---\n"  # before and behind the header of a card, in YAML, which is for the hub

MODELS = Path(__file__).parents[1] / "models"
# The models in the package by name; the first is used unless another is named.
BUNDLED = {"standard": MODELS / "standard", "fast": MODELS / "fast", "small": MODELS / "emodb"}
BOX = next(iter(BUNDLED.values()))


class Model(NamedTuple):
    """A loaded model.

    Arguments
    ---------
    modules : torch.nn.ModuleDict
        ``compute_features``, ``mean_var_norm``, ``embedding_model``, ``classifier``, and of a model that reads
        ``subwords``; in evaluation mode, on the CPU.
    labels : tuple of str
        Names of the classifier's outputs: the classes, or the number that it gives.
    scale : str
        What that number is on, of :data:`ser_plugins.scales.SCALES`; None for classes.
    card : ModelCard
        The content of ``model.json``.
    text : str
        The model card, in markdown; empty where ``model.json`` lists none.
    others : tuple of torch.nn.ModuleDict
        Of an ensemble, the members beside ``modules``.
    """

    modules: nn.ModuleDict
    labels: tuple[str, ...]
    scale: str | None
    card: ModelCard
    text: str
    others: tuple[nn.ModuleDict, ...] = ()


def load_model(folder: str | Path | None = None) -> Model:
    """Load a folder that ``ser export`` wrote, or a model in the package by its name; by default the first of those.

    No random number is drawn and no file outside the folder is opened. Nothing is fetched, unless ``folder`` is
    ``hf:OWNER/NAME@COMMIT``, see :mod:`ser_plugins.hub`.

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
    if on_hub(folder):
        largest = {name: _largest(name) for name in (*NEEDED, CARD_FILE, *OPTIONAL)}
        folder = fetch(folder, largest, optional=(FRONT_END_FILE, LICENCE_FILE, PIECES_FILE))
    folder = find_model(folder)
    if not os.path.isdir(folder):
        raise MissingPathError(
            got=f"no folder {folder}",
            expected="a local folder written by ser export (paths are never fetched), hf:OWNER/NAME@COMMIT, or a name: "
            f"{', '.join(BUNDLED)}",
            remedy="check the path",
        )
    if not os.path.lexists(folder / CARD_FILE):
        raise _no_export(folder, [name for name in (CARD_FILE, *NEEDED) if not os.path.lexists(folder / name)])
    card = card_in(folder)
    return _ensemble(folder, card) if card.members else _single(folder, card)


def find_model(source: str | Path | None) -> Path:
    """The folder of a model: one that is there, else the model in the package of that name.

    Example
    -------
    >>> find_model("small") == BUNDLED["small"], find_model(None) == BOX, str(find_model("elsewhere"))
    (True, True, 'elsewhere')
    """
    if source is None:
        return BOX
    return Path(source) if os.path.isdir(source) else BUNDLED.get(str(source), Path(source))


def _no_export(folder, missing):
    trained = os.path.isfile(folder / "results.json") or any(folder.glob("seed_*"))
    source = folder if trained else "FOLD_OR_RUN"
    return SerError(
        got=f"{folder} has no {', '.join(missing)}",
        expected="a folder written by ser export, weights in safetensors, every file with its hash in model.json",
        remedy=f"export a trained model first: ser export {source} NEW_FOLDER",
    )


def _single(folder: Path, card: ModelCard) -> Model:
    """One model, which is no ensemble."""
    if missing := [name for name in NEEDED if not os.path.lexists(folder / name)]:
        raise _no_export(folder, missing)
    files = _listed(folder, card, NEEDED, OPTIONAL)
    description = read_description(files[YAML_FILE], folder / YAML_FILE)
    if (FRONT_END_FILE in card.files) != ("compute_features" in description.with_weights):
        wanted = f"a hash of it where compute_features of {YAML_FILE} has weights, and nowhere else"
        raise _other_files(folder, FRONT_END_FILE, wanted)
    labels = read_labels(files[LABEL_FILE], folder / LABEL_FILE)
    modules = construct(description, folder / YAML_FILE)
    _refuse_contradictions(folder, card, description, modules, labels)
    if (PIECES_FILE in files) != isinstance(modules["embedding_model"], READERS):
        raise _other_files(
            folder, PIECES_FILE, f"a hash of it where the embedding_model of {YAML_FILE} reads, else none"
        )
    if PIECES_FILE in files:
        modules["subwords"] = _pieces(files[PIECES_FILE], folder / PIECES_FILE, modules["embedding_model"].vocabulary)
    for name in description.with_weights:
        path = folder / WEIGHT_FILES[name]
        content = read_inside(folder, path.name, most=largest_file(modules[name]))
        _refuse_changed(path, content, card.files[path.name])
        fill(modules[name], read_weights(content, path, modules[name]), path)
    modules = nn.ModuleDict(modules).eval().requires_grad_(False)
    return Model(modules, labels, description.scale, card, _text(files))


def _pieces(content: bytes, path: Path, vocabulary: int) -> SubwordEncoder:
    try:
        return SubwordEncoder(vocabulary).load(content)
    except SerError as error:
        raise SerError(got=f"{path}: {error.got}", expected=error.expected, remedy=error.remedy) from None


def _refuse_contradictions(folder, card, description, modules, labels):
    """``model.json`` must say what the other files say, since people read the one and get what is in the others."""
    classifies = isinstance(modules["classifier"], CLASSIFIERS)
    outputs = modules["classifier"].output.out_features
    names = card.classes or (labels if classifies else (card.target,))
    if len(labels) != outputs or labels != names:
        raise SerError(
            got=f"{folder / LABEL_FILE}: {len(labels)} labels ({', '.join(labels)})",
            expected=f"the {outputs} classes of the classifier, as in {CARD_FILE}",
            remedy="export the model again",
        )
    features = modules["compute_features"]
    rate = features.sample_rate
    built = {"scale": (card.scale, description.scale), "sample_rate": (card.sample_rate or rate, rate)}
    for key, (written, actual) in built.items():
        if written != actual:
            raise SerError(
                got=f"{folder / CARD_FILE}: {key} {written}",
                expected=f"{actual}, as in {YAML_FILE}",
                remedy="export the model again",
            )


def _listed(folder: Path, card: ModelCard, needed: tuple, optional: tuple) -> dict:
    """The content of every file that the card lists, but for weights, each held against its hash."""
    listed = card.files
    if missing := sorted(set(needed) - listed.keys()):
        raise _other_files(folder, f"no hash of {', '.join(missing)}", f"a hash of each of {', '.join(needed)}")
    if strangers := sorted(listed.keys() - {*needed, *optional}):
        raise _other_files(
            folder, f"files {', '.join(strangers[:5])}", f"{', '.join((*needed, *optional))}, and no other files"
        )
    files = {name: read_inside(folder, name) for name in listed if name not in WEIGHT_FILES.values()}
    for name, content in files.items():
        _refuse_changed(folder / name, content, listed[name])
    return files


def _other_files(folder, got, expected):
    return SerError(got=f"{folder / CARD_FILE}: {got}", expected=expected, remedy="export the model again")


def _text(files: dict) -> str:
    return without_front_matter(files.get(README_FILE, b"").decode("utf-8", "replace"))


def read_inside(folder: Path, name: str, most: int | None = None) -> bytes:
    """The bytes of a regular file that lies in ``folder`` itself, links followed; with more than ``most``, refused."""
    path = folder / name
    most = _largest(name) if most is None else most
    # A name with a zero byte is none.
    real = Path(folder if "\0" in name else os.path.realpath(path))
    if real.parent != Path(os.path.realpath(folder)) or Path(name).name != name:
        raise SerError(
            got=f"{path} leads to {real}",
            expected="files inside the model's folder",
            remedy="put a copy of the file in place of the link",
        )
    if not os.path.isfile(real):
        raise MissingPathError(got=f"no file {path}", expected="a regular file", remedy="export the model again")
    try:
        content = b""
        size = os.stat(real).st_size
        if size <= most:
            with open(real, "rb", opener=_without_waiting) as stream:
                content = stream.read(most + 1)
            size = len(content)
    except OSError as error:
        raise SerError(
            got=f"{path}: {error.strerror}", expected="a file that can be read", remedy="check its permissions"
        ) from None
    if size > most:
        raise SerError(
            got=f"{path}: {size:,} bytes",
            expected=f"at most {most:,} bytes",
            remedy="load only models written by ser export",
        )
    return content


def _without_waiting(path, flags):
    """Open a file; one that was swapped for a pipe does not wait for a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _largest(name: str) -> int:
    sizes = {YAML_FILE: MAX_YAML, PIECES_FILE: MAX_PIECES_FILE, **dict.fromkeys(WEIGHT_FILES.values(), MAX_WEIGHTS)}
    return sizes.get(name, MAX_TEXT)


def _refuse_changed(path: Path, content: bytes, expected: str) -> None:
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected:
        raise SerError(
            got=f"{path} has SHA-256 {digest[:12]}...",
            expected=f"{expected[:12]}..., as {CARD_FILE} says: the file was changed or damaged",
            remedy="copy the folder again from where it came, or export the model again",
        )


def _ensemble(folder: Path, card: ModelCard) -> Model:
    """Members in folders of their own inside ``folder``, each listed with the hash of its card, all of one kind."""
    if len(set(card.members.values())) < len(card.members):
        raise SerError(
            got=f"{folder / CARD_FILE}: a member twice",
            expected="each member once: the mean would count it double",
            remedy="export the ensemble again",
        )
    files = _listed(folder, card, (), (README_FILE,))
    members = []
    for name, expected in card.members.items():
        members.append(_member(folder, name, expected))
        _refuse_other_kind(folder / name, members[-1], members[0])
        _share_front_end(members[-1], members[0])
    reference, *further = members
    if reference.labels != (card.classes or reference.labels) or card.scale != reference.scale:
        raise SerError(
            got=f"{folder / CARD_FILE}: classes {', '.join(card.classes)}, scale {card.scale}",
            expected=f"those of its members: {', '.join(reference.labels)}, scale {reference.scale}",
            remedy="export the ensemble again",
        )
    return reference._replace(card=card, text=_text(files), others=tuple(member.modules for member in further))


def _member(folder: Path, name: str, expected: str) -> Model:
    path = folder / name
    real = Path(os.path.realpath(path))
    if real.parent != Path(os.path.realpath(folder)):
        raise SerError(
            got=f"{path} leads to {real}",
            expected="members inside the ensemble's folder",
            remedy="put a copy of the member in place of the link",
        )
    content = read_inside(path, CARD_FILE)
    _refuse_changed(path / CARD_FILE, content, expected)
    card = read_card(content, path / CARD_FILE)
    if card.members:
        raise SerError(
            got=f"{path}: an ensemble as a member",
            expected="single models: the mean of means is another mean",
            remedy="export the ensemble again, from the folds or seeds of one run",
        )
    return _single(path, card)


def _refuse_other_kind(path: Path, member: Model, first: Model) -> None:
    kinds = [(one.labels, one.scale, one.modules["compute_features"].sample_rate) for one in (member, first)]
    if kinds[0] != kinds[1]:
        raise SerError(
            got=f"{path}: a member with other outputs or input than the first",
            expected="one order of labels, one scale and one sample rate",
            remedy="export the ensemble again, from the folds or seeds of one run",
        )


def _share_front_end(member: Model, first: Model) -> None:
    """Let members with one and the same front end compute it once."""
    front_ends = [
        (type(front_end), front_end.settings, one.card.files.get(FRONT_END_FILE))
        for one in (member, first)
        for front_end in [one.modules["compute_features"]]
    ]
    if front_ends[0] == front_ends[1]:
        member.modules["compute_features"] = first.modules["compute_features"]


def card_in(folder: Path) -> ModelCard:
    """What a folder says of itself, whether or not its files are as it says."""
    return read_card(read_inside(folder, CARD_FILE), folder / CARD_FILE)


def without_front_matter(text: str) -> str:
    r"""The words of a card.

    Example
    -------
    >>> without_front_matter("---\nlicense: mit\n---\n\n# A model\n"), without_front_matter("# Another")
    ('# A model\n', '# Another')
    """
    _, closed, words = text.partition(f"\n{FENCE}")
    return words.lstrip("\n") if text.startswith(FENCE) and closed else text
