"""Writes the files of a model's folder, which then loads."""

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.export.card import card_text
from ser_plugins.export.licences import licence_of
from ser_plugins.files import sha256_of, write_json, write_text
from ser_plugins.inference.base import RecordingModel
from ser_plugins.inference.constructors import construct
from ser_plugins.inference.description import Description, write_description
from ser_plugins.inference.labels import write_labels
from ser_plugins.inference.loading import (
    CARD_FILE,
    LABEL_FILE,
    LICENCE_FILE,
    PIECES_FILE,
    README_FILE,
    WEIGHT_FILES,
    YAML_FILE,
    load_model,
)
from ser_plugins.inference.model_card import ModelCard
from ser_plugins.inference.weights import as_safetensors, fill, read_weights
from ser_plugins.pretrained import WhisperFrontEnd
from ser_plugins.quantization import quantized
from ser_plugins.text import TextEncoder


def write_model(
    folder: Path, description: Description, states: dict, card: ModelCard, pieces: bytes | None = None
) -> ModelCard:
    """Fill an empty folder.

    Arguments
    ---------
    folder : Path
        Where to.
    description : Description
        The modules.
    states : dict
        State dicts of the modules that have weights, by name.
    card : ModelCard
        All of it but for what the built model says of itself, and the hashes of the files.
    pieces : bytes, optional
        Of a model that reads, the content of its SentencePiece model.

    Returns
    -------
    ModelCard
        The whole, as it is in the folder.
    """
    if card.precision == "int8" and "compute_features" not in states:
        raise SerError(
            got="8 bits for a model without a pretrained encoder",
            expected="one with a WhisperFrontEnd, whose matrices are kept so",
            remedy="choose half precision",
        )
    modules = construct(description, folder / YAML_FILE)
    for name in description.with_weights:
        path = folder / WEIGHT_FILES[name]
        content = as_safetensors(_rounded(states[name], name, card.precision))
        fill(modules[name], read_weights(content, path, modules[name]), path)
        path.write_bytes(content)
    if pieces is not None:
        (folder / PIECES_FILE).write_bytes(pieces)
    write_text(folder / YAML_FILE, write_description(description))
    write_text(folder / LABEL_FILE, write_labels(card.classes or [card.target]))
    for licence in filter(None, map(licence_of, card.pretrained)):
        write_text(folder / LICENCE_FILE, licence)
    model = RecordingModel(nn.ModuleDict(modules))
    parameters = sum(value.numel() for value in model.modules.parameters())
    reads = "" if pieces is None else "alone" if isinstance(modules["embedding_model"], TextEncoder) else "too"
    built = replace(
        card, parameters=parameters, sample_rate=model.sample_rate, min_samples=model.min_samples, reads=reads
    )
    return seal(folder, built)


def precision_named(half: bool, int8: bool) -> str:
    """How weights are to be kept: ``float32``, ``float16`` or ``int8``."""
    if half and int8:
        raise SerError(got="half precision and 8 bits", expected="one of them", remedy="leave the other out")
    return "int8" if int8 else "float16" if half else "float32"


def package_versions() -> dict[str, str]:
    """Of the packages that an export is made with."""
    return {package: version(package) for package in ("ser_plugins", "torch", "speechbrain")}


def _rounded(state: dict, name: str, precision: str) -> dict:
    if precision == "float32" or name == "mean_var_norm":  # few numbers, on which all else rests
        return state
    if precision == "int8" and name == "compute_features":
        return quantized(state)
    return {key: value.half() if value.is_floating_point() else value for key, value in state.items()}


def seal(folder: Path, card: ModelCard) -> ModelCard:
    """Write card and hashes; the folder is then complete, and loads before anything is promised."""
    write_text(folder / README_FILE, card_text(card))
    files = {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.is_file()}
    sealed = replace(card, files=files)
    write_json(folder / CARD_FILE, sealed.to_json())
    load_model(folder)
    return sealed


def checkpoint_weights(path: Path) -> dict:
    """A state dict of a training's own checkpoint."""
    if not path.is_file():
        raise MissingPathError(got=f"no file {path}", expected="the tested checkpoint", remedy="train the fold again")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if isinstance(state, dict) and all(isinstance(value, torch.Tensor) for value in state.values()):
            return state
        reason = f"a {type(state).__name__} with other things than tensors"
    except Exception as error:  # torch raises nearly anything for a damaged file
        reason = type(error).__name__
    raise SerError(got=f"{path}: {reason}", expected="a state dict of tensors", remedy="train the fold again")


def encoder_weights(front_end: WhisperFrontEnd, path: Path) -> dict:
    """State dict of the encoder inside a front end; what was trained of it comes from the checkpoint ``path``."""
    if any(value.requires_grad for value in front_end.parameters()):
        checkpoint_weights(path)  # refuses what is missing or damaged
        front_end.load(path, end_of_epoch=True)
    return front_end.encoder_state()
