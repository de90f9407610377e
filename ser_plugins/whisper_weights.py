"""Reads the weights of Whisper's encoder from a folder as the hub has them, into the names of ours."""

import hashlib
import json
from functools import cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from ser_plugins.errors import MissingPathError, SerError
from ser_plugins.hub import PREFIX as HUB
from ser_plugins.hub import fetch, on_hub
from ser_plugins.whisper import parse_states, sinusoids

WHISPER_FILES = {"config.json": 2**20, "model.safetensors": 2**32}  # bytes at most


def read_whisper(source: str, depth: int) -> tuple[dict, dict, str | None]:
    """Read the part of Whisper's encoder that is in use.

    Arguments
    ---------
    source : str
        As :class:`ser_plugins.pretrained.WhisperFrontEnd` has it.
    depth : int
        Number of layers to read; 0: the convolutions only.

    Returns
    -------
    weights : dict
        State dict of :class:`~ser_plugins.whisper.WhisperEncoder`, in single precision.
    sizes : dict
        Its arguments ``width``, ``heads``, ``hidden_size``, ``bands`` and ``last``.
    name : str or None
        Whose weights these are, by their content; None where that is not known.

    Raises
    ------
    MissingPathError, SerError
        No such folder; no network; no Whisper model, one with fewer layers, or with other positions.
    """
    if on_hub(source):
        folder = fetch(source, WHISPER_FILES, "a Whisper model")
    elif not Path(source).is_dir():
        raise MissingPathError(
            got=f"no folder {source}",
            expected=f"a folder with Whisper's config.json and model.safetensors, or {HUB}OWNER/NAME@COMMIT",
            remedy=f"check the path, or let {HUB}openai/whisper-base@COMMIT be fetched",
        )
    else:
        folder = Path(source)
    try:
        config = json.loads((folder / "config.json").read_bytes())
        sizes = {name: int(config[key]) for name, key in _SIZES.items()}
        if config["model_type"] != "whisper" or config["activation_function"] != "gelu" or config["scale_embedding"]:
            raise ValueError("another kind of model")
        if depth > sizes["last"]:
            raise ValueError(f"{sizes['last']} layers, not {depth}")
        weights = _read_tensors(folder / "model.safetensors", depth, sizes["last"])
        if (shape := tuple(weights["convolution_1.weight"].shape)) != (sizes["width"], sizes["bands"], 3):
            raise ValueError(f"a first convolution of shape {shape}, which config.json does not say")
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise no_whisper(source, error, depth) from None
    return weights, sizes, _KNOWN.get(digest({"": weights["convolution_1.weight"]}))


def no_whisper(source, error, depth: int) -> SerError:
    """What is said of a folder that has no Whisper model with ``depth`` layers."""
    return SerError(
        got=f"{source}: {type(error).__name__}: {' '.join(str(error).split())[:200]}",
        expected=f"config.json and model.safetensors of a Whisper model with {depth} layers or more",
        remedy="copy the folder again from where it came, or ask for lower states",
    )


_SIZES = {
    "width": "d_model", "heads": "encoder_attention_heads", "hidden_size": "encoder_ffn_dim", "bands": "num_mel_bins",
    "last": "encoder_layers",
}  # fmt: skip
# Ours -> the hub's names of a layer's tensors; queries, keys and values are one matrix here.
_LAYER = {
    "attention_norm": "self_attn_layer_norm", "attention_output": "self_attn.out_proj",
    "dense_norm": "final_layer_norm", "dense": "fc1", "dense_output": "fc2",
}  # fmt: skip
# SHA-256 of the first convolution's weights -> whose they are.
_KNOWN = {"a6e554636a08fdf8e97a81393034e769c8d1bd16b480446dc64a2c817bee99eb": "openai/whisper-base"}


def _read_tensors(path, depth, last) -> dict:
    with safe_open(path, "pt") as tensors:
        names = set(tensors.keys())
        prefix = next((one for one in ("", "encoder.", "model.encoder.") if f"{one}conv1.weight" in names), None)
        if prefix is None:
            raise ValueError("no encoder in model.safetensors")

        def read(name):
            return tensors.get_tensor(prefix + name).float()

        positions = read("embed_positions.weight")
        if not torch.allclose(positions, sinusoids(*positions.shape), atol=2e-3):
            raise ValueError("positions that are no sinusoids")
        pairs = [(f"convolution_{number}", f"conv{number}") for number in (1, 2)]
        pairs += [(f"layers.{n}.{own}", f"layers.{n}.{theirs}") for n in range(depth) for own, theirs in _LAYER.items()]
        pairs += [("norm", "layer_norm")] if depth == last else []
        weights = {f"{own}.{kind}": read(f"{theirs}.{kind}") for own, theirs in pairs for kind in ("weight", "bias")}
        for n in range(depth):
            attention = f"layers.{n}.self_attn"
            matrices = [read(f"{attention}.{name}_proj.weight") for name in "qkv"]
            queries, values = (read(f"{attention}.{name}_proj.bias") for name in "qv")
            weights[f"layers.{n}.queries_keys_values.weight"] = torch.cat(matrices)
            weights[f"layers.{n}.queries_keys_values.bias"] = torch.cat([queries, torch.zeros_like(queries), values])
    if odd := [name for name, value in weights.items() if not value.isfinite().all()]:
        raise ValueError(f"{odd[0]} has values that are not finite")
    return weights


@cache
def encoder_sha256(source: str, states: str | int = "1-4") -> str:
    """Of the weights that hidden states of an encoder need, as :func:`digest` has it."""
    return digest(read_whisper(source, parse_states(states)[-1])[0])


def digest(weights: dict) -> str:
    """SHA-256 of tensors, by name, in single precision: the same whether a file keeps them in half precision or not."""
    digest = hashlib.sha256()
    for name, value in sorted(weights.items()):
        digest.update(name.encode() + value.contiguous().numpy().tobytes())
    return digest.hexdigest()
