"""Writes the files of a model's folder, which then loads."""

from pathlib import Path

import torch
from torch import nn

from ser_plugins.errors import SerError
from ser_plugins.files import sha256_of, write_json, write_text
from ser_plugins.serving.card import model_card
from ser_plugins.serving.constructors import construct
from ser_plugins.serving.description import WITH_WEIGHTS, Description, write_description
from ser_plugins.serving.labels import write_labels
from ser_plugins.serving.loading import CARD_FILE, LABEL_FILE, README_FILE, YAML_FILE, load_model
from ser_plugins.serving.recordings import RecordingModel
from ser_plugins.serving.weights import as_safetensors, fill, read_weights


def write_model(folder: Path, description: Description, states: dict, facts: dict) -> None:
    """Fill an empty folder.

    Arguments
    ---------
    folder : Path
        Where to.
    description : Description
        The modules.
    states : dict
        State dicts of the modules that have weights, by name.
    facts : dict
        What ``model.json`` will hold; gets what the built model says of itself, and the hashes of the files.
    """
    modules = construct(description, folder / YAML_FILE)
    for name in WITH_WEIGHTS:
        state, path = states[name], folder / f"{name}.safetensors"
        if facts["precision"] == "float16" and name != "mean_var_norm":  # 800 numbers, on which all else rests
            state = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
        content = as_safetensors(state)
        fill(modules[name], read_weights(content, path, modules[name]), path)
        path.write_bytes(content)
    write_text(folder / YAML_FILE, write_description(description))
    write_text(folder / LABEL_FILE, write_labels(facts["classes"] or [facts["target"]]))
    model = RecordingModel(nn.ModuleDict(modules))
    facts["sample_rate"] = model.sample_rate
    facts["min_samples"] = model.min_samples
    facts["min_seconds"] = model.min_samples / model.sample_rate
    seal(folder, facts)


def seal(folder: Path, facts: dict) -> None:
    """Write card and hashes; the folder is then complete, and loads before anything is promised."""
    write_text(folder / README_FILE, model_card(facts))
    facts["files"] = {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.is_file()}
    write_json(folder / CARD_FILE, facts)
    load_model(folder)


def checkpoint_weights(path: Path) -> dict:
    """A state dict of a training's own checkpoint."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if isinstance(state, dict) and all(isinstance(value, torch.Tensor) for value in state.values()):
            return state
        reason = f"a {type(state).__name__} with other things than tensors"
    except Exception as error:  # torch raises nearly anything for a damaged file
        reason = type(error).__name__
    raise SerError(got=f"{path}: {reason}", expected="a state dict of tensors", remedy="train the fold again")
